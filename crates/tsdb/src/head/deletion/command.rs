//! Deleting: which series, which of their samples, and the tombstones that say so in the log.

use wf_model::{Matcher, TimeRange};
use wf_series::{Acknowledge, AppendError};

use crate::head::Head;
use crate::head::series::NO_TIME;
use crate::head::shard::{Shard, shard_of};
use crate::index::matching::select_ids;
use crate::record::{TombstoneEntry, TombstonesWriter};

/// Tombstones in one record at most: half a megabyte.
const RECORD_TOMBSTONES: usize = 16_384;

/// An interval of a series that is to be deleted.
struct Doomed {
    id: u32,
    series: u64,
    range: TimeRange,
}

impl Head {
    /// Deletes the samples inside `range` of the series that satisfy all matchers, and returns once the log says so.
    /// Returns how many series lost samples. Samples that come later are not deleted, but for late ones: as long as
    /// the deletion is remembered, what falls into it stays deleted.
    /// # Errors
    /// [`AppendError::Closed`]; [`AppendError::Log`] when the log cannot be written: the deletion may or may not survive
    /// a restart, repeat it.
    pub(crate) fn delete(&self, matchers: &[Matcher], range: TimeRange) -> Result<usize, AppendError> {
        let commit = self.commit.lock();
        if commit.is_closed {
            return Err(AppendError::Closed);
        }
        let doomed = self.doomed(matchers, range);
        let records: Vec<Vec<u8>> = doomed.chunks(RECORD_TOMBSTONES).map(tombstones_record).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        if records.is_empty() {
            return Ok(0);
        }
        let logged = self.log().log(&records, Acknowledge::Written);
        // Queued or written, the log will say it: so do we.
        if logged.is_ok() || matches!(logged, Err(crate::wal::WalError::Unwritten { .. })) {
            for Doomed { id, range, .. } in &doomed {
                self.shards[shard_of(*id)].write().deleted.add(*id, *range);
            }
        }
        logged.map_err(|error| self.log_error(&error))?;
        Ok(doomed.len())
    }

    /// Returns what `range` takes from the series that satisfy all matchers.
    fn doomed(&self, matchers: &[Matcher], range: TimeRange) -> Vec<Doomed> {
        let index = self.index.read();
        let ids = select_ids(&index, matchers);
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.read()).collect();
        let spans = ids.iter().filter_map(|id| {
            let span = span_of(&shards[shard_of(id)], id)?;
            let start_ms = range.start_ms.max(span.start_ms);
            let range = TimeRange { start_ms, end_ms: range.end_ms.min(span.end_ms) };
            (range.start_ms <= range.end_ms).then(|| Doomed { id, series: index.series_ref(id), range })
        });
        spans.collect()
    }

    /// Returns how many deleted intervals are remembered.
    pub(crate) fn n_deleted_intervals(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().deleted.n_intervals()).sum()
    }

    /// Returns all that is deleted, as records of the log.
    pub(crate) fn deletion_records(&self) -> Vec<Vec<u8>> {
        let index = self.index.read();
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            for id in shard.deleted.ids() {
                let ranges = shard.deleted.get(id).into_iter().flat_map(|intervals| intervals.iter());
                all.extend(ranges.map(|range| Doomed { id, series: index.series_ref(id), range }));
            }
        }
        all.chunks(RECORD_TOMBSTONES).map(tombstones_record).collect()
    }

    /// Takes a tombstone that was found in the log; returns whether its series is known.
    pub(crate) fn restore_tombstone(&self, entry: &TombstoneEntry) -> bool {
        let Some(id) = self.commit.lock().refs.find(entry.series) else { return false };
        let range = TimeRange { start_ms: entry.min_time_ms, end_ms: entry.max_time_ms };
        self.shards[shard_of(id)].write().deleted.add(id, range);
        true
    }

    /// Forgets deletions of samples that are no longer in the head; the rest is written to the log once more if it
    /// ends before `checkpointed_before`, because a checkpoint up to there does not take it over.
    pub(crate) fn forget_deletions(&self, checkpointed_before: i64) -> Result<(), AppendError> {
        let mut kept = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.write();
            for id in shard.deleted.ids() {
                let oldest = span_of(&shard, id).map_or(i64::MAX, |span| span.start_ms);
                shard.deleted.forget_before(id, oldest);
                let rest = shard.deleted.get(id).into_iter().flat_map(|intervals| intervals.iter());
                let rest = rest.filter(|range| range.end_ms < checkpointed_before);
                kept.extend(rest.map(|range| Doomed { id, series: 0, range }));
            }
        }
        let index = self.index.read();
        kept.iter_mut().for_each(|doomed| doomed.series = index.series_ref(doomed.id));
        drop(index);
        let records: Vec<Vec<u8>> = kept.chunks(RECORD_TOMBSTONES).map(tombstones_record).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        if !records.is_empty() {
            self.log().log(&records, Acknowledge::Queued).map_err(|error| self.log_error(&error))?;
        }
        Ok(())
    }
}

/// Returns the oldest and the newest time stamp of a series, late samples included.
fn span_of(shard: &Shard, id: u32) -> Option<TimeRange> {
    let series = shard.series(id);
    let oldest = series.min_time();
    let in_order = (oldest != NO_TIME).then(|| TimeRange { start_ms: oldest, end_ms: series.max_time() });
    let late = shard.late.get(id).and_then(|late| late.span());
    let late = late.map(|span| TimeRange { start_ms: span.min_time, end_ms: span.max_time });
    in_order
        .into_iter()
        .chain(late)
        .reduce(|a, b| TimeRange { start_ms: a.start_ms.min(b.start_ms), end_ms: a.end_ms.max(b.end_ms) })
}

fn tombstones_record(doomed: &[Doomed]) -> Vec<u8> {
    let mut record = Vec::new();
    let mut writer = TombstonesWriter::new(&mut record);
    for Doomed { series, range, .. } in doomed {
        writer.push(*series, range.start_ms, range.end_ms);
    }
    record
}
