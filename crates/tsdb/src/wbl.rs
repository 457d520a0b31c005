//! The write-behind log (`wbl/`): late samples, and which of them head chunks hold by now.
//!
//! It has the format of the write-ahead log and is written the same way. Late samples are in both logs: replay of the
//! write-ahead log passes over them, since they are not newer than their series, and takes them from here.
//!
//! ```text
//! samples (type 2, …)    late samples, in the order in which they were stored
//! markers (type 5)       series, chunk: all samples of the series before this record are in chunks up to this one
//! in blocks (type 0xC5)  our own, unknown to Prometheus: late chunks that are in blocks, see `head::late::in_blocks`
//! ```
//! # Invariants
//! - A sample is written here only after the record of its series reached the operating system with the write-ahead log.
//! - A marker is written before any later sample of its series, and after the chunk that it names.
//! - Segments go only when all that they hold is in blocks.
//! # Not here: what late samples are (`head::late`), when they become blocks (`head::late::cut`).
//! Source: `spec/prometheus-core.md` §7.8.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::wal::{CommitSeq, Segments, Wal, WalError, WalIoError, WalOptions, WalStats};

/// The log, not open until it is needed.
#[derive(Debug)]
pub(crate) struct Wbl {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: WalOptions,
    opening: Mutex<()>,
    log: OnceLock<Wal>,
}

impl Wbl {
    /// Returns the log in `dir`, which need not exist.
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, options: WalOptions) -> Self {
        Self { dir, disk, options, opening: Mutex::default(), log: OnceLock::new() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Returns whether an earlier process left records here.
    pub(crate) fn has_leftovers(&self) -> bool {
        Segments::list(&*self.disk, &self.dir).is_ok_and(|segments| segments.total_bytes() > 0)
    }

    /// Opens the log for writing unless it is open; replay comes first.
    pub(crate) fn open(&self) -> Result<&Wal, WalIoError> {
        let _one_at_a_time = self.opening.lock();
        if let Some(log) = self.log.get() {
            return Ok(log);
        }
        let log = Wal::open_on(Arc::clone(&self.disk), &self.dir, self.options.clone())?;
        Ok(self.log.get_or_init(|| log))
    }

    /// Returns the log if it is open.
    pub(crate) fn log(&self) -> Option<&Wal> {
        self.log.get()
    }

    /// Returns up to where the log was written; without a log there is nothing to wait for.
    pub(crate) fn written_up_to(&self) -> CommitSeq {
        self.log().map_or(0, Wal::written_up_to)
    }

    /// As [`Wal::wait_written`].
    pub(crate) fn wait_written(&self, seq: CommitSeq) -> Result<(), WalError> {
        self.log().map_or(Ok(()), |log| log.wait_written(seq))
    }

    pub(crate) fn stats(&self) -> WalStats {
        self.log().map(Wal::stats).unwrap_or_default()
    }

    pub(crate) fn close(&self) -> Result<(), WalError> {
        self.log().map_or(Ok(()), Wal::close)
    }
}
