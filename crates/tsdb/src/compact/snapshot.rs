//! A copy of the database in another directory, without copying blocks: their files get a second name.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wf_model::TimeRange;

use super::life::Life;
use super::rewrite::{Density, Rewriter};
use super::write::{CompactError, write_block};
use crate::block::{Block, Compaction, MetaDraft, Ulid};
use crate::disk::Disk;
use crate::head::Chain;
use crate::head::cut::{CutError, OpenChunks};

/// Why a snapshot was not made. What was made of it is removed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file or directory cannot be created: it may exist already, or lie on another file system.
    #[error("create {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The head cannot be written as a block.
    #[error("write recent samples as a block: {0}")]
    Head(String),
}

impl From<CutError> for SnapshotError {
    fn from(error: CutError) -> Self {
        Self::Head(Chain(&error).to_string())
    }
}

impl From<CompactError> for SnapshotError {
    fn from(error: CompactError) -> Self {
        Self::Head(Chain(&error).to_string())
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SnapshotError {
    let path = path.to_owned();
    move |source| SnapshotError::Io { path, source }
}

/// Whether a snapshot holds what is not in blocks yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotHead {
    /// As one more block.
    Included,
    /// Left out.
    Skipped,
}

impl Life {
    /// Makes a snapshot in `dir`, which must not exist or be empty.
    pub(crate) fn snapshot(&self, dir: &Path, head: SnapshotHead, now_ms: i64) -> Result<(), SnapshotError> {
        // Head and blocks have to fit together: nothing moves from one to the other meanwhile.
        let _compacting = self.compacting.lock();
        let _cutting = self.pause_cutting();
        if head == SnapshotHead::Included && !self.cut_late(now_ms) {
            return Err(SnapshotError::Head(
                "late samples cannot be moved to blocks, see the log".to_owned(),
            ));
        }
        let disk = &*self.blocks.disk;
        disk.create_dir_all(dir).map_err(io_error(dir))?;
        let made = self.fill_snapshot(dir, head, now_ms);
        if made.is_err() {
            // The first error is the one to tell.
            let _ = disk.remove_dir_all(dir);
        }
        made
    }

    fn fill_snapshot(&self, dir: &Path, head: SnapshotHead, now_ms: i64) -> Result<(), SnapshotError> {
        let disk = &*self.blocks.disk;
        for block in self.blocks.list().iter() {
            link_block(disk, block, dir)?;
        }
        disk.sync_dir(dir).map_err(io_error(dir))?;
        if head == SnapshotHead::Included {
            self.write_head(dir, now_ms)?;
        }
        Ok(())
    }

    /// Writes what selections see of the head now.
    fn write_head(&self, dir: &Path, now_ms: i64) -> Result<(), SnapshotError> {
        // What is truncated already, or about to be, is in a block.
        let start_ms = self.head.min_time().max(self.head.in_blocks_before());
        let range = TimeRange { start_ms, end_ms: self.head.max_time() };
        if range.start_ms > range.end_ms {
            return Ok(());
        }
        let mut input = self.head.series_in(range, OpenChunks::Included)?;
        let max_time = range.end_ms.saturating_add(1);
        let draft = MetaDraft { min_time: range.start_ms, max_time, compaction: Compaction::default() };
        let mut rewriter = Rewriter::new(Density::Copied, range);
        write_block(self.target_in(dir), Ulid::generate(now_ms), draft, &mut rewriter, &mut input)?;
        Ok(())
    }
}

/// Gives the files of a block second names below `dir`. None of them is ever changed in place.
fn link_block(disk: &dyn Disk, block: &Arc<Block>, dir: &Path) -> Result<(), SnapshotError> {
    let to = block.meta().dir_in(dir);
    let mut dirs = vec![(block.dir().to_owned(), to)];
    while let Some((from, to)) = dirs.pop() {
        disk.create_dir_all(&to).map_err(io_error(&to))?;
        for entry in disk.list(&from).map_err(io_error(&from))? {
            let target = to.join(&entry.name);
            if entry.info.is_dir {
                dirs.push((entry.path, target));
            } else {
                disk.hard_link(&entry.path, &target).map_err(io_error(&target))?;
            }
        }
        disk.sync_dir(&to).map_err(io_error(&to))?;
    }
    Ok(())
}
