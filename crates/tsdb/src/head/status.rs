//! Gauges, counters and cardinality.

use super::Head;
use super::series::NO_TIME;
use crate::{Cardinality, CompactionStats, TsdbStats};

const MICROS: f64 = 1e6;

impl Head {
    pub(crate) fn stats(&self) -> TsdbStats {
        let counters = &self.counters;
        let wal = self.log().stats();
        // Released before anything else is asked: who reads the index twice waits for a writer that waits for them.
        let (n_series, n_symbols, symbols_bytes, n_label_pairs) = {
            let index = self.index.read();
            let symbols = &index.symbols;
            (
                index.n_series() as u64,
                symbols.len() as u64,
                symbols.bytes() as u64,
                index.postings.n_pairs() as u64,
            )
        };
        let chunks_created = self.chunks_created();
        let chunks_removed = counters.chunks_removed.get();
        TsdbStats {
            n_series,
            series_created: counters.series_created.get(),
            series_removed: counters.series_removed.get(),
            series_refused: counters.series_refused.get(),
            n_stale_series: counters.n_stale_series.get(),
            n_chunks: chunks_created.saturating_sub(chunks_removed),
            chunks_created,
            chunks_removed,
            head_chunks_bytes: self.chunk_files.bytes(),
            min_time_ms: time_or_none(self.min_time()),
            max_time_ms: time_or_none(self.max_time()),
            samples_appended: counters.samples_appended.get(),
            samples_out_of_order: counters.out_of_order.get(),
            late_samples_appended: counters.late_samples.get(),
            late_histograms_appended: counters.late_histograms.get(),
            samples_too_old: counters.too_old.get(),
            samples_duplicate: counters.duplicate.get(),
            samples_out_of_bounds: counters.out_of_bounds.get(),
            samples_unknown_series: counters.unknown_series.get(),
            histograms_appended: counters.histograms_appended.get(),
            histograms_refused: counters.histograms_refused.get(),
            append_errors: counters.append_errors.get(),
            n_deleted_intervals: self.n_deleted_intervals() as u64,
            batches_in_flight: self.visibility.n_waiting() as u64,
            visible_batch: self.visible_seq(),
            n_symbols,
            symbols_bytes,
            n_label_pairs,
            memory_bytes: self.memory(n_series).total_bytes(),
            memory: self.memory(n_series),
            memory_bytes_max: self.options.memory_bytes_max,
            is_stale_cut_due: self.is_stale_cut_due(n_series),
            wal_bytes: wal.bytes,
            wal_segment: wal.segment,
            wal_fsyncs: wal.fsyncs,
            wal_fsync_seconds: wal.fsync_seconds,
            wal_writes: wal.writes,
            wal_records: wal.records_written,
            wal_bytes_written: wal.bytes_written,
            wal_bytes_saved: wal.bytes_saved,
            wal_truncate_seconds: counters.wal_truncate_micros.get() as f64 / MICROS,
            wal_write_errors: wal.write_errors,
            wbl: self.wbl.stats(),
            wbl_corruptions: counters.wbl_corruptions.get(),
            wal_corruptions: counters.wal_corruptions.get(),
            head_chunk_corruptions: counters.head_chunk_corruptions.get(),
            head_chunk_write_errors: counters.head_chunk_write_errors.get(),
            checkpoints: counters.checkpoints.get(),
            checkpoints_failed: counters.checkpoints_failed.get(),
            truncations: counters.truncations.get(),
            truncations_failed: counters.truncations_failed.get(),
            wal_truncations: counters.wal_truncations.get(),
            gc_seconds: counters.gc_micros.get() as f64 / MICROS,
            gcs: counters.gcs.get(),
            replay_seconds: counters.replay_micros.get() as f64 / MICROS,
            replay_unknown_refs: counters.replay_unknown_refs.get(),
            snapshots_failed: counters.snapshots_failed.get(),
            snapshot_replay_errors: counters.snapshot_replay_errors.get(),
            snapshot_series: counters.snapshot_series.get(),
            clean_start: false,
            compaction: CompactionStats::default(),
        }
    }

    fn chunks_created(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().chunks_created).sum()
    }

    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let index = self.index.read();
        let mut by_metric = Vec::new();
        let mut values_by_name = Vec::new();
        let mut bytes_by_name = Vec::new();
        let mut by_pair = Vec::new();
        for (name_id, name_index) in index.postings.names() {
            let name = index.symbols.get(name_id);
            values_by_name.push((name.to_owned(), name_index.n_values() as u64));
            let mut n_bytes = 0;
            // Strings are made for the largest pairs of this name only.
            let mut largest: Vec<(u32, u64)> = Vec::new();
            for (value, ids) in name_index.values() {
                n_bytes += index.symbols.get(value).len() as u64 * ids.len();
                largest.push((value, ids.len()));
            }
            bytes_by_name.push((name.to_owned(), n_bytes));
            largest.sort_unstable_by(|(a, n_a), (b, n_b)| {
                n_b.cmp(n_a).then_with(|| index.symbols.get(*a).cmp(index.symbols.get(*b)))
            });
            for (value, n_series) in largest.into_iter().take(limit) {
                let value = index.symbols.get(value);
                by_pair.push((format!("{name}={value}"), n_series));
                if name == wf_model::METRIC_NAME {
                    by_metric.push((value.to_owned(), n_series));
                }
            }
        }
        Cardinality {
            n_series: index.n_series() as u64,
            n_label_pairs: index.postings.n_pairs() as u64,
            n_chunks: self.chunks_created().saturating_sub(self.counters.chunks_removed.get()),
            min_time_ms: time_or_none(self.min_time()),
            max_time_ms: time_or_none(self.max_time()),
            series_count_by_metric_name: top(by_metric, limit),
            label_value_count_by_label_name: top(values_by_name, limit),
            memory_in_bytes_by_label_name: top(bytes_by_name, limit),
            series_count_by_label_value_pair: top(by_pair, limit),
        }
    }
}

fn time_or_none(time_ms: i64) -> Option<i64> {
    (time_ms != NO_TIME).then_some(time_ms)
}

fn top(mut counts: Vec<(String, u64)>, limit: usize) -> Vec<(String, u64)> {
    counts.sort_unstable_by(|(a, n_a), (b, n_b)| n_b.cmp(n_a).then_with(|| a.cmp(b)));
    counts.truncate(limit);
    counts
}
