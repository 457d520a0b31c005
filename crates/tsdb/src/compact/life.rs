//! When data moves: the head is cut, blocks are compacted, expired and reloaded.
//!
//! [`Life::maintain`] is called about once a second. It cuts the head and looks after the directory; blocks are compacted
//! on a thread of their own with the lowest priority, which ends when nothing is left to do. Appends and queries wait
//! for neither.
//!
//! # Locks, in the order in which they may be taken
//! 1. `compacting`: blocks are read to be replaced, or tombstones written. Held from plan to result.
//! 2. `cutting`: the head is cut.
//! 3. Those of [`Blocks`].

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tracing::{debug, info, warn};
use wf_model::TimeRange;

use super::blocks::Blocks;
use super::level::MergedBlocks;
use super::plan::{Candidate, plan};
use super::rewrite::{Density, Rewriter};
use super::write::{BlockInput, CompactError, Target, write_block};
use super::{HINT_OUT_OF_ORDER, HINT_STALE, candidate, merged_draft};
use crate::block::{Block, BlockMeta, Compaction, MetaDraft, ParentBlock, Ulid};
use crate::head::cut::CutError;
use crate::head::stale::StaleSeries;
use crate::head::{Chain, Head};
use crate::retention::{Aged, Retention, Room};

/// Time between two looks at the directory, ms: blocks that were copied in, blocks that expired.
const RELOAD_EVERY_MS: i64 = 60_000;
/// Time until a step that failed is tried again, ms.
const RETRY_AFTER_MS: i64 = 60_000;
/// The lowest priority: compaction takes what nobody else wants.
const NICE: i32 = 19;

/// See the module.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) head: Arc<Head>,
    pub(crate) blocks: Blocks,
    pub(super) ranges: Vec<i64>,
    retention: RwLock<Retention>,
    /// Whether blocks are compacted without being asked.
    has_thread: bool,
    pub(super) compacting: Mutex<()>,
    cutting: Mutex<Cutting>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Compaction is not tried again before, ms.
    compact_after_ms: AtomicI64,
    /// Set once the database is closed: what runs ends soon.
    pub(super) stop: AtomicBool,
    /// Set while nothing new is compacted.
    is_paused: AtomicBool,
}

#[derive(Debug)]
struct Cutting {
    /// A cut that failed is not tried again before, ms.
    retry_ms: i64,
    /// When the directory was last looked at, ms.
    reloaded_ms: i64,
    /// Late samples have to follow what was cut in order.
    is_late_due: bool,
}

/// Why a head cut failed.
#[derive(Debug, thiserror::Error)]
enum HeadCutError {
    #[error(transparent)]
    Head(#[from] CutError),
    #[error(transparent)]
    Block(#[from] CompactError),
}

impl Life {
    /// Takes charge; what expired while the database was closed goes first.
    pub(crate) fn begin(head: &Arc<Head>, blocks: Blocks, now_ms: i64) -> Arc<Self> {
        let options = head.options();
        let life = Arc::new(Self {
            blocks,
            ranges: options.block_ranges(),
            retention: RwLock::new(options.retention),
            has_thread: options.compaction_thread,
            head: Arc::clone(head),
            compacting: Mutex::default(),
            cutting: Mutex::new(Cutting { retry_ms: i64::MIN, reloaded_ms: now_ms, is_late_due: false }),
            thread: Mutex::default(),
            compact_after_ms: AtomicI64::new(i64::MIN),
            stop: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
        });
        life.expire();
        life
    }

    pub(crate) fn retention(&self) -> Retention {
        *self.retention.read()
    }

    pub(crate) fn set_retention(&self, retention: Retention) {
        *self.retention.write() = retention;
    }

    /// Does what is due; see the module.
    pub(crate) fn maintain(self: &Arc<Self>, now_ms: i64) {
        // A second caller would do the same work.
        let Some(mut cutting) = self.cutting.try_lock() else { return };
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        if !is_within(now_ms, cutting.retry_ms) {
            while self.cut_head_if_due(&mut cutting, now_ms) {}
            if cutting.is_late_due {
                cutting.is_late_due = !self.cut_late(now_ms);
                if cutting.is_late_due {
                    cutting.retry_ms = now_ms.saturating_add(RETRY_AFTER_MS);
                }
            }
        }
        if !is_within(now_ms, cutting.retry_ms) && self.head.wants_stale_cut() && !self.head.is_truncating() {
            self.cut_stale(&mut cutting, now_ms);
        }
        let since_reload = now_ms.saturating_sub(cutting.reloaded_ms);
        if !(0..RELOAD_EVERY_MS).contains(&since_reload) {
            cutting.reloaded_ms = now_ms;
            self.blocks.reload();
            self.expire();
        }
        drop(cutting);
        if self.has_thread {
            self.start_compaction(now_ms);
        }
    }

    /// Keeps the head from being cut as long as the guard lives.
    pub(super) fn pause_cutting(&self) -> impl Drop + '_ {
        self.cutting.lock()
    }

    /// Lets the thread begin no compaction until told otherwise; one under way ends.
    pub(crate) fn pause_compaction(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// Ends the thread, and refuses further work.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked was reported by the panic hook.
            let _ = thread.join();
        }
        // A cut under way on another thread ends first.
        drop(self.cutting.lock());
    }

    fn target(&self) -> Target<'_> {
        self.target_in(&self.blocks.dir)
    }

    pub(super) fn target_in<'a>(&'a self, parent: &'a Path) -> Target<'a> {
        Target { disk: &self.blocks.disk, parent, counters: &self.blocks.counters, stop: &self.stop }
    }

    /// Writes a block and makes it known.
    /// # Errors
    /// When it cannot be written, or not be read back: then it is removed.
    pub(super) fn add_block(
        &self,
        now_ms: i64,
        draft: MetaDraft,
        rewriter: &mut Rewriter,
        input: &mut dyn BlockInput,
    ) -> Result<Option<BlockMeta>, CompactError> {
        let ulid = Ulid::generate(now_ms);
        let Some(meta) = write_block(self.target(), ulid, draft, rewriter, input)? else { return Ok(None) };
        self.blocks.reload();
        if self.blocks.list().iter().any(|block| block.meta().ulid == ulid) {
            return Ok(Some(meta));
        }
        self.blocks.delete(&[ulid]);
        Err(CompactError::Unreadable)
    }
}

/// Cutting the head.
impl Life {
    /// Cuts the oldest range of the head to a block, if one is due; returns whether another may be.
    fn cut_head_if_due(&self, cutting: &mut Cutting, now_ms: i64) -> bool {
        if self.head.is_truncating() || self.stop.load(Ordering::Relaxed) {
            return false;
        }
        let Some(range) = self.head.due_cut() else { return false };
        let started = Instant::now();
        match self.cut_head(range, now_ms) {
            Ok(meta) => {
                info!(
                    block = %meta.as_ref().map_or_else(String::new, |meta| meta.ulid.to_string()),
                    min_time_ms = range.start_ms,
                    max_time_ms = range.end_ms + 1,
                    n_series = meta.as_ref().map_or(0, |meta| meta.stats.n_series),
                    elapsed_s = started.elapsed().as_secs_f64(),
                    "head cut to a block"
                );
                // What the block holds may go from the head; and old blocks may have to make room.
                self.head.truncate_before(range.end_ms + 1, now_ms);
                cutting.reloaded_ms = i64::MIN;
                cutting.is_late_due = true;
                true
            }
            Err(HeadCutError::Block(CompactError::Stopped)) => false,
            Err(error) => {
                self.blocks.counters.compactions_failed.add(1);
                cutting.retry_ms = now_ms.saturating_add(RETRY_AFTER_MS);
                warn!(error = %Chain(&error), "cannot cut the head to a block; trying again in a minute");
                false
            }
        }
    }

    /// Cuts stale series to blocks of their own; they leave the head once no query needs them there.
    fn cut_stale(&self, cutting: &mut Cutting, now_ms: i64) {
        match self.try_cut_stale(now_ms) {
            Ok(stale) if stale.is_empty() => {}
            Ok(stale) => self.head.drop_stale_later(stale, now_ms),
            Err(HeadCutError::Block(CompactError::Stopped)) => {}
            Err(error) => {
                self.blocks.counters.compactions_failed.add(1);
                cutting.retry_ms = now_ms.saturating_add(RETRY_AFTER_MS);
                warn!(error = %Chain(&error), "cannot cut stale series to blocks; trying again in a minute");
            }
        }
    }

    fn try_cut_stale(&self, now_ms: i64) -> Result<StaleSeries, HeadCutError> {
        let stale = self.head.prepare_stale_cut()?;
        let (Some(span), length) = (stale.span, self.head.options().chunk_range_ms) else { return Ok(stale) };
        // What lies before is in blocks.
        let first = span.start_ms.max(self.head.in_blocks_before());
        let mut start_ms = first.div_euclid(length).saturating_mul(length);
        while start_ms <= span.end_ms {
            let window = TimeRange { start_ms, end_ms: start_ms.saturating_add(length - 1) };
            let range = TimeRange { start_ms: first.max(start_ms), end_ms: window.end_ms };
            let draft = MetaDraft {
                min_time: window.start_ms,
                max_time: window.end_ms + 1,
                compaction: Compaction {
                    hints: vec![HINT_STALE.to_owned()],
                    parents: vec![ParentBlock::default()],
                    ..Compaction::default()
                },
            };
            let mut input = self.head.stale_in(&stale, range)?;
            self.add_block(now_ms, draft, &mut Rewriter::new(Density::Copied, range), &mut input)?;
            self.blocks.counters.compactions.add(1);
            start_ms = start_ms.saturating_add(length);
        }
        Ok(stale)
    }

    fn cut_head(&self, range: TimeRange, now_ms: i64) -> Result<Option<BlockMeta>, HeadCutError> {
        self.blocks.counters.compactions_triggered.add(1);
        let started = Instant::now();
        let mut cut = self.head.prepare_cut(range)?;
        let draft = MetaDraft {
            min_time: range.start_ms,
            max_time: range.end_ms + 1,
            compaction: Compaction::default(),
        };
        let meta = self.add_block(now_ms, draft, &mut Rewriter::new(Density::Copied, range), &mut cut)?;
        self.blocks.counters.compactions.add(1);
        self.blocks.counters.compaction_time.add_since(started);
        Ok(meta)
    }
}

/// Compacting blocks.
impl Life {
    fn is_compaction_due(&self) -> bool {
        let candidates: Vec<Candidate> = self.compactable().iter().map(|block| candidate(block)).collect();
        !plan(&candidates, &self.ranges).is_empty()
    }

    /// Returns the blocks without those of late samples that reach further than the head was cut: merged with others
    /// they would say that the head has nothing more there.
    fn compactable(&self) -> Vec<Arc<Block>> {
        let cut_until = self.blocks.min_valid().unwrap_or(i64::MAX);
        let is_ahead = |block: &Block| {
            let meta = block.meta();
            meta.max_time > cut_until && meta.compaction.hints.iter().any(|hint| hint == HINT_OUT_OF_ORDER)
        };
        self.blocks.list().iter().filter(|block| !is_ahead(block)).cloned().collect()
    }

    fn start_compaction(self: &Arc<Self>, now_ms: i64) {
        let mut thread = self.thread.lock();
        let is_running = thread.as_ref().is_some_and(|thread| !thread.is_finished());
        if is_running
            || self.stop.load(Ordering::Relaxed)
            || self.is_paused.load(Ordering::Relaxed)
            || is_within(now_ms, self.compact_after_ms.load(Ordering::Relaxed))
            || !self.is_compaction_due()
        {
            return;
        }
        let life = Arc::clone(self);
        let run = move || {
            // Without a lower priority it is only less polite.
            let _ = rustix::process::setpriority_process(None, NICE);
            life.compact(now_ms);
        };
        match std::thread::Builder::new().name("tsdb-compaction".to_owned()).spawn(run) {
            Ok(started) => *thread = Some(started),
            Err(error) => warn!(%error, "cannot start a thread for compaction; trying again"),
        }
    }

    /// Compacts blocks until nothing is due.
    pub(crate) fn compact(&self, now_ms: i64) {
        while !self.stop.load(Ordering::Relaxed) && !self.is_paused.load(Ordering::Relaxed) {
            let _compacting = self.compacting.lock();
            let list = self.compactable();
            let candidates: Vec<Candidate> = list.iter().map(|block| candidate(block)).collect();
            let positions = plan(&candidates, &self.ranges);
            if positions.is_empty() {
                return;
            }
            let inputs: Vec<Arc<Block>> = positions.into_iter().map(|at| Arc::clone(&list[at])).collect();
            self.blocks.counters.compactions_triggered.add(1);
            if let Err(error) = self.compact_blocks(&inputs, merged_draft(&inputs), now_ms) {
                self.on_failed_compaction(&inputs, &error, now_ms);
                if !error.is_damage() {
                    return;
                }
            }
        }
    }

    /// Replaces blocks by one with their samples, without what was deleted.
    pub(super) fn compact_blocks(
        &self,
        inputs: &[Arc<Block>],
        draft: MetaDraft,
        now_ms: i64,
    ) -> Result<(), CompactError> {
        let started = Instant::now();
        let is_overlapping = inputs.windows(2).any(|pair| pair[1].meta().min_time < pair[0].meta().max_time);
        let range = TimeRange { start_ms: draft.min_time, end_ms: draft.max_time - 1 };
        let is_long = draft.max_time - draft.min_time > self.ranges.first().copied().unwrap_or(0);
        let density = if draft.compaction.level >= 2 && is_long { Density::Joined } else { Density::Copied };
        let mut input = MergedBlocks::new(inputs.to_vec())?;
        let meta = self.add_block(now_ms, draft, &mut Rewriter::new(density, range), &mut input)?;
        // Those that another block was made from were deleted with the reload; without a block it is up to us.
        let parents: Vec<Ulid> = inputs.iter().map(|block| block.meta().ulid).collect();
        self.blocks.delete(&parents);
        let counters = &self.blocks.counters;
        counters.compactions.add(1);
        counters.vertical_compactions.add(u64::from(is_overlapping));
        counters.compaction_time.add_since(started);
        info!(
            block = %meta.as_ref().map_or_else(String::new, |meta| meta.ulid.to_string()),
            min_time_ms = range.start_ms,
            max_time_ms = range.end_ms + 1,
            n_parents = parents.len(),
            is_overlapping,
            elapsed_s = started.elapsed().as_secs_f64(),
            "blocks compacted"
        );
        Ok(())
    }

    /// A damaged block stays as it is, and is marked so that nobody tries again; what the disk refused is tried later.
    fn on_failed_compaction(&self, inputs: &[Arc<Block>], error: &CompactError, now_ms: i64) {
        if matches!(error, CompactError::Stopped) {
            return debug!("compaction ended early");
        }
        self.blocks.counters.compactions_failed.add(1);
        self.compact_after_ms.store(now_ms.saturating_add(RETRY_AFTER_MS), Ordering::Relaxed);
        let names: Vec<String> = inputs.iter().map(|block| block.meta().ulid.to_string()).collect();
        warn!(blocks = names.join(","), error = %Chain(error), "cannot compact blocks");
        if error.is_damage() {
            for block in inputs {
                if let Err(error) = block.update_meta(|meta| meta.compaction.failed = true) {
                    warn!(block = %block.meta().ulid, error = %Chain(&error), "cannot mark a block as failed");
                }
            }
        }
    }
}

/// Dropping what is too old or too much.
impl Life {
    fn expire(&self) {
        let list = self.blocks.list();
        let aged: Vec<Aged> = list
            .iter()
            .map(|block| Aged { max_time: block.meta().max_time, bytes: block.size_bytes() })
            .collect();
        let disk_bytes = self.blocks.disk.space(&self.blocks.dir).map_or(0, |space| space.total_bytes);
        let room = Room { other_bytes: self.head.disk_bytes(), disk_bytes };
        let expired = self.retention().expired(&aged, room);
        let counters = &self.blocks.counters;
        counters.time_retentions.add(u64::from(!expired.by_time.is_empty()));
        counters.size_retentions.add(u64::from(!expired.by_size.is_empty()));
        let mut positions = expired.by_time;
        positions.extend(expired.by_size);
        positions.sort_unstable();
        positions.dedup();
        let ulids: Vec<Ulid> = positions.into_iter().map(|at| list[at].meta().ulid).collect();
        self.blocks.delete(&ulids);
    }
}

/// Returns whether `now_ms` lies in the minute before `until_ms`: a clock that was set back does not make a wait longer.
fn is_within(now_ms: i64, until_ms: i64) -> bool {
    (until_ms.saturating_sub(RETRY_AFTER_MS)..until_ms).contains(&now_ms)
}
