//! What was expected against what there is.

use wf_model::histogram::CounterResetHint;
use wf_model::quote::GoQuoted;
use wf_model::{FloatHistogram, Labels, MatchOp, TimeRange};
use wf_promql::engine::{QueryError, QueryValue, SampleValue};
use wf_promql::parser::parse_selector;
use wf_promql::script;
use wf_series::{SampleColumns, SelectRequest, SeriesSource};

use super::ShownAlert;
use super::file::{AlertCase, ValueCase};
use super::show::{self, ShownSample, indented};

/// Compares alerts, in any order.
pub(super) fn alerts(case: &AlertCase, mut found: Vec<ShownAlert>, test: &str) -> Option<String> {
    let mut expected: Vec<ShownAlert> = case
        .expected
        .iter()
        .map(|alert| {
            let labels = alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = labels.chain([("alertname", case.alertname.as_str())]);
            ShownAlert { labels: Labels::from_pairs(labels), annotations: alert.annotations.clone() }
        })
        .collect();
    expected.sort();
    found.sort();
    // An annotation without text is none.
    let visible = |alerts: &[ShownAlert]| {
        let mut alerts = alerts.to_vec();
        alerts.iter_mut().for_each(|alert| alert.annotations.retain(|_, text| !text.is_empty()));
        alerts
    };
    if visible(&expected) == visible(&found) {
        return None;
    }
    let name = if test.is_empty() { String::new() } else { format!("    name: {test},\n") };
    let shown = |alerts: &[ShownAlert]| indented(&show::alerts(alerts), "            ");
    let time = wf_model::duration::format(case.eval_time);
    Some(format!(
        "{name}    alertname: {}, time: {time}, \n        exp:{}, \n        got:{}",
        case.alertname,
        shown(&expected),
        shown(&found)
    ))
}

/// Compares the value of an expression.
pub(super) fn values(
    case: &ValueCase,
    found: Result<QueryValue, QueryError>,
    is_fuzzy: bool,
) -> Option<String> {
    let time = wf_model::duration::format(case.eval_time);
    let head = format!("    expr: {}, time: {time},", GoQuoted(&case.expr));
    let found = match found {
        Ok(value) => shown(value),
        Err(error) => Err(error.to_string()),
    };
    let expected: Result<Vec<ShownSample>, String> = case
        .expected
        .iter()
        .map(|sample| expected(&sample.labels, sample.value, &sample.histogram))
        .collect();
    let (mut found, mut expected) = match (found, expected) {
        (Ok(found), Ok(expected)) => (found, expected),
        (Err(error), _) | (_, Err(error)) => return Some(format!("{head} err: {error}")),
    };
    found.sort_by(|a, b| a.labels.cmp(&b.labels));
    expected.sort_by(|a, b| a.labels.cmp(&b.labels));
    let is_equal = |a: &ShownSample, b: &ShownSample| {
        a.labels == b.labels && a.histogram == b.histogram && is_equal_float(a.value, b.value, is_fuzzy)
    };
    if found.len() == expected.len() && found.iter().zip(&expected).all(|(a, b)| is_equal(a, b)) {
        return None;
    }
    Some(format!("{head}\n        exp: {}\n        got: {}", show::samples(&expected), show::samples(&found)))
}

/// Fuzzy takes the neighbour for the float itself.
fn is_equal_float(a: f64, b: f64, is_fuzzy: bool) -> bool {
    a == b || (is_fuzzy && (a.next_up() == b || a.next_down() == b))
}

fn shown(value: QueryValue) -> Result<Vec<ShownSample>, String> {
    let float = |labels, value| ShownSample { labels, value, histogram: String::new() };
    match value {
        QueryValue::Vector(samples) => Ok(samples
            .into_iter()
            .map(|sample| match sample.value {
                SampleValue::Float(value) => float(sample.labels, value),
                SampleValue::Histogram(histogram) => {
                    ShownSample { histogram: show::histogram(&histogram), ..float(sample.labels, 0.0) }
                }
            })
            .collect()),
        QueryValue::Scalar { value, .. } => Ok(vec![float(Labels::empty(), value)]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => {
            Err("rule result is not a vector or scalar".to_owned())
        }
    }
}

fn expected(labels: &str, value: f64, histogram: &str) -> Result<ShownSample, String> {
    let labels = match labels.trim() {
        "" => Labels::empty(),
        text => series(text).map_err(|error| format!("labels {}: {error}", GoQuoted(text)))?,
    };
    let histogram = match histogram.trim() {
        "" => String::new(),
        text => {
            show::histogram(&parsed(text).map_err(|error| format!("histogram {}: {error}", GoQuoted(text)))?)
        }
    };
    Ok(ShownSample { labels, value: if histogram.is_empty() { value } else { 0.0 }, histogram })
}

/// Reads a series as it is written: `name{a="b"}`.
fn series(text: &str) -> Result<Labels, String> {
    if text.replace(char::is_whitespace, "") == "{}" {
        return Ok(Labels::empty());
    }
    let matchers = parse_selector(text).map_err(|error| error.to_string())?;
    match matchers.iter().find(|matcher| matcher.op() != MatchOp::Equal) {
        Some(odd) => Err(format!("{}: a series has values only, no patterns", odd.name())),
        None => Ok(Labels::from_pairs(matchers.iter().map(|matcher| (matcher.name(), matcher.value())))),
    }
}

/// Reads a histogram by loading it as the only sample of a series.
fn parsed(text: &str) -> Result<FloatHistogram, String> {
    let line = text.replace(['\n', '\r'], " ");
    let storage =
        script::load(&format!("load 1m\n  expected {line}\n")).map_err(|failure| failure.message)?;
    let request = SelectRequest { matchers: &[], range: TimeRange::ALL };
    let selection = storage.select(&request).map_err(|error| error.to_string())?;
    let mut samples = SampleColumns::default();
    if !selection.is_empty() {
        selection.read(0, TimeRange::ALL, &mut samples).map_err(|error| error.to_string())?;
    }
    let (_, histogram) = samples.histograms.first().ok_or("this is no histogram")?;
    let mut histogram = histogram.as_ref().clone();
    // Storage decides about hints; what is expected says its own.
    let hint = text.split_once("counter_reset_hint:").map(|(_, rest)| rest);
    let hint = hint.and_then(|rest| rest.split(|ch: char| !(ch.is_ascii_alphabetic() || ch == '_')).next());
    histogram.counter_reset_hint = match hint {
        Some("reset") => CounterResetHint::Reset,
        Some("not_reset") => CounterResetHint::NotReset,
        Some("gauge") => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    };
    Ok(histogram)
}
