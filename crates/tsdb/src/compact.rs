//! The life of data: head to block, blocks to larger blocks, blocks to nothing.
//!
//! ```text
//! head --cut--> 2 h block --compact--> 6 h --> 18 h … --expire--> gone
//!               copied chunks          joined chunks, written densely
//! ```
//! # Invariants
//! - A block is complete and on the disk before anything it replaces goes; after a crash in between both are there, and
//!   readers see each sample once.
//! - Queries keep what they hold, whatever is cut, compacted or deleted meanwhile.
//! # Reading order: `plan`, `rewrite`, `dense_xor`, `write`, `level`, `blocks`, `life`, `delete`, `snapshot`.
//! # Not here: the bytes of a block (`block`), how long data is kept (`retention`), which samples the head holds (`head`).
//! Source: `spec/prometheus-core.md` §7.9, `spec/performance-design.md` §7, §10.

pub(crate) mod blocks;
pub(crate) mod counters;
pub(crate) mod delete;
pub(crate) mod dense_xor;
mod late;
pub(crate) mod level;
pub(crate) mod life;
mod mixed;
pub mod plan;
pub(crate) mod rewrite;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod write;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::plan::{Candidate, Class};
use crate::block::{Block, BlockMeta, Compaction, MetaDraft, ParentBlock, Ulid};

/// Marks a block of out-of-order samples.
const HINT_OUT_OF_ORDER: &str = "from-out-of-order";
/// Marks a block of series that went stale.
const HINT_STALE: &str = "from-stale-series";
/// Marks a block of series that somebody selected.
const HINT_SELECTED: &str = "from-selected-series";

/// What the planner looks at.
fn candidate(block: &Block) -> Candidate {
    let meta = block.meta();
    Candidate {
        min_time: meta.min_time,
        max_time: meta.max_time,
        n_series: meta.stats.n_series,
        n_tombstones: u64::try_from(block.tombstones().len()).unwrap_or(u64::MAX),
        failed: meta.compaction.failed,
        class: class(&meta),
    }
}

fn class(meta: &BlockMeta) -> Class {
    let has = |hint: &str| meta.compaction.hints.iter().any(|known| known == hint);
    if has(HINT_STALE) {
        Class::Stale
    } else if has(HINT_SELECTED) {
        Class::Selected
    } else {
        Class::Whole
    }
}

/// Describes the block that several others become.
fn merged_draft(inputs: &[Arc<Block>]) -> MetaDraft {
    let metas = || inputs.iter().map(|block| block.meta());
    let sources: BTreeSet<Ulid> = metas().flat_map(|meta| meta.compaction.sources.clone()).collect();
    let parent =
        |meta: &BlockMeta| ParentBlock { ulid: meta.ulid, min_time: meta.min_time, max_time: meta.max_time };
    // A hint stays when it is true of all.
    let hints = [HINT_OUT_OF_ORDER, HINT_STALE, HINT_SELECTED].into_iter();
    let of_all = |hint: &&str| metas().all(|meta| meta.compaction.hints.iter().any(|known| known == hint));
    MetaDraft {
        min_time: metas().map(|meta| meta.min_time).min().unwrap_or(0),
        max_time: metas().map(|meta| meta.max_time).max().unwrap_or(0),
        compaction: Compaction {
            level: metas().map(|meta| meta.compaction.level).max().unwrap_or(0).saturating_add(1),
            sources: sources.into_iter().collect(),
            parents: metas().map(|meta| parent(&meta)).collect(),
            hints: hints.filter(of_all).map(str::to_owned).collect(),
            ..Compaction::default()
        },
    }
}
