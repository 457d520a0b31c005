//! PromQL: text to syntax tree, tree to plan, plan to columns.
#![warn(missing_docs)]

pub mod ast;
pub mod durations;
pub mod edit;
pub mod engine;
pub mod explain;
pub mod functions;
mod lexer;
pub mod lint;
pub mod parser;
pub mod printer;
pub mod script;
#[doc(hidden)]
pub mod testing;
