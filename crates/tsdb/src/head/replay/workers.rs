//! The threads that append replayed samples, each to shards of its own.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use parking_lot::RwLockWriteGuard;
use wf_series::HistogramValue;

use crate::FastMap;
use crate::head::chunk_list::ChunkSpan;
use crate::head::series::{NO_TIME, SampleKind, Verdict};
use crate::head::shard::{Limits, SHARDS, Shard, shard_of};
use crate::head::{Head, Seen};
use crate::head_chunks::ChunkRef;

/// More threads than this wait for the one that decodes.
const WORKERS_MAX: usize = 4;
/// Samples are handed over in batches of this many.
const BATCH_ITEMS: usize = 4096;
/// Saved series are handed over in batches of this many bytes.
const SAVED_BYTES: usize = 128 << 10;
/// Fewer of those that may be large.
const RICH_ITEMS: usize = 256;
/// Batches that wait for one worker.
const BATCHES: usize = 4;
/// Full chunks that pile up in the shards of all workers go to their files when they are this many bytes.
const FLUSH_BYTES: usize = 4 << 20;

/// Chunks found in files, in the order of time.
pub(crate) type Found = Vec<(ChunkSpan, ChunkRef)>;

/// A sample on its way to a shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) time_ms: i64,
    pub(super) value: f64,
}

/// A sample of a rarer sort: a native histogram, or one with a start timestamp.
#[derive(Debug)]
pub(super) struct RichItem {
    pub(super) id: u32,
    /// Its time and its start timestamp, ms.
    pub(super) times: (i64, i64),
    pub(super) value: RichValue,
}

#[derive(Debug)]
pub(super) enum RichValue {
    Float(f64),
    Histogram(HistogramValue),
}

/// Found chunks of a series, and end and kind of the newest if the series has had histograms.
#[derive(Debug)]
struct FoundOf {
    id: u32,
    found: Found,
    newest: Option<(i64, SampleKind)>,
}

/// A series of a snapshot: where its chunks and its bytes end, and, as above, the newest chunk.
#[derive(Debug)]
struct SavedOf {
    id: u32,
    chunks_end: usize,
    bytes_end: usize,
    newest: Option<(i64, SampleKind)>,
}

#[derive(Debug, Default)]
struct Batch {
    /// Come before the items.
    found: Vec<FoundOf>,
    /// Series of a snapshot, which come before everything: their chunks in files, and where their bytes end.
    saved: Vec<SavedOf>,
    saved_chunks: Found,
    saved_bytes: Vec<u8>,
    items: Vec<Item>,
    /// Come after the items.
    rich: Vec<RichItem>,
    /// Series that were dropped after all of it.
    dropped: Vec<u32>,
}

/// What the workers did together.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) seen: Seen,
    pub(super) n_samples: u64,
    pub(super) n_chunks_refused: u64,
    /// A series of the snapshot could not be decoded.
    pub(super) is_snapshot_damaged: bool,
}

/// The threads, and a batch being filled for each.
#[derive(Debug)]
pub(super) struct Workers<'scope> {
    lanes: Vec<Lane<'scope>>,
}

#[derive(Debug)]
struct Lane<'scope> {
    filling: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    thread: ScopedJoinHandle<'scope, Outcome>,
}

impl<'scope> Workers<'scope> {
    /// Starts the threads. `is_damaged` says that head chunks are missing: then what the log has of them is taken, at the
    /// price of looking at every sample.
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        head: &'env Head,
        is_damaged: bool,
    ) -> std::io::Result<Self> {
        let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
        let n_workers = n_cores.min(WORKERS_MAX);
        let start = |number| {
            let (full, full_out) = sync_channel(BATCHES);
            let (empty_in, empty) = sync_channel(BATCHES + 2);
            let worker = Worker {
                head,
                number,
                n_workers,
                patches: is_damaged.then(Patches::default),
                newest_kinds: FastMap::default(),
                outcome: Outcome::default(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("replay-{number}"))
                .spawn_scoped(scope, move || worker.run(&full_out, &empty_in))?;
            Ok(Lane { filling: Batch::default(), full, empty, thread })
        };
        Ok(Self { lanes: (0..n_workers).map(start).collect::<std::io::Result<_>>()? })
    }

    /// Hands over a sample.
    #[inline]
    pub(super) fn push(&mut self, item: Item) {
        let n_lanes = self.lanes.len();
        let lane = &mut self.lanes[shard_of(item.id) % n_lanes];
        if !lane.filling.rich.is_empty() || !lane.filling.dropped.is_empty() {
            lane.send();
        }
        lane.filling.items.push(item);
        if lane.filling.items.len() >= BATCH_ITEMS {
            lane.send();
        }
    }

    /// Hands over the chunks that were found of a series.
    pub(super) fn push_found(&mut self, id: u32, found: Found, newest: Option<(i64, SampleKind)>) {
        let n_lanes = self.lanes.len();
        let lane = &mut self.lanes[shard_of(id) % n_lanes];
        let has_samples = !lane.filling.items.is_empty() || !lane.filling.rich.is_empty();
        if has_samples || !lane.filling.dropped.is_empty() || lane.filling.found.len() >= BATCH_ITEMS {
            lane.send();
        }
        lane.filling.found.push(FoundOf { id, found, newest });
    }

    /// As [`Workers::push`].
    pub(super) fn push_rich(&mut self, item: RichItem) {
        let n_lanes = self.lanes.len();
        let lane = &mut self.lanes[shard_of(item.id) % n_lanes];
        if !lane.filling.dropped.is_empty() {
            lane.send();
        }
        lane.filling.rich.push(item);
        if lane.filling.rich.len() >= RICH_ITEMS {
            lane.send();
        }
    }

    /// Hands over a series of a snapshot, and the chunks that were found of it, which `take_found` appends.
    pub(super) fn push_saved(
        &mut self,
        id: u32,
        newest: Option<(i64, SampleKind)>,
        saved: &[u8],
        take_found: impl FnOnce(&mut Found),
    ) {
        let n_lanes = self.lanes.len();
        let lane = &mut self.lanes[shard_of(id) % n_lanes];
        let batch = &mut lane.filling;
        take_found(&mut batch.saved_chunks);
        batch.saved_bytes.extend_from_slice(saved);
        let (chunks_end, bytes_end) = (batch.saved_chunks.len(), batch.saved_bytes.len());
        batch.saved.push(SavedOf { id, chunks_end, bytes_end, newest });
        if bytes_end >= SAVED_BYTES {
            lane.send();
        }
    }

    /// Forgets what a series had in order so far: it was dropped, and may have come back.
    pub(super) fn push_drop(&mut self, id: u32) {
        let n_lanes = self.lanes.len();
        self.lanes[shard_of(id) % n_lanes].filling.dropped.push(id);
    }

    /// Waits until everything is in its shard.
    pub(super) fn finish(self) -> Outcome {
        let mut all = Outcome::default();
        let threads = self.lanes.into_iter().map(|mut lane| {
            lane.send();
            lane.thread
        });
        // All channels are closed before the first thread is waited for.
        for thread in threads.collect::<Vec<_>>() {
            // A panic is passed on by the scope.
            let Ok(outcome) = thread.join() else { continue };
            all.seen.add_all(outcome.seen);
            all.n_samples += outcome.n_samples;
            all.n_chunks_refused += outcome.n_chunks_refused;
            all.is_snapshot_damaged |= outcome.is_snapshot_damaged;
        }
        all
    }
}

impl Lane<'_> {
    fn send(&mut self) {
        let next = self.empty.try_recv().unwrap_or_default();
        // It fails only when the thread panicked, which the scope passes on.
        let _ = self.full.send(std::mem::replace(&mut self.filling, next));
    }
}

/// Found chunks of each series that come after the samples so far: what lies between them is taken from the log.
type Patches = FastMap<u32, VecDeque<(ChunkSpan, ChunkRef)>>;

struct Worker<'env> {
    head: &'env Head,
    number: usize,
    n_workers: usize,
    patches: Option<Patches>,
    /// End and kind of the newest found chunk of series that have had histograms.
    newest_kinds: FastMap<u32, (i64, SampleKind)>,
    outcome: Outcome,
}

impl Worker<'_> {
    fn run(mut self, full: &Receiver<Batch>, empty: &SyncSender<Batch>) -> Outcome {
        while let Ok(mut batch) = full.recv() {
            self.take(&mut batch);
            // A batch that is lost is merely freed.
            let _ = empty.try_send(batch);
        }
        for (id, chunks) in self.patches.take().unwrap_or_default() {
            self.restore(&mut self.head.shards[shard_of(id)].write(), id, chunks.into());
        }
        self.outcome
    }

    fn own_shards(&self) -> impl Iterator<Item = usize> + use<> {
        (self.number..SHARDS).step_by(self.n_workers)
    }

    fn take(&mut self, batch: &mut Batch) {
        let head = self.head;
        self.take_saved(batch);
        for FoundOf { id, found, newest } in batch.found.drain(..) {
            if let Some(newest) = newest {
                self.newest_kinds.insert(id, newest);
            }
            match &mut self.patches {
                None => self.restore(&mut head.shards[shard_of(id)].write(), id, found),
                Some(patches) => {
                    let waiting = patches.entry(id).or_default();
                    waiting.extend(found);
                    waiting.make_contiguous().sort_by_key(|(span, _)| span.min_time);
                }
            }
        }
        let mut shards: Vec<RwLockWriteGuard<'_, Shard>> =
            self.own_shards().map(|idx| head.shards[idx].write()).collect();
        for item in batch.items.drain(..) {
            let shard = &mut shards[shard_of(item.id) / self.n_workers];
            if self.patches.is_some() {
                self.patch(shard, item);
            }
            self.append(shard, item);
        }
        for item in batch.rich.drain(..) {
            let shard = &mut shards[shard_of(item.id) / self.n_workers];
            if self.patches.is_some() {
                self.patch(shard, Item { id: item.id, time_ms: item.times.0, value: 0.0 });
            }
            self.append_rich(shard, &item);
        }
        for id in batch.dropped.drain(..) {
            shards[shard_of(id) / self.n_workers].remove_in_order(id);
            self.newest_kinds.remove(&id);
            self.patches.as_mut().map(|patches| patches.remove(&id));
        }
        let pending_bytes: usize = shards.iter().map(|shard| shard.pending_bytes()).sum();
        drop(shards);
        if pending_bytes >= FLUSH_BYTES / self.n_workers {
            self.own_shards().for_each(|idx| head.flush_shard_or_report(&head.shards[idx]));
        }
    }

    fn take_saved(&mut self, batch: &mut Batch) {
        let head = self.head;
        let limits = Limits { min_valid: head.min_valid.load(Ordering::Relaxed), rules: head.chunk_rules };
        let (mut bytes_start, mut chunks_start) = (0, 0);
        for SavedOf { id, chunks_end, bytes_end, newest } in batch.saved.drain(..) {
            let saved = batch.saved_bytes.get(bytes_start..bytes_end).unwrap_or_default();
            let found = batch.saved_chunks.get_mut(chunks_start..chunks_end).unwrap_or_default();
            (bytes_start, chunks_start) = (bytes_end, chunks_end);
            let mut shard = head.shards[shard_of(id)].write();
            match shard.restore_saved(id, found, saved, limits) {
                Ok(n_refused) => self.outcome.n_chunks_refused += n_refused as u64,
                Err(_) => self.outcome.is_snapshot_damaged = true,
            }
            if let Some((newest, kind)) = newest {
                self.newest_kinds.insert(id, (newest, kind));
                shard.series_mut(id).set_newest_kind(newest, kind);
            }
            let series = shard.series(id);
            if series.min_time() != NO_TIME {
                self.outcome.seen.add(series.min_time());
                self.outcome.seen.add(series.max_time());
            }
        }
        batch.saved_bytes.clear();
        batch.saved_chunks.clear();
    }

    #[inline]
    fn append(&mut self, shard: &mut Shard, item: Item) {
        let Item { id, time_ms, value } = item;
        match shard.series(id).judge(time_ms, value) {
            Verdict::InOrder => {
                shard.append(id, time_ms, value, 0, self.head.chunk_rules);
                self.outcome.seen.add(time_ms);
                self.outcome.n_samples += 1;
            }
            // The newest sample of a chunk in a file: only the log tells its value without decoding the chunk.
            Verdict::Duplicate => shard.series_mut(id).set_last_value(value),
            Verdict::Repeated | Verdict::OutOfOrder => {}
        }
    }

    fn append_rich(&mut self, shard: &mut Shard, item: &RichItem) {
        let (id, times) = (item.id, item.times);
        let (verdict, value) = match &item.value {
            RichValue::Float(value) => (shard.series(id).judge(times.0, *value), *value),
            RichValue::Histogram(value) => (shard.series(id).judge_histogram(times.0, value), value.sum()),
        };
        match verdict {
            Verdict::InOrder => {
                let rules = self.head.chunk_rules;
                match &item.value {
                    RichValue::Float(value) => shard.append_started(id, times, *value, 0, rules),
                    RichValue::Histogram(value) => shard.append_histogram(id, times, value, 0, rules),
                }
                self.outcome.seen.add(times.0);
                self.outcome.n_samples += 1;
            }
            // As with plain ones.
            Verdict::Duplicate => shard.series_mut(id).set_last_value(value),
            Verdict::Repeated | Verdict::OutOfOrder => {}
        }
    }

    /// Adds the found chunks that begin before a sample: the sample is in the last of them, or nowhere but in the log.
    fn patch(&mut self, shard: &mut Shard, item: Item) {
        let Some(waiting) = self.patches.as_mut().and_then(|patches| patches.get_mut(&item.id)) else {
            return;
        };
        let n_due = waiting.partition_point(|(span, _)| span.min_time <= item.time_ms);
        if n_due > 0 {
            let due: Found = waiting.drain(..n_due).collect();
            self.restore(shard, item.id, due);
        }
    }

    fn restore(&mut self, shard: &mut Shard, id: u32, mut found: Found) {
        for (span, _) in &found {
            self.outcome.seen.add(span.min_time);
            self.outcome.seen.add(span.max_time);
        }
        self.outcome.n_chunks_refused += shard.restore(id, &mut found, self.head.chunk_rules) as u64;
        if let Some((newest, kind)) = self.newest_kinds.get(&id) {
            shard.series_mut(id).set_newest_kind(*newest, *kind);
        }
    }
}
