//! Recording and alerting rules.
//!
//! [`file`] reads rule files and finds everything that is wrong with them.
//!
//! # Not here yet: evaluation, the state of alerts, notifications.
//! Source: `spec/prometheus-query.md` §5.
#![warn(missing_docs)]

pub mod alerting;
pub mod file;
pub mod template;

pub use alerting::{Alert, AlertError, AlertSet, AlertState, Finding};
pub use file::{Group, Rule, RuleFileError, RuleKind};
