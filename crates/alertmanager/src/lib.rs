//! The Alertmanager: routes, groups, inhibits, silences and sends alerts.
//!
//! Alerts come in over the API, are merged by fingerprint and filed into groups by the routing tree; a group's ticks run
//! the pipeline (inhibition, intervals, silences) and tell every integration of its receiver what the notification log
//! does not know yet.
//!
//! ```text
//! POST /api/v2/alerts -> alert -> route -> dispatch (groups) -> pipeline -> nflog (decide) -> notify
//! ```
//! # Invariants
//! - Group keys, fingerprints, hashes and snapshots are the original's, byte for byte: either can take over from the
//!   other on one directory.
//! - The engine (`dispatch`, `inhibit`, `silence`, `nflog`, `pipeline`) has no clock: time is an argument.
//! - Secrets are not printed: not by the status API, not in errors, not in logs.
//! # Reading order
//! `labels`, `alert`, `matchers`, `config`, `route`, `dispatch`, `inhibit`, `silence`, `interval`, `nflog`, `pipeline`
//! (pure); `template`, `notify` (what is sent); `manager` (the running whole), `cluster`, `history`, `api`,
//! `web`; `tools` (what `amtool` does by itself).
//! # Not here: sending traces, recording events (both sections are read and checked).
//! Source: `spec/alertmanager-pushgateway.md` part A.

mod alert;
mod api;
mod cluster;
mod config;
mod dispatch;
mod flags;
mod glob;
mod history;
mod inhibit;
mod instant;
mod interval;
mod json;
mod labels;
mod manager;
mod matchers;
mod metrics;
mod nflog;
mod notify;
mod pipeline;
mod route;
mod silence;
mod template;
mod tools;
mod web;
mod wire;

pub use cluster::{Cluster, ClusterError, ClusterOptions, ClusterTls};
pub use config::{AlertmanagerConfig, ConfigError, Summary};
pub use flags::go_duration;
pub use manager::{Alertmanager, AlertmanagerError, Clock, Options};
pub use matchers::Mode;
pub use tools::{format_time, http_options, render_template};
