//! Series lines: labels, then a value per step.

use std::sync::Arc;

use wf_model::{Labels, METRIC_NAME, MatchOp, STALE_NAN, duration};

use super::command::{SeriesLine, Value};
use super::histogram::{Sequence, parse_histogram};
use crate::ast::duration_ms;
use crate::parser::series_labels;

/// Most values one item may stand for: scripts are small.
const MAX_REPEAT: usize = 1_000_000;

/// Parses `m{a="1"} 0+1x10 _ stale`.
pub(super) fn parse_series(line: usize, text: &str) -> Result<SeriesLine, String> {
    let (labels, rest) = split_labels(text)?;
    let mut values = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        rest = push_item(rest, &mut values)?.trim_start();
    }
    Ok(SeriesLine { line, labels, values, start_offsets_ms: Vec::new() })
}

/// Reads the labels at the start; returns what follows them.
fn split_labels(text: &str) -> Result<(Labels, &str), String> {
    // Values may begin with the braces of a histogram, which are no labels.
    let described = text.get(..histogram_start(text)).unwrap_or(text);
    let (matchers, end) = series_labels(described)?;
    let pairs = matchers.iter().map(|matcher| match matcher.op() {
        MatchOp::Equal => Ok((matcher.name(), matcher.value())),
        _ => Err(format!("a series is described with =, not {matcher}")),
    });
    let pairs: Vec<(&str, &str)> = pairs.collect::<Result<_, _>>()?;
    debug_assert!(pairs.iter().filter(|(name, _)| *name == METRIC_NAME).count() <= 1, "two names");
    Ok((Labels::from_pairs(pairs), text.get(end..).unwrap_or_default()))
}

/// Where the first `{{` outside of quotes is, or the end.
fn histogram_start(text: &str) -> usize {
    let mut quote = None;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'{') if bytes.get(at + 1) == Some(&b'{') => return at,
            (Some(open), byte) if open == byte && at > 0 && bytes.get(at - 1) != Some(&b'\\') => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Appends the values of the item at the start; returns what follows it.
fn push_item<'a>(text: &'a str, values: &mut Vec<Value>) -> Result<&'a str, String> {
    if text.starts_with("{{") {
        return push_histograms(text, values);
    }
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    let (item, rest) = text.split_at(end);
    let item = item.trim();
    match item {
        "_" => values.push(Value::Gap),
        "stale" => values.push(Value::Float(STALE_NAN)),
        _ => match item.strip_prefix("_x") {
            Some(times) => values.extend(std::iter::repeat_n(Value::Gap, parse_times(times)?)),
            None => push_numbers(item, values)?,
        },
    }
    Ok(rest)
}

/// `5`, `5x3`, `1+2x3`, `1-2x3`
fn push_numbers(item: &str, values: &mut Vec<Value>) -> Result<(), String> {
    let Some((sequence, times)) = item.rsplit_once('x') else {
        values.push(Value::Float(parse_number(item)?));
        return Ok(());
    };
    let times = parse_times(times)?;
    // The operator is the first sign that is neither leading nor part of an exponent.
    let bytes = sequence.as_bytes();
    let operator = (1..bytes.len()).find(|at| {
        matches!(bytes.get(*at), Some(b'+' | b'-')) && !matches!(bytes.get(at - 1), Some(b'e' | b'E'))
    });
    let (first, increment) = match operator {
        None => (parse_number(sequence)?, 0.0),
        Some(at) => {
            let (first, rest) = sequence.split_at(at);
            let increment = parse_number(rest.get(1..).unwrap_or_default())?;
            (parse_number(first)?, if rest.starts_with('-') { -increment } else { increment })
        }
    };
    let mut value = first;
    for _ in 0..=times {
        values.push(Value::Float(value));
        // Added up step by step, rounding errors included.
        value += increment;
    }
    Ok(())
}

/// `{{…}}`, `{{…}}x3`, `{{…}}+{{…}}x3`
fn push_histograms<'a>(text: &'a str, values: &mut Vec<Value>) -> Result<&'a str, String> {
    let (first, rest) = parse_histogram(text)?;
    let (sequence, rest) = if rest.starts_with("+{{") || rest.starts_with("-{{") {
        let (increment, after) = parse_histogram(rest.get(1..).unwrap_or_default())?;
        let sequence =
            if rest.starts_with('+') { Sequence::Add(increment) } else { Sequence::Sub(increment) };
        (sequence, after)
    } else {
        (Sequence::Constant, rest)
    };
    let (times, rest) = match rest.strip_prefix('x') {
        Some(times) => {
            let end = times.find([' ', '\t']).unwrap_or(times.len());
            (parse_times(times.get(..end).unwrap_or_default())?, times.get(end..).unwrap_or_default())
        }
        None if matches!(sequence, Sequence::Constant) => (0, rest),
        None => return Err("a histogram sequence needs xN".to_owned()),
    };
    for (histogram, hint) in sequence.values(first, times + 1)? {
        values.push(Value::Histogram(Arc::new(histogram), hint));
    }
    Ok(rest)
}

fn parse_times(text: &str) -> Result<usize, String> {
    let times: usize = text.parse().map_err(|_| format!("bad repetition {text:?}"))?;
    if times > MAX_REPEAT {
        return Err(format!("{times} repetitions, at most {MAX_REPEAT}"));
    }
    Ok(times)
}

/// A decimal number with an optional sign, `Inf`, `NaN`; no hexadecimal, no duration.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, text.get(1..).unwrap_or_default()),
        Some(b'+') => (1.0, text.get(1..).unwrap_or_default()),
        _ => (1.0, text),
    };
    let value = match digits.to_ascii_lowercase().as_str() {
        "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        digits if digits.starts_with(|ch: char| ch.is_ascii_digit() || ch == '.') => {
            digits.parse().map_err(|_| format!("bad number {text:?}"))?
        }
        _ => return Err(format!("bad number {text:?}")),
    };
    Ok(sign * value)
}

/// `_`, `_x3`, `5s`, `5sx3`, `5s+1sx3`
pub(super) fn parse_start_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut offsets = Vec::new();
    for item in text.split_whitespace() {
        if let Some(times) = item.strip_prefix("_x") {
            offsets.extend(std::iter::repeat_n(None, parse_times(times)?));
            continue;
        }
        if item == "_" {
            offsets.push(None);
            continue;
        }
        let Some((sequence, times)) = item.rsplit_once('x') else {
            offsets.push(Some(signed_duration(item)?));
            continue;
        };
        let operator = sequence.get(1..).and_then(|rest| rest.find(['+', '-'])).map(|at| at + 1);
        let (first, increment) = match operator {
            None => (signed_duration(sequence)?, 0),
            Some(at) => {
                let (first, rest) = sequence.split_at(at);
                (signed_duration(first)?, signed_duration(rest)?)
            }
        };
        let times = i64::try_from(parse_times(times)?).unwrap_or(i64::MAX);
        offsets.extend((0..=times).map(|n| Some(first + n * increment)));
    }
    Ok(offsets)
}

fn signed_duration(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, text.get(1..).unwrap_or_default()),
        Some(b'+') => (1, text.get(1..).unwrap_or_default()),
        _ => (1, text),
    };
    let duration = duration::parse(digits).map_err(|error| format!("bad duration {text:?}: {error}"))?;
    Ok(sign * duration_ms(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<Option<f64>> {
        let line = parse_series(1, text).unwrap();
        let float = |value: &Value| match value {
            Value::Float(value) => Some(*value),
            _ => None,
        };
        line.values.iter().map(float).collect()
    }

    #[test]
    fn items_stand_for_as_many_values_as_the_language_says() {
        assert_eq!(floats("m 1 _ -2"), [Some(1.0), None, Some(-2.0)]);
        assert_eq!(floats("m{a=\"b c\"} 1x2"), [Some(1.0); 3]);
        assert_eq!(floats("{\"a.b\"} 1+2x2 _x2"), [Some(1.0), Some(3.0), Some(5.0), None, None]);
        assert_eq!(floats("m 1e-1-1e+1x1"), [Some(0.1), Some(-9.9)]);
        assert_eq!(floats("{} Inf -Inf")[..], [Some(f64::INFINITY), Some(f64::NEG_INFINITY)]);
        assert!(parse_series(1, "m 0x1f").is_err());
        assert!(parse_series(1, "m 5m").is_err());
    }

    #[test]
    fn start_offsets_are_read() {
        let want = [None, Some(-5000), Some(-5000), Some(0), Some(1000), Some(2000)];
        assert_eq!(parse_start_offsets("_ -5sx1 0s+1sx2").unwrap(), want);
    }
}
