//! Answers with a cache are those without; what changes the past is noticed.

use wf_series::SampleColumns;
use wf_series::memory::MemoryStorage;

use super::*;
use crate::engine::{Engine, EngineOptions, QueryOptions, QueryResult, QueryValue};

const MINUTE: i64 = 60_000;

fn insert(storage: &MemoryStorage, instance: &str, value: impl Fn(i64) -> f64) {
    let mut samples = SampleColumns::default();
    for minute in 0..120 {
        samples.push(minute * MINUTE, value(minute));
    }
    storage.insert(Labels::from_pairs([("__name__", "m_total"), ("instance", instance)]), samples);
}

fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    insert(&storage, "a", |minute| minute as f64);
    insert(&storage, "b", |minute| (minute % 10) as f64);
    storage
}

fn span(start: i64, end: i64) -> RangeSpan {
    RangeSpan { start_ms: start * MINUTE, end_ms: end * MINUTE, step_ms: MINUTE }
}

fn series(result: &QueryResult) -> String {
    let QueryValue::Matrix(series) = &result.value else { panic!("a range query yields a matrix") };
    format!("{series:?}")
}

struct Site {
    engine: Engine,
    storage: MemoryStorage,
    cache: RangeCache,
}

impl Site {
    fn new() -> Self {
        let cache = RangeCache::new(1 << 20);
        Self { engine: Engine::new(EngineOptions::default()), storage: storage(), cache }
    }

    /// Asks with the cache and without; returns samples decoded with it.
    fn ask(&self, query: &str, span: RangeSpan, settled: i64) -> u64 {
        let prepared = self.engine.prepare(query).unwrap();
        let options = QueryOptions::default();
        let plain = self.engine.range_prepared(&self.storage, &prepared, span, &options).unwrap();
        let settled = Some((&self.cache, settled * MINUTE));
        let cached =
            self.engine.range_cached(&self.storage, &prepared, span, &options, settled, None).unwrap();
        assert_eq!(series(&cached), series(&plain), "{query}");
        cached.stats.work.samples_decoded
    }
}

#[test]
fn a_refresh_decodes_only_what_is_new() {
    let site = Site::new();
    for query in
        ["sum by (instance) (rate(m_total[5m]))", "m_total offset 5m", "m_total > 5", "topk(1, m_total)"]
    {
        let first = site.ask(query, span(10, 70), 65);
        let again = site.ask(query, span(12, 72), 67);
        assert!(again * 2 < first, "{query}: {again} after {first}");
        let inside = site.ask(query, span(20, 60), 67);
        assert_eq!(inside, 0, "{query}");
    }
    assert_eq!((site.cache.stats().hits, site.cache.stats().misses), (8, 4));
}

#[test]
fn another_phase_or_step_is_another_question() {
    let site = Site::new();
    site.ask("m_total", span(10, 70), 65);
    let shifted = RangeSpan { start_ms: 10 * MINUTE + 1, ..span(10, 70) };
    assert!(site.ask("m_total", shifted, 65) > 100);
    assert!(site.ask("m_total", RangeSpan { step_ms: 2 * MINUTE, ..span(10, 70) }, 65) > 100);
    assert!(site.ask("m_total", span(5, 70), 65) > 100, "what lies before is not known");
}

#[test]
fn what_was_changed_is_computed_again() {
    let site = Site::new();
    site.ask("rate(m_total[5m])", span(30, 60), 60);
    insert(&site.storage, "a", |minute| 100.0 * minute as f64);
    site.cache.invalidate(TimeRange { start_ms: 0, end_ms: 10 * MINUTE });
    assert!(site.cache.stats().bytes > 0, "nobody looked there");
    site.cache.invalidate(TimeRange { start_ms: 26 * MINUTE, end_ms: 27 * MINUTE });
    assert_eq!(site.cache.stats().bytes, 0, "a window looked there");
    assert!(site.ask("rate(m_total[5m])", span(30, 60), 60) > 0);
}

#[test]
fn a_result_computed_across_a_change_is_not_kept() {
    let cache = RangeCache::new(1 << 20);
    let engine = Engine::new(EngineOptions::default());
    let (key, reach) = key(&engine.prepare("m_total").unwrap(), span(10, 20), MINUTE).unwrap();
    let found = cache.find(&key, span(10, 20));
    cache.invalidate(TimeRange { start_ms: 0, end_ms: 0 });
    cache.keep(key, span(10, 20), 20 * MINUTE, &found, &[], reach);
    assert_eq!(cache.stats().bytes, 0);
}

#[test]
fn what_depends_on_the_whole_span_is_not_kept() {
    let engine = Engine::new(EngineOptions {
        features: crate::engine::Features::SCRIPT_SUITE,
        ..EngineOptions::default()
    });
    let is_cacheable = |query: &str| key(&engine.prepare(query).unwrap(), span(10, 20), MINUTE).is_some();
    for query in [
        "m @ end()",
        "m @ 5",
        "m offset -5m",
        "limitk(1, m)",
        "rate(m[step()])",
        "m[5m:] @ start() > 0",
        "range()",
    ] {
        let query = if query.contains("[5m:]") { "max_over_time(m[5m:] @ start())" } else { query };
        assert!(!is_cacheable(query), "{query}");
    }
    assert!(is_cacheable("max_over_time(rate(m[5m])[1h:1m] offset 5m) / 2"));
}

#[test]
fn bytes_are_bounded() {
    let site = Site { cache: RangeCache::new(20_000), ..Site::new() };
    for idx in 0..50 {
        site.ask(&format!("m_total + {idx}"), span(10, 70), 70);
        assert!(site.cache.stats().bytes <= 20_000);
    }
    assert!(site.cache.stats().evictions > 0);
}
