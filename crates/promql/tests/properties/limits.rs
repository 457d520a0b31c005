//! Under any limit a query ends with an answer or the error of that limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wf_promql::engine::{Engine, EngineOptions, Features, QueryError, QueryOptions, RangeSpan, Stage};
use wf_promql::testing::{Generator, Scope};

use super::{data, n_of, seed};

const SPAN: RangeSpan = RangeSpan { start_ms: 0, end_ms: 2_400_000, step_ms: 60_000 };

fn limited(max_samples: u64) -> Engine {
    Engine::new(EngineOptions { max_samples, features: Features::SCRIPT_SUITE, ..EngineOptions::default() })
}

#[test]
fn few_samples_are_enough_or_too_many() {
    let storage = data::storage();
    let mut generator = Generator::new(seed() + 10, data::VOCABULARY, Scope::ALL);
    let mut n_limited = 0;
    for _ in 0..n_of(1_500) {
        let query = generator.query();
        let max_samples = generator.dice.pick(&[0, 1, 10, 100, 1_000]);
        let free = data::engine().range(&storage, &query, SPAN, &QueryOptions::default());
        match (limited(max_samples).range(&storage, &query, SPAN, &QueryOptions::default()), free) {
            (Err(QueryError::TooManySamples), _) => n_limited += 1,
            (Ok(bounded), Ok(free)) => {
                assert!(
                    bounded.stats.samples.peak <= max_samples,
                    "{query}: peak {}",
                    bounded.stats.samples.peak
                );
                assert_eq!(bounded.stats.samples.peak, free.stats.samples.peak, "{query}");
            }
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string(), "{query}"),
            (bounded, free) => panic!("{query}: {max_samples}: {bounded:?}, without limit {free:?}"),
        }
    }
    assert!(n_limited > 100, "only {n_limited} queries hit the limit");
}

#[test]
fn time_that_is_up_and_cancellation_end_any_query() {
    let (engine, storage) = (data::engine(), data::storage());
    let mut generator = Generator::new(seed() + 20, data::VOCABULARY, Scope::ALL);
    let mut n_ended = 0;
    for _ in 0..n_of(1_500) {
        let query = generator.query();
        // A clock that goes on by a second whenever somebody looks.
        let ticks = Arc::new(AtomicU64::new(0));
        let clock = move || Duration::from_secs(ticks.fetch_add(1, Ordering::Relaxed));
        let timeout = Duration::from_secs(generator.dice.below(40));
        let options =
            QueryOptions { clock: Some(Arc::new(clock)), timeout: Some(timeout), ..QueryOptions::default() };
        if generator.dice.chance(20) {
            options.cancel.cancel();
        }
        let result = engine.range(&storage, &query, SPAN, &options);
        match result {
            Err(QueryError::Timeout(Stage::Execution | Stage::Evaluation) | QueryError::Canceled(_)) => {
                n_ended += 1;
            }
            Ok(_) | Err(QueryError::Execution(_) | QueryError::Invalid(_)) => {}
            Err(error) => panic!("{query}: {error:?}"),
        }
    }
    assert!(n_ended > 100, "only {n_ended} queries were ended");
}

/// Real queries with some characters changed: whatever still parses is evaluated under limits.
#[test]
fn mutated_queries_are_evaluated_without_a_panic() {
    let vocabulary = wf_promql::testing::Vocabulary {
        metrics: &["m", "m", "b_bucket", "h"],
        matchers: &["a=\"1\"", "le=~\".*\""],
        labels: &["a", "le"],
        times: &["0", "-1e9", "9223309901257973", "-9223309901257973", "300"],
    };
    let mut generator = Generator::new(seed() + 50, vocabulary, Scope::ALL);
    let alphabet: Vec<char> = "(){}[]\",:@=~!<>+-*/%^ 0919.eywd".chars().collect();
    for _ in 0..n_of(3_000) {
        let mut chars: Vec<char> = generator.query().chars().collect();
        for _ in 0..generator.dice.below(3) {
            let at = usize::try_from(generator.dice.below(chars.len() as u64)).unwrap_or(0);
            chars[at] = generator.dice.pick(&alphabet);
        }
        wf_promql::testing::fuzz_evaluate(chars.into_iter().collect::<String>().as_bytes());
    }
}
