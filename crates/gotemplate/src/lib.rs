//! Go's text/template and html/template: what people write into alerts, notifications and consoles.
//!
//! A [`TemplateSet`] holds templates that call each other by name; [`Value`] is what they compute with, and an
//! [`Object`] brings fields and methods of its own. Owners add [`Functions`].
//!
//! ```text
//! text -> lexer (tokens, trimming) -> parser (trees) -> exec (walk with limits) -> text
//! ```
//! # Invariants
//! - Errors are worded as the original's, with `template: NAME:LINE:COLUMN`.
//! - Every execution ends: steps, output and nesting have [`Limits`].
//! # Reading order: `value`, `template`, `lexer`, `parser`, `exec`, `functions`, `format`, `html`; `numbers` and `duration` for owners.
//! # Not here: times (objects of their owners), the clock.
//! Source: `spec/alertmanager-pushgateway.md` §A10.
#![warn(missing_docs)]

mod duration;
mod error;
mod exec;
mod format;
mod functions;
pub mod html;
mod lexer;
pub mod numbers;
mod parser;
mod template;
mod token;
mod tree;
pub mod value;

pub use duration::GoDuration;
pub use error::{ExecError, ParseError};
pub use exec::Limits;
pub use format::printf;
pub use functions::{Functions, NoFunctions};
pub use template::TemplateSet;
pub use value::{Map, Object, Value};

#[cfg(test)]
mod tests;
