//! Scraping: targets, their loops, and what becomes of a page.
//!
//! ```text
//! ScrapeConfig -> targets -> one loop each: tick -> fetch -> gunzip -> walk the page -> batch -> SampleSink
//!                                                                      ^ slots: what each line meant last time
//! ```
//! [`ScrapeManager`] takes a [`ScrapeConfig`], starts a loop per target and tells how they fare.
//!
//! # Invariants
//! - One scrape is one batch: samples, stale markers and report series (`up`, `scrape_*`) become visible together.
//! - A page seen before costs a hash and a number per line; no string is made.
//! - A target can be slow, endless, a bomb or garbage: time, bytes and series are bounded, and its `last_error` says
//!   which bound it hit.
//! # Reading order
//! `config`, `target`, `schedule`, `scrape_loop` (a target's life), `fetch`, `ingest` (the hot path), `slots`,
//! `labels`, `commit` (staleness, report series), `manager`, `lanes` (where loops run).
//! # Not here
//! Service discovery, what relabeling rules do (`wf_model::relabel`).
//! # Source
//! `spec/prometheus-core.md` §6, `spec/performance-design.md` §3.
#![warn(missing_docs)]

#[doc(hidden)]
pub mod bench;
pub mod clock;
mod commit;
pub mod config;
pub mod error;
mod failure_log;
mod fetch;
mod ingest;
mod labels;
pub mod lanes;
pub mod manager;
mod media_type;
pub mod metadata;
mod metrics;
mod protocol;
mod schedule;
mod scrape_loop;
mod slots;
pub mod target;
#[cfg(test)]
mod testing;

pub use clock::WallClock;
pub use config::{
    DEFAULT_BODY_BYTES_MAX, HistogramSettings, JobConfig, JobSettings, NameEscaping, NameValidation,
    ScrapeLimits, ScrapeProtocol, StartTimes, TargetGroup,
};
pub use error::ScrapeError;
pub use lanes::Lanes;
pub use manager::{
    DroppedTarget, ReloadError, ScrapeConfig, ScrapeFeatures, ScrapeManager, ScrapeOptions, TargetMetadata,
    TargetSnapshot, TargetsSnapshot,
};
pub use metadata::FamilyMetadata;
pub use target::{ExplainedTarget, Health, TargetStatus, explain_targets};
