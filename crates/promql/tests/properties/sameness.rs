//! How a query is computed does not change what it answers: threads, rules of the optimiser, what a cache knows.

use wf_model::Labels;
use wf_promql::engine::range_cache::RangeCache;
use wf_promql::engine::{
    Engine, EngineOptions, Features, OptimizerRules, QueryError, QueryOptions, QueryResult, RangeSpan,
};
use wf_promql::functions::FunctionId;
use wf_promql::testing::{Generator, Scope, Vocabulary};
use wf_series::SampleColumns;
use wf_series::memory::MemoryStorage;

use super::{data, n_of, seed};

/// Answers and what was remarked, to the last bit.
fn told(result: &Result<QueryResult, QueryError>) -> String {
    match result {
        Ok(result) => format!("{:?}\n{:?}", result.value, result.annotations),
        Err(error) => format!("error: {error}"),
    }
}

fn engine(threads: usize, rules: OptimizerRules) -> Engine {
    Engine::new(EngineOptions {
        threads,
        rules,
        features: Features::SCRIPT_SUITE,
        ..EngineOptions::default()
    })
}

const MANY: Vocabulary = Vocabulary {
    metrics: &["many_total", "many_total", "many"],
    matchers: &["zone=\"a\"", "zone!=\"b\"", "pod=~\".*[0-4]\""],
    labels: &["zone", "pod", "node"],
    times: &["3000"],
};

/// Enough series and samples that threads are worth it.
fn many() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for idx in 0..1_600_u32 {
        let name = if idx % 4 == 0 { "many" } else { "many_total" };
        let (zone, node) = (["a", "b", "c"][idx as usize % 3], format!("n{}", idx % 17));
        let pod = format!("p{idx}");
        let labels = Labels::from_pairs([("__name__", name), ("zone", zone), ("node", &node), ("pod", &pod)]);
        let mut samples = SampleColumns::default();
        for step in 0..200_u32 {
            let value = f64::from((step * (idx % 7 + 1)) % (90 + idx % 11)) / 3.0;
            samples.push(i64::from(step) * 30_000 + i64::from(idx % 29) * 1_000, value);
        }
        storage.insert(labels, samples);
    }
    storage
}

#[test]
fn answers_do_not_depend_on_threads() {
    let storage = many();
    let (alone, together) = (engine(1, OptimizerRules::default()), engine(4, OptimizerRules::default()));
    let span = RangeSpan { start_ms: 600_000, end_ms: 5_400_000, step_ms: 120_000 };
    let mut generator = Generator::new(seed(), MANY, Scope { odd_spelling: false, ..Scope::ALL });
    let fixed =
        ["sum by (zone) (rate(many_total[10m]))", "topk(3, many_total) by (node)", "quantile(0.9, many)"];
    for round in 0..n_of(12) {
        let query = match fixed.get(round) {
            Some(query) => (*query).to_owned(),
            None => generator.aggregation(2),
        };
        let one = alone.range(&storage, &query, span, &QueryOptions::default());
        let four = together.range(&storage, &query, span, &QueryOptions::default());
        assert!(told(&one) == told(&four), "seed {}: {query}", seed());
    }
}

/// Rules change how much is read, never what is answered; remarks about series that have no partner in a join may vanish.
#[test]
fn answers_do_not_depend_on_the_optimiser() {
    let storage = data::storage();
    let (plain, clever) = (engine(1, OptimizerRules::NONE), engine(1, OptimizerRules::default()));
    let span = RangeSpan { start_ms: 0, end_ms: 2_400_000, step_ms: 60_000 };
    // What is evaluated once is no range any more: whether sorting is remarked upon depends on that, as in the original.
    let without =
        &[FunctionId::Sort, FunctionId::SortDesc, FunctionId::SortByLabel, FunctionId::SortByLabelDesc];
    let mut generator = Generator::new(seed() + 30, data::VOCABULARY, Scope { without, ..Scope::ALL });
    let mut n_answered = 0;
    for _ in 0..n_of(1_500) {
        let query = generator.query();
        let want = plain.range(&storage, &query, span, &QueryOptions::default());
        let found = clever.range(&storage, &query, span, &QueryOptions::default());
        n_answered += usize::from(found.is_ok());
        let vanished = match (&want, &found) {
            (Ok(want), Ok(found)) => {
                let is_known = |remark: &String| {
                    want.annotations.warnings.contains(remark) || want.annotations.infos.contains(remark)
                };
                let mut remarks = found.annotations.warnings.iter().chain(&found.annotations.infos);
                format!("{:?}", want.value) == format!("{:?}", found.value) && remarks.all(is_known)
            }
            _ => false,
        };
        assert!(
            vanished || told(&want) == told(&found),
            "seed {}: {query}\n{}\n{}",
            seed(),
            told(&want),
            told(&found)
        );
    }
    assert!(n_answered > 1_000, "only {n_answered} queries had an answer");
}

#[test]
fn answers_do_not_depend_on_what_is_cached() {
    let (storage, engine) = (data::storage(), data::engine());
    let mut generator =
        Generator::new(seed() + 40, data::VOCABULARY, Scope { odd_spelling: false, ..Scope::ALL });
    for _ in 0..n_of(400) {
        let query = generator.query();
        let Ok(prepared) = engine.prepare(&query) else { panic!("{query}") };
        let cache = RangeCache::new(1 << 20);
        let step_ms = generator.dice.pick(&[60_000, 45_000]);
        for _ in 0..4 {
            let start_ms = step_ms * i64::try_from(generator.dice.below(20)).unwrap_or(0);
            let end_ms = start_ms + step_ms * i64::try_from(generator.dice.below(20)).unwrap_or(0);
            let span = RangeSpan { start_ms, end_ms, step_ms };
            let fresh = engine.range_prepared(&storage, &prepared, span, &QueryOptions::default());
            let cached = engine.range_cached(
                &storage,
                &prepared,
                span,
                &QueryOptions::default(),
                Some((&cache, 1_800_000)),
                None,
            );
            let values = |result: &Result<QueryResult, QueryError>| match result {
                Ok(result) => format!("{:?}", result.value),
                Err(error) => error.to_string(),
            };
            assert!(
                values(&fresh) == values(&cached),
                "seed {}: {query}\n{span:?}\n{}\n{}",
                seed(),
                values(&fresh),
                values(&cached)
            );
        }
    }
}
