//! What a batch holds besides floats: native histograms, exemplars, metadata.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wf_model::histogram::{HistogramError, SCHEMA_STORED_MAX};
use wf_model::{FloatHistogram, Histogram};
use wf_series::{
    AppendError, AppendOutcome, HistogramRejection, HistogramSample, HistogramValue, Rejection, WriteBatch,
};

use super::{Commit, Head, Logged, Seen};
use crate::exemplars::Stored;
use crate::head::bounds::{Bounds, Judgement};
use crate::head::late::{LateSample, LateValue};
use crate::head::shard::shard_of;
use crate::record::{ExemplarsWriter, HistogramsWriter, MetadataWriter, RecordType, histogram_record};
use crate::wal::CommitSeq;

/// A record is closed at this many bytes; the smallest segment holds five of them.
const RECORD_BYTES: usize = 2 << 20;

/// The records of a batch apart from its floats, in the order in which they go to the log.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Before the floats.
    pub(super) before: Vec<Vec<u8>>,
    /// After them.
    pub(super) after: Vec<Vec<u8>>,
    /// Those of late histograms, for the write-behind log; they are among the others too.
    pub(super) late: Vec<Vec<u8>>,
}

impl Others {
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Returns all records of a batch, that of its floats among them.
    pub(super) fn around<'a>(&'a self, floats: &'a [u8]) -> Vec<&'a [u8]> {
        let floats = (!floats.is_empty()).then_some(floats);
        let before = self.before.iter().map(Vec::as_slice);
        before.chain(floats).chain(self.after.iter().map(Vec::as_slice)).collect()
    }
}

impl Head {
    /// As `make_predecessors_visible`, for the series of a batch's histograms.
    pub(super) fn make_histogram_predecessors_visible(
        &self,
        commit: &Commit,
        batch: &WriteBatch,
    ) -> Result<(), AppendError> {
        if batch.histograms.is_empty() || self.visibility.n_waiting() == 0 {
            return Ok(());
        }
        let visible_seq = self.visible_seq();
        let mut finder = commit.refs.finder();
        let mut ids = batch.histograms.iter().filter_map(|sample| finder.find(sample.series.get()));
        if ids.any(|id| self.shards[shard_of(id)].read().commit_seq(id) > visible_seq) {
            return self.wait_logged(Logged { position: CommitSeq::MAX, late_position: CommitSeq::MAX });
        }
        Ok(())
    }

    /// Judges and applies what the batch holds besides floats; returns the records of what was stored.
    pub(super) fn apply_others(
        &self,
        commit: &mut Commit,
        bounds: Bounds,
        batch: &WriteBatch,
        outcome: &mut AppendOutcome,
    ) -> Others {
        let mut others = Others::default();
        self.apply_metadata(commit, batch, &mut others.before);
        self.apply_histograms(commit, bounds, batch, outcome, &mut others);
        self.apply_exemplars(commit, batch, outcome, &mut others.after);
        others
    }

    fn apply_histograms(
        &self,
        commit: &mut Commit,
        bounds: Bounds,
        batch: &WriteBatch,
        outcome: &mut AppendOutcome,
        others: &mut Others,
    ) {
        let (seq, late_commit) = (commit.next_seq, &mut commit.late);
        let keeps_starts = self.chunk_rules.keeps_starts;
        let mut finder = commit.refs.finder();
        let mut seen = Seen::default();
        let mut stored: Vec<(&HistogramSample, HistogramValue)> = Vec::new();
        let mut late: Vec<(&HistogramSample, HistogramValue)> = Vec::new();
        for (at, sample) in batch.histograms.iter().enumerate() {
            let Some(id) = finder.find(sample.series.get()) else {
                outcome.rejected_histograms.push((at, HistogramRejection::Sample(Rejection::UnknownSeries)));
                continue;
            };
            let value = match storable(&sample.value) {
                Ok(value) => value,
                Err(error) => {
                    outcome.rejected_histograms.push((at, HistogramRejection::Invalid(error)));
                    continue;
                }
            };
            let mut shard = self.shards[shard_of(id)].write();
            match bounds.judge_histogram(shard.series(id), sample.time_ms, &value) {
                Judgement::Rejected(rejection) => {
                    outcome.rejected_histograms.push((at, HistogramRejection::Sample(rejection)));
                    continue;
                }
                Judgement::Repeated => {}
                Judgement::InOrder => {
                    let times = (sample.time_ms, sample.start_time_ms);
                    shard.append_histogram(id, times, &value, seq, self.chunk_rules);
                    seen.add(sample.time_ms);
                    stored.push((sample, value));
                }
                Judgement::Late => {
                    let start_time_ms = if keeps_starts { sample.start_time_ms } else { 0 };
                    let kept = LateValue::Histogram(value.clone());
                    let kept = LateSample { time_ms: sample.time_ms, start_time_ms, value: kept };
                    if Self::store_late(late_commit, &mut shard, id, kept, seq) {
                        stored.push((sample, value.clone()));
                        late.push((sample, value));
                    }
                }
            }
            outcome.n_histograms += 1;
        }
        self.saw_times(seen);
        self.counters.late_histograms.add(late.len() as u64);
        write_histograms(&stored, keeps_starts, &mut others.after);
        write_histograms(&late, keeps_starts, &mut others.late);
    }

    fn apply_exemplars(
        &self,
        commit: &Commit,
        batch: &WriteBatch,
        outcome: &mut AppendOutcome,
        records: &mut Vec<Vec<u8>>,
    ) {
        if batch.exemplars.is_empty() || !self.exemplars.is_enabled() {
            return;
        }
        let index = self.index.read();
        let window_ms = self.late_window_ms.load(Ordering::Relaxed);
        let mut stored = Vec::new();
        for (at, (series, exemplar)) in batch.exemplars.iter().enumerate() {
            let labels = || commit.refs.find(series.get()).map(|id| index.labels(id));
            match self.exemplars.add(series.get(), labels, exemplar, window_ms) {
                Ok(Stored::New) => {
                    outcome.n_exemplars += 1;
                    stored.push((series.get(), exemplar));
                }
                Ok(Stored::Repeated) => {}
                Err(rejection) => outcome.rejected_exemplars.push((at, rejection)),
            }
        }
        drop(index);
        let mut rest = stored.as_slice();
        while !rest.is_empty() {
            let mut record = Vec::new();
            let mut writer = ExemplarsWriter::new(&mut record);
            while let Some(((series, exemplar), after)) = rest.split_first() {
                writer.push(*series, exemplar.time_ms, exemplar.value, exemplar.labels.iter());
                rest = after;
                if writer.n_bytes() >= RECORD_BYTES {
                    break;
                }
            }
            records.push(record);
        }
    }

    fn apply_metadata(&self, commit: &Commit, batch: &WriteBatch, records: &mut Vec<Vec<u8>>) {
        let mut record = Vec::new();
        let known = batch.metadata.iter().filter(|(series, _)| commit.refs.find(series.get()).is_some());
        for (series, metadata) in known {
            if !self.metadata.set(series.get(), metadata) {
                continue;
            }
            if record.is_empty() {
                MetadataWriter::new(&mut record);
            }
            MetadataWriter::resume(&mut record).push(series.get(), metadata);
            if record.len() >= RECORD_BYTES {
                records.push(std::mem::take(&mut record));
            }
        }
        if !record.is_empty() {
            records.push(record);
        }
    }
}

/// Returns a histogram as it is stored: valid, and not finer than chunks can be.
pub(in crate::head) fn storable(value: &HistogramValue) -> Result<HistogramValue, HistogramError> {
    Ok(match value {
        HistogramValue::Integer(histogram) => {
            histogram.validate()?;
            if histogram.schema > SCHEMA_STORED_MAX {
                let mut coarser = Histogram::clone(histogram);
                coarser.limit_schema(SCHEMA_STORED_MAX);
                HistogramValue::Integer(Arc::new(coarser))
            } else {
                value.clone()
            }
        }
        HistogramValue::Float(histogram) => {
            histogram.validate()?;
            if histogram.schema > SCHEMA_STORED_MAX {
                let mut coarser = FloatHistogram::clone(histogram);
                coarser.reduce_to_schema(SCHEMA_STORED_MAX);
                HistogramValue::Float(Arc::new(coarser))
            } else {
                value.clone()
            }
        }
    })
}

/// Writes histograms to records by type, in their order.
fn write_histograms(
    stored: &[(&HistogramSample, HistogramValue)],
    has_starts: bool,
    records: &mut Vec<Vec<u8>>,
) {
    let types = [
        RecordType::Histograms,
        RecordType::FloatHistograms,
        RecordType::CustomHistograms,
        RecordType::CustomFloatHistograms,
        RecordType::HistogramsV2,
        RecordType::FloatHistogramsV2,
    ];
    for record_type in types {
        let mut of_type =
            stored.iter().filter(|(_, value)| histogram_record(value, has_starts) == record_type).peekable();
        while of_type.peek().is_some() {
            let mut record = Vec::new();
            let mut writer = HistogramsWriter::new(&mut record, record_type);
            while let Some((sample, value)) = of_type.next_if(|_| writer.n_bytes() < RECORD_BYTES) {
                writer.push(sample.series.get(), sample.time_ms, sample.start_time_ms, value);
            }
            records.push(record);
        }
    }
}
