//! Native histograms as scripts write them: `{{schema:1 count:4 sum:5 buckets:[1 2 1]}}`.

use wf_model::FloatHistogram;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};

use super::command::HintGiven;
use super::series::parse_number;

/// How the values of a histogram item follow from the first.
#[derive(Debug)]
pub(super) enum Sequence {
    /// All alike.
    Constant,
    /// Each adds this to the one before.
    Add((FloatHistogram, HintGiven)),
    /// Each subtracts this from the one before.
    Sub((FloatHistogram, HintGiven)),
}

impl Sequence {
    /// Returns `n_values` histograms beginning with `first`.
    pub(super) fn values(
        self,
        first: (FloatHistogram, HintGiven),
        n_values: usize,
    ) -> Result<Vec<(FloatHistogram, HintGiven)>, String> {
        let (increment, hint, sign) = match self {
            Self::Constant => return Ok(vec![first; n_values]),
            Self::Add((increment, hint)) => (increment, hint, 1.0),
            Self::Sub((increment, hint)) => (increment, hint, -1.0),
        };
        if increment.schema < first.0.schema && increment.schema != CUSTOM_BUCKETS_SCHEMA {
            return Err("the increment's schema must not be coarser than the first histogram's".to_owned());
        }
        let mut values = vec![(first.0, hint)];
        while values.len() < n_values {
            let mut next = values.last().map(|(histogram, _)| histogram.clone()).unwrap_or_default();
            let outcome = if sign > 0.0 { next.add(&increment) } else { next.sub(&increment) };
            outcome.map_err(|_| "exponential and custom buckets cannot be added".to_owned())?;
            values.push((next, hint));
        }
        Ok(values)
    }
}

/// Parses the histogram at the start of `text`; returns what follows it.
pub(super) fn parse_histogram(text: &str) -> Result<((FloatHistogram, HintGiven), &str), String> {
    let body = text.strip_prefix("{{").ok_or("expected {{")?;
    let end = body.find("}}").ok_or("a histogram ends with }}")?;
    let (body, rest) = (body.get(..end).unwrap_or_default(), body.get(end + 2..).unwrap_or_default());
    let mut parsed = FloatHistogram::default();
    let (mut offset, mut n_offset) = (0, 0);
    let mut seen: Vec<&str> = Vec::new();
    let mut left = body.trim();
    while !left.is_empty() {
        let (key, value, after) = split_entry(left)?;
        left = after;
        if seen.contains(&key) {
            return Err(format!("duplicate key {key:?} in histogram"));
        }
        seen.push(key);
        match key {
            "schema" => parsed.schema = parse_integer(value)?,
            "sum" => parsed.sum = parse_number(value)?,
            "count" => parsed.count = parse_number(value)?,
            "z_bucket" => parsed.zero_count = parse_number(value)?,
            "z_bucket_w" => parsed.zero_threshold = parse_number(value)?,
            "buckets" => parsed.positive_buckets = parse_list(value)?,
            "n_buckets" => parsed.negative_buckets = parse_list(value)?,
            "custom_values" => parsed.custom_values = parse_list(value)?,
            "offset" => offset = parse_integer(value)?,
            "n_offset" => n_offset = parse_integer(value)?,
            "counter_reset_hint" => parsed.counter_reset_hint = parse_hint(value)?,
            _ => return Err(format!("unknown key {key:?} in histogram")),
        }
    }
    parsed.positive_spans = one_span(offset, parsed.positive_buckets.len());
    parsed.negative_spans = one_span(n_offset, parsed.negative_buckets.len());
    let hint = if seen.contains(&"counter_reset_hint") { HintGiven::Yes } else { HintGiven::No };
    Ok(((parsed, hint), rest))
}

/// Splits `key:value` or `key:[a b]` off the start.
fn split_entry(text: &str) -> Result<(&str, &str, &str), String> {
    let (key, rest) = text.split_once(':').ok_or_else(|| format!("expected key:value, got {text:?}"))?;
    let end = match rest.strip_prefix('[') {
        Some(list) => list.find(']').map(|at| at + 2).ok_or("a list ends with ]")?,
        None => rest.find([' ', '\t']).unwrap_or(rest.len()),
    };
    let (value, after) = rest.split_at(end);
    Ok((key.trim(), value, after.trim_start()))
}

fn parse_integer(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| format!("bad whole number {text:?}"))
}

fn parse_list(text: &str) -> Result<Vec<f64>, String> {
    let body = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let body = body.ok_or_else(|| format!("expected [a b], got {text:?}"))?;
    body.split_whitespace().map(parse_number).collect()
}

fn parse_hint(text: &str) -> Result<CounterResetHint, String> {
    match text {
        "unknown" => Ok(CounterResetHint::Unknown),
        "reset" => Ok(CounterResetHint::Reset),
        "not_reset" => Ok(CounterResetHint::NotReset),
        "gauge" => Ok(CounterResetHint::Gauge),
        _ => Err(format!("unknown counter reset hint {text:?}")),
    }
}

fn one_span(offset: i32, n_buckets: usize) -> Vec<Span> {
    match u32::try_from(n_buckets) {
        Ok(length) if length > 0 => vec![Span { offset, length }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_read_with_its_hint() {
        let text = "{{schema:1 sum:5 count:4 buckets:[1 2 1] offset:-1 counter_reset_hint:gauge}}x3";
        let ((histogram, hint), rest) = parse_histogram(text).unwrap();
        assert_eq!((hint, rest, histogram.positive_buckets.len()), (HintGiven::Yes, "x3", 3));
        assert_eq!(histogram.positive_spans, [Span { offset: -1, length: 3 }]);
        assert!(parse_histogram("{{sum:1 sum:2}}").is_err());
        assert!(parse_histogram("{{}}").is_ok());
    }
}
