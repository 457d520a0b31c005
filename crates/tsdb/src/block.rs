//! Blocks: immutable directories with the samples of a span of time, byte for byte those of Prometheus.
//!
//! ```text
//! <ULID>/meta.json        what the block is: times, counts, origin
//!        index            symbols, series, postings
//!        chunks/000001…   the samples, at most 512 MiB a file
//!        tombstones       what was deleted since
//! ```
//! [`BlockWriter`] makes one: symbols first, then series in label order, then it becomes visible by a rename.
//! [`Block`] reads one through memory maps: opening reads a few hundred bytes, the rest is looked at when asked for.
//! [`BlockSource`] answers queries from it.
//!
//! # Invariants
//! - A directory with a ULID as its name is complete and on the disk; an unfinished one ends in `.tmp-for-creation`.
//! - Only `tombstones` and `meta.json` of a block ever change, each by a rename.
//! - Bytes on disk are not trusted: every length is checked, every checksum compared before what it covers is used.
//! # Reading order: `ulid`, `meta`, `tombstones`, `writer`, `series_entry`, `index_writer`, `chunk_files`, `index_reader`,
//! `postings`, `reader`, `matching`, `source`, `verify`.
//! # Not here: which samples go into a block (`compact`), which blocks go (`retention`).
//! Source: `spec/prometheus-core.md` §7.2–7.6.

pub mod chunk_files;
mod index_reader;
pub mod index_version;
pub mod index_writer;
mod matching;
pub mod meta;
mod postings;
pub mod reader;
pub mod series_entry;
mod sink;
pub mod source;
pub mod tombstones;
pub mod ulid;
pub mod verify;
pub mod writer;

use std::io;
use std::path::{Path, PathBuf};

pub use chunk_files::OutChunk;
pub use index_reader::Symbols;
pub use index_version::repair_index_version;
pub use meta::{BlockMeta, BlockStats, Compaction, MetaDraft, ParentBlock};
pub use reader::{Block, SeriesCursor};
pub use series_entry::{ChunkMeta, SeriesEntry};
pub use source::BlockSource;
pub use tombstones::{Interval, Tombstones};
pub use ulid::Ulid;
pub use verify::{Finding, Findings, verify_block};
pub use writer::BlockWriter;

/// Why a block could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The operating system refused.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Bytes on disk are not what they should be.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// `meta.json` does not describe a block.
    #[error("{}: {reason}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// What shall be written breaks a rule of the format.
    #[error("write {}: {reason}", path.display())]
    Invalid {
        /// The file or directory.
        path: PathBuf,
        /// The rule.
        reason: String,
    },
}

impl BlockError {
    /// Wraps an error of the operating system.
    pub(crate) fn io<'a>(
        operation: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }

    /// Returns whether bytes on disk are at fault, rather than the operating system or the caller.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Meta { .. })
    }
}

/// End of the name of a directory whose block is being written.
pub const CREATION_SUFFIX: &str = ".tmp-for-creation";

/// End of the name of a directory whose block is being removed.
pub const DELETION_SUFFIX: &str = ".tmp-for-deletion";

#[cfg(test)]
mod hostile;
