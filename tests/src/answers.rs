//! Answers of the query API in a form that compares.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// Labels of a series, sorted by name.
pub type LabelSet = BTreeMap<String, String>;

/// What a server said to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It refused: the kind of the error.
    Refused(String),
    /// Samples by series; a scalar is one series without labels. The first part is the result type.
    Series(String, BTreeMap<LabelSet, Vec<(i64, f64)>>),
}

impl Answer {
    /// Reads an answer of `/api/v1/query` or `/api/v1/query_range`.
    /// # Errors
    /// When it has not the form of one.
    pub fn read(body: &Value) -> Result<Self> {
        if body["status"] == "error" {
            return Ok(Self::Refused(body["errorType"].as_str().unwrap_or("").to_owned()));
        }
        let data = &body["data"];
        let kind = data["resultType"].as_str().context("an answer without resultType")?;
        let mut series = BTreeMap::new();
        if kind == "scalar" {
            series.insert(LabelSet::new(), vec![sample(&data["result"])?]);
            return Ok(Self::Series(kind.to_owned(), series));
        }
        for entry in data["result"].as_array().context("an answer without result")? {
            let samples = match entry.get("value") {
                Some(value) => vec![sample(value)?],
                None => {
                    entry["values"].as_array().into_iter().flatten().map(sample).collect::<Result<_>>()?
                }
            };
            series.insert(labels(&entry["metric"]), samples);
        }
        Ok(Self::Series(kind.to_owned(), series))
    }

    /// Returns the answer without the series that `drop` names.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&LabelSet) -> bool) -> Self {
        match self {
            Self::Refused(_) => self.clone(),
            Self::Series(kind, series) => {
                let kept = series.iter().filter(|(labels, _)| !drop(labels));
                Self::Series(kind.clone(), kept.map(|(l, s)| (l.clone(), s.clone())).collect())
            }
        }
    }

    /// Returns the answer without metric names.
    #[must_use]
    pub fn unnamed(&self) -> Self {
        let unnamed = |(labels, samples): (&LabelSet, &Vec<(i64, f64)>)| {
            let mut labels = labels.clone();
            labels.remove("__name__");
            (labels, samples.clone())
        };
        match self {
            Self::Refused(_) => self.clone(),
            Self::Series(kind, series) => Self::Series(kind.clone(), series.iter().map(unnamed).collect()),
        }
    }

    /// Returns the number of samples.
    pub fn n_samples(&self) -> usize {
        match self {
            Self::Refused(_) => 0,
            Self::Series(_, series) => series.values().map(Vec::len).sum(),
        }
    }

    /// Whether both have the same series with the same times and values that `is_close` accepts.
    pub fn matches(&self, other: &Self, is_close: impl Fn(f64, f64) -> bool) -> bool {
        match (self, other) {
            (Self::Refused(ours), Self::Refused(theirs)) => ours == theirs,
            (Self::Series(kind, ours), Self::Series(other_kind, theirs)) => {
                let same = |a: &[(i64, f64)], b: &[(i64, f64)]| {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && is_close(a.1, b.1))
                };
                let mut pairs = ours.iter().zip(theirs);
                kind == other_kind
                    && ours.len() == theirs.len()
                    && pairs.all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
            }
            _ => false,
        }
    }

    /// Returns the values of each time, sorted: what is left when nobody says which series won.
    pub fn values_by_time(&self) -> BTreeMap<i64, Vec<f64>> {
        let mut by_time: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        if let Self::Series(_, series) = self {
            for (time_ms, value) in series.values().flatten() {
                by_time.entry(*time_ms).or_default().push(*value);
            }
        }
        for values in by_time.values_mut() {
            values.sort_by(f64::total_cmp);
        }
        by_time
    }
}

/// Whether two values are the same within 1e-9, relative. NaN is NaN.
pub fn is_close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).min(f64::MAX)
}

fn labels(metric: &Value) -> LabelSet {
    let pairs = metric.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned())).collect()
}

/// Reads a time in seconds as ms.
/// # Errors
/// When it is not a number.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are far below 2^53")]
pub fn time_ms(time_s: &Value) -> Result<i64> {
    Ok((time_s.as_f64().context("a sample without time")? * 1000.0).round() as i64)
}

fn sample(pair: &Value) -> Result<(i64, f64)> {
    let text = pair[1].as_str().context("a sample without value")?;
    let value = match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => text.parse().with_context(|| format!("value {text}"))?,
    };
    Ok((time_ms(&pair[0])?, value))
}
