//! Whether there is room for one more series: what the head uses, and what it may use.

use wf_series::AppendError;

use super::Head;
use crate::budget::{HeadMemory, is_stale_cut_due};

/// What a series is expected to cost until the next walk measures it, bytes (`spec/performance-design.md` §0).
const NEW_SERIES_BYTES: u64 = 350;

/// Two groups of records and the bytes made of them, each as large as the queue may get.
const LOG_BUFFERS_BYTES: u64 = 3 << 20;
/// Head chunks that wait for a disk that fails; a batch, its ids and its records.
const OTHER_BUFFERS_BYTES: u64 = 8 << 20;

/// An exemplar with its labels, 128 characters at most and mostly one trace id, bytes.
const EXEMPLAR_BYTES: usize = 200;
/// Labels and newest exemplar of a series that has some, bytes.
const EXEMPLAR_SERIES_BYTES: usize = 600;

impl Head {
    /// Returns what the head uses with this many series.
    pub(crate) fn memory(&self, n_series: u64) -> HeadMemory {
        let counters = &self.counters;
        let n_new = n_series.saturating_sub(counters.n_series_walked.get());
        // Under a tiny limit there is little that could fill them.
        let buffers_max = self.options.memory_bytes_max / 16;
        let n_logs = 1 + u64::from(self.wbl.log().is_some());
        HeadMemory {
            series_bytes: counters.memory_bytes.get(),
            new_series_bytes: n_new * NEW_SERIES_BYTES,
            side_tables_bytes: counters.side_tables_bytes.get(),
            buffers_bytes: (n_logs * LOG_BUFFERS_BYTES + OTHER_BUFFERS_BYTES).min(buffers_max),
        }
    }

    /// Measures what grows between two walks over all series; cheap where there is little.
    pub(crate) fn measure_side_tables(&self) {
        let bytes: usize = self.shards.iter().map(|shard| shard.read().side_tables_bytes()).sum();
        let exemplars = self.exemplars.stats();
        let exemplars_bytes =
            exemplars.n_exemplars * EXEMPLAR_BYTES + exemplars.n_series * EXEMPLAR_SERIES_BYTES;
        self.counters.side_tables_bytes.set((bytes + exemplars_bytes) as u64);
    }

    /// Refuses a new series at the bound; see [`crate::TsdbOptions`].
    pub(crate) fn check_room(&self, n_series: u64) -> Result<(), AppendError> {
        let limit = self.options.series_max;
        if n_series >= limit {
            self.counters.series_refused.add(1);
            return Err(AppendError::SeriesLimit {
                n_series,
                limit,
                setting: self.options.series_max_setting,
            });
        }
        let memory_bytes = self.memory(n_series).total_bytes();
        let limit_bytes = self.options.memory_bytes_max;
        if memory_bytes >= limit_bytes {
            self.counters.series_refused.add(1);
            let setting = self.options.memory_bytes_max_setting;
            return Err(AppendError::MemoryLimit { n_series, memory_bytes, limit_bytes, setting });
        }
        Ok(())
    }

    /// Returns whether stale series should go to a block early, to make room, when there are `n_series` in all.
    pub(crate) fn is_stale_cut_due(&self, n_series: u64) -> bool {
        let memory_bytes = self.memory(n_series).total_bytes();
        let n_stale = self.counters.n_stale_series.get();
        is_stale_cut_due(memory_bytes, self.options.memory_bytes_max, n_stale, n_series)
    }
}
