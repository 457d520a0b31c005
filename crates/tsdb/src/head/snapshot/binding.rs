//! Which log a snapshot belongs to.

use std::path::Path;
use std::time::SystemTime;

use super::SnapshotError;
use crate::disk::Disk;
use crate::encoding::{Cursor, DecodeError, put_u64};
use crate::wal::{Segments, WalIoError};

/// Bytes at the end of the segment that are checked.
const TAIL_BYTES: usize = 64 << 10;

/// The place in the log where replay goes on, and what is before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The first segment that is replayed.
    pub(crate) next_segment: u64,
    /// Length of the segment before it, bytes.
    len: u64,
    /// When that was last written, ns since 1970.
    modified_ns: u64,
    /// Checksum of its last bytes.
    tail_crc: u32,
}

impl Binding {
    /// Describes the log in `wal_dir` before segment `next_segment`, which is closed.
    pub(crate) fn of(disk: &dyn Disk, wal_dir: &Path, next_segment: u64) -> Result<Self, SnapshotError> {
        let segments = Segments::list(disk, wal_dir).map_err(WalIoError::new("list directory", wal_dir))?;
        let path = segments.path(next_segment.saturating_sub(1));
        let info = disk.info(&path).map_err(SnapshotError::io("inspect", &path))?;
        let bytes = disk.map(&path).map_err(SnapshotError::io("read", &path))?;
        let tail = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
        let since = info.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let modified_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Ok(Self { next_segment, len: info.len, modified_ns, tail_crc: crc32c::crc32c(tail) })
    }

    /// Whether the log goes on where the snapshot ends. `is_ours` says that no other program had the directory since the
    /// snapshot was begun; else nothing may follow it.
    pub(crate) fn holds(&self, disk: &dyn Disk, wal_dir: &Path, is_ours: bool) -> bool {
        let Ok(segments) = Segments::list(disk, wal_dir) else { return false };
        let n_covered = segments.newest_checkpoint().map_or(0, |number| number + 1);
        let after = segments.sizes().filter(|(number, _)| *number >= self.next_segment);
        let follows_nothing = after.clone().all(|(_, bytes)| bytes == 0);
        let is_gapless = after.zip(self.next_segment..).all(|((number, _), want)| number == want);
        let is_there = segments.numbers().any(|number| number + 1 == self.next_segment);
        n_covered < self.next_segment
            && is_there
            && is_gapless
            && (is_ours || follows_nothing)
            && Self::of(disk, wal_dir, self.next_segment).is_ok_and(|found| found == *self)
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_u64(out, self.next_segment);
        put_u64(out, self.len);
        put_u64(out, self.modified_ns);
        out.extend_from_slice(&self.tail_crc.to_be_bytes());
    }

    pub(super) fn load(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            next_segment: cursor.u64()?,
            len: cursor.u64()?,
            modified_ns: cursor.u64()?,
            tail_crc: cursor.u32()?,
        })
    }
}
