//! Names and listing of segments and checkpoints.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, list_if_present, remove_dir_if_present};

/// Ending of a segment that is being written anew.
pub(super) const MENDING: &str = "mending";

/// What a log directory holds.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    dir: PathBuf,
    /// Numbers and sizes, ascending.
    segments: Vec<(u64, u64)>,
    /// Numbers and sizes of finished checkpoints, ascending.
    checkpoints: Vec<(u64, u64)>,
}

impl Segments {
    /// Lists `dir`; unknown files are ignored, an absent directory is empty.
    /// # Errors
    /// Those of reading a directory.
    pub fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Self> {
        let mut found = Self { dir: dir.to_owned(), ..Self::default() };
        for entry in list_if_present(disk, dir)? {
            if let Some(number) = parse_number(&entry.name) {
                found.segments.push((number, entry.info.len));
            } else if let Some(number) = entry.name.strip_prefix("checkpoint.").and_then(parse_number) {
                let inside = Self::list(disk, &entry.path)?;
                found.checkpoints.push((number, inside.segments.iter().map(|(_, bytes)| bytes).sum()));
            }
        }
        found.segments.sort_unstable();
        found.checkpoints.sort_unstable();
        Ok(found)
    }

    /// Returns the numbers of the segments, ascending.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.segments.iter().map(|(number, _)| *number)
    }

    /// Returns the numbers of the segments and their sizes in bytes, ascending.
    pub fn sizes(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.segments.iter().copied()
    }

    /// Returns the numbers of the checkpoints, ascending; each covers the segments up to its number.
    pub fn checkpoint_numbers(&self) -> impl DoubleEndedIterator<Item = u64> + '_ {
        self.checkpoints.iter().map(|(number, _)| *number)
    }

    /// Returns the number of the newest checkpoint.
    pub fn newest_checkpoint(&self) -> Option<u64> {
        self.checkpoint_numbers().next_back()
    }

    /// Returns the first and the last segment.
    pub fn first_and_last(&self) -> Option<(u64, u64)> {
        Some((self.numbers().next()?, self.numbers().next_back()?))
    }

    /// Returns the number that a new segment gets.
    pub fn next_number(&self) -> u64 {
        self.numbers().chain(self.checkpoint_numbers()).max().map_or(0, |newest| newest + 1)
    }

    /// Returns the size of all segments and checkpoints, bytes.
    pub fn total_bytes(&self) -> u64 {
        self.segments.iter().chain(&self.checkpoints).map(|(_, bytes)| bytes).sum()
    }

    /// Returns the path of a segment.
    pub fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.dir, number)
    }

    /// Returns the path of a checkpoint.
    pub fn checkpoint_path(&self, number: u64) -> PathBuf {
        checkpoint_path(&self.dir, number)
    }
}

/// Returns the path of segment `number` in `dir`.
pub(super) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}"))
}

/// Returns the path of the checkpoint that covers segments up to `number`.
pub(super) fn checkpoint_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("checkpoint.{number:08}"))
}

/// Removes checkpoints and mended segments that a crash left half written.
pub(super) fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for entry in disk.list(dir)? {
        let has_ending = |ending: &str| entry.path.extension().is_some_and(|extension| extension == ending);
        let is_checkpoint = entry.name.starts_with("checkpoint.");
        if is_checkpoint && has_ending("tmp") {
            remove_dir_if_present(disk, &entry.path)?;
        } else if is_checkpoint && entry.info.is_dir {
            remove_unfinished(disk, &entry.path)?;
        } else if has_ending(MENDING) {
            disk.remove_file(&entry.path)?;
        }
    }
    Ok(())
}

fn parse_number(name: &str) -> Option<u64> {
    let is_number = name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_digit());
    // There must be a next number.
    name.parse().ok().filter(|number| is_number && *number < u64::MAX)
}
