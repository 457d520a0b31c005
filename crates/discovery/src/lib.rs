//! Service discovery: where targets are, as the world tells it. One module a mechanism, behind one trait.
//!
//! [`DiscoveryManager`] runs a [`source::Source`] for every distinct `*_sd_configs` entry; jobs that ask the same share
//! one. A source reports groups of targets by name; what it found last stays until it finds something else.
//!
//! # Invariants
//! - A source that fails keeps its targets; its error is in [`DiscoveryManager::statuses`], the metrics and the log.
//! - Every answer has a size limit and a deadline.
//! - Readers are told at most every five seconds, sooner while little happens.
//! # Reading order: `group`, `source`, `manager`, `debounce`, `web`; then `file`, `http`, `dns`, `consul`, `zookeeper`,
//! `eureka`, `docker`, `swarm`, `etcd`.
//! # Not here: cloud mechanisms and Kubernetes (`wf_config::discovery` reads and checks them), static targets.
//! # Source: `spec/prometheus-core.md` §4.

mod consul;
mod debounce;
mod dns;
mod docker;
mod etcd;
mod eureka;
mod file;
pub mod fuzz;
mod group;
mod http;
mod manager;
mod metrics;
mod source;
mod swarm;
mod web;
mod zookeeper;

pub use debounce::Debounce;
pub use file::check_file;
pub use group::TargetGroup;
pub use manager::{DiscoveryError, DiscoveryManager, SourceStatus};
