//! The head as the last process left it: head-chunk files first, then checkpoint and segments of the log.
//!
//! ```text
//! reader thread: read, verify, decompress -> this thread: decode, series to ids -> workers: append to their shards
//! ```
//! Samples that a head chunk holds already are passed over, so replay costs decoding what is in open chunks. Batches are
//! not rebuilt: what is on disk was complete when it got there, but for damage, which is passed over and then mended.
//! Everything on the way is bounded: replay takes a few megabytes more than what it rebuilds.
//! # Reading order: `feed`, `found`, this file, `others`, `workers`.

mod feed;
mod found;
mod load;
mod others;
mod workers;

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use roaring::RoaringBitmap;
use tracing::info;
use wf_model::Labels;

use self::feed::Block;
pub(crate) use self::found::FoundChunks;
use self::workers::{Item, RichItem, RichValue, Workers};
use super::Head;
use super::chunk_list::ChunkSpan;
use super::shard::{Shard, shard_of};
use super::snapshot::{SnapshotError, SnapshotReader};
use crate::ReplayProgress;
use crate::record::{self, Record, RecordError, Samples, SeriesEntry};
use crate::wal::{Position, ReadError, Reader};

/// References are given out from 1 on, one by one. Those beyond come from damaged or foreign bytes: counting on from
/// them would overflow, and 0 names no series.
const REF_MAX: u64 = 1 << 62;

pub(super) fn is_ref(series_ref: u64) -> bool {
    (1..=REF_MAX).contains(&series_ref)
}

/// What was wrong with the log.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// The first of each damaged segment: where, and what is wrong.
    pub(crate) damaged: Vec<(Position, String)>,
    /// Records and stretches of bytes that could not be read.
    pub(crate) n_places: u64,
    /// The log could not be read on.
    pub(crate) unreadable: Option<ReadError>,
}

impl Complaints {
    pub(super) fn add(&mut self, position: Position, reason: String) {
        self.n_places += 1;
        let is_same = |(known, _): &(Position, String)| {
            (known.checkpoint, known.segment) == (position.checkpoint, position.segment)
        };
        if !self.damaged.last().is_some_and(is_same) {
            self.damaged.push((position, reason));
        }
    }
}

/// What a head is rebuilt from.
pub(crate) struct Sources {
    /// Chunks in files.
    pub(crate) found: FoundChunks,
    /// What stands for the log before `log`.
    pub(crate) snapshot: Option<SnapshotReader>,
    pub(crate) log: Reader,
}

/// Why a replay could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("start a thread")]
    Thread(#[from] std::io::Error),
    /// The head is of no use; without the snapshot another one can be rebuilt.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Rebuilds a head. Returns the number of samples taken from the log, and what of it could not be read.
/// # Errors
/// See [`ReplayError`].
pub(crate) fn replay(
    head: &Head,
    sources: Sources,
    progress: &ReplayProgress,
) -> Result<(u64, Complaints), ReplayError> {
    let Sources { found, snapshot, log } = sources;
    let mut complaints = Complaints::default();
    let n_samples = std::thread::scope(|scope| {
        let (filler, feed) = feed::feed();
        let workers = Workers::start(scope, head, found.n_corruptions > 0)?;
        let mut replay = Replay::new(head, found, workers);
        if let Some(snapshot) = snapshot {
            replay.load(scope, snapshot)?;
        }
        std::thread::Builder::new()
            .name("replay-reader".to_owned())
            .spawn_scoped(scope, move || filler.run(log))?;
        while let Some(mut block) = feed.next() {
            replay.block(&mut block, &mut complaints, progress);
            feed.recycle(block);
        }
        replay.finish()
    })?;
    Ok((n_samples, complaints))
}

/// Whether a record makes sense from its first byte to its last.
pub(crate) fn is_sound(bytes: &[u8]) -> bool {
    match record::decode(bytes) {
        Err(_) => false,
        Ok(Record::Series(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Samples(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Tombstones(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Exemplars(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::MmapMarkers(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Metadata(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Histograms(entries)) => entries.into_iter().all(|entry| entry.is_ok()),
        Ok(Record::Unknown(_)) => true,
    }
}

/// Decodes records; series go to the index, samples to the workers.
struct Replay<'scope, 'env> {
    head: &'env Head,
    found: FoundChunks,
    workers: Workers<'scope>,
    max_ref: u64,
    /// Series that were dropped, and did not come back yet.
    dropped: RoaringBitmap,
    n_unknown: u64,
    n_bad_histograms: u64,
    n_tombstones: u64,
}

impl<'scope, 'env> Replay<'scope, 'env> {
    fn new(head: &'env Head, found: FoundChunks, workers: Workers<'scope>) -> Self {
        let max_ref = found.max_ref;
        let dropped = RoaringBitmap::new();
        Self { head, found, workers, max_ref, dropped, n_unknown: 0, n_bad_histograms: 0, n_tombstones: 0 }
    }

    /// Takes what was read at once.
    fn block(&mut self, block: &mut Block, complaints: &mut Complaints, progress: &ReplayProgress) {
        let complaints = RefCell::new(complaints);
        self.head.counters.replayed_bytes.add(block.n_bytes() as u64);
        block.drain(
            |position, bytes| {
                if position.checkpoint.is_none() {
                    progress.reach(position.segment);
                }
                if let Err(error) = self.record(bytes) {
                    complaints.borrow_mut().add(position, super::Chain(&error).to_string());
                }
            },
            |error| match error {
                ReadError::Corrupt { position, reason, .. } => {
                    complaints.borrow_mut().add(position, reason.to_owned());
                }
                other => complaints.borrow_mut().unreadable = Some(other),
            },
        );
    }

    /// Takes a record of the log.
    /// # Errors
    /// When it is damaged: what comes before the damage has been taken.
    fn record(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        match record::decode(bytes)? {
            Record::Series(entries) => {
                for entry in entries {
                    self.series(&entry?);
                }
            }
            Record::Samples(entries) => self.samples(entries)?,
            Record::Tombstones(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if is_ref(entry.series) {
                        self.max_ref = self.max_ref.max(entry.series);
                    }
                    // All of time means that the series was dropped here, not that samples were deleted.
                    if entry.is_series_drop() {
                        let id = self.head.commit.lock().refs.find(entry.series);
                        id.into_iter().for_each(|id| self.drop_series(id));
                    } else if !self.head.restore_tombstone(&entry) {
                        self.n_tombstones += 1;
                    }
                }
            }
            Record::Histograms(entries) => self.histograms(entries)?,
            Record::Exemplars(entries) => self.exemplars(entries)?,
            Record::Metadata(entries) => self.metadata(entries)?,
            // Markers belong to the out-of-order log.
            Record::MmapMarkers(_) | Record::Unknown(_) => {}
        }
        Ok(())
    }

    fn series(&mut self, entry: &SeriesEntry<'_>) {
        if !is_ref(entry.series) {
            return;
        }
        self.max_ref = self.max_ref.max(entry.series);
        let is_in_order = entry.labels.clone().zip(entry.labels.clone().skip(1)).all(|(a, b)| a.0 < b.0);
        let is_plain = is_in_order && entry.labels.clone().all(|(_, value)| !value.is_empty());
        let labels = if is_plain {
            Labels::from_sorted(entry.labels.clone())
        } else {
            Labels::from_pairs(entry.labels.clone())
        };
        if labels.is_empty() {
            return;
        }
        let mut commit = self.head.commit.lock();
        let mut index = self.head.index.write();
        // A second record for the same labels maps to the first: the series was dropped and came back.
        let (id, is_new) = match index.find(&labels) {
            Some((id, _)) => {
                // It came back under this reference; Prometheus does not know the one from before.
                if self.dropped.remove(id) {
                    index.set_series_ref(id, entry.series);
                }
                (id, false)
            }
            None => (index.insert(&labels, entry.series), true),
        };
        commit.refs.insert(entry.series, id);
        drop((index, commit));
        if is_new {
            self.head.shards[shard_of(id)].write().add(id);
        }
        // Two references of one series hold chunks of different times, in any order.
        let mut found = Vec::new();
        self.found.take(entry.series, &mut found);
        if !found.is_empty() {
            self.workers.push_found(id, found, self.found.take_newest_kind(entry.series));
        }
        self.late(id, entry.series);
    }

    /// Forgets what a series had so far. It stays in the index until the end: it may come back.
    fn drop_series(&mut self, id: u32) {
        // At once, as they are restored: what the workers do later must not take those of its next life.
        let mut shard = self.head.shards[shard_of(id)].write();
        shard.late.remove(id);
        shard.deleted.remove(id);
        drop(shard);
        self.workers.push_drop(id);
        self.dropped.insert(id);
    }

    /// Restores the late chunks of a series that were found in files.
    fn late(&mut self, id: u32, series_ref: u64) {
        if let Some(late) = self.found.late.remove(&series_ref) {
            let mut shard = self.head.shards[shard_of(id)].write();
            late.into_iter().for_each(|chunk| shard.late.entry(id).restore(chunk));
        }
    }

    fn samples(&mut self, entries: Samples<'_>) -> Result<(), RecordError> {
        let commit = self.head.commit.lock();
        let mut finder = commit.refs.finder();
        let min_valid = self.head.min_valid.load(Ordering::Relaxed);
        for entry in entries {
            let sample = entry?;
            if sample.time_ms < min_valid {
                continue;
            }
            match finder.find(sample.series) {
                Some(id) if sample.start_time_ms == 0 => {
                    self.workers.push(Item { id, time_ms: sample.time_ms, value: sample.value });
                }
                Some(id) => {
                    let (times, value) =
                        ((sample.time_ms, sample.start_time_ms), RichValue::Float(sample.value));
                    self.workers.push_rich(RichItem { id, times, value });
                }
                None => self.n_unknown += 1,
            }
        }
        Ok(())
    }

    /// Ends the replay: from here on the head takes batches. Returns the number of samples taken.
    /// # Errors
    /// When the snapshot turned out to be damaged.
    fn finish(self) -> Result<u64, ReplayError> {
        let head = self.head;
        let outcome = self.workers.finish();
        if outcome.is_snapshot_damaged {
            return Err(SnapshotError::Damaged("a series cannot be decoded").into());
        }
        head.counters.head_chunk_corruptions.add(outcome.n_chunks_refused);
        head.saw_times(outcome.seen);
        let mut commit = head.commit.lock();
        commit.next_ref = commit.next_ref.max(self.max_ref.saturating_add(1));
        drop(commit);
        head.forget_dropped(&self.dropped);
        head.counters.replay_unknown_refs.set(self.n_unknown);
        let n_orphans = self.found.n_left();
        if self.n_unknown + self.n_bad_histograms + self.n_tombstones + self.found.n_foreign > 0
            || n_orphans > 0
        {
            info!(
                n_samples_of_unknown_series = self.n_unknown,
                n_bad_histograms = self.n_bad_histograms,
                n_tombstones = self.n_tombstones,
                n_chunks_of_other_kinds = self.found.n_foreign,
                n_chunks_of_unknown_series = n_orphans,
                "parts of the log were passed over"
            );
        }
        head.index.write().postings.optimize();
        head.walk();
        Ok(outcome.n_samples)
    }
}

impl Head {
    /// Forgets series that were dropped and got no sample since.
    fn forget_dropped(&self, dropped: &RoaringBitmap) {
        let is_dead = |shard: &Shard, id| shard.is_without_data(id);
        // The log says so already: nothing can fail.
        let _ = self.drop_series(dropped, &is_dead, &mut |_| Ok(()));
    }
}
