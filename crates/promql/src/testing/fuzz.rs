//! Evaluation of whatever bytes, under limits: the entry for fuzzing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use wf_series::memory::MemoryStorage;

use crate::engine::{Engine, EngineOptions, Features, QueryOptions, RangeSpan};
use crate::script;

const LOAD: &str = "load 30s\n  \
    m{a=\"1\"} 0+1x20\n  \
    m{a=\"2\"} 5 NaN Inf -Inf stale 0 -0 1e308 -1e308 _x5 3+4x5\n  \
    b_bucket{le=\"1\"} 0+1x20\n  \
    b_bucket{le=\"+Inf\"} 0+2x20\n  \
    h {{schema:1 count:5 sum:3 z_bucket:1 z_bucket_w:0.01 buckets:[1 1] n_buckets:[2]}}x20\n";

const MAX_SAMPLES: u64 = 5_000;

/// Most looks at the clock, each a second later, before a query is to end.
const TIMEOUT: Duration = Duration::from_secs(2_000);

/// Evaluates `data` as a query at an instant and over a range, with few samples and little time.
/// # Panics
/// When a limit does not hold, which is a bug of ours.
pub fn fuzz_evaluate(data: &[u8]) {
    static STORAGE: LazyLock<MemoryStorage> = LazyLock::new(|| script::load(LOAD).unwrap_or_default());
    let Ok(query) = std::str::from_utf8(data) else { return };
    let options = EngineOptions {
        max_samples: MAX_SAMPLES,
        features: Features::SCRIPT_SUITE,
        threads: 1,
        ..EngineOptions::default()
    };
    let engine = Engine::new(options);
    let Ok(prepared) = engine.prepare(query) else { return };
    let ticks = AtomicU64::new(0);
    let clock = move || Duration::from_secs(ticks.fetch_add(1, Ordering::Relaxed));
    let limits =
        QueryOptions { clock: Some(Arc::new(clock)), timeout: Some(TIMEOUT), ..QueryOptions::default() };
    let span = RangeSpan { start_ms: 0, end_ms: 600_000, step_ms: 50_000 };
    let instant = engine.instant_prepared(&*STORAGE, &prepared, 300_000, &limits);
    let range = engine.range_prepared(&*STORAGE, &prepared, span, &limits);
    for result in [instant, range].into_iter().flatten() {
        let peak = result.stats.samples.peak;
        assert!(peak <= MAX_SAMPLES, "{query:?} held {peak} samples");
    }
}
