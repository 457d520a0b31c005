//! What range queries found, kept for the next refresh of the same dashboard; and who says that the past changed.
//!
//! Kept are steps that no sample can reach any more in the normal course of things. What changes them all the same
//! (late samples, deletions, blocks that come and go, a reload) makes the results it touches be forgotten.
//!
//! # Source
//! `spec/performance-design.md` §9.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use wf_config::Config;
use wf_exposition::MetricFamily;
use wf_httpkit::Registry;
use wf_model::{Labels, MetricType, TimeRange};
use wf_promql::engine::range_cache::RangeCache;
use wf_promql::engine::{Engine, PreparedQuery, QueryError, QueryOptions, QueryResult, RangeSpan, Rows};
use wf_series::{Acknowledge, AppendError, AppendOutcome, SampleSink, SeriesRef, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbStats};

/// Samples are expected to be there after this time at the latest, ms.
const UNSETTLED_MIN_MS: i64 = 300_000;

/// Results of range queries, with the engine that computed them: another engine begins with none.
#[derive(Debug)]
pub(crate) struct RangeResults {
    engine: Engine,
    cache: RangeCache,
    /// How far behind the present results may still change, ms.
    unsettled_ms: i64,
}

impl RangeResults {
    fn new(engine: Engine, config: &Config, bytes_max: usize) -> Self {
        let intervals = config.scrape_configs.iter().map(|job| job.scrape_interval);
        let interval = intervals.max().unwrap_or_default().saturating_mul(2);
        let unsettled = interval.max(config.storage.out_of_order_window);
        let unsettled_ms = i64::try_from(unsettled.as_millis()).unwrap_or(i64::MAX).max(UNSETTLED_MIN_MS);
        Self { engine, cache: RangeCache::new(bytes_max), unsettled_ms }
    }
}

/// The results under the configuration in force, and what is known about changes of the past.
#[derive(Debug)]
pub(crate) struct RangeQueries {
    results: ArcSwap<RangeResults>,
    bytes_max: usize,
    /// No result after this time was ever kept, ms.
    kept_until_ms: AtomicI64,
    late: Mutex<Late>,
}

/// Late samples that may not have been visible yet when they were taken.
#[derive(Debug, Default)]
struct Late {
    new: Option<TimeRange>,
    aged: Option<TimeRange>,
    blocks: (u64, u64, u64),
}

impl RangeQueries {
    pub(crate) fn new(engine: Engine, config: &Config, bytes_max: usize) -> Self {
        Self {
            results: ArcSwap::from_pointee(RangeResults::new(engine, config, bytes_max)),
            bytes_max,
            kept_until_ms: AtomicI64::new(i64::MIN),
            late: Mutex::default(),
        }
    }

    /// Begins anew under another engine and configuration. Queries under way keep their results to themselves.
    pub(crate) fn reload(&self, engine: Engine, config: &Config) {
        self.results.store(Arc::new(RangeResults::new(engine, config, self.bytes_max)));
    }

    /// Forgets everything: samples were deleted.
    pub(crate) fn clear(&self) {
        self.results.load().cache.clear();
    }

    /// Returns the bytes of all kept results.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.results.load().cache.stats().bytes as u64
    }

    /// Evaluates a query with what is known of it; a long result that will not be kept goes to `rows`.
    pub(crate) fn range(
        &self,
        source: &dyn SeriesSource,
        query: &str,
        span: RangeSpan,
        options: &QueryOptions,
        now_ms: i64,
        rows: Option<Rows<'_>>,
    ) -> Result<QueryResult, QueryError> {
        let results = self.results.load_full();
        let query: PreparedQuery = results.engine.prepare(query)?;
        let settled_ms = now_ms.saturating_sub(results.unsettled_ms);
        // Before anything is read: from now on samples before this time count as late.
        self.kept_until_ms.fetch_max(settled_ms, Ordering::SeqCst);
        results.engine.range_cached(source, &query, span, options, Some((&results.cache, settled_ms)), rows)
    }

    /// Forgets what looked at the late samples of a batch that was appended.
    fn on_append(&self, batch: &WriteBatch) {
        let kept_until_ms = self.kept_until_ms.load(Ordering::SeqCst);
        let histograms = batch.histograms.iter().map(|sample| sample.time_ms);
        let times = batch.times_ms.iter().copied().chain(histograms);
        let late = times.filter(|time_ms| *time_ms <= kept_until_ms);
        let Some(range) = late.map(at).reduce(around) else { return };
        self.results.load().cache.invalidate(range);
        let mut pending = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        pending.new = pending.new.into_iter().chain([range]).reduce(around);
    }

    /// Forgets once more what looked at late samples: they become visible a little after they were taken. Forgets all
    /// when blocks came or went. Call it about once a second.
    pub(crate) fn maintain(&self, stats: &TsdbStats) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(range) = late.aged.take() {
            self.results.load().cache.invalidate(range);
        }
        late.aged = late.new.take();
        let compaction = &stats.compaction;
        let blocks = (compaction.n_blocks, compaction.blocks_bytes, compaction.compactions);
        if late.blocks != blocks {
            late.blocks = blocks;
            self.clear();
        }
    }

    /// Registers what the cache tells; counters begin anew at a reload.
    pub(crate) fn register(self: &Arc<Self>, registry: &Registry) {
        let queries = Arc::downgrade(self);
        registry.collect(move |families| {
            let Some(queries) = queries.upgrade() else { return };
            let stats = queries.results.load().cache.stats();
            let all: [(&str, &'static str, MetricType, f64); 4] = [
                (
                    "hits_total",
                    "Range queries answered in part from kept results.",
                    MetricType::Counter,
                    stats.hits as f64,
                ),
                (
                    "misses_total",
                    "Range queries of which no result was kept.",
                    MetricType::Counter,
                    stats.misses as f64,
                ),
                (
                    "evictions_total",
                    "Kept results given up for want of room.",
                    MetricType::Counter,
                    stats.evictions as f64,
                ),
                ("bytes", "Bytes of kept results.", MetricType::Gauge, stats.bytes as f64),
            ];
            for (name, help, kind, value) in all {
                let mut family = MetricFamily::new(format!("watchfire_query_range_cache_{name}"), help, kind);
                family.push(&[], value);
                families.push(family);
            }
        });
    }
}

fn at(time_ms: i64) -> TimeRange {
    TimeRange { start_ms: time_ms, end_ms: time_ms }
}

fn around(a: TimeRange, b: TimeRange) -> TimeRange {
    TimeRange { start_ms: a.start_ms.min(b.start_ms), end_ms: a.end_ms.max(b.end_ms) }
}

/// Appends to the database and tells of samples that came late.
pub(crate) struct WatchedSink {
    pub(crate) tsdb: Arc<Tsdb>,
    pub(crate) queries: Arc<RangeQueries>,
}

impl SampleSink for WatchedSink {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        self.tsdb.resolve(labels)
    }

    fn append(&self, batch: &WriteBatch, acknowledge: Acknowledge) -> Result<AppendOutcome, AppendError> {
        let outcome = self.tsdb.append(batch, acknowledge);
        // Whatever became of it: part of a batch may be stored.
        self.queries.on_append(batch);
        outcome
    }

    fn late_from_ms(&self) -> Option<i64> {
        self.tsdb.late_from_ms()
    }

    fn is_too_old(&self, series: SeriesRef, time_ms: i64) -> bool {
        self.tsdb.is_too_old(series, time_ms)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wf_promql::engine::EngineOptions;
    use wf_tsdb::TsdbOptions;

    use super::*;

    const SPAN: RangeSpan = RangeSpan { start_ms: 0, end_ms: 600_000, step_ms: 60_000 };
    const NOW_MS: i64 = 1_000_000;

    /// A database with one series in `folder`, written through the sink.
    fn site(folder: &Path) -> WatchedSink {
        let options = TsdbOptions { out_of_order_window_ms: 3_600_000, ..TsdbOptions::default() };
        let tsdb = Tsdb::open(folder, options, NOW_MS).unwrap();
        let engine = Engine::new(EngineOptions::default());
        let queries = Arc::new(RangeQueries::new(engine, &Config::default(), 1 << 20));
        let sink = WatchedSink { tsdb, queries };
        append(&sink, "a", NOW_MS);
        sink
    }

    fn append(sink: &WatchedSink, name: &str, time_ms: i64) {
        let series = sink.resolve(&Labels::from_pairs([("__name__", "m"), ("of", name)])).unwrap();
        let mut batch = WriteBatch::default();
        batch.push(series, time_ms, 1.0);
        assert_eq!(sink.append(&batch, Acknowledge::Written).unwrap().n_appended, 1);
    }

    fn count(sink: &WatchedSink) -> String {
        let options = QueryOptions::default();
        let result = sink.queries.range(sink.tsdb.as_ref(), "count(m)", SPAN, &options, NOW_MS, None);
        format!("{:?}", result.unwrap().value)
    }

    fn hits(sink: &WatchedSink) -> u64 {
        sink.queries.results.load().cache.stats().hits
    }

    #[test]
    fn late_samples_are_seen_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let sink = site(folder.path());
        append(&sink, "a", 300_000);
        let one = count(&sink);
        assert_eq!((count(&sink), hits(&sink)), (one.clone(), 1));
        append(&sink, "b", 310_000);
        let two = count(&sink);
        assert_ne!(one, two);
        assert_eq!(hits(&sink), 1);
        assert_eq!((count(&sink), hits(&sink)), (two, 2));
    }

    #[test]
    fn what_was_not_visible_yet_is_forgotten_a_little_later() {
        let folder = tempfile::tempdir().unwrap();
        let sink = site(folder.path());
        append(&sink, "a", 300_000);
        sink.queries.maintain(&sink.tsdb.stats());
        sink.queries.maintain(&sink.tsdb.stats());
        count(&sink);
        append(&sink, "b", 310_000);
        // As if these had not seen the sample.
        count(&sink);
        sink.queries.maintain(&sink.tsdb.stats());
        count(&sink);
        assert_eq!(hits(&sink), 1);
        sink.queries.maintain(&sink.tsdb.stats());
        count(&sink);
        assert_eq!(hits(&sink), 1);
        count(&sink);
        assert_eq!(hits(&sink), 2);
    }

    #[test]
    fn what_is_not_settled_depends_on_intervals_and_window() {
        let unsettled = |text: &str| {
            let config = wf_config::load(text, Path::new("p.yml")).unwrap();
            RangeResults::new(Engine::new(EngineOptions::default()), &config, 0).unsettled_ms
        };
        assert_eq!(unsettled(""), 300_000);
        assert_eq!(unsettled("scrape_configs: [{job_name: a, scrape_interval: 10m}]"), 1_200_000);
        assert_eq!(unsettled("storage: {tsdb: {out_of_order_time_window: 1h}}"), 3_600_000);
    }
}
