//! From query text to JSON.

use std::hint::black_box;

use anyhow::{Result, ensure};
use wf_model::Labels;
use wf_promql::engine::{Engine, EngineOptions, QueryOptions, QueryResult, QueryValue, RangeSpan};
use wf_promql::parser::ParseOptions;
use wf_series::{Acknowledge, SampleSink, WriteBatch};

use crate::path::{Path, Work};
use crate::storage::{Head, INTERVAL_MS, START_MS};

pub(crate) const PATHS: &[Path] = &[
    Path { name: "promql/parse", unit: "query", n_rounds: 64, prepare: parse },
    Path { name: "promql/rate-240", unit: "sample", n_rounds: 8, prepare: rate },
    Path { name: "promql/sum-by-1k", unit: "series", n_rounds: 8, prepare: sum_by },
    Path { name: "promql/sum-by-rate-60-steps", unit: "sample", n_rounds: 1, prepare: sum_by_rate },
    Path { name: "promql/join-one-to-one", unit: "series", n_rounds: 4, prepare: one_to_one },
    Path { name: "promql/join-group-left", unit: "series", n_rounds: 4, prepare: group_left },
    Path { name: "promql/histogram-quantile", unit: "bucket", n_rounds: 4, prepare: histogram_quantile },
    Path { name: "promql/topk-60-steps", unit: "sample", n_rounds: 1, prepare: topk },
    Path { name: "promql/max-over-time-60-steps", unit: "sample", n_rounds: 1, prepare: max_over_time },
    Path {
        name: "promql/quantile-over-time-60-steps",
        unit: "sample",
        n_rounds: 1,
        prepare: quantile_over_time,
    },
    Path { name: "json/matrix", unit: "sample", n_rounds: 4, prepare: json },
];

/// Samples of each series: an hour.
const N_SAMPLES: i64 = 240;
const END_MS: i64 = START_MS + N_SAMPLES * INTERVAL_MS;
const DASHBOARD_QUERY: &str = concat!(
    r#"sum by (instance) (rate(node_cpu_seconds_total{mode!="idle",instance=~"10\\.0\\..+"}[5m]))"#,
    r#" / on (instance) group_left () count by (instance) (node_cpu_seconds_total{mode="idle"}) * 100 > bool 80"#
);

/// A head with an hour of counters, half of which stand still.
fn hour(n_series: usize) -> Result<Head> {
    let head = Head::with_series(n_series)?;
    fill(
        &head,
        |moved, idx| if idx.is_multiple_of(2) { idx as f64 } else { moved + (idx % 10) as f64 / 10.0 },
    )?;
    Ok(head)
}

/// Adds an hour of samples to the series of a head; `value` is told the seconds so far and the place of the series.
fn fill(head: &Head, value: impl Fn(f64, usize) -> f64) -> Result<()> {
    let mut batch = WriteBatch::default();
    for round in 1..=N_SAMPLES {
        let time_ms = START_MS + round * INTERVAL_MS;
        head.append(&mut batch, Acknowledge::Written, time_ms, |idx| value((round * 15) as f64, idx))?;
    }
    Ok(())
}

fn engine() -> Engine {
    // One thread: what others do is not counted.
    Engine::new(EngineOptions { threads: 1, ..EngineOptions::default() })
}

/// Anew each time: the engine itself knows a query that it saw before.
fn parse() -> Result<Work> {
    Ok(Work::new(1, move || {
        black_box(wf_promql::parser::parse(black_box(DASHBOARD_QUERY), &ParseOptions::default())?);
        Ok(())
    }))
}

/// An instant query over `n_series`, each round anew from the prepared tree; `n_units` in all.
fn instant(n_series: usize, query: &str, n_units: usize) -> Result<Work> {
    let (head, engine) = (hour(n_series)?, engine());
    let prepared = engine.prepare(query)?;
    let run = move || engine.instant_prepared(&*head.tsdb, &prepared, END_MS, &QueryOptions::default());
    ensure!(matches!(run()?.value, QueryValue::Vector(samples) if !samples.is_empty()), "no result");
    Ok(Work::new(n_units, move || {
        black_box(run()?);
        Ok(())
    }))
}

fn rate() -> Result<Work> {
    instant(100, "rate(node_cpu_seconds_total[1h])", 100 * usize::try_from(N_SAMPLES)?)
}

fn sum_by() -> Result<Work> {
    instant(1_000, "sum by (instance, mode) (node_cpu_seconds_total)", 1_000)
}

/// Runs `query` at 60 steps of a minute.
fn range(head: &Head, engine: &Engine, query: &str) -> Result<QueryResult> {
    let span = RangeSpan { start_ms: END_MS - 59 * 60_000, end_ms: END_MS, step_ms: 60_000 };
    Ok(engine.range(&*head.tsdb, query, span, &QueryOptions::default())?)
}

fn sum_by_rate() -> Result<Work> {
    let (head, engine) = (hour(1_000)?, engine());
    Ok(Work::new(1_000 * usize::try_from(N_SAMPLES)?, move || {
        black_box(range(&head, &engine, "sum by (mode) (rate(node_cpu_seconds_total[5m]))")?);
        Ok(())
    }))
}

/// Runs a query of 60 steps over an hour of a thousand series; the unit is a sample of them.
fn over_samples(query: &'static str) -> Result<Work> {
    let (head, engine) = (hour(1_000)?, engine());
    Ok(Work::new(1_000 * usize::try_from(N_SAMPLES)?, move || {
        black_box(range(&head, &engine, query)?);
        Ok(())
    }))
}

fn topk() -> Result<Work> {
    over_samples("topk(10, node_cpu_seconds_total)")
}

fn max_over_time() -> Result<Work> {
    over_samples("max(max_over_time(node_cpu_seconds_total[30m]))")
}

fn quantile_over_time() -> Result<Work> {
    over_samples("max(quantile_over_time(0.9, node_cpu_seconds_total[30m]))")
}

fn one_to_one() -> Result<Work> {
    instant(1_000, "node_cpu_seconds_total + node_cpu_seconds_total", 1_000)
}

/// A thousand series, each with the total of its instance and mode.
fn group_left() -> Result<Work> {
    let query = concat!(
        "node_cpu_seconds_total / on (instance, mode) group_left () ",
        "sum by (instance, mode) (node_cpu_seconds_total)"
    );
    instant(1_000, query, 1_000)
}

/// A hundred histograms of ten buckets.
fn histogram_quantile() -> Result<Work> {
    const BOUNDS: [&str; 10] = ["0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
    let mut head = Head::open()?;
    for idx in 0..1_000 {
        let labels = Labels::from_pairs([
            ("__name__", "http_request_duration_seconds_bucket".to_owned()),
            ("instance", format!("10.0.0.{}:9100", idx / 40)),
            ("le", BOUNDS.get(idx % 10).copied().unwrap_or_default().to_owned()),
            ("route", format!("/{}", idx / 10)),
        ]);
        let series = head.tsdb.resolve(&labels)?;
        head.series.push(series);
    }
    fill(&head, |moved, idx| moved * (1 + idx % 10) as f64)?;
    let engine = engine();
    Ok(Work::new(1_000, move || {
        let query = "histogram_quantile(0.9, http_request_duration_seconds_bucket)";
        black_box(engine.instant(&*head.tsdb, query, END_MS, &QueryOptions::default())?);
        Ok(())
    }))
}

fn json() -> Result<Work> {
    let result = range(&hour(100)?, &engine(), "node_cpu_seconds_total")?;
    let QueryValue::Matrix(series) = &result.value else { anyhow::bail!("a range query answers a matrix") };
    let n_points = series.len() * 60;
    ensure!(n_points > 0, "no result");
    Ok(Work::new(n_points, move || {
        black_box(wf_server::bench::query_answer(black_box(&result)));
        Ok(())
    }))
}
