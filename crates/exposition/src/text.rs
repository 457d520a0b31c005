//! Text format 0.0.4, the writing side.
//!
//! # Source
//! `spec/prometheus-core.md` §2, "Text 0.0.4/1.0.0 rules".

use std::fmt::Write;

use wf_model::MetricType;
use wf_model::float::{format_g, write_g};

use crate::family::{Metric, MetricFamily, MetricValue};

/// Content type of a page written by [`write_page`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Appends families to `out` in the order given; whoever needs them sorted sorts by name first.
pub fn write_page(out: &mut String, families: &[MetricFamily]) {
    for family in families.iter().filter(|family| !family.metrics.is_empty()) {
        write_family(out, family);
    }
}

fn write_family(out: &mut String, family: &MetricFamily) {
    out.push_str("# HELP ");
    out.push_str(&family.name);
    out.push(' ');
    push_escaped(out, &family.help, Quotes::Keep);
    out.push_str("\n# TYPE ");
    out.push_str(&family.name);
    out.push(' ');
    out.push_str(type_name(family.kind));
    out.push('\n');
    for metric in &family.metrics {
        write_metric(out, &family.name, metric);
    }
}

fn write_metric(out: &mut String, name: &str, metric: &Metric) {
    match &metric.value {
        MetricValue::Number(value) => write_line(out, name, "", metric, None, *value),
        MetricValue::Histogram { buckets, sum, count } => {
            for bucket in buckets {
                let bound = format_g(bucket.upper_bound);
                write_line(
                    out,
                    name,
                    "_bucket",
                    metric,
                    Some(("le", &bound)),
                    bucket.cumulative_count as f64,
                );
            }
            write_line(out, name, "_bucket", metric, Some(("le", "+Inf")), *count as f64);
            write_sum_and_count(out, name, metric, *sum, *count);
        }
        MetricValue::Summary { quantiles, sum, count } => {
            for (quantile, value) in quantiles {
                write_line(out, name, "", metric, Some(("quantile", &format_g(*quantile))), *value);
            }
            write_sum_and_count(out, name, metric, *sum, *count);
        }
    }
}

fn write_sum_and_count(out: &mut String, name: &str, metric: &Metric, sum: f64, count: u64) {
    write_line(out, name, "_sum", metric, None, sum);
    write_line(out, name, "_count", metric, None, count as f64);
}

fn write_line(
    out: &mut String,
    name: &str,
    suffix: &str,
    metric: &Metric,
    extra: Option<(&str, &str)>,
    value: f64,
) {
    out.push_str(name);
    out.push_str(suffix);
    let labels = metric.labels.iter().map(|(name, value)| (name.as_ref(), value.as_str()));
    let mut separator = '{';
    for (label, text) in labels.chain(extra) {
        out.push(separator);
        out.push_str(label);
        out.push_str("=\"");
        push_escaped(out, text, Quotes::Escape);
        out.push('"');
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    out.push(' ');
    write_g(out, value).expect("writing to a string cannot fail");
    if let Some(timestamp_ms) = metric.timestamp_ms {
        write!(out, " {timestamp_ms}").expect("writing to a string cannot fail");
    }
    out.push('\n');
}

#[derive(Clone, Copy)]
enum Quotes {
    Keep,
    Escape,
}

/// Appends what lies between characters that need an escape in one piece: hardly any text has one.
fn push_escaped(out: &mut String, text: &str, quotes: Quotes) {
    let is_special = |ch: char| matches!((ch, quotes), ('\\' | '\n', _) | ('"', Quotes::Escape));
    let mut rest = text;
    while let Some((plain, special)) = rest.find(is_special).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let mut chars = special.chars();
        out.push_str(match chars.next() {
            Some('\\') => "\\\\",
            Some('\n') => "\\n",
            _ => "\\\"",
        });
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// The text format knows fewer types than OpenMetrics.
fn type_name(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => "gauge",
        MetricType::Histogram | MetricType::GaugeHistogram => "histogram",
        MetricType::Summary => "summary",
        MetricType::Unknown => "untyped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Bucket, MetricLabels};

    #[test]
    fn a_page_reads_as_the_format_says() {
        let mut numbers =
            MetricFamily::new("a_total", "Counts \\ \"things\"\nof kinds.", MetricType::Counter);
        numbers.push(&[("path", "C:\\\"x\"\n")], 1_234_567.0);
        numbers.push(&[], 0.5);
        let mut sizes = MetricFamily::new("s", "Sizes.", MetricType::Histogram);
        let buckets = vec![Bucket { upper_bound: 0.5, cumulative_count: 1 }];
        let value = MetricValue::Histogram { buckets, sum: 7.5, count: 3 };
        sizes.metrics.push(Metric { labels: MetricLabels::default(), value, timestamp_ms: None });
        let mut page = String::new();
        write_page(&mut page, &[numbers, sizes]);
        let want = concat!(
            "# HELP a_total Counts \\\\ \"things\"\\nof kinds.\n# TYPE a_total counter\n",
            "a_total{path=\"C:\\\\\\\"x\\\"\\n\"} 1.234567e+06\na_total 0.5\n",
            "# HELP s Sizes.\n# TYPE s histogram\n",
            "s_bucket{le=\"0.5\"} 1\ns_bucket{le=\"+Inf\"} 3\ns_sum 7.5\ns_count 3\n",
        );
        assert_eq!(page, want);
    }
}
