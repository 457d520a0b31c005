//! The write path: resolve labels to a series, append batches.
//!
//! One batch at a time is judged, applied and queued for the log, under the commit lock: a million series every 15 s
//! keep it busy for less than a hundredth of the time, and the order of the log is the order of memory by construction.
//! Readers are kept out of one shard at a time only.

use wf_model::Labels;
use wf_series::{Acknowledge, AppendError, AppendOutcome, Rejection, SeriesRef, WriteBatch};

use super::Head;
use super::Seen;
use super::ref_directory::RefDirectory;
use super::series::Verdict;
use super::shard::{SHARDS, shard_of};
use crate::record::{SamplesWriter, SeriesWriter};
use crate::wal::{CommitSeq, WalError};

/// What only one writer at a time may touch.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) is_closed: bool,
    pub(crate) refs: RefDirectory,
    /// The next series gets this reference.
    pub(crate) next_ref: u64,
    /// The next batch gets this number.
    next_seq: u64,
    /// A batch that was applied and then refused by the log: its number and its record.
    leftover: Option<(u64, Vec<u8>)>,
    buffers: Buffers,
}

/// Kept from batch to batch: appending allocates nothing.
#[derive(Debug, Default)]
struct Buffers {
    /// Local id per sample.
    ids: Vec<u32>,
    /// Positions in the batch, grouped by shard, in order within a shard.
    by_shard: Vec<u32>,
    fates: Vec<Fate>,
    /// The record of the batch, as it goes to the log; empty when no sample was stored.
    record: Vec<u8>,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    Repeated,
    Rejected(Rejection),
}

const NO_ID: u32 = u32::MAX;

/// Two varints of ten bytes, the value, and a share of page headers.
const SAMPLE_RECORD_BYTES_MAX: usize = 32;

impl Commit {
    pub(crate) fn new() -> Self {
        Self {
            is_closed: false,
            refs: RefDirectory::default(),
            next_ref: 1,
            next_seq: 1,
            leftover: None,
            buffers: Buffers::default(),
        }
    }
}

impl Head {
    pub(crate) fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        let known = self.index.read().find(labels);
        let raw = match known {
            Some((_, series_ref)) => series_ref,
            None => self.create(labels)?,
        };
        SeriesRef::new(raw).ok_or(AppendError::Closed)
    }

    fn create(&self, labels: &Labels) -> Result<u64, AppendError> {
        let mut commit = self.commit.lock();
        if commit.is_closed {
            return Err(AppendError::Closed);
        }
        let n_series = {
            // Whoever had the commit lock before may have created it. From here on nobody else can.
            let index = self.index.read();
            if let Some((_, series_ref)) = index.find(labels) {
                return Ok(series_ref);
            }
            index.n_series() as u64
        };
        self.check_room(n_series)?;
        let series_ref = commit.next_ref;
        // The record comes first: no sample of the series can be queued before it. This may wait for the disk, so the
        // index stays open to queries.
        let record = &mut commit.buffers.record;
        record.clear();
        SeriesWriter::new(record).push(series_ref, labels.iter());
        self.log().log(&[record], Acknowledge::Queued).map_err(|error| self.log_error(&error))?;
        commit.next_ref += 1;
        let mut index = self.index.write();
        let id = index.insert(labels, series_ref);
        commit.refs.insert(series_ref, id);
        self.shards[shard_of(id)].write().add(id);
        self.counters.series_created.add(1);
        Ok(series_ref)
    }

    /// Refuses a new series at the bound; see [`crate::TsdbOptions`].
    fn check_room(&self, n_series: u64) -> Result<(), AppendError> {
        let refuse = |limit, setting| {
            self.counters.series_refused.add(1);
            Err(AppendError::SeriesLimit { n_series, limit, setting })
        };
        if n_series >= self.options.series_max {
            return refuse(self.options.series_max, self.options.series_max_setting);
        }
        if self.estimated_bytes(n_series) >= self.options.memory_bytes_max {
            return refuse(n_series, self.options.memory_bytes_max_setting);
        }
        Ok(())
    }

    pub(crate) fn append(
        &self,
        batch: &WriteBatch,
        acknowledge: Acknowledge,
    ) -> Result<AppendOutcome, AppendError> {
        debug_assert!(
            batch.refs.len() == batch.times_ms.len() && batch.refs.len() == batch.values.len(),
            "columns of a batch have equal length"
        );
        let mut outcome = AppendOutcome::default();
        let logged = {
            let mut commit = self.commit.lock();
            if commit.is_closed {
                return Err(AppendError::Closed);
            }
            self.check_size(batch)?;
            self.log_leftover(&mut commit)?;
            let mut buffers = std::mem::take(&mut commit.buffers);
            let shard_ends = buffers.group_by_shard(&commit.refs, batch);
            let result = self.make_predecessors_visible(&buffers, &shard_ends).and_then(|()| {
                self.apply(commit.next_seq, batch, &mut buffers, &shard_ends);
                buffers.conclude(batch, &mut outcome);
                self.log_batch(&mut commit, &buffers.record)
            });
            commit.buffers = buffers;
            result?
        };
        self.count(batch, &outcome);
        if let (Some(position), Acknowledge::Written) = (logged, acknowledge) {
            self.log().wait_written(position).map_err(|error| self.log_error(&error))?;
        }
        Ok(outcome)
    }

    /// Refuses a batch whose record might not fit a segment, before anything of it is applied.
    fn check_size(&self, batch: &WriteBatch) -> Result<(), AppendError> {
        let limit =
            usize::try_from(self.options.wal_segment_bytes).unwrap_or(usize::MAX) / SAMPLE_RECORD_BYTES_MAX;
        if batch.len() >= limit {
            let n_samples = batch.len();
            let message =
                format!("a batch of {n_samples} samples may not fit a segment: send fewer than {limit}");
            return Err(AppendError::Log { message });
        }
        Ok(())
    }

    /// Makes sure that the last batch of each series is visible before another appends to it: a series remembers only
    /// what it was before one batch.
    fn make_predecessors_visible(
        &self,
        buffers: &Buffers,
        ends: &[usize; SHARDS],
    ) -> Result<(), AppendError> {
        if self.visibility.n_waiting() == 0 {
            return Ok(());
        }
        let visible_seq = self.visible_seq();
        let mut start = 0;
        for (shard, end) in self.shards.iter().zip(ends) {
            let shard = shard.read();
            let positions = buffers.by_shard[start..*end].iter();
            let newest = positions.map(|at| shard.series(buffers.ids[*at as usize]).commit_seq()).max();
            if newest.is_some_and(|seq| seq > visible_seq) {
                drop(shard);
                // All that is queued is older than this batch: one write settles the other shards too.
                return self.log().wait_written(CommitSeq::MAX).map_err(|error| self.log_error(&error));
            }
            start = *end;
        }
        Ok(())
    }

    /// Judges and applies the samples of batch `seq`, shard by shard.
    fn apply(&self, seq: u64, batch: &WriteBatch, buffers: &mut Buffers, shard_ends: &[usize; SHARDS]) {
        let bound = self.oldest_acceptable();
        let mut seen = Seen::default();
        let mut start = 0;
        for (shard, end) in self.shards.iter().zip(shard_ends) {
            if start == *end {
                continue;
            }
            let mut shard = shard.write();
            for position in &buffers.by_shard[start..*end] {
                let at = *position as usize;
                let (id, time, value) = (buffers.ids[at], batch.times_ms[at], batch.values[at]);
                buffers.fates[at] = if time < bound {
                    Fate::Rejected(Rejection::OutOfBounds)
                } else {
                    judged(shard.series(id).judge(time, value))
                };
                if buffers.fates[at] == Fate::Stored {
                    shard.append(id, time, value, seq, self.options.chunk_range_ms);
                    seen.add(time);
                }
            }
            start = *end;
        }
        self.saw_times(seen);
    }

    /// Queues the record of the batch that was just applied; returns its position, `None` if nothing was stored.
    fn log_batch(&self, commit: &mut Commit, record: &[u8]) -> Result<Option<CommitSeq>, AppendError> {
        if record.is_empty() {
            return Ok(None);
        }
        let seq = commit.next_seq;
        commit.next_seq += 1;
        match self.log().log(&[record], Acknowledge::Queued) {
            Ok(position) => {
                self.visibility.complete(seq, position);
                Ok(Some(position))
            }
            Err(error) => {
                commit.leftover = Some((seq, record.to_owned()));
                Err(self.log_error(&error))
            }
        }
    }

    /// Queues the batch that the log refused after it had been applied, if there is one. Nobody sees that batch, and
    /// nothing is accepted after it, until it is in the log.
    fn log_leftover(&self, commit: &mut Commit) -> Result<(), AppendError> {
        if let Some((seq, record)) = &commit.leftover {
            let position =
                self.log().log(&[record], Acknowledge::Queued).map_err(|error| self.log_error(&error))?;
            self.visibility.complete(*seq, position);
            commit.leftover = None;
        } else if let Some(message) = self.log().stats().error {
            // Better refused before anything was applied.
            self.counters.append_errors.add(1);
            return Err(AppendError::Log { message });
        }
        Ok(())
    }

    pub(super) fn log_error(&self, error: &WalError) -> AppendError {
        self.counters.append_errors.add(1);
        match error {
            WalError::Closed => AppendError::Closed,
            other => AppendError::Log { message: other.to_string() },
        }
    }

    fn count(&self, batch: &WriteBatch, outcome: &AppendOutcome) {
        self.counters.histograms_refused.add(batch.histograms.len() as u64);
        self.counters.samples_appended.add(outcome.n_appended as u64);
        self.count_rejections(outcome);
    }

    fn count_rejections(&self, outcome: &AppendOutcome) {
        for (_, rejection) in &outcome.rejected {
            let counter = match rejection {
                Rejection::OutOfOrder => &self.counters.out_of_order,
                Rejection::Duplicate => &self.counters.duplicate,
                Rejection::OutOfBounds | Rejection::TooOld => &self.counters.out_of_bounds,
                Rejection::UnknownSeries => &self.counters.unknown_series,
            };
            counter.add(1);
        }
    }
}

impl Buffers {
    /// Looks up the ids and sorts positions by shard, stably (counting sort); returns where each shard's end.
    fn group_by_shard(&mut self, refs: &RefDirectory, batch: &WriteBatch) -> [usize; SHARDS] {
        let mut finder = refs.finder();
        self.ids.clear();
        self.ids.extend(batch.refs.iter().map(|series| finder.find(series.get()).unwrap_or(NO_ID)));
        self.fates.clear();
        self.fates.resize(batch.len(), Fate::Rejected(Rejection::UnknownSeries));
        let known = || self.ids.iter().enumerate().filter(|(_, id)| **id != NO_ID);
        let mut ends = [0; SHARDS];
        known().for_each(|(_, id)| ends[shard_of(*id)] += 1);
        let mut n_before = 0;
        for end in &mut ends {
            n_before += std::mem::replace(end, n_before);
        }
        self.by_shard.clear();
        self.by_shard.resize(n_before, 0);
        for (position, id) in self.ids.iter().enumerate().filter(|(_, id)| **id != NO_ID) {
            let slot = &mut ends[shard_of(*id)];
            self.by_shard[*slot] = u32::try_from(position).expect("a batch has fewer than 4 billion samples");
            *slot += 1;
        }
        ends
    }

    fn conclude(&mut self, batch: &WriteBatch, outcome: &mut AppendOutcome) {
        self.record.clear();
        let mut n_stored = 0;
        let mut writer = SamplesWriter::new(&mut self.record);
        for (at, fate) in self.fates.iter().enumerate() {
            match fate {
                Fate::Rejected(rejection) => outcome.rejected.push((at, *rejection)),
                Fate::Repeated => outcome.n_appended += 1,
                Fate::Stored => {
                    n_stored += 1;
                    writer.push(batch.refs[at].get(), batch.times_ms[at], batch.values[at]);
                }
            }
        }
        outcome.n_appended += n_stored;
        if n_stored == 0 {
            self.record.clear();
        }
    }
}

fn judged(verdict: Verdict) -> Fate {
    match verdict {
        Verdict::InOrder => Fate::Stored,
        Verdict::Repeated => Fate::Repeated,
        Verdict::Duplicate => Fate::Rejected(Rejection::Duplicate),
        Verdict::OutOfOrder => Fate::Rejected(Rejection::OutOfOrder),
    }
}
