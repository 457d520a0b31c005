//! Container metrics: what the kubelet serves at `/metrics/cadvisor`, under the same names and labels, from control
//! groups alone or with the names a container runtime knows.
//!
//! [`Config::from_flags`] reads cAdvisor's flags, [`ContainerExporter::new`] opens the host, and
//! [`ContainerExporter::router`] serves `/metrics` and `/metrics/cadvisor`.
//!
//! # Life of a scrape
//! [`cgroup`] lists groups and reads their files, [`identity`] takes container and pod out of a group's path,
//! [`runtime`] adds names (CRI or Docker, over a unix socket), `processes` reads what belongs to processes (network,
//! open files), and `render` writes families. A page is kept for some seconds: scrapes in between share it.
//!
//! # Invariants
//! - A group that vanishes while it is read is left out; nothing else is.
//! - A runtime that does not answer costs labels, never a sample, and never more than its time limit.
//! - A counter that the kernel does not have is absent or 0 as in cAdvisor, never invented.
//!
//! # Reading order: `config`, `cgroup`, `identity`, `runtime`, `processes`, `host`, `standalone`,
//! `exporter`, `render`, `web`.
//! # Not here: uncore perf events. Groups of resctrl are read, never made. Sizes of writable layers.
//! # Source: `spec/exporters-linux.md` Part B.
#![warn(missing_docs)]

pub mod cgroup;
pub mod config;
pub mod exporter;
mod files;
mod host;
pub mod identity;
mod oom;
pub mod perf;
mod processes;
mod render;
mod resctrl;
pub mod runtime;
pub mod shown;
mod standalone;
mod sys;
mod web;

pub use config::{Command, Config, FlagError};
pub use exporter::ContainerExporter;
