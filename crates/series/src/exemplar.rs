//! Exemplars: single observations with labels of their own, such as a trace id, that stand for a series.

use wf_model::{Labels, Matcher, TimeRange};

use crate::read::SelectError;

/// Names and values of an exemplar's labels have at most this many Unicode characters together (OpenMetrics).
pub const LABEL_RUNES_MAX: usize = 128;

/// One observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// What identifies the observation.
    pub labels: Labels,
    /// Its time, ms.
    pub time_ms: i64,
    /// Its value.
    pub value: f64,
}

impl Exemplar {
    /// Returns whether its labels are within [`LABEL_RUNES_MAX`].
    pub fn fits(&self) -> bool {
        let n_runes: usize =
            self.labels.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        n_runes <= LABEL_RUNES_MAX
    }
}

/// Which exemplars are wanted.
#[derive(Clone, Debug)]
pub struct ExemplarQuery<'a> {
    /// Exemplars of series that satisfy any of these sets.
    pub matcher_sets: &'a [Vec<Matcher>],
    /// Exemplars inside.
    pub range: TimeRange,
}

/// The exemplars of one series, in ascending time order.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series.
    pub series: Labels,
    /// Its exemplars.
    pub exemplars: Vec<Exemplar>,
}

/// Where exemplars are asked for.
pub trait ExemplarSource: Send + Sync {
    /// Returns the exemplars wanted, sorted by the labels of their series.
    /// # Errors
    /// See [`SelectError`].
    fn exemplars(&self, query: &ExemplarQuery<'_>) -> Result<Vec<SeriesExemplars>, SelectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_in_characters() {
        let with =
            |value: String| Exemplar { labels: Labels::from_pairs([("id", value)]), time_ms: 0, value: 1.0 };
        assert!(with("é".repeat(126)).fits());
        assert!(!with("é".repeat(127)).fits());
    }
}
