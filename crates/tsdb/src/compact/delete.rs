//! Deleting samples, and removing what was deleted from the disk.

use std::sync::Arc;
use std::time::Instant;

use tracing::warn;
use wf_model::{Matcher, TimeRange};
use wf_series::AppendError;

use super::life::Life;
use super::merged_draft;
use super::write::CompactError;
use crate::block::{Block, BlockError, BlockSource, MetaDraft, SeriesEntry, Tombstones};
use crate::head::Chain;

/// Why a deletion did not succeed. It may have in part: repeat it.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// In the head.
    #[error("delete recent samples")]
    Head(#[from] AppendError),
    /// In a block.
    #[error("delete samples of a block")]
    Block(#[from] BlockError),
}

/// Why blocks could not be written anew without what was deleted. Those that were not are as before.
#[derive(Debug, thiserror::Error)]
#[error("{n_failed} blocks could not be written anew, see the log; the first: {first}")]
pub struct CleanError {
    /// How many.
    pub n_failed: usize,
    /// The first cause.
    pub first: String,
}

impl Life {
    /// Deletes the samples inside `range` of all series that satisfy all matchers. Returns how many series of head and
    /// blocks that were, one in several of them counted once for each.
    pub(crate) fn delete(&self, matchers: &[Matcher], range: TimeRange) -> Result<usize, DeleteError> {
        // Nothing moves meanwhile: what is being moved would arrive as it was.
        let _compacting = self.compacting.lock();
        let _cutting = self.pause_cutting();
        let mut n_series = self.head.delete(matchers, range)?;
        for block in self.blocks.list().iter().filter(|block| block.span().overlaps(&range)) {
            n_series += delete_in(block, matchers, range)?;
        }
        Ok(n_series)
    }

    /// Writes all blocks with deleted samples anew, without these.
    pub(crate) fn clean_tombstones(&self, now_ms: i64) -> Result<(), CleanError> {
        let started = Instant::now();
        let _compacting = self.compacting.lock();
        let mut failed: Vec<String> = Vec::new();
        for block in self.blocks.list().iter().filter(|block| !block.tombstones().is_empty()) {
            if let Err(error) = self.clean(block, now_ms) {
                warn!(block = %block.meta().ulid, error = %Chain(&error), "cannot write a block anew");
                failed.push(Chain(&error).to_string());
            }
        }
        self.blocks.counters.tombstone_cleanup_time.add_since(started);
        let n_failed = failed.len();
        failed.into_iter().next().map_or(Ok(()), |first| Err(CleanError { n_failed, first }))
    }

    fn clean(&self, block: &Arc<Block>, now_ms: i64) -> Result<(), CompactError> {
        let meta = block.meta();
        let MetaDraft { min_time, max_time, mut compaction } = merged_draft(std::slice::from_ref(block));
        // It is the same block with less in it.
        compaction.level = meta.compaction.level;
        self.compact_blocks(std::slice::from_ref(block), MetaDraft { min_time, max_time, compaction }, now_ms)
    }
}

/// Adds tombstones to a block; returns how many series got one.
fn delete_in(block: &Arc<Block>, matchers: &[Matcher], range: TimeRange) -> Result<usize, BlockError> {
    let mut tombstones = Tombstones::clone(&block.tombstones());
    let mut entry = SeriesEntry::default();
    let mut n_series = 0;
    for id in BlockSource(Arc::clone(block)).matching_ids(matchers)? {
        block.read_series(u64::from(id), &mut entry)?;
        let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else { continue };
        let is_touched = entry.chunks.iter().any(|chunk| chunk.span().overlaps(&range));
        if is_touched {
            let start_ms = range.start_ms.max(first.min_time);
            tombstones.add(u64::from(id), TimeRange { start_ms, end_ms: range.end_ms.min(last.max_time) });
            n_series += 1;
        }
    }
    if n_series > 0 {
        block.write_tombstones(tombstones)?;
    }
    Ok(n_series)
}
