//! The write path: resolve labels to a series, append batches.
//!
//! One batch at a time is judged, applied and queued for the log, under the commit lock: a million series every 15 s
//! keep it busy for less than a hundredth of the time, and the order of the log is the order of memory by construction.
//! Readers are kept out of one shard at a time only.

pub(super) mod others;

use wf_model::Labels;
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, HistogramRejection, Rejection, SeriesRef, WriteBatch,
};

use self::others::Others;
use super::Head;
use super::Seen;
use super::bounds::{Bounds, Judgement};
use super::late::LateSample;
use super::late::commit::LateCommit;
use super::ref_directory::RefDirectory;
use super::shard::{SHARDS, shard_of};
use crate::record::{SamplesWriter, SeriesWriter, StartedSamplesWriter};
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
    /// A batch that was applied and then refused by a log.
    leftover: Option<Leftover>,
    pub(super) late: LateCommit,
    buffers: Buffers,
}

/// A batch that is in memory, and not in both logs yet.
#[derive(Debug)]
struct Leftover {
    seq: u64,
    record: Vec<u8>,
    others: Others,
    /// Its records for the write-behind log.
    late: Vec<Vec<u8>>,
    /// Where its record is in the write-ahead log, once it is.
    position: Option<CommitSeq>,
}

/// Where a batch is in the logs.
#[derive(Clone, Copy, Debug)]
struct Logged {
    position: CommitSeq,
    late_position: CommitSeq,
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
    /// The record of its late samples, as it goes to the write-behind log; empty when there is none.
    late_record: Vec<u8>,
}

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stored,
    /// Stored, among the late samples.
    Late,
    Repeated,
    Rejected(Rejection),
}

const NO_ID: u32 = u32::MAX;

/// So many series' open chunks are fetched from memory together: they stay in the nearest cache until they are written.
const TOUCHED_AHEAD: usize = 64;

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
            late: LateCommit::default(),
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
        let logged = self.log().log(&[record], Acknowledge::Queued);
        commit.late.series_position = logged.map_err(|error| self.log_error(&error))?;
        commit.next_ref += 1;
        let mut index = self.index.write();
        let id = index.insert(labels, series_ref);
        commit.refs.insert(series_ref, id);
        self.shards[shard_of(id)].write().add(id);
        self.counters.series_created.add(1);
        Ok(series_ref)
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
            let result = self
                .make_predecessors_visible(&buffers, &shard_ends)
                .and_then(|()| self.make_histogram_predecessors_visible(&commit, batch))
                .and_then(|()| {
                    let markers = self.close_full_late(&mut commit.late);
                    let bounds = self.bounds();
                    let is_started = self.chunk_rules.keeps_starts && !batch.start_times_ms.is_empty();
                    if is_started {
                        self.apply::<true>(&mut commit, bounds, batch, &mut buffers, &shard_ends);
                    } else {
                        self.apply::<false>(&mut commit, bounds, batch, &mut buffers, &shard_ends);
                    }
                    self.counters.late_samples.add(buffers.conclude(batch, is_started, &mut outcome));
                    let others = self.apply_others(&mut commit, bounds, batch, &mut outcome);
                    self.log_batch(&mut commit, &buffers, others, &markers)
                });
            commit.buffers = buffers;
            result?
        };
        self.count(&outcome);
        if let (Some(logged), Acknowledge::Written) = (logged, acknowledge) {
            self.wait_logged(logged)?;
        }
        Ok(outcome)
    }

    /// Returns the time from which on late samples are taken, if any are.
    pub(crate) fn late_from_ms(&self) -> Option<i64> {
        self.bounds().late_from
    }

    /// Returns whether a sample of this time would be refused as too old, were it appended now.
    pub(crate) fn is_too_old(&self, series: SeriesRef, time_ms: i64) -> bool {
        let bounds = self.bounds();
        let is_in_window = bounds.late_from.is_none_or(|late_from| time_ms >= late_from);
        // What is in order is never late, however old it is.
        let is_behind = || {
            let id = self.commit.lock().refs.find(series.get());
            id.is_some_and(|id| time_ms < self.shards[shard_of(id)].read().series(id).max_time())
        };
        !is_in_window && (time_ms < bounds.oldest || is_behind())
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
            let newest = positions.map(|at| shard.commit_seq(buffers.ids[*at as usize])).max();
            if newest.is_some_and(|seq| seq > visible_seq) {
                drop(shard);
                // All that is queued is older than this batch: one write settles the other shards too.
                let all = Logged { position: CommitSeq::MAX, late_position: CommitSeq::MAX };
                return self.wait_logged(all);
            }
            start = *end;
        }
        Ok(())
    }

    fn wait_logged(&self, logged: Logged) -> Result<(), AppendError> {
        let written = self.log().wait_written(logged.position);
        written
            .and_then(|()| self.wbl.wait_written(logged.late_position))
            .map_err(|error| self.log_error(&error))
    }

    /// Judges and applies the samples of the next batch, shard by shard; `STARTED`: with start timestamps.
    fn apply<const STARTED: bool>(
        &self,
        commit: &mut Commit,
        bounds: Bounds,
        batch: &WriteBatch,
        buffers: &mut Buffers,
        shard_ends: &[usize; SHARDS],
    ) {
        let (seq, late) = (commit.next_seq, &mut commit.late);
        let mut seen = Seen::default();
        let mut start = 0;
        for (shard, end) in self.shards.iter().zip(shard_ends) {
            if start == *end {
                continue;
            }
            let mut shard = shard.write();
            let positions = &buffers.by_shard[start..*end];
            for (nth, position) in positions.iter().enumerate() {
                if nth % TOUCHED_AHEAD == 0 {
                    let ahead = positions[nth..].iter().take(TOUCHED_AHEAD);
                    shard.touch(ahead.map(|at| buffers.ids[*at as usize]));
                }
                let at = *position as usize;
                let (id, time, value) = (buffers.ids[at], batch.times_ms[at], batch.values[at]);
                buffers.fates[at] = match bounds.judge(shard.series(id), time, value) {
                    Judgement::InOrder => {
                        if STARTED {
                            let start = batch.start_time_ms(at);
                            shard.append_started(id, (time, start), value, seq, self.chunk_rules);
                        } else {
                            shard.append(id, time, value, seq, self.chunk_rules);
                        }
                        seen.add(time);
                        Fate::Stored
                    }
                    Judgement::Late => {
                        let start = if STARTED { batch.start_time_ms(at) } else { 0 };
                        let sample = LateSample::float(time, start, value);
                        let is_stored = Self::store_late(late, &mut shard, id, sample, seq);
                        if is_stored { Fate::Late } else { Fate::Repeated }
                    }
                    Judgement::Repeated => Fate::Repeated,
                    Judgement::Rejected(reason) => Fate::Rejected(reason),
                };
            }
            start = *end;
        }
        self.saw_times(seen);
    }

    /// Queues the records of the batch that was just applied; returns their positions, `None` if nothing was stored.
    fn log_batch(
        &self,
        commit: &mut Commit,
        buffers: &Buffers,
        others: Others,
        markers: &[u8],
    ) -> Result<Option<Logged>, AppendError> {
        // Markers come first: they speak of what was before.
        let late_records = [markers, &buffers.late_record].into_iter();
        let late_records = late_records.chain(others.late.iter().map(Vec::as_slice));
        let late_records: Vec<&[u8]> = late_records.filter(|record| !record.is_empty()).collect();
        if buffers.record.is_empty() && others.is_empty() {
            // What the markers say is true all the same; a log that fails now is told by the next batch.
            let _ = self.log_late(commit.late.series_position, &late_records);
            return Ok(None);
        }
        let seq = commit.next_seq;
        commit.next_seq += 1;
        let mut position = None;
        let series_position = commit.late.series_position;
        let records = others.around(&buffers.record);
        match self.queue(series_position, &records, &late_records, &mut position) {
            Ok(logged) => {
                self.visibility.complete(seq, logged.position, logged.late_position);
                Ok(Some(logged))
            }
            Err(error) => {
                let late = late_records.into_iter().map(<[u8]>::to_vec).collect();
                let record = buffers.record.clone();
                commit.leftover = Some(Leftover { seq, record, others, late, position });
                Err(self.log_error(&error))
            }
        }
    }

    /// Queues records for both logs; what is in the write-ahead log already has a `position`.
    fn queue(
        &self,
        series_position: CommitSeq,
        records: &[&[u8]],
        late_records: &[&[u8]],
        position: &mut Option<CommitSeq>,
    ) -> Result<Logged, WalError> {
        let in_log = match *position {
            Some(known) => known,
            None => self.log().log(records, Acknowledge::Queued)?,
        };
        *position = Some(in_log);
        let late_position = self.log_late(series_position, late_records)?;
        Ok(Logged { position: in_log, late_position })
    }

    /// Queues the batch that a log refused after it had been applied, if there is one. Nobody sees that batch, and
    /// nothing is accepted after it, until it is in the logs.
    fn log_leftover(&self, commit: &mut Commit) -> Result<(), AppendError> {
        let series_position = commit.late.series_position;
        if let Some(left) = &mut commit.leftover {
            let late_records: Vec<&[u8]> = left.late.iter().map(Vec::as_slice).collect();
            let records = left.others.around(&left.record);
            let queued = self.queue(series_position, &records, &late_records, &mut left.position);
            let logged = queued.map_err(|error| self.log_error(&error))?;
            self.visibility.complete(left.seq, logged.position, logged.late_position);
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

    fn count(&self, outcome: &AppendOutcome) {
        self.counters.histograms_refused.add(outcome.rejected_histograms.len() as u64);
        self.counters.histograms_appended.add(outcome.n_histograms as u64);
        self.counters.samples_appended.add(outcome.n_appended as u64);
        self.count_rejections(outcome);
    }

    fn count_rejections(&self, outcome: &AppendOutcome) {
        let of_histograms = outcome.rejected_histograms.iter().filter_map(|(_, rejection)| match rejection {
            HistogramRejection::Sample(rejection) => Some(rejection),
            HistogramRejection::Invalid(_) => None,
        });
        for rejection in outcome.rejected.iter().map(|(_, rejection)| rejection).chain(of_histograms) {
            let counter = match rejection {
                Rejection::OutOfOrder => &self.counters.out_of_order,
                Rejection::Duplicate => &self.counters.duplicate,
                Rejection::OutOfBounds => &self.counters.out_of_bounds,
                Rejection::TooOld => &self.counters.too_old,
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

    /// Writes the records and the outcome; returns how many late samples were stored.
    fn conclude(&mut self, batch: &WriteBatch, is_started: bool, outcome: &mut AppendOutcome) -> u64 {
        self.record.clear();
        self.late_record.clear();
        let (mut n_stored, mut n_late) = (0, 0);
        let mut writer = SamplesWriter::new(&mut self.record);
        let mut late_writer = SamplesWriter::new(&mut self.late_record);
        for (at, fate) in self.fates.iter().enumerate() {
            match fate {
                Fate::Rejected(rejection) => outcome.rejected.push((at, *rejection)),
                Fate::Repeated => outcome.n_appended += 1,
                Fate::Stored | Fate::Late => {
                    let (series, time_ms, value) =
                        (batch.refs[at].get(), batch.times_ms[at], batch.values[at]);
                    n_stored += 1;
                    writer.push(series, time_ms, value);
                    if *fate == Fate::Late {
                        n_late += 1;
                        late_writer.push(series, time_ms, value);
                    }
                }
            }
        }
        outcome.n_appended += n_stored;
        if n_stored == 0 {
            self.record.clear();
        } else if is_started {
            started_record(&mut self.record, &self.fates, batch, |fate| {
                matches!(fate, Fate::Stored | Fate::Late)
            });
        }
        if n_late == 0 {
            self.late_record.clear();
        } else if is_started {
            started_record(&mut self.late_record, &self.fates, batch, |fate| *fate == Fate::Late);
        }
        n_late
    }
}

/// Writes a record of the batch anew, with start timestamps, of the samples whose fate `is_of_it` wants.
fn started_record(
    record: &mut Vec<u8>,
    fates: &[Fate],
    batch: &WriteBatch,
    is_of_it: impl Fn(&Fate) -> bool,
) {
    record.clear();
    let mut writer = StartedSamplesWriter::new(record);
    for (at, _) in fates.iter().enumerate().filter(|(_, fate)| is_of_it(fate)) {
        writer.push(batch.refs[at].get(), batch.times_ms[at], batch.start_time_ms(at), batch.values[at]);
    }
}
