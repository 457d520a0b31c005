//! Repair: what cannot be read goes, so that replay, checkpoints and Prometheus see a clean log.
//!
//! [`mend`] keeps every whole record: a torn end is cut off, a segment with damage in its middle is written anew without
//! the damage and the old one set aside as `NNNNNNNN.damaged`. [`cut_at`] cuts the log off, as Prometheus does.

use std::path::Path;

use super::frame::push_record;
use super::reader::{Damage, Position, RecordReader};
use super::segment::{MENDING, Segments, segment_path};
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

/// What [`mend`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Bytes that held no whole record.
    pub bytes_lost: u64,
    /// Whole records after the first damage, all of them kept.
    pub n_saved: u64,
    /// Whether the damaged segment was set aside; else its torn end was cut off.
    pub is_set_aside: bool,
}

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Removes what is damaged from segment `number` in `dir`, a log or a checkpoint; records for which `is_sound` is false
/// count as damage. A crash on the way leaves the segment as it was.
/// # Errors
/// When a file cannot be read or written: the segment is as it was.
pub fn mend(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    is_sound: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Mended, WalIoError> {
    let path = segment_path(dir, number);
    let len = disk.info(&path).map_err(WalIoError::new("inspect", &path))?.len;
    let mut sound = Sound { is_sound, first_damage: None, n_saved: 0 };
    sound.read(disk, &path, &mut |_, _| Ok(()))?;
    let Some(first_damage) = sound.first_damage else {
        return Ok(Mended { bytes_lost: 0, n_saved: 0, is_set_aside: false });
    };
    if sound.n_saved == 0 {
        let file = disk.open(&path).map_err(WalIoError::new("open", &path))?;
        let cut = file.set_len(first_damage.min(len)).and_then(|()| file.sync());
        cut.map_err(WalIoError::new("cut", &path))?;
        return Ok(Mended { bytes_lost: len.saturating_sub(first_damage), n_saved: 0, is_set_aside: false });
    }
    let new_path = path.with_extension(MENDING);
    let new_len = sound.copy(disk, &path, &new_path)?;
    let aside = path.with_extension("damaged");
    // An older one gives way. A file system without links keeps no damaged segment.
    let _ = disk.remove_file(&aside);
    let is_set_aside = disk.hard_link(&path, &aside).is_ok();
    disk.rename(&new_path, &path).map_err(WalIoError::new("replace", &path))?;
    disk.sync_dir(dir).map_err(WalIoError::new("sync", dir))?;
    Ok(Mended { bytes_lost: len.saturating_sub(new_len), n_saved: sound.n_saved, is_set_aside })
}

/// Puts empty segments where some are missing before `next`, so that the log can be read over the gap.
/// # Errors
/// When a file cannot be created.
pub fn bridge_gap(disk: &dyn Disk, dir: &Path, missing: u64, next: u64) -> Result<(), WalIoError> {
    for number in missing..next {
        let path = segment_path(dir, number);
        disk.create_new(&path).map_err(WalIoError::new("create", &path))?;
    }
    disk.sync_dir(dir).map_err(WalIoError::new("sync", dir))
}

/// The whole records of a segment.
struct Sound<'a> {
    is_sound: &'a mut dyn FnMut(&[u8]) -> bool,
    /// Where the first damage is.
    first_damage: Option<u64>,
    n_saved: u64,
}

type Take<'a> = &'a mut dyn FnMut(super::frame::Packing, &[u8]) -> Result<(), WalIoError>;

impl Sound<'_> {
    /// Calls `take` with each whole record as it is stored.
    fn read(&mut self, disk: &dyn Disk, path: &Path, take: Take<'_>) -> Result<(), WalIoError> {
        (self.first_damage, self.n_saved) = (None, 0);
        let file = disk.reader(path).map_err(WalIoError::new("open", path))?;
        let (mut reader, mut record) = (RecordReader::new(file), Vec::new());
        loop {
            match reader.next_record(&mut record) {
                Ok(None) => return Ok(()),
                Ok(Some(offset)) if !(self.is_sound)(&record) => {
                    self.first_damage.get_or_insert(offset);
                }
                Ok(Some(_)) => {
                    self.n_saved += u64::from(self.first_damage.is_some());
                    let (packing, stored) = reader.stored();
                    take(packing, stored)?;
                }
                Err(Damage::Bytes { offset, .. }) => {
                    self.first_damage.get_or_insert(offset);
                }
                Err(Damage::Io(source)) => return Err(WalIoError::new("read", path)(source)),
            }
        }
    }

    /// Writes the whole records of `path` to `new_path`, on the disk for good; returns how many bytes those are.
    fn copy(&mut self, disk: &dyn Disk, path: &Path, new_path: &Path) -> Result<u64, WalIoError> {
        // What an earlier attempt left.
        let _ = disk.remove_file(new_path);
        let file = disk.create_new(new_path).map_err(WalIoError::new("create", new_path))?;
        let (mut framed, mut len) = (Vec::new(), 0);
        let flush = |framed: &mut Vec<u8>, len: &mut u64| {
            file.write_all_at(framed, *len).map_err(WalIoError::new("write", new_path))?;
            *len += framed.len() as u64;
            framed.clear();
            Ok(())
        };
        self.read(disk, path, &mut |packing, stored| {
            push_record(&mut framed, len, packing, stored);
            if framed.len() >= WRITE_BYTES { flush(&mut framed, &mut len) } else { Ok(()) }
        })?;
        flush(&mut framed, &mut len)?;
        file.sync().map_err(WalIoError::new("sync", new_path))?;
        Ok(len)
    }
}
