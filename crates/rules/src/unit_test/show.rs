//! Alerts, samples and histograms as the original's tests show and compare them.

use std::fmt::Write as _;

use wf_model::float::format_g;
use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{FloatHistogram, Labels};

use super::ShownAlert;

/// A sample with its value, or its histogram as text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ShownSample {
    pub(super) labels: Labels,
    pub(super) value: f64,
    pub(super) histogram: String,
}

/// Writes alerts in a list, each numbered.
pub(super) fn alerts(alerts: &[ShownAlert]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let shown: Vec<String> = alerts
        .iter()
        .enumerate()
        .map(|(idx, alert)| {
            let annotations = alert
                .annotations
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str()))
                .collect::<Vec<_>>();
            let annotations = Labels::from_pairs(annotations);
            let text = format!("\nLabels:{}\nAnnotations:{annotations}", alert.labels);
            format!("{idx}:{}", indented(&text, "  "))
        })
        .collect();
    format!("[\n{}\n]", shown.join(",\n"))
}

/// Indents all lines but the first.
pub(super) fn indented(text: &str, indent: &str) -> String {
    text.replace('\n', &format!("\n{indent}"))
}

pub(super) fn samples(samples: &[ShownSample]) -> String {
    if samples.is_empty() {
        return "nil".to_owned();
    }
    let show = |sample: &ShownSample| {
        let labels = &sample.labels;
        if sample.histogram.is_empty() {
            format!("{labels} {}", upper_exponent(sample.value))
        } else {
            format!("{labels} {}", sample.histogram)
        }
    };
    samples.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// A float as Go's `E` format.
fn upper_exponent(value: f64) -> String {
    if value.is_finite() { wf_model::float::format_e(value).to_uppercase() } else { format_g(value) }
}

/// Writes a histogram as tests write them: what differs from the defaults, in a fixed order.
pub(super) fn histogram(histogram: &FloatHistogram) -> String {
    let mut fields: Vec<String> = Vec::new();
    let mut number = |name: &str, value: f64| {
        if value != 0.0 {
            fields.push(format!("{name}:{}", format_g(value)));
        }
    };
    number("schema", f64::from(histogram.schema));
    number("count", histogram.count);
    number("sum", histogram.sum);
    number("z_bucket", histogram.zero_count);
    number("z_bucket_w", histogram.zero_threshold);
    if !histogram.custom_values.is_empty() {
        fields.push(format!("custom_values:{}", list(&histogram.custom_values)));
    }
    match histogram.counter_reset_hint {
        CounterResetHint::Unknown => {}
        CounterResetHint::Reset => fields.push("counter_reset_hint:reset".to_owned()),
        CounterResetHint::NotReset => fields.push("counter_reset_hint:not_reset".to_owned()),
        CounterResetHint::Gauge => fields.push("counter_reset_hint:gauge".to_owned()),
    }
    let sides = [
        ("", &histogram.positive_spans, &histogram.positive_buckets),
        ("n_", &histogram.negative_spans, &histogram.negative_buckets),
    ];
    for (prefix, spans, buckets) in sides {
        let Some(first) = spans.first() else { continue };
        if first.offset != 0 {
            fields.push(format!("{prefix}offset:{}", first.offset));
        }
        fields.push(format!("{prefix}buckets:{}", list(&filled(spans, buckets))));
    }
    format!("{{{{{}}}}}", fields.join(" "))
}

/// Buckets from the first to the last, gaps as zeros. Gaps are bounded by what a histogram may hold.
fn filled(spans: &[Span], buckets: &[f64]) -> Vec<f64> {
    const GAP_MAX: i32 = 1 << 16;
    let mut out = Vec::with_capacity(buckets.len());
    let mut rest = buckets.iter();
    for (idx, span) in spans.iter().enumerate() {
        if idx > 0 {
            out.extend((0..span.offset.clamp(0, GAP_MAX)).map(|_| 0.0));
        }
        out.extend((0..span.length).map_while(|_| rest.next().copied()));
    }
    out
}

fn list(values: &[f64]) -> String {
    let mut text = String::from("[");
    for (idx, value) in values.iter().enumerate() {
        let separator = if idx > 0 { " " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{}", format_g(*value));
    }
    text.push(']');
    text
}
