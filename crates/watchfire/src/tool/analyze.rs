//! `watchfire tool query analyze`: how many buckets of histograms are in use, as `promtool query analyze` tells it.
//!
//! Of a native histogram a sample names its populated buckets. Those of a classic one are series of their own, of which each
//! counts what the one before it counts too: a bucket is populated when it counts more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use http::Method;
use serde_json::Value;

use super::api::Api;
use super::query::{seconds, show_metric, time_ms};
use crate::say;

/// What the name of a classic bucket ends with, and the label of its upper bound.
const BUCKET: &str = "_bucket";
const BOUND: &str = "le";

/// Options of `query analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeOptions {
    /// Server to ask
    #[arg(long)]
    server: String,
    /// Type of metric: histogram
    #[arg(long = "type")]
    kind: String,
    /// Time that is looked at
    #[arg(long, default_value = "1h", value_parser = super::promql::duration)]
    duration: Duration,
    /// End of that time: RFC 3339 or seconds since the epoch [default: now]
    #[arg(long)]
    time: Option<String>,
    /// Series selector, of native histograms or of the buckets of classic ones; can be repeated
    #[arg(long = "match", required = true)]
    selectors: Vec<String>,
    /// Header to send, name=value; can be repeated
    #[arg(long)]
    header: Vec<String>,
    /// File with credentials, TLS and the like, as an HTTP client block has them
    #[arg(long = "http.config.file")]
    http_config: Option<PathBuf>,
}

/// What the figures of a line mean.
const HEAD: &str = "\
Populated buckets of each histogram over time
---------------------------------------------
min/avg/max of its samples, then the number of all its buckets where that is more than max.";

/// What those of the summary mean.
const FOOT: &str = "\
Populated buckets over all histograms
-------------------------------------
Each line is min/avg/max of the figures above.";

/// Asks and prints.
pub(super) fn run(options: &AnalyzeOptions) -> Result<()> {
    ensure!(options.kind == "histogram", "analyze type is {}, must be 'histogram'", options.kind);
    let end_ms =
        options.time.as_deref().map_or_else(|| Ok(jiff::Timestamp::now().as_millisecond()), time_ms)?;
    let api = Api::new(&options.server, &options.header, options.http_config.as_deref())?;
    let (mut native, mut classic) = (Summary::default(), Summary::default());
    say(&format!("{HEAD}\n"));
    for selector in &options.selectors {
        let query = format!("{selector}[{}ms]", options.duration.as_millis());
        let params = [("query", query), ("time", seconds(end_ms))];
        let data = api.data(Method::POST, "/api/v1/query", &params)?;
        ensure!(data["resultType"] == "matrix", "query of buckets resulted in non-Matrix");
        let found = histograms(data["result"].as_array().map_or(&[][..], Vec::as_slice))?;
        for (name, usage) in found.native {
            say(&format!("- {name} (native): {usage}"));
            native.add(&usage);
        }
        for (name, usage) in found.classic {
            say(&format!("- {name} (classic): {usage}"));
            classic.add(&usage);
        }
    }
    say(&format!("\n{FOOT}"));
    for (kind, summary) in [("Native", native), ("Classic", classic)] {
        if summary.n_series > 0 {
            say(&format!("\n{kind} {summary}"));
        }
    }
    Ok(())
}

/// The buckets of one histogram.
#[derive(Clone, Debug, PartialEq)]
struct Usage {
    min: usize,
    avg: f64,
    max: usize,
    all: usize,
}

impl Usage {
    /// Of samples by their populated buckets; one sample alone says nothing about time.
    fn of(populated: &[usize], all: usize) -> Option<Self> {
        let (min, max) = (*populated.iter().min()?, *populated.iter().max()?);
        let n_samples = populated.len();
        let avg = populated.iter().sum::<usize>() as f64 / n_samples as f64;
        (n_samples > 1).then_some(Self { min, avg, max, all })
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:.3}/{}", self.min, self.avg, self.max)?;
        if self.all == self.max { Ok(()) } else { write!(f, "/{}", self.all) }
    }
}

/// Histograms by what they are called.
#[derive(Debug, Default)]
struct Found {
    native: Vec<(String, Usage)>,
    classic: BTreeMap<String, Usage>,
}

/// A bucket of a classic histogram: upper bound, and counts by time.
type Bucket = (f64, BTreeMap<i64, f64>);

fn histograms(series: &[Value]) -> Result<Found> {
    let (mut found, mut buckets) = (Found::default(), BTreeMap::<String, Vec<Bucket>>::new());
    for series in series {
        let metric = &series["metric"];
        let floats = series["values"].as_array().map_or(&[][..], Vec::as_slice);
        if floats.is_empty() {
            let samples = series["histograms"].as_array().map_or(&[][..], Vec::as_slice);
            found.native.extend(of_native(samples).map(|usage| (show_metric(metric, true), usage)));
            continue;
        }
        let name = metric[wf_model::METRIC_NAME].as_str().and_then(|name| name.strip_suffix(BUCKET));
        let bound = metric[BOUND].as_str().and_then(|bound| wf_model::float::parse_go(bound.as_bytes()).ok());
        if let (Some(name), Some(bound)) = (name, bound) {
            let mut labels = metric.clone();
            if let Some(labels) = labels.as_object_mut() {
                labels.retain(|name, _| name != BOUND && name != wf_model::METRIC_NAME);
            }
            let key = format!("{name}{}", show_metric(&labels, false));
            buckets.entry(key).or_default().push((bound, floats.iter().filter_map(sample).collect()));
        }
    }
    for (name, mut buckets) in buckets {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some(usage) = of_classic(&name, &buckets)? {
            found.classic.insert(name, usage);
        }
    }
    Ok(found)
}

/// Time in milliseconds and value of a sample.
fn sample(pair: &Value) -> Option<(i64, f64)> {
    let value = wf_model::float::parse_go(pair.get(1)?.as_str()?.as_bytes()).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "times are far below 2^53 ms")]
    Some(((pair.get(0)?.as_f64()? * 1000.0).round() as i64, value))
}

fn of_native(samples: &[Value]) -> Option<Usage> {
    let buckets_of = |sample: &Value| sample[1]["buckets"].as_array().cloned().unwrap_or_default();
    let mut all = BTreeSet::new();
    let mut populated = Vec::with_capacity(samples.len());
    for sample in samples {
        let buckets = buckets_of(sample);
        populated.push(buckets.len());
        // Bounds, and which of them belong to the bucket; the count is what is left out.
        all.extend(buckets.iter().map(|bucket| [0, 1, 2].map(|at| bucket[at].to_string())));
    }
    Usage::of(&populated, all.len())
}

fn of_classic(name: &str, buckets: &[Bucket]) -> Result<Option<Usage>> {
    let Some((_, first)) = buckets.first() else { return Ok(None) };
    let mut populated = Vec::with_capacity(first.len());
    for time_ms in first.keys() {
        let (mut n_populated, mut below) = (0, 0.0);
        // Buckets that were not there yet count nothing.
        for (bound, count) in buckets.iter().map_while(|(bound, counts)| Some((bound, counts.get(time_ms)?)))
        {
            if *count < below {
                bail!(
                    "unexpected classic histogram negative count: {name} counts {count} up to {bound} and {below} below that"
                );
            }
            n_populated += usize::from(*count > below);
            below = *count;
        }
        populated.push(n_populated);
    }
    Ok(Usage::of(&populated, buckets.len()))
}

/// Least, mean and most of one figure.
#[derive(Debug, Default)]
struct Spread {
    min: Option<usize>,
    max: usize,
    sum: f64,
}

/// Figures over all histograms of a kind.
#[derive(Debug, Default)]
struct Summary {
    n_series: usize,
    /// Of the least, mean and most populated buckets, and of all buckets.
    spreads: [Spread; 4],
}

impl Summary {
    fn add(&mut self, usage: &Usage) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of buckets")]
        let avg = usage.avg.round() as usize;
        self.n_series += 1;
        for (spread, figure) in self.spreads.iter_mut().zip([usage.min, avg, usage.max, usage.all]) {
            spread.min = Some(spread.min.map_or(figure, |min| min.min(figure)));
            spread.max = spread.max.max(figure);
            spread.sum += figure as f64;
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "histogram series ({} in total):", self.n_series)?;
        let shown: Vec<String> = self
            .spreads
            .iter()
            .map(|it| format!("{}/{:.3}/{}", it.min.unwrap_or(0), it.sum / self.n_series as f64, it.max))
            .collect();
        let [.., most, all] = shown.as_slice() else { return Ok(()) };
        // As in a line: the number of all buckets is left out when it says nothing more.
        let n_lines = if most == all { 3 } else { 4 };
        for (name, figures) in
            ["min populated", "avg populated", "max populated", "total"].iter().zip(&shown).take(n_lines)
        {
            write!(f, "\n- {name}: {figures}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bucket(bound: &str, values: [u32; 2]) -> Value {
        let values: Vec<Value> =
            [10, 20].iter().zip(values).map(|(at, value)| json!([at, value.to_string()])).collect();
        json!({"metric": {"__name__": "a_bucket", "le": bound, "job": "x"}, "values": values})
    }

    #[test]
    fn buckets_that_count_more_than_the_one_below_are_populated() {
        let series =
            [bucket("+Inf", [3, 9]), bucket("0.1", [0, 2]), bucket("1", [3, 5]), bucket("5", [3, 5])];
        let found = histograms(&series).unwrap();
        let usage = &found.classic["a{job=\"x\"}"];
        assert_eq!(usage.to_string(), "1/2.000/3/4");
        let falling = [bucket("1", [3, 3]), bucket("+Inf", [3, 1])];
        let error = histograms(&falling).unwrap_err().to_string();
        assert!(error.starts_with("unexpected classic histogram negative count"), "{error}");
    }

    #[test]
    fn native_buckets_are_counted_by_their_bounds() {
        let sample = |buckets: Value| json!([10, {"count": "3", "sum": "1", "buckets": buckets}]);
        let samples =
            [sample(json!([[0, "1", "2", "3"]])), sample(json!([[0, "1", "2", "4"], [0, "2", "4", "1"]]))];
        let series = json!({"metric": {"__name__": "n"}, "histograms": samples});
        let found = histograms(std::slice::from_ref(&series)).unwrap();
        assert_eq!(found.native, [("n".to_owned(), Usage { min: 1, avg: 1.5, max: 2, all: 2 })]);
        assert_eq!(found.native[0].1.to_string(), "1/1.500/2");
        let once = json!({"metric": {"__name__": "n"}, "histograms": &samples[..1]});
        assert!(histograms(&[once]).unwrap().native.is_empty());
    }

    #[test]
    fn a_summary_is_over_all_histograms() {
        let mut summary = Summary::default();
        summary.add(&Usage { min: 1, avg: 1.5, max: 2, all: 4 });
        summary.add(&Usage { min: 3, avg: 3.0, max: 3, all: 3 });
        assert_eq!(
            summary.to_string(),
            "histogram series (2 in total):\n- min populated: 1/2.000/3\n- avg populated: 2/2.500/3\n\
             - max populated: 2/2.500/3\n- total: 3/3.500/4"
        );
    }
}
