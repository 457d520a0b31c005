//! The head as the last process left it: head-chunk files first, then checkpoint and segments of the log.
//!
//! Samples that a head chunk holds already are passed over, so replay costs decoding what is in open chunks. Labels go
//! from the record straight to the index; batches are not rebuilt: what is on disk was complete when it got there, but
//! for the torn tail, which repair cuts off.

mod others;

use tracing::info;
use wf_model::Labels;

use self::others::kind_of;
use super::chunk_list::ChunkSpan;
use super::late::LateChunk;
use super::series::{SampleKind, Verdict};
use super::shard::shard_of;
use super::{Head, Seen};
use crate::FastMap;
use crate::chunk::Encoding;
use crate::head_chunks::{ChunkMeta, ChunkRef};
use crate::record::{self, Record, RecordError, Samples, SeriesEntry};

/// Full chunks that pile up during replay go to their files when they are this many bytes.
const FLUSH_BYTES: usize = 4 << 20;

/// References are given out from 1 on, one by one. Those beyond come from damaged or foreign bytes: counting on from
/// them would overflow, and 0 names no series.
const REF_MAX: u64 = 1 << 62;

pub(super) fn is_ref(series_ref: u64) -> bool {
    (1..=REF_MAX).contains(&series_ref)
}

/// The chunks found in files, by series reference, until their series are known.
#[derive(Debug, Default)]
pub(crate) struct FoundChunks {
    by_series: FastMap<u64, Vec<(ChunkSpan, ChunkRef)>>,
    late: FastMap<u64, Vec<LateChunk>>,
    /// End and kind of the newest chunk of series that have had histograms.
    newest_kinds: FastMap<u64, (i64, SampleKind)>,
    max_ref: u64,
    pub(crate) n_corruptions: u64,
    /// Chunks of another kind than this version writes: late histograms, those of no series.
    n_foreign: u64,
}

impl FoundChunks {
    pub(crate) fn add(&mut self, chunk: ChunkMeta) {
        if !is_ref(chunk.series) {
            self.n_foreign += 1;
            return;
        }
        self.max_ref = self.max_ref.max(chunk.series);
        if chunk.is_out_of_order && chunk.encoding != Encoding::Xor {
            self.n_foreign += 1;
            return;
        }
        let span = ChunkSpan { min_time: chunk.min_time_ms, max_time: chunk.max_time_ms };
        if chunk.is_out_of_order {
            self.late.entry(chunk.series).or_default().push(LateChunk { span, chunk: chunk.chunk });
            return;
        }
        let newest = self.newest_kinds.get(&chunk.series).map_or(i64::MIN, |(newest, _)| *newest);
        let kind = kind_of(chunk.encoding);
        if span.max_time >= newest && (kind != SampleKind::Float || newest != i64::MIN) {
            self.newest_kinds.insert(chunk.series, (span.max_time, kind));
        }
        self.by_series.entry(chunk.series).or_default().push((span, chunk.chunk));
    }
}

/// Rebuilds a head from records.
pub(crate) struct Replay<'a> {
    head: &'a Head,
    found: FoundChunks,
    max_ref: u64,
    seen: Seen,
    n_samples: u64,
    n_unknown: u64,
    n_bad_histograms: u64,
    n_tombstones: u64,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(head: &'a Head, found: FoundChunks) -> Self {
        Self {
            head,
            max_ref: found.max_ref,
            found,
            seen: Seen::default(),
            n_samples: 0,
            n_unknown: 0,
            n_bad_histograms: 0,
            n_tombstones: 0,
        }
    }

    /// Takes a record of the log.
    /// # Errors
    /// When it is damaged: what comes before the damage has been taken.
    pub(crate) fn record(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        match record::decode(bytes)? {
            Record::Series(entries) => {
                for entry in entries {
                    self.series(&entry?);
                }
            }
            Record::Samples(entries) => {
                let result = self.samples(entries);
                self.flush_if_many();
                result?;
            }
            Record::Tombstones(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if is_ref(entry.series) {
                        self.max_ref = self.max_ref.max(entry.series);
                    }
                    // All of time means that the series was dropped here, not that samples were deleted.
                    if entry.is_series_drop() || !self.head.restore_tombstone(&entry) {
                        self.n_tombstones += 1;
                    }
                }
            }
            Record::Histograms(entries) => {
                let result = self.histograms(entries);
                self.flush_if_many();
                result?;
            }
            Record::Exemplars(entries) => self.exemplars(entries)?,
            Record::Metadata(entries) => self.metadata(entries)?,
            // Markers belong to the out-of-order log.
            Record::MmapMarkers(_) | Record::Unknown(_) => {}
        }
        Ok(())
    }

    /// Writes full chunks to their files when they are many.
    fn flush_if_many(&self) {
        let pending_bytes: usize = self.head.shards.iter().map(|shard| shard.read().pending_bytes()).sum();
        if pending_bytes >= FLUSH_BYTES {
            self.head.flush_or_report();
        }
    }

    fn series(&mut self, entry: &SeriesEntry<'_>) {
        if !is_ref(entry.series) {
            return;
        }
        self.max_ref = self.max_ref.max(entry.series);
        let labels = Labels::from_pairs(entry.labels.clone());
        if labels.is_empty() {
            return;
        }
        let mut commit = self.head.commit.lock();
        let mut index = self.head.index.write();
        // A second record for the same labels maps to the first: the series was dropped and came back.
        let id = match index.find(&labels) {
            Some((id, _)) => id,
            None => index.insert(&labels, entry.series),
        };
        commit.refs.insert(entry.series, id);
        drop((index, commit));
        let mut shard = self.head.shards[shard_of(id)].write();
        // Two references of one series hold chunks of different times, in any order.
        let found = self.found.by_series.remove(&entry.series).unwrap_or_default();
        for (span, _) in &found {
            self.seen.add(span.min_time);
            self.seen.add(span.max_time);
        }
        let n_refused = shard.restore(id, found, self.head.chunk_rules);
        if let Some((newest, kind)) = self.found.newest_kinds.remove(&entry.series) {
            shard.series_mut(id).set_newest_kind(newest, kind);
        }
        let late = self.found.late.remove(&entry.series).unwrap_or_default();
        late.into_iter().for_each(|chunk| shard.late.entry(id).restore(chunk));
        drop(shard);
        self.head.counters.head_chunk_corruptions.add(n_refused as u64);
    }

    fn samples(&mut self, entries: Samples<'_>) -> Result<(), RecordError> {
        let head = self.head;
        let commit = head.commit.lock();
        let mut finder = commit.refs.finder();
        let mut shards: Vec<_> = head.shards.iter().map(|shard| shard.write()).collect();
        for entry in entries {
            let sample = entry?;
            let Some(id) = finder.find(sample.series) else {
                self.n_unknown += 1;
                continue;
            };
            let shard = &mut shards[shard_of(id)];
            match shard.series(id).judge(sample.time_ms, sample.value) {
                Verdict::InOrder => {
                    if sample.start_time_ms == 0 {
                        shard.append(id, sample.time_ms, sample.value, 0, head.chunk_rules);
                    } else {
                        let times = (sample.time_ms, sample.start_time_ms);
                        shard.append_started(id, times, sample.value, 0, head.chunk_rules);
                    }
                    self.seen.add(sample.time_ms);
                    self.n_samples += 1;
                }
                // The newest sample of a chunk in a file: only the log tells its value without decoding the chunk.
                Verdict::Duplicate => shard.series_mut(id).set_last_value(sample.value),
                Verdict::Repeated | Verdict::OutOfOrder => {}
            }
        }
        Ok(())
    }

    /// Ends the replay: from here on the head takes batches.
    /// Returns the number of samples taken.
    pub(crate) fn finish(self) -> u64 {
        let head = self.head;
        head.saw_times(self.seen);
        let mut commit = head.commit.lock();
        commit.next_ref = commit.next_ref.max(self.max_ref.saturating_add(1));
        drop(commit);
        head.counters.replay_unknown_refs.set(self.n_unknown);
        let n_late_orphans: usize = self.found.late.values().map(Vec::len).sum();
        let n_orphans = n_late_orphans + self.found.by_series.values().map(Vec::len).sum::<usize>();
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
        self.n_samples
    }
}
