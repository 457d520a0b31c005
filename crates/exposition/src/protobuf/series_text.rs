//! The text form of a series that was not exposed as text.

use wf_model::float::format_g;
use wf_model::labels::{is_legacy_label_name, is_legacy_metric_name};

/// Appends `name` + `suffix` with its labels as a text page would have it; [`crate::SeriesText::from_known`] reads it
/// under [`wf_model::MetricType::Unknown`].
pub fn push_series_text(
    out: &mut Vec<u8>,
    name: &str,
    suffix: &str,
    labels: &[(&str, &str)],
    extra: Option<(&str, &str)>,
) {
    let is_plain = is_legacy_metric_name(name);
    let mut separator = b'{';
    if is_plain {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
    } else {
        out.extend_from_slice(b"{\"");
        push_escaped(out, name);
        out.extend_from_slice(suffix.as_bytes());
        out.push(b'"');
        separator = b',';
    }
    for (label, value) in labels.iter().copied().chain(extra) {
        out.push(separator);
        separator = b',';
        if is_legacy_label_name(label) {
            out.extend_from_slice(label.as_bytes());
        } else {
            out.push(b'"');
            push_escaped(out, label);
            out.push(b'"');
        }
        out.extend_from_slice(b"=\"");
        push_escaped(out, value);
        out.push(b'"');
    }
    if separator == b',' {
        out.push(b'}');
    }
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
}

/// Returns a bucket's bound or a quantile as OpenMetrics spells it: `1.0`, `0.5`, `+Inf`.
pub fn format_bound(bound: f64) -> String {
    let mut text = format_g(bound);
    if bound.is_finite() && !text.bytes().any(|byte| matches!(byte, b'.' | b'e')) {
        text.push_str(".0");
    }
    text
}
