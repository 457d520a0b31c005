//! The head snapshot: what a start would rebuild from the log, in our own form, so that it replays only what came after.
//!
//! Written at a clean shutdown, after each truncation, and meanwhile every quarter of an hour, or earlier when the log has
//! grown by half of what a snapshot takes: a slice of series at a time, so that no batch waits. It is a hint and never
//! the only copy: without it, or when it does not fit the log, everything is replayed.
//!
//! ```text
//! head_snapshot.wf = magic "WFHEADS2" | frame*        frame = length u32 | crc32c u32 | kind u8 | body
//! binding  the segment replay goes on with; length, time and last checksum of the one before
//! series   strings that are new | for each series: reference, label ids, closed chunks not in a file yet, open chunk
//! records  records of the log, as it writes them: further references of series, deletions, metadata, exemplars
//! end      the next reference, the number of series, file and length where the head chunks end (0, 0 without any)
//! ```
//! # Why it may be taken while samples come in
//! The snapshot begins with a new segment. A series copied later holds samples that this segment holds too: replay passes
//! them over, as it does with those of head chunks. Chunks closed since are in files, which are synced before the
//! snapshot gets its name; and it gets its name only when the log has all batches that it may have seen half of.
//!
//! # When it is not used
//! When the segment before its position is not the one it was, head chunks are damaged or gone, another program had the directory
//! since (the lock file tells, see `dirlock`), or a frame is damaged.

mod binding;
mod read;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::Disk;
use crate::encoding::DecodeError;
use crate::wal::{WalError, WalIoError};

pub(crate) use binding::Binding;
pub(crate) use read::{Frame, SeriesIter, SnapshotReader, records};

/// Its name in the data directory.
pub(crate) const NAME: &str = "head_snapshot.wf";

/// Its name until it is complete.
const UNFINISHED: &str = "head_snapshot.wf.tmp";

const MAGIC: &[u8; 8] = b"WFHEADS2";

/// Larger frames are not ours.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Why there is no snapshot, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("{action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("head snapshot is damaged: {0}")]
    Damaged(&'static str),
    #[error("head snapshot cannot be decoded")]
    Decode(#[from] DecodeError),
    #[error("close the current segment for a head snapshot")]
    Log(#[from] WalError),
    #[error("bind a head snapshot to the log")]
    List(#[from] WalIoError),
    #[error("write head chunks for a head snapshot")]
    Chunks(#[source] crate::head_chunks::HeadChunksError),
}

/// Removes what an interrupted attempt left in `dir`.
pub(crate) fn remove_unfinished(disk: &dyn Disk, dir: &Path) {
    // If there is nothing, or it cannot be removed: the next attempt tells.
    let _ = disk.remove_file(&dir.join(UNFINISHED));
}

impl SnapshotError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// What a frame holds.
const KIND_BINDING: u8 = 1;
const KIND_SERIES: u8 = 2;
const KIND_RECORDS: u8 = 3;
const KIND_END: u8 = 4;
