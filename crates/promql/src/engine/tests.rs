//! End to end on small tables: text in, values out.

use proptest::prelude::*;
use wf_model::Labels;
use wf_model::float::format_f;
use wf_series::SampleColumns;
use wf_series::memory::MemoryStorage;

use super::*;

const MINUTE: i64 = 60_000;

fn engine() -> Engine {
    Engine::new(EngineOptions { features: Features::SCRIPT_SUITE, ..EngineOptions::default() })
}

/// A storage with one sample a minute per series: `requests_total{job,instance}` counts up, `temp` goes up and down.
fn storage() -> MemoryStorage {
    let storage = MemoryStorage::new();
    let insert = |pairs: &[(&str, &str)], value: &dyn Fn(i64) -> f64| {
        let mut samples = SampleColumns::default();
        for minute in 0..=20 {
            samples.push(minute * MINUTE, value(minute));
        }
        storage.insert(Labels::from_pairs(pairs.iter().copied()), samples);
    };
    for (job, instance, slope) in [("api", "0", 1.0), ("api", "1", 2.0), ("db", "0", 3.0)] {
        let pairs = [("__name__", "requests_total"), ("job", job), ("instance", instance)];
        insert(&pairs, &|minute| 60.0 * slope * minute as f64);
    }
    insert(&[("__name__", "temp"), ("room", "a")], &|minute| (minute % 5) as f64);
    insert(&[("__name__", "temp"), ("room", "b")], &|minute| -(minute % 7) as f64);
    for (le, share) in [("0.1", 0.5), ("1", 0.75), ("+Inf", 1.0)] {
        insert(&[("__name__", "latency_bucket"), ("le", le)], &|minute| share * 100.0 * minute as f64);
    }
    storage
}

/// Renders a value as `{labels} value` lines, sorted.
fn render(value: &QueryValue) -> Vec<String> {
    let mut lines: Vec<String> = match value {
        QueryValue::Scalar { value, .. } => vec![format_f(*value)],
        QueryValue::String { value, .. } => vec![value.clone()],
        QueryValue::Vector(samples) => samples
            .iter()
            .map(|sample| match &sample.value {
                SampleValue::Float(value) => format!("{} {}", sample.labels, format_f(*value)),
                SampleValue::Histogram(_) => format!("{} histogram", sample.labels),
            })
            .collect(),
        QueryValue::Matrix(series) => series
            .iter()
            .map(|series| {
                let points = series.times_ms.iter().zip(&series.values);
                let points: Vec<String> =
                    points.map(|(time, value)| format!("{}@{}", format_f(*value), time / 1000)).collect();
                format!("{} {}", series.labels, points.join(" "))
            })
            .collect(),
    };
    lines.sort();
    lines
}

fn check(query: &str, want: &[&str]) {
    let result = engine().instant(&storage(), query, 10 * MINUTE, &QueryOptions::default());
    match result {
        Ok(result) => assert_eq!(render(&result.value), want, "{query}"),
        Err(error) => assert_eq!(want, [format!("error: {error}")], "{query}"),
    }
}

#[test]
fn instant_queries_yield_what_the_table_says() {
    check("1 + 2 * 3", &["7"]);
    check("temp", &[r#"{__name__="temp", room="a"} 0"#, r#"{__name__="temp", room="b"} -3"#]);
    check("temp offset 1m", &[r#"{__name__="temp", room="a"} 4"#, r#"{__name__="temp", room="b"} -2"#]);
    check("temp{room='a'} @ 180", &[r#"{__name__="temp", room="a"} 3"#]);
    check("abs(temp)", &[r#"{room="a"} 0"#, r#"{room="b"} 3"#]);
    check("-temp{room='b'}", &[r#"{room="b"} 3"#]);
    check("temp > -1", &[r#"{__name__="temp", room="a"} 0"#]);
    check("temp >= bool 0", &[r#"{room="a"} 1"#, r#"{room="b"} 0"#]);
    check("sum(rate(requests_total[5m]))", &["{} 6"]);
    check("sum by (job) (rate(requests_total[5m]))", &[r#"{job="api"} 3"#, r#"{job="db"} 3"#]);
    check(
        "avg without (instance) (increase(requests_total[5m]))",
        &[r#"{job="api"} 450"#, r#"{job="db"} 900"#],
    );
    check("max(temp) - min(temp)", &["{} 3"]);
    check("count(requests_total)", &["{} 3"]);
    check("count_values('v', temp * 0)", &[r#"{v="-0"} 1"#, r#"{v="0"} 1"#]);
    check("quantile(0.5, requests_total)", &["{} 1200"]);
    check("topk(1, requests_total)", &[r#"{__name__="requests_total", instance="0", job="db"} 1800"#]);
    check("max_over_time(temp{room='a'}[5m])", &[r#"{room="a"} 4"#]);
    check("sum_over_time(temp{room='a'}[5m:1m])", &[r#"{room="a"} 10"#]);
    check("absent(nothing{a='b'})", &[r#"{a="b"} 1"#]);
    check("absent(temp)", &[]);
    check("histogram_quantile(0.5, latency_bucket)", &["{} 0.1"]);
    check("histogram_quantile(0.625, latency_bucket)", &["{} 0.55"]);
    check(
        "label_replace(temp{room='a'}, 'x', '<$1>', 'room', '(.*)')",
        &[r#"{__name__="temp", room="a", x="<a>"} 0"#],
    );
    check("timestamp(temp{room='a'})", &[r#"{room="a"} 600"#]);
    check("scalar(temp{room='b'})", &["-3"]);
    check("vector(time())", &["{} 600"]);
    check("hour(vector(3600))", &["{} 1"]);
    check("temp{room='a'}[2m]", &[r#"{__name__="temp", room="a"} 4@540 0@600"#]);
}

#[test]
fn a_query_that_would_hold_too_many_bytes_is_refused() {
    let engine = Engine::new(EngineOptions { memory_bytes_max: 1000, ..EngineOptions::default() });
    let span = RangeSpan { start_ms: 0, end_ms: 20 * MINUTE, step_ms: MINUTE };
    let run = |query: &str| engine.range(&storage(), query, span, &QueryOptions::default());
    assert!(run("sum(temp)").is_ok());
    let error = run("sum by (job, instance) (requests_total)").unwrap_err().to_string();
    assert!(error.starts_with("query would hold more than 1000 bytes"), "{error}");
}

#[test]
fn vectors_match_by_labels() {
    let both = r#"{instance="0"} 2400"#;
    check("requests_total{job='api'} + on(instance) requests_total{job='db'}", &[both]);
    check("requests_total{job='api'} + ignoring(job) requests_total{job='db'}", &[both]);
    check(
        "requests_total and on(instance) requests_total{job='db'}",
        &[
            r#"{__name__="requests_total", instance="0", job="api"} 600"#,
            r#"{__name__="requests_total", instance="0", job="db"} 1800"#,
        ],
    );
    check(
        "requests_total unless on(instance) requests_total{job='db'}",
        &[r#"{__name__="requests_total", instance="1", job="api"} 1200"#],
    );
    check(
        "temp or requests_total{job='db'}",
        &[
            r#"{__name__="requests_total", instance="0", job="db"} 1800"#,
            r#"{__name__="temp", room="a"} 0"#,
            r#"{__name__="temp", room="b"} -3"#,
        ],
    );
    check(
        "requests_total / on(job) group_left() sum by (job) (requests_total)",
        &[
            r#"{instance="0", job="api"} 0.3333333333333333"#,
            r#"{instance="0", job="db"} 1"#,
            r#"{instance="1", job="api"} 0.6666666666666666"#,
        ],
    );
    check(
        "requests_total{job='api'} + on(job) requests_total{job='api'}",
        &[
            r#"error: found duplicate series for the match group {job="api"} on the right hand-side of the operation: [{__name__="requests_total", instance="0", job="api"}, {__name__="requests_total", instance="1", job="api"}];many-to-many matching not allowed: matching labels must be unique on one side"#,
        ],
    );
    check(
        "requests_total{job='api'} + on(job) sum by (job) (requests_total)",
        &[
            "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        ],
    );
    check("sum(requests_total{job='api'}) + fill_right(5) sum by (x) (nothing)", &["{} 1805"]);
}

/// Queries of every kind, for which a range query must be its instant queries one after the other.
const QUERIES: [&str; 35] = [
    "temp",
    "temp @ 300",
    "temp offset 90s",
    "rate(requests_total[3m])",
    "increase(requests_total[150s] @ end())",
    "sum by (job) (requests_total) / ignoring(job) group_left() sum(requests_total)",
    "topk(1, temp)",
    "bottomk by (room) (1, temp)",
    "limitk(2, requests_total)",
    "quantile by (job) (0.3, requests_total)",
    "count_values('v', temp)",
    "avg(temp) or vector(time())",
    "temp > 0 and temp < 4",
    "temp unless temp > 1",
    "max_over_time(rate(requests_total[2m])[5m:30s])",
    "histogram_quantile(0.9, rate(latency_bucket[4m]))",
    "stddev_over_time(temp[5m]) + on(room) stdvar by (room) (temp)",
    "scalar(temp{room='a'}) * temp",
    "label_join(temp, 'x', '-', 'room', 'room')",
    "absent(temp > 2)",
    "deriv(temp[4m])",
    "predict_linear(temp[4m], 60)",
    "clamp(temp, -1, 1)",
    "day_of_week() + minute(temp)",
    "changes(temp[3m]) == bool resets(temp[3m])",
    "quantile_over_time(0.7, temp[5m])",
    "timestamp(temp)",
    "timestamp(temp @ 400)",
    "timestamp(temp smoothed @ 400)",
    "rate(temp[3m] smoothed)",
    "increase(temp[3m] anchored)",
    "temp smoothed",
    "min_over_time(temp[3m]) > bool 1",
    "sum(irate(requests_total[3m])) or absent(temp)",
    "limit_ratio(0.5, requests_total)",
];

/// Compares a range query with the instant queries at its steps.
fn check_steps(storage: &MemoryStorage, query: &str, span: RangeSpan) {
    let engine = engine();
    let options = QueryOptions::default();
    let range = engine.range(storage, query, span, &options).unwrap();
    let QueryValue::Matrix(matrix) = &range.value else { panic!("{query}: not a matrix") };
    let mut time_ms = span.start_ms;
    while time_ms <= span.end_ms {
        // `@ end()` means another time in the instant query, so it is spelled out.
        let pinned = query.replace("end()", &format!("{:.3}", span.end_ms as f64 / 1000.0));
        let instant = engine.instant(storage, &pinned, time_ms, &options).unwrap();
        let mut at_step: Vec<String> = matrix
            .iter()
            .filter_map(|series| {
                let found = series.times_ms.binary_search(&time_ms).ok()?;
                Some(format!("{} {}", series.labels, format_f(series.values[found])))
            })
            .collect();
        at_step.sort();
        assert_eq!(render(&instant.value), at_step, "{query} at {time_ms}");
        time_ms += span.step_ms;
    }
}

#[test]
fn a_range_query_is_its_instant_queries_one_after_the_other() {
    for query in QUERIES {
        check_steps(&storage(), query, RangeSpan { start_ms: 0, end_ms: 25 * MINUTE, step_ms: 45_000 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Gaps, stale markers, resets and NaN change nothing about that.
    #[test]
    fn whatever_is_stored_steps_do_not_depend_on_each_other(
        series in prop::collection::vec(prop::collection::vec((1_i64..120_000, 0_u8..20), 0..30), 4),
        query in prop::sample::select(QUERIES.as_slice()),
        start_ms in -60_000_i64..600_000,
        step_ms in 1_000_i64..200_000,
    ) {
        let storage = MemoryStorage::new();
        let names = [("temp", "room", "a"), ("temp", "room", "b"), ("requests_total", "job", "api"), ("requests_total", "job", "db")];
        for ((name, label, value), steps) in names.into_iter().zip(&series) {
            let mut samples = SampleColumns::default();
            let mut time_ms = 0;
            for (gap_ms, kind) in steps {
                time_ms += gap_ms;
                samples.push(time_ms, match kind {
                    0 => wf_model::STALE_NAN,
                    1 => f64::NAN,
                    2 => -1.0,
                    kind => f64::from(*kind),
                });
            }
            if !samples.is_empty() {
                storage.insert(Labels::from_pairs([("__name__", name), (label, value), ("instance", "0")]), samples);
            }
        }
        check_steps(&storage, query, RangeSpan { start_ms, end_ms: start_ms + 6 * step_ms, step_ms });
    }
}

#[test]
fn start_timestamps_tell_resets_and_beginnings() {
    let storage = MemoryStorage::new();
    let insert = |name: &str, samples: &[(i64, f64, i64)]| {
        let mut columns = SampleColumns::default();
        for (second, value, start_second) in samples {
            columns.push(second * 1000, *value);
            columns.start_times_ms.push(start_second * 1000);
        }
        storage.insert(Labels::from_pairs([("__name__", name)]), columns);
    };
    // Begins inside the window: counts from zero. Restarts between samples although the value grows.
    insert("begins_total", &[(30, 10.0, 10), (60, 20.0, 10)]);
    insert("restarts_total", &[(10, 5.0, 1), (40, 8.0, 20), (60, 9.0, 20)]);
    insert("lone_total", &[(50, 7.0, 40)]);
    let value = |query: &str| {
        let result = engine().instant(&storage, query, 60_000, &QueryOptions::default()).unwrap();
        render(&result.value).join("")
    };
    assert_eq!(value("increase(begins_total[1m])"), "{} 20");
    assert_eq!(value("resets(restarts_total[1m])"), "{} 1");
    assert_eq!(value("increase(lone_total[1m])"), "{} 7");
    assert_eq!(value("start_timestamp(lone_total)"), "{} 40");
}

#[test]
fn limits_cancellation_and_timeouts_end_a_query() {
    let small = Engine::new(EngineOptions { max_samples: 5, ..EngineOptions::default() });
    let span = RangeSpan { start_ms: 0, end_ms: 10 * MINUTE, step_ms: MINUTE };
    let error = small.range(&storage(), "temp", span, &QueryOptions::default()).unwrap_err();
    assert!(matches!(error, QueryError::TooManySamples), "{error}");
    let error = engine().instant(&storage(), "max_over_time(temp[90y:1ms])", 0, &QueryOptions::default());
    assert!(matches!(error, Err(QueryError::TooManySamples)), "a column of 90 years in milliseconds");
    let options = QueryOptions::default();
    options.cancel.cancel();
    let error = engine().instant(&storage(), "temp", 0, &options).unwrap_err();
    assert_eq!(error.to_string(), "query was canceled in query execution");
    let ticks = std::sync::atomic::AtomicU64::new(0);
    let clock: Clock = std::sync::Arc::new(move || {
        std::time::Duration::from_secs(ticks.fetch_add(40, std::sync::atomic::Ordering::Relaxed))
    });
    let options = QueryOptions { clock: Some(clock), ..QueryOptions::default() };
    let error = engine().range(&storage(), "rate(temp[5m])", span, &options).unwrap_err();
    assert_eq!(error.to_string(), "query timed out in expression evaluation");
}

#[test]
fn remarks_name_metric_and_position() {
    let result =
        engine().instant(&storage(), "sum(rate(temp[5m]))", 10 * MINUTE, &QueryOptions::default()).unwrap();
    assert_eq!(
        result.annotations.infos,
        [
            "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"temp\" (1:10)"
        ]
    );
}

#[test]
fn equal_label_sets_are_refused_unless_their_steps_differ() {
    let storage = storage();
    let immediate = Engine::new(EngineOptions::default());
    let run = |engine: &Engine, query: &str| {
        engine
            .instant(&storage, query, 10 * MINUTE, &QueryOptions::default())
            .map(|result| render(&result.value))
    };
    for engine in [&immediate, &engine()] {
        let error = run(engine, "label_replace(temp, 'room', '', 'room', '.*')").unwrap_err();
        assert_eq!(error.to_string(), "vector cannot contain metrics with the same labelset");
        assert_eq!(run(engine, "sum(abs(temp))").unwrap(), ["{} 3"]);
    }
}

#[test]
fn samples_are_counted_as_looked_at_and_as_read() {
    let features = Features { per_step_stats: true, ..Features::SCRIPT_SUITE };
    let engine = Engine::new(EngineOptions { features, ..EngineOptions::default() });
    let span = RangeSpan { start_ms: 5 * MINUTE, end_ms: 7 * MINUTE, step_ms: MINUTE };
    let options = QueryOptions { per_step_stats: true, ..QueryOptions::default() };
    let stats = |query: &str| {
        let samples = engine.range(&storage(), query, span, &options).unwrap().stats.samples;
        let per_step = |counts: &[StepCount]| counts.iter().map(|count| count.n_samples).collect::<Vec<_>>();
        (
            per_step(&samples.total_queryable_per_step),
            per_step(&samples.read_per_step),
            samples.total_queryable,
        )
    };
    assert_eq!(stats("temp{room='a'}"), (vec![1, 1, 1], vec![1, 1, 1], 3));
    assert_eq!(stats("temp{room='a'} offset 30s"), (vec![1, 1, 1], vec![1, 1, 1], 3));
    assert_eq!(stats("sum_over_time(temp{room='a'}[3m])"), (vec![3, 3, 3], vec![3, 1, 1], 9));
}

#[test]
fn the_deepest_expression_that_parses_can_be_evaluated() {
    let signs = "-".repeat(95);
    let chain = vec!["temp"; 120].join(" + ");
    let parens = format!("{}temp{}", "(".repeat(90), ")".repeat(90));
    for query in [format!("{signs}temp"), chain, parens] {
        let result = engine().instant(&storage(), &query, 10 * MINUTE, &QueryOptions::default()).unwrap();
        assert_eq!(render(&result.value).len(), 2);
    }
}
