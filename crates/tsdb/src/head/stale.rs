//! Series that went stale leave the head before their time, when there are many: churn does not wait for the next cut.
//!
//! Their chunks go to blocks of aligned ranges with a hint of their own. Then, once no selection from before is left, the
//! series are dropped, but for those that came back meanwhile, and the log says so.
//! # Source
//! `spec/prometheus-core.md` §7.2, §7.8 (tombstones over all of time).

use roaring::RoaringBitmap;
use wf_model::TimeRange;
use wf_series::{Acknowledge, AppendError};

use super::Head;
use super::cut::{CutError, HeadCut, OpenChunks};
use super::maintain::Upkeep;
use super::series::ChunkRules;
use super::shard::{Shard, shard_of};
use crate::FastMap;
use crate::record::TombstonesWriter;
use crate::wal::CommitSeq;

/// Series that are looked at before a batch may go on.
const SERIES_PER_LOCK: usize = 1024;

/// Stale series, all their chunks in files.
#[derive(Clone, Debug, Default)]
pub(crate) struct StaleSeries {
    /// Id and newest sample, ms: a series that has a newer one came back.
    series: Vec<(u32, i64)>,
    pub(crate) span: Option<TimeRange>,
}

impl Head {
    /// Returns whether stale series should leave: memory is short, or their share exceeds the limit, if there is one.
    pub(crate) fn wants_stale_cut(&self) -> bool {
        let (n_stale, n_series) = (self.counters.n_stale_series.get(), self.counters.n_series_walked.get());
        let limit = self.options.stale_share_max.filter(|limit| *limit > 0.0);
        limit.is_some_and(|limit| n_stale as f64 > limit * n_series as f64)
            || self.is_stale_cut_due(self.index.read().n_series() as u64)
    }

    /// Closes the chunks of all stale series and writes them to their files.
    pub(crate) fn prepare_stale_cut(&self) -> Result<StaleSeries, CutError> {
        let mut stale = StaleSeries::default();
        for (shard_idx, shard) in self.shards.iter().enumerate() {
            let ids: Vec<u32> = shard.read().ids(shard_idx).collect();
            for ids in ids.chunks(SERIES_PER_LOCK) {
                let mut shard = shard.write();
                ids.iter().for_each(|id| stale.add(&mut shard, *id, self.chunk_rules));
            }
        }
        self.log().wait_written(CommitSeq::MAX).map_err(CutError::Log)?;
        self.flush_chunks().map_err(CutError::Chunks)?;
        Ok(stale)
    }

    /// Prepares to write the samples of stale series inside `range`.
    pub(crate) fn stale_in(&self, stale: &StaleSeries, range: TimeRange) -> Result<HeadCut<'_>, CutError> {
        let in_range = |id: &u32| {
            let shard = self.shards[shard_of(*id)].read();
            shard.series(*id).full_chunks().iter().any(|(span, _)| span.overlaps(range))
        };
        let ids = stale.series.iter().map(|(id, _)| *id).filter(in_range).collect();
        self.cut_of(ids, range, OpenChunks::Excluded)
    }

    /// Drops the series that did not come back; the log says so first. Returns how many.
    pub(super) fn drop_stale(&self, upkeep: &mut Upkeep, stale: &StaleSeries) -> Result<u64, AppendError> {
        let max_times: FastMap<u32, i64> = stale.series.iter().copied().collect();
        let doomed: RoaringBitmap = max_times.keys().copied().collect();
        let is_dead = |shard: &Shard, id| {
            let series = shard.series(id);
            series.is_stale()
                && max_times.get(&id) == Some(&series.max_time())
                && shard.late.get(id).is_none()
        };
        let dropped = upkeep.dropped_mut();
        let (n_dropped, outcome) = self.drop_series(&doomed, &is_dead, &mut |refs| {
            let mut record = Vec::new();
            let mut writer = TombstonesWriter::new(&mut record);
            refs.iter().for_each(|series_ref| writer.push(*series_ref, i64::MIN, i64::MAX));
            if !refs.is_empty() {
                let logged = self.log().log(&[&record], Acknowledge::Queued);
                logged.map_err(|error| self.log_error(&error))?;
            }
            let last_segment = self.log().stats().segment;
            dropped.extend(refs.iter().map(|series_ref| (*series_ref, last_segment)));
            Ok(())
        });
        self.counters.series_removed.add(n_dropped);
        outcome.map(|()| n_dropped)
    }
}

impl StaleSeries {
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    fn add(&mut self, shard: &mut Shard, id: u32, rules: ChunkRules) {
        if !shard.series(id).is_stale() || shard.late.get(id).is_some() {
            return;
        }
        shard.cut(id, rules);
        let series = shard.series(id);
        let span = TimeRange { start_ms: series.min_time(), end_ms: series.max_time() };
        self.series.push((id, span.end_ms));
        self.span = Some(self.span.map_or(span, |all| TimeRange {
            start_ms: all.start_ms.min(span.start_ms),
            end_ms: all.end_ms.max(span.end_ms),
        }));
    }
}
