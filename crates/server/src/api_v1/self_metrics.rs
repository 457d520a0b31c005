//! `/status/self_metrics`: the server's own metrics as a list of metric families in protobuf's JSON form.

use axum::extract::State;
use axum::response::Response;
use wf_exposition::{Metric, MetricFamily, MetricValue};
use wf_httpkit::Registry;
use wf_model::{AnchoredRegex, MetricType, float};

use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};
use crate::json::JsonWriter;

/// Answers the families whose names `metric_name_pattern` matches, all without it.
pub(crate) async fn self_metrics(
    State(registry): State<Registry>,
    params: Params,
) -> Result<Response, ApiError> {
    let name = "metric_name_pattern";
    let pattern = params.get(name).map(AnchoredRegex::new).transpose();
    let pattern = pattern.map_err(|error| ApiError::parameter(name, error))?;
    let mut families = registry.gather();
    families.retain(|family| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&family.name)));
    Ok(reply(envelope(false, |json| {
        json.list(&families, write_family);
    })))
}

fn write_family(json: &mut JsonWriter, family: &MetricFamily) {
    let (kind, field) = match family.kind {
        MetricType::Counter => ("COUNTER", "counter"),
        MetricType::Gauge => ("GAUGE", "gauge"),
        MetricType::Summary => ("SUMMARY", "summary"),
        MetricType::Histogram => ("HISTOGRAM", "histogram"),
        _ => ("UNTYPED", "untyped"),
    };
    json.raw(r#"{"name":"#).string(&family.name).raw(r#","help":"#).string(&family.help);
    json.raw(r#","type":"#).string(kind).raw(r#","metric":"#);
    json.list(&family.metrics, |json, metric| write_metric(json, field, metric));
    json.raw("}");
}

fn write_metric(json: &mut JsonWriter, field: &str, metric: &Metric) {
    json.raw(r#"{"label":"#).list(&metric.labels, |json, (name, value)| {
        json.raw(r#"{"name":"#).string(name).raw(r#","value":"#).string(value).raw("}");
    });
    json.raw(",").key(field);
    match &metric.value {
        MetricValue::Number(value) => {
            json.raw(r#"{"value":"#);
            number(json, *value);
        }
        MetricValue::Histogram { buckets, sum, count } => {
            totals(json, *sum, *count);
            let infinite = wf_exposition::Bucket { upper_bound: f64::INFINITY, cumulative_count: *count };
            json.raw(r#","bucket":"#).list(buckets.iter().chain([&infinite]), |json, bucket| {
                // Whole numbers of 64 bits are texts in this form.
                json.raw(r#"{"cumulativeCount":"#).string(&bucket.cumulative_count.to_string());
                json.raw(r#","upperBound":"#);
                number(json, bucket.upper_bound);
                json.raw("}");
            });
        }
        MetricValue::Summary { quantiles, sum, count } => {
            totals(json, *sum, *count);
            json.raw(r#","quantile":"#).list(quantiles, |json, (quantile, value)| {
                json.raw(r#"{"quantile":"#);
                number(json, *quantile);
                json.raw(r#","value":"#);
                number(json, *value);
                json.raw("}");
            });
        }
    }
    json.raw("}}");
}

fn totals(json: &mut JsonWriter, sum: f64, count: u64) {
    json.raw(r#"{"sampleCount":"#).string(&count.to_string()).raw(r#","sampleSum":"#);
    number(json, sum);
}

/// JSON has no infinity: what is no number is a text.
fn number(json: &mut JsonWriter, value: f64) {
    match value {
        value if value.is_nan() => json.string("NaN"),
        f64::INFINITY => json.string("Infinity"),
        f64::NEG_INFINITY => json.string("-Infinity"),
        value => json.raw(&float::format_g(value)),
    };
}
