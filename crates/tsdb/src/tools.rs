//! What the command line does with a data directory: the work behind `watchfire tool tsdb`.
//!
//! Reports have the form of the original's `promtool tsdb`, so that scripts read both. Nothing here takes the lock of a
//! directory; what only looks never writes to it, and works beside a running server.
//!
//! # Reading order: `table`, `blocks`, `analyze`, `sandbox`, `dump`, `backfill`, `verify`, `repair`, `bench_write`.
//! # Not here: arguments and exit codes (the binary).

pub mod analyze;
pub mod backfill;
pub mod bench_write;
pub mod blocks;
pub mod dump;
pub mod repair;
mod sandbox;
mod table;
pub mod verify;

use std::io;

use crate::OpenError;
use crate::block::BlockError;

/// Why a tool gave up.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A block cannot be read or written.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The head cannot be read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The result cannot be written.
    #[error("write the result")]
    Output(#[from] io::Error),
    /// Series cannot be selected.
    #[error(transparent)]
    Select(#[from] wf_series::SelectError),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Request(String),
}
