//! Repair: cuts a log off at a damaged record, so that replay and later writing see a clean end.

use std::path::Path;

use super::reader::Position;
use super::segment::{Segments, segment_path};
use super::{ReadError, WalIoError};
use crate::disk::Disk;

/// What a repair took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The damaged segment, which now ends before the damaged record.
    pub segment: u64,
    /// Its length now, bytes.
    pub offset: u64,
    /// Bytes cut off it.
    pub bytes_cut: u64,
    /// Later segments that were removed, ascending.
    pub segments_removed: Vec<u64>,
    /// Their bytes.
    pub bytes_removed: u64,
}

/// Mends what `error` found in `dir`: cuts the segment off at the damaged record and removes the segments after it,
/// whose records would follow a gap. Returns `None`, and touches nothing, when the error is not a damaged segment.
/// # Errors
/// When a file cannot be removed or cut; it can be called again.
pub fn repair(disk: &dyn Disk, dir: &Path, error: &ReadError) -> Result<Option<Lost>, WalIoError> {
    match error {
        ReadError::Corrupt { position, .. } if position.checkpoint.is_none() => {
            cut_at(disk, dir, *position).map(Some)
        }
        ReadError::Corrupt { .. } | ReadError::Io { .. } | ReadError::Gap { .. } => Ok(None),
    }
}

/// Cuts the log off at `position`: for records that are framed well but make no sense.
/// # Errors
/// As [`repair`].
pub fn cut_at(disk: &dyn Disk, dir: &Path, position: Position) -> Result<Lost, WalIoError> {
    let segments = Segments::list(disk, dir).map_err(WalIoError::new("list directory", dir))?;
    let mut lost = Lost {
        segment: position.segment,
        offset: position.offset,
        bytes_cut: 0,
        segments_removed: Vec::new(),
        bytes_removed: 0,
    };
    // Newest first, the cut last: a crash in between leaves a log with the same damage, never one with a gap.
    for number in segments.numbers().rev().filter(|number| *number > position.segment) {
        let path = segment_path(dir, number);
        lost.bytes_removed += disk.info(&path).map_or(0, |info| info.len);
        disk.remove_file(&path).map_err(WalIoError::new("remove", &path))?;
        lost.segments_removed.insert(0, number);
    }
    disk.sync_dir(dir).map_err(WalIoError::new("sync", dir))?;
    let path = segment_path(dir, position.segment);
    let len = disk.info(&path).map_err(WalIoError::new("inspect", &path))?.len;
    lost.bytes_cut = len.saturating_sub(position.offset);
    let file = disk.open(&path).map_err(WalIoError::new("open", &path))?;
    file.set_len(position.offset.min(len))
        .and_then(|()| file.sync())
        .map_err(WalIoError::new("cut", &path))?;
    Ok(lost)
}
