//! The write-ahead log: what was acknowledged survives a killed process.
//!
//! [`Wal`] takes whole records and writes them in groups from a thread of its own; [`Reader`] replays a directory;
//! [`repair`] removes what is damaged; [`checkpoint`] keeps the directory bounded. Records are opaque bytes here, their
//! meaning lives in [`crate::record`].
//!
//! ```text
//! wal/00000000 …        segment = page*         page = 32 KiB, segment ≤ 128 MiB, records never cross segments
//! wal/checkpoint.N/     the same format: what is still needed of segments ≤ N
//! record = fragment+    fragment = type u8 | length u16 | crc32c u32 | bytes, never crosses a page
//! ```
//! # Invariants
//! - A commit sequence is published only after write(2) of all its bytes: [`Wal::written_up_to`].
//! - Records reach the file in the order of their sequence; none is dropped while the process lives, errors are retried.
//! - A failed write is overwritten from the last good byte: no torn page is ever followed by good ones.
//! - Every start opens a new segment; what an older process wrote is never changed, except by repair and truncation.
//! # Reading order: `segment`, `frame`, `writer`, `reader`, `repair`, `checkpoint`.
//! Source: `spec/prometheus-core.md` §7.8; group commit: `spec/performance-design.md` §4.

pub mod checkpoint;
mod compress;
mod frame;
mod queue;
pub mod reader;
pub mod repair;
mod segment;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wf_series::Acknowledge;

use crate::disk::{Disk, create_dir_synced};
use crate::options::{FsyncPolicy, WalCompression};

pub use reader::{Position, ReadError, Reader};
pub use segment::Segments;

/// Position of a record in the order of all records of this process; the first has 1.
pub type CommitSeq = u64;

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// A segment is closed before it would exceed this, bytes; a multiple of 32 KiB. Default: 128 MiB.
    pub segment_bytes: u64,
    /// How records are compressed; one that does not shrink is stored plain. Default: Snappy.
    pub compression: WalCompression,
    /// When data is forced to the disk.
    pub fsync: FsyncPolicy,
    /// When queued records are written.
    pub commit: CommitPolicy,
    /// Bytes of records that may wait for the writer; above, [`Wal::log`] waits. Default: 1 MiB.
    pub queue_bytes_max: usize,
    /// Time between two attempts to write after an error. Default: 200 ms.
    pub retry_delay: Duration,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 128 << 20,
            compression: WalCompression::Snappy,
            fsync: FsyncPolicy::Segment,
            commit: CommitPolicy::default(),
            queue_bytes_max: 1 << 20,
            retry_delay: Duration::from_millis(200),
        }
    }
}

/// When queued records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitPolicy {
    /// At most this long after the first of a group was queued; at once when someone waits or the queue is full.
    Group(Duration),
    /// Each call of [`Wal::log`] returns after its write, whatever it asked for.
    Each,
}

impl Default for CommitPolicy {
    fn default() -> Self {
        Self::Group(Duration::from_millis(50))
    }
}

/// Why records were not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalError {
    /// The log cannot be written at present: nothing of this call was queued. It tries on its own to recover.
    #[error("write-ahead log refuses records: {message}")]
    Refused {
        /// The last error, with the file.
        message: String,
    },
    /// The records are queued as `seq` but could not be written yet: they will be, if the disk recovers before the
    /// process ends.
    #[error("records wait for the write-ahead log: {message}")]
    Unwritten {
        /// Their sequence.
        seq: CommitSeq,
        /// The last error, with the file.
        message: String,
    },
    /// A record is empty or larger than a segment.
    #[error("record of {record_bytes} bytes does not fit the log: 1 to {limit_bytes} bytes do")]
    BadRecord {
        /// Its size.
        record_bytes: usize,
        /// The largest size.
        limit_bytes: usize,
    },
    /// The log is closed.
    #[error("write-ahead log is closed")]
    Closed,
}

/// Why a log could not be opened, truncated or checkpointed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct WalIoError {
    /// What was tried.
    pub action: &'static str,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: io::Error,
}

impl WalIoError {
    pub(crate) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// What the log tells about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WalStats {
    /// Number of the current segment.
    pub segment: u64,
    /// Bytes of all segments and checkpoints, as of the last start, roll or truncation plus what was written since.
    pub bytes: u64,
    /// Records written.
    pub records_written: u64,
    /// Bytes written, with the headers of their records.
    pub bytes_written: u64,
    /// Bytes that compression of records saved.
    pub bytes_saved: u64,
    /// Calls of write(2) that succeeded.
    pub writes: u64,
    /// Calls of write(2), or of opening a segment, that failed.
    pub write_errors: u64,
    /// Calls of fsync(2).
    pub fsyncs: u64,
    /// Time spent in them, seconds.
    pub fsync_seconds: f64,
    /// Calls of fsync(2) that failed.
    pub fsync_errors: u64,
    /// The error that the log is recovering from; `None` while all is well.
    pub error: Option<String>,
}

/// A log open for writing: one per directory. Shared between threads by reference.
#[derive(Debug)]
pub struct Wal {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: WalOptions,
    queue: Arc<queue::Queue>,
    thread: parking_lot::Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Wal {
    /// Opens `dir` for writing, creating it if need be, in a new segment after all that exist. Replay comes first:
    /// see [`Reader`]. Starts the writer thread.
    /// # Errors
    /// When the directory cannot be listed, the segment created or the thread started.
    pub fn open(dir: &Path, options: WalOptions) -> Result<Self, WalIoError> {
        Self::open_on(Arc::new(crate::disk::OsDisk), dir, options)
    }

    /// As [`Wal::open`], on another file layer.
    /// # Errors
    /// As [`Wal::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<Self, WalIoError> {
        create_dir_synced(&*disk, dir).map_err(WalIoError::new("create directory", dir))?;
        segment::remove_unfinished(&*disk, dir).map_err(WalIoError::new("clean directory", dir))?;
        let segments = Segments::list(&*disk, dir).map_err(WalIoError::new("list directory", dir))?;
        let number = segments.next_number();
        let queue = Arc::new(queue::Queue::new(options.queue_bytes_max, options.commit));
        let bytes = segments.total_bytes();
        let writer =
            writer::Writer::open(Arc::clone(&disk), dir, &options, Arc::clone(&queue), number, bytes)
                .map_err(WalIoError::new("open a new segment in", dir))?;
        let thread = std::thread::Builder::new()
            .name("wal-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(WalIoError::new("start the writer thread of", dir))?;
        let thread = parking_lot::Mutex::new(Some(thread));
        Ok(Self { dir: dir.to_owned(), disk, options, queue, thread })
    }

    /// Queues `records` to be written in this order, with nothing between them, and returns their sequence.
    ///
    /// With [`Acknowledge::Queued`] it returns as soon as there is room in the queue (one group being written, one
    /// being filled); with [`Acknowledge::Written`] after the write(2), and the fsync(2) if the policy says always.
    /// # Errors
    /// [`WalError::Refused`] while the log is recovering from an error, [`WalError::Closed`] and
    /// [`WalError::BadRecord`]: nothing was queued. [`WalError::Unwritten`], only with `Written`: queued all the same.
    pub fn log(&self, records: &[&[u8]], acknowledge: Acknowledge) -> Result<CommitSeq, WalError> {
        let limit_bytes =
            usize::try_from(frame::payload_room(0, self.options.segment_bytes)).unwrap_or(usize::MAX);
        if let Some(bad) = records.iter().find(|record| record.is_empty() || record.len() > limit_bytes) {
            return Err(WalError::BadRecord { record_bytes: bad.len(), limit_bytes });
        }
        let waits = acknowledge == Acknowledge::Written || self.options.commit == CommitPolicy::Each;
        let seq = self.queue.push(records, waits)?;
        if waits {
            self.queue.wait_written(seq)?;
        }
        Ok(seq)
    }

    /// Returns the newest sequence such that it and all before it were written. Never goes back.
    pub fn written_up_to(&self) -> CommitSeq {
        self.queue.written_up_to()
    }

    /// Waits until `seq` was written, or all that is queued now if that is less, and makes it happen at once.
    /// # Errors
    /// [`WalError::Unwritten`] when an attempt failed meanwhile, [`WalError::Closed`].
    pub fn wait_written(&self, seq: CommitSeq) -> Result<(), WalError> {
        self.queue.wait_written(seq)
    }

    /// Sets the function that the writer thread calls after each group with the new [`Wal::written_up_to`]. It must be
    /// quick and must not call back into the log. Only the first one set is used.
    pub fn on_written(&self, notify: Box<dyn Fn(CommitSeq) + Send + Sync>) {
        self.queue.on_written(notify);
    }

    /// Writes what is queued, closes the current segment and opens the next; returns its number.
    /// # Errors
    /// As [`Wal::wait_written`].
    pub fn cut_segment(&self) -> Result<u64, WalError> {
        self.queue.cut_segment()
    }

    /// Removes the segments before `number` and the checkpoints before the newest. Returns how many segments went.
    /// # Errors
    /// When a file cannot be removed.
    pub fn truncate_before(&self, number: u64) -> Result<usize, WalIoError> {
        let removed = checkpoint::remove_before(&*self.disk, &self.dir, number)?;
        let segments =
            Segments::list(&*self.disk, &self.dir).map_err(WalIoError::new("list directory", &self.dir))?;
        self.queue.update_stats(|stats| stats.bytes = segments.total_bytes());
        Ok(removed)
    }

    /// Bounds the log after a truncation of the head: opens a new segment, writes a checkpoint of the oldest two thirds
    /// of the others, and removes what it covers. Returns `None` when that is not more than one segment.
    ///
    /// `keep` says whether a series is still needed: it is in the head, or left it while samples at or after `min_time_ms`
    /// may still be in the log.
    /// # Errors
    /// When reading or writing fails; the log is as complete as before.
    pub fn checkpoint(
        &self,
        min_time_ms: i64,
        keep: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<checkpoint::CheckpointStats>, checkpoint::CheckpointError> {
        let segments =
            Segments::list(&*self.disk, &self.dir).map_err(WalIoError::new("list directory", &self.dir))?;
        let Some((first, last)) = segments.first_and_last() else { return Ok(None) };
        self.cut_segment()?;
        let Some(span) = last.checked_sub(first + 1) else { return Ok(None) };
        let last = first + span * 2 / 3;
        if last <= first {
            return Ok(None);
        }
        let stats = checkpoint::create(&self.disk, &self.dir, last, min_time_ms, &self.options, keep)?;
        self.truncate_before(last + 1)?;
        Ok(Some(stats))
    }

    /// Returns counters and gauges.
    pub fn stats(&self) -> WalStats {
        self.queue.stats()
    }

    /// Writes what is queued, forces it to the disk and stops the thread. Closing twice is fine.
    /// # Errors
    /// [`WalError::Unwritten`] when the last attempt failed: what was not acknowledged as written may be lost.
    pub fn close(&self) -> Result<(), WalError> {
        self.queue.begin_close();
        let Some(thread) = self.thread.lock().take() else { return Ok(()) };
        // A panic of the thread shows in the error that its guard left.
        let _ = thread.join();
        self.queue.close_result()
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(dir = %self.dir.display(), %error, "write-ahead log closed with unwritten records");
        }
    }
}

#[cfg(test)]
mod tests;
