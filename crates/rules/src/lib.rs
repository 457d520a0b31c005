//! Recording and alerting rules.
//!
//! [`file`] reads rule files and finds everything that is wrong with them. A [`RuleGroup`] evaluates: the engine is asked,
//! recorded series are written, alerts live in an [`AlertSet`]. A [`RuleManager`] gives each group a task.
//!
//! ```text
//! rule file → GroupSpec → RuleGroup ──tick──▶ query → record: samples ─────────────▶ SampleSink
//!                                                   → alert: AlertSet → ALERTS ────▶ SampleSink
//!                                                            └─ due → AlertReceiver (the notifier)
//! ```
//! # Invariants
//! - Clocks are passed in: `schedule`, `group` and `alerting` never look at one.
//! - Rules of a group see what earlier rules of the same evaluation wrote.
//! - Storage is known by the traits of `wf-series` only.
//! # Reading order: `file`, `template`, `alerting`, `group`, `schedule`, `manager`, `notifier`.
//! # Source: `spec/prometheus-query.md` §5.
#![warn(missing_docs)]

pub mod alerting;
pub mod backtest;
mod depend;
pub mod environment;
pub mod file;
mod glob;
pub mod group;
pub mod manager;
pub mod metrics;
pub mod notifier;
pub mod sandbox;
pub mod schedule;
mod shared;
pub mod template;
pub mod unit_test;

pub use alerting::{Alert, AlertError, AlertSet, AlertState, Finding};
pub use environment::{AlertReceiver, AlertTimes, Environment, OutgoingAlert};
pub use file::{Group, Rule, RuleFileError, RuleKind};
pub use glob::{glob, is_pattern};
pub use group::{GroupSpec, Health, Past, RuleGroup, RuleStatus};
pub use manager::{NowFn, RuleManager};
pub use metrics::RuleMetrics;
pub use notifier::{Notifier, NotifierOptions};
pub use schedule::{Now, Schedule, Tick};
pub use shared::SharedMemory;
