//! From query text to JSON.

use std::hint::black_box;

use anyhow::{Result, ensure};
use wf_promql::engine::{Engine, EngineOptions, QueryOptions, QueryResult, QueryValue, RangeSpan};
use wf_promql::parser::ParseOptions;
use wf_series::{Acknowledge, WriteBatch};

use crate::path::{Path, Work};
use crate::storage::{Head, INTERVAL_MS, START_MS};

pub(crate) const PATHS: &[Path] = &[
    Path { name: "promql/parse", unit: "query", n_rounds: 64, prepare: parse },
    Path { name: "promql/rate-240", unit: "sample", n_rounds: 8, prepare: rate },
    Path { name: "promql/sum-by-1k", unit: "series", n_rounds: 8, prepare: sum_by },
    Path { name: "promql/sum-by-rate-60-steps", unit: "sample", n_rounds: 1, prepare: sum_by_rate },
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
    let mut batch = WriteBatch::default();
    for round in 1..=N_SAMPLES {
        let moved = (round * 15) as f64;
        let value =
            |idx: usize| if idx.is_multiple_of(2) { idx as f64 } else { moved + (idx % 10) as f64 / 10.0 };
        head.append(&mut batch, Acknowledge::Written, START_MS + round * INTERVAL_MS, value)?;
    }
    Ok(head)
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
