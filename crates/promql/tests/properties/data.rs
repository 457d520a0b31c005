//! Series that queries of the tests select: counters with resets, gauges with gaps, classic and native histograms.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use wf_promql::engine::{Engine, EngineOptions, Features};
use wf_promql::script;
use wf_promql::testing::Vocabulary;
use wf_series::memory::MemoryStorage;

pub(crate) const VOCABULARY: Vocabulary = Vocabulary {
    metrics: &[
        "requests_total",
        "requests_total",
        "temperature",
        "odd",
        "sparse",
        "latency_bucket",
        "native",
        "native_gauge",
        "custom",
        "build_info",
        "target_info",
        "utf8 metric",
        "absent_metric",
        "a:recorded",
    ],
    matchers: &[
        "job=\"a\"",
        "job!=\"a\"",
        "job=~\"a|b\"",
        "instance=~\".+\"",
        "instance!~\"1\"",
        "le=\"+Inf\"",
        "missing=\"\"",
        "missing!=\"\"",
        "\"utf 8\"=~\".*\"",
        "version=~`1\\..`",
    ],
    labels: &["job", "instance", "le", "version", "missing", "\"utf 8\"", "__name__"],
    times: &["600", "0", "1234.5", "-5", "1800"],
};

const LOAD: &str = r#"
load 1m
    requests_total{job="a",instance="0"} 0+10x20 5+7x20
    requests_total{job="a",instance="1"} 100+20x10 _x5 300+20x24
    requests_total{job="b",instance="0"} 0+1x12 stale _x3 0+2x24
    temperature{job="a",instance="0"} 1 2 3 -4 5 0.5 7 8 -9 10 1 2 3 -4 5 0.5 7 8 -9 10 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3 3
    temperature{job="b",instance="1",version="1.2"} 40-1x40
    odd{job="a"} NaN Inf -Inf 0 -0 NaN 1e300 -1e300 1 NaN NaN NaN 3 4 5 Inf Inf 1 0 0 0
    odd{job="b"} 0x40
    sparse{instance="1"} _ _ _ _ 5 _ _ _ _ _ _ _ _ 7 _ _ _ _ 9
    latency_bucket{job="a",le="0.1"} 0+1x40
    latency_bucket{job="a",le="1"} 0+2x40
    latency_bucket{job="a",le="+Inf"} 0+3x40
    latency_bucket{job="b",le="+Inf"} 0+3x40
    native{job="a"} {{schema:0 count:4 sum:10 buckets:[1 2 1]}}+{{schema:0 count:4 sum:10 buckets:[1 2 1]}}x40
    native{job="b"} {{schema:1 count:5 sum:3 z_bucket:1 z_bucket_w:0.01 buckets:[1 1] n_buckets:[2]}}x20 5 6 7
    native_gauge{job="a"} {{schema:0 count:4 sum:10 buckets:[1 2 1] counter_reset_hint:gauge}}x40
    custom{job="a"} {{schema:-53 count:4 sum:10 custom_values:[1 5] buckets:[1 2 1]}}+{{schema:-53 count:4 sum:10 custom_values:[1 5] buckets:[1 2 1]}}x40
    build_info{job="a",instance="0",version="1.2"} 1x40
    target_info{job="a",instance="0",version="2.0"} 1x40
    target_info{job="b",instance="0",version="2.1"} 1x40
    {"utf8 metric","utf 8"="é",job="a"} 0+3x40
    a:recorded{job="a"} 5x40
"#;

/// What [`LOAD`] says, in a storage.
pub(crate) fn storage() -> MemoryStorage {
    script::load(LOAD).unwrap()
}

/// Everything switched on.
pub(crate) fn engine() -> Engine {
    Engine::new(EngineOptions { features: Features::SCRIPT_SUITE, ..EngineOptions::default() })
}
