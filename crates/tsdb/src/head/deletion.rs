//! Deleted intervals of series in the head: readers pass over what lies inside, until it is gone for good.
//!
//! A deletion is written to the log as tombstones, one per series, clamped to the samples that the series has at that
//! time: later samples in order lie after it. A late sample that falls into an interval that is still kept stays
//! deleted, as in Prometheus.
//!
//! # Invariants
//! - Intervals are changed by copy on write: what a selection took along stays as it was.
//! # Not here: deletions in blocks.
//! Source: `spec/prometheus-core.md` §7.5, §7.8, §7.9.

mod command;

use std::sync::Arc;

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::late::columns::retain;
use crate::FastMap;

/// Closed intervals of time, ms: ascending, none touches the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals(Vec<TimeRange>);

impl Intervals {
    /// Adds a closed interval; one without a time stamp inside changes nothing.
    pub(crate) fn add(&mut self, added: TimeRange) {
        if added.start_ms > added.end_ms {
            return;
        }
        let starts_after = |known: &TimeRange| known.start_ms > added.end_ms.saturating_add(1);
        let ends_before = |known: &TimeRange| known.end_ms < added.start_ms.saturating_sub(1);
        let first = self.0.partition_point(ends_before);
        let end = self.0.partition_point(|known| !starts_after(known)).max(first);
        let touched = self.0.get(first..end).unwrap_or_default();
        let start_ms = touched.first().map_or(added.start_ms, |known| known.start_ms.min(added.start_ms));
        let end_ms = touched.last().map_or(added.end_ms, |known| known.end_ms.max(added.end_ms));
        self.0.splice(first..end, [TimeRange { start_ms, end_ms }]);
    }

    pub(crate) fn contains(&self, time_ms: i64) -> bool {
        let at = self.0.partition_point(|known| known.end_ms < time_ms);
        self.0.get(at).is_some_and(|known| known.contains(time_ms))
    }

    /// Removes deleted samples from `columns`.
    pub(crate) fn apply(&self, columns: &mut SampleColumns) {
        retain(columns, |time_ms| !self.contains(time_ms));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = TimeRange> + '_ {
        self.0.iter().copied()
    }

    /// Forgets the intervals that end before `time_ms`.
    fn forget_before(&mut self, time_ms: i64) {
        self.0.retain(|known| known.end_ms >= time_ms);
    }
}

/// The series of one shard that have deleted intervals.
#[derive(Debug, Default)]
pub(crate) struct DeletedTable {
    series: FastMap<u32, Arc<Intervals>>,
}

impl DeletedTable {
    pub(crate) fn get(&self, id: u32) -> Option<&Arc<Intervals>> {
        self.series.get(&id)
    }

    pub(crate) fn add(&mut self, id: u32, range: TimeRange) {
        Arc::make_mut(self.series.entry(id).or_default()).add(range);
    }

    /// Forgets the intervals of a series that end before `time_ms`.
    pub(crate) fn forget_before(&mut self, id: u32, time_ms: i64) {
        let Some(intervals) = self.series.get_mut(&id) else { return };
        Arc::make_mut(intervals).forget_before(time_ms);
        if intervals.0.is_empty() {
            self.remove(id);
        }
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.series.remove(&id);
        if self.series.is_empty() {
            self.series = FastMap::default();
        }
    }

    /// Returns the ids of all series with deleted intervals, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.series.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn n_intervals(&self) -> usize {
        self.series.values().map(|intervals| intervals.0.len()).sum()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let own: usize =
            self.series.values().map(|intervals| intervals.0.capacity() * size_of::<TimeRange>()).sum();
        own + self.series.capacity() * (size_of::<(u32, Arc<Intervals>)>() + size_of::<Intervals>() + 16)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However intervals are added, what is deleted is their union, and no two of them touch.
        #[test]
        fn intervals_are_a_union(added in prop::collection::vec((0i64..60, -2i64..15), 0..12)) {
            let mut intervals = Intervals::default();
            for (start_ms, length) in &added {
                intervals.add(TimeRange { start_ms: *start_ms, end_ms: start_ms + length });
            }
            for time in 0..80 {
                let want = added.iter().any(|(start, length)| (*start..=start + length).contains(&time));
                prop_assert_eq!(intervals.contains(time), want);
            }
            let all: Vec<TimeRange> = intervals.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end_ms + 1 < pair[1].start_ms), "{all:?}");
        }
    }

    #[test]
    fn the_whole_of_time_can_be_deleted() {
        let mut intervals = Intervals::default();
        intervals.add(TimeRange { start_ms: 5, end_ms: 9 });
        intervals.add(TimeRange::ALL);
        intervals.add(TimeRange { start_ms: i64::MAX, end_ms: i64::MAX });
        assert!(intervals.iter().eq([TimeRange::ALL]));
    }
}
