//! Host metrics: what `node_exporter` exposes, under the same names, flags and rules.
//!
//! [`Config::from_flags`] reads the original's flags, [`NodeExporter::new`] builds the enabled [`collector`]s, and
//! [`NodeExporter::router`] serves them. A scrape runs every collector once on a helper thread ([`relay`]): one that
//! hangs in the kernel is left behind with its thread, the rest of the page is served.
//!
//! # Invariants
//! - HTTP stays 200 whatever collectors do; `node_scrape_collector_success` tells.
//! - Bytes from `/proc` and `/sys` never panic; a malformed file is an error that names it.
//! - Families are sorted by name, series by label values, as the original writes them.
//! # Reading order: `config`, `collector` (the face and the table), `context` and `parse` (reading files), `relay`,
//! `exporter` (one scrape), `web`, then any of `collectors`.
//! # Not here: collectors of other systems than Linux.
//! # Source: `spec/exporters-linux.md` Part A.
#![warn(missing_docs)]

pub mod collector;
pub mod collectors;
pub mod config;
pub mod context;
pub mod dbus;
pub mod exporter;
pub mod filter;
mod kept;
pub mod netlink;
pub mod parse;
pub mod relay;
mod sys;
mod web;

pub use config::{Command, Config, FlagError};
pub use exporter::{NodeExporter, Selection};
