//! Times the engine alone, over made-up series that cost next to nothing to select and to decode.
//!
//! `cargo run --release -p wf-promql --example engine_figures [series] [filter]`
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::time::Instant;

use wf_model::{Labels, TimeRange};
use wf_promql::engine::{Engine, EngineOptions, QueryOptions, RangeSpan};
use wf_series::{
    LabelColumn, LabelQuery, SampleColumns, SelectError, SelectRequest, Selection, SeriesSource,
};

const INTERVAL_MS: i64 = 15_000;
const PATTERNS: usize = 64;

/// Samples shared by all series: counters with resets, gauges, constants.
struct Made {
    n_series: usize,
    patterns: Arc<Vec<SampleColumns>>,
}

impl Made {
    fn new(n_series: usize, hours: i64) -> Self {
        let n = usize::try_from(hours * 3_600_000 / INTERVAL_MS).unwrap_or(0);
        let pattern = |kind: usize| {
            let mut columns = SampleColumns::default();
            let mut value = kind as f64;
            let mut state = kind as u64 + 1;
            for idx in 0..n {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match kind % 4 {
                    0 => value += (state >> 60) as f64,
                    1 => value += 0.25,
                    2 => {}
                    _ => value = (state >> 40) as f64 / 1000.0,
                }
                if kind % 16 == 4 && idx % 1000 == 999 {
                    value = 0.0;
                }
                columns.push(idx as i64 * INTERVAL_MS + 7, value);
            }
            columns
        };
        Self { n_series, patterns: Arc::new((0..PATTERNS).map(pattern).collect()) }
    }
}

impl SeriesSource for Made {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        let name =
            request.matchers.iter().find(|matcher| matcher.name() == "__name__").map_or("m", |m| m.value());
        let n_series = if name.starts_with("small") { self.n_series / 100 } else { self.n_series };
        Ok(Arc::new(MadeSelection { n_series, name: name.to_owned(), patterns: Arc::clone(&self.patterns) }))
    }

    fn label_names(&self, _query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _name: &str, _query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        Ok(Vec::new())
    }
}

struct MadeSelection {
    n_series: usize,
    name: String,
    patterns: Arc<Vec<SampleColumns>>,
}

const BOUNDS: [&str; 10] = ["0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

impl MadeSelection {
    fn value(&self, name: &str, idx: usize) -> String {
        match name {
            "__name__" => self.name.clone(),
            "namespace" => format!("ns-{}", idx / 10 % 50),
            "instance" => format!("10.0.{}.{}:9100", idx / 10 % 1000 / 250, idx / 10 % 250),
            "pod" => format!("pod-{}", idx / 10),
            "le" => BOUNDS[idx % 10].to_owned(),
            _ => String::new(),
        }
    }
}

impl Selection for MadeSelection {
    fn len(&self) -> usize {
        self.n_series
    }

    fn labels(&self, idx: usize) -> Labels {
        let names = ["__name__", "instance", "le", "namespace", "pod"];
        let values: Vec<String> = names.iter().map(|name| self.value(name, idx)).collect();
        Labels::from_pairs(names.iter().copied().zip(values.iter().map(String::as_str)))
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        out.clear();
        let samples = &self.patterns[idx % PATTERNS];
        let start = samples.times_ms.partition_point(|time| *time < range.start_ms);
        let end = samples.times_ms.partition_point(|time| *time <= range.end_ms).max(start);
        out.times_ms.extend_from_slice(&samples.times_ms[start..end]);
        out.values.extend_from_slice(&samples.values[start..end]);
        Ok(())
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let mut column = LabelColumn::default();
        let mut code_of = std::collections::HashMap::new();
        for idx in 0..self.n_series {
            let value: Arc<str> = self.value(name, idx).into();
            let next = u32::try_from(column.values.len()).unwrap_or(u32::MAX);
            let code = *code_of.entry(Arc::clone(&value)).or_insert_with(|| {
                column.values.push(value);
                next
            });
            column.codes.push(code);
        }
        column
    }
}

const QUERIES: &[&str] = &[
    "m",
    "sum by (namespace) (rate(m[5m]))",
    "sum(m)",
    "sum without (le, pod) (rate(m[5m]))",
    "max by (pod) (m)",
    "sum by (namespace) (rate(m[5m])) / sum by (namespace) (rate(n[5m]))",
    "small_m * on (instance, le, pod) group_left small_n",
    "histogram_quantile(0.99, sum by (le, namespace) (rate(m[5m])))",
    "histogram_quantile(0.99, rate(small_m[5m]))",
    "topk(5, rate(m[5m]))",
    "quantile(0.9, rate(m[5m]))",
    "count(m)",
    "sum(max_over_time(m[30m]))",
    "sum(avg_over_time(m[30m]))",
    "sum(sum_over_time(m[30m]))",
    "sum(count_over_time(m[30m]))",
    "sum(quantile_over_time(0.9, small_m[30m]))",
    "sum(rate(m[1h]))",
    "max_over_time(sum(rate(small_m[5m]))[30m:1m])",
    "sum(max_over_time(rate(small_m[5m])[30m:1m]))",
    "sum(label_replace(m, 'x', '$1', 'pod', 'pod-(.).*'))",
    "sum(predict_linear(small_m[30m], 3600))",
    "sum(stddev_over_time(small_m[30m]))",
    "rate(m[5m]) / rate(m[1h])",
];

fn main() {
    let mut args = std::env::args().skip(1);
    let n_series = args.next().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let filter = args.next().unwrap_or_default();
    let source = Made::new(n_series, 6);
    let engine = Engine::new(EngineOptions { max_samples: u64::MAX, ..EngineOptions::default() });
    let span = RangeSpan { start_ms: 4 * 3_600_000, end_ms: 5 * 3_600_000, step_ms: 15_000 };
    for query in QUERIES.iter().filter(|query| query.contains(&filter)) {
        let started = Instant::now();
        let cpu_before = cpu_seconds();
        let result = engine.range(&source, query, span, &QueryOptions::default());
        let elapsed = started.elapsed();
        let cpu = cpu_seconds() - cpu_before;
        match result {
            Ok(result) => {
                let per_sample = elapsed.as_nanos() as f64 / result.stats.work.samples_decoded.max(1) as f64;
                println!(
                    "{:8.1} ms {:8.1} cpu ms {per_sample:6.1} ns/sample  {query}",
                    elapsed.as_secs_f64() * 1e3,
                    cpu * 1e3
                );
            }
            Err(error) => println!("{query}: {error}"),
        }
    }
}

/// User and system time of the process so far, at a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |idx: usize| fields.get(idx).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
