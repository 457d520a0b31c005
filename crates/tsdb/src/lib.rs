//! The time series database: an in-memory head over a write-ahead log and head-chunk files, and blocks behind it.
//!
//! [`Tsdb`] is the door: scrapes and remote writers see it as a [`wf_series::SampleSink`], queries as a
//! [`wf_series::SeriesSource`]. Its owner calls [`Tsdb::maintain`] about once a second and [`Tsdb::close`] at the end.
//!
//! ```text
//! append(batch) -> head (16 shards) -> wal/           samples become visible after their write(2)
//!                   | cut at 120 samples
//!                   v
//!                  chunks_head/                        memory-mapped; the head keeps 16 B per chunk
//!                   | every 2 h
//!                   v
//!                  <ULID>/ -> larger <ULID>/ -> gone   blocks, compacted by level until their time is over
//! select(matchers) -> head: postings -> series ids -> open chunk + head chunks -> columns
//!                     blocks: postings -> chunks -> columns; merged with the head's by label set
//! ```
//! # Invariants
//! - A batch becomes visible as a whole, and only after its log record reached the operating system.
//! - Memory is bounded: see [`TsdbOptions`].
//! - A running selection keeps reading what it selected; truncation waits for it.
//! # Reading order: `options`, `tsdb`, then `head` and `index`; below them `wal`, `record`, `chunk`, `head_chunks`; then
//! `block`, `compact`, `retention`, and `merge`, which makes one of head and blocks.
//! # Not here: the clock. Every call that needs it is told the time.
#![warn(missing_docs)]

pub mod block;
pub mod budget;
pub mod chunk;
pub mod compact;
mod dirlock;
pub mod disk;
pub mod encoding;
mod exemplars;
#[doc(hidden)]
pub mod fuzz;
mod head;
pub mod head_chunks;
mod index;
mod merge;
mod metadata;
mod mmap;
pub mod options;
pub mod record;
pub mod retention;
pub mod stats;
pub mod tools;
pub mod tsdb;
pub mod wal;
mod wbl;

pub use budget::{Budget, HeadMemory};
pub use compact::delete::{CleanError, DeleteError};
pub use compact::snapshot::{SnapshotError, SnapshotHead};
pub use compact::stats::CompactionStats;
pub use exemplars::ExemplarStats;
pub use options::{FsyncPolicy, TsdbOptions, WalCompression};
pub use retention::Retention;
pub use stats::{Cardinality, ReplayProgress, TsdbStats};
pub use tsdb::{CloseError, OpenError, Tsdb};

/// A hash map for keys that nobody outside chooses, or that are only numbers of ours.
pub(crate) type FastMap<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;
