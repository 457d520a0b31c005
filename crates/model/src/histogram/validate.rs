//! What a histogram must satisfy before storage takes it.

use super::integer::absolute;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram, Span};

/// Coarsest exponential schema that is accepted.
const SCHEMA_MIN: i32 = -9;
/// Finest exponential schema that is accepted; those above [`SCHEMA_STORED_MAX`] are coarsened to it.
const SCHEMA_MAX: i32 = 52;

/// Finest schema that storage keeps.
pub const SCHEMA_STORED_MAX: i32 = 8;

/// Why a histogram is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistogramError {
    /// Neither exponential nor custom.
    #[error("histogram schema {0} is unknown: exponential ones are -9 to 52, custom bounds are -53")]
    Schema(i32),
    /// Spans promise another number of buckets than there are.
    #[error("histogram has {n_buckets} {side} buckets, but its spans cover {n_covered}")]
    SpanMismatch {
        /// `positive` or `negative`.
        side: &'static str,
        /// Buckets given.
        n_buckets: usize,
        /// Buckets that the spans cover.
        n_covered: u64,
    },
    /// A span after the first goes backwards.
    #[error("histogram span {idx} of the {side} side has the negative offset {offset}: only the first may")]
    NegativeOffset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Position of the span.
        idx: usize,
        /// Its offset.
        offset: i32,
    },
    /// Bucket indices leave 32 bits.
    #[error("histogram has a {side} bucket with an index beyond 32 bits")]
    Index {
        /// `positive` or `negative`.
        side: &'static str,
    },
    /// A count is below zero, or not a number.
    #[error("histogram has a negative {what}")]
    NegativeCount {
        /// What is negative.
        what: &'static str,
    },
    /// Buckets do not add up.
    #[error("histogram has {count} observations, but its buckets hold {in_buckets}")]
    CountMismatch {
        /// The count given.
        count: u64,
        /// The sum of all buckets.
        in_buckets: u64,
    },
    /// Custom bounds do not ascend, or are not finite.
    #[error("histogram has custom bounds that are not finite and strictly ascending")]
    Bounds,
    /// More buckets than custom bounds make.
    #[error("histogram has a bucket beyond its {n_bounds} custom bounds")]
    BeyondBounds {
        /// Number of bounds.
        n_bounds: usize,
    },
    /// Custom bounds have neither a zero bucket nor a negative side.
    #[error("histogram with custom bounds has a zero bucket or a negative side")]
    CustomSides,
    /// Exponential histograms have no custom bounds.
    #[error("histogram with the exponential schema {0} has custom bounds")]
    StrayBounds(i32),
}

impl Histogram {
    /// Checks what storage relies on.
    /// # Errors
    /// See [`HistogramError`].
    /// # Source
    /// `spec/prometheus-core.md` §1.3.
    pub fn validate(&self) -> Result<(), HistogramError> {
        check_spans("positive", &self.positive_spans, self.positive_deltas.len())?;
        check_spans("negative", &self.negative_spans, self.negative_deltas.len())?;
        let is_one_sided = self.zero_count == 0 && self.negative_spans.is_empty();
        check_schema(
            self.schema,
            self.zero_threshold,
            is_one_sided,
            &self.positive_spans,
            &self.custom_values,
        )?;
        let mut in_buckets = self.zero_count;
        for count in absolute(&self.positive_deltas).chain(absolute(&self.negative_deltas)) {
            let count = u64::try_from(count).map_err(|_| HistogramError::NegativeCount { what: "bucket" })?;
            in_buckets = in_buckets.saturating_add(count);
        }
        // Observed NaNs count, but fall into no bucket.
        let is_complete = if self.sum.is_nan() { in_buckets <= self.count } else { in_buckets == self.count };
        if is_complete {
            Ok(())
        } else {
            Err(HistogramError::CountMismatch { count: self.count, in_buckets })
        }
    }
}

impl FloatHistogram {
    /// Checks what storage relies on. Counts of a float histogram need not add up.
    /// # Errors
    /// See [`HistogramError`].
    /// # Source
    /// `spec/prometheus-core.md` §1.3.
    pub fn validate(&self) -> Result<(), HistogramError> {
        check_spans("positive", &self.positive_spans, self.positive_buckets.len())?;
        check_spans("negative", &self.negative_spans, self.negative_buckets.len())?;
        let is_one_sided = self.zero_count == 0.0 && self.negative_spans.is_empty();
        check_schema(
            self.schema,
            self.zero_threshold,
            is_one_sided,
            &self.positive_spans,
            &self.custom_values,
        )?;
        let is_negative = |count: &f64| *count < 0.0;
        if self.positive_buckets.iter().chain(&self.negative_buckets).any(is_negative) {
            return Err(HistogramError::NegativeCount { what: "bucket" });
        }
        if is_negative(&self.zero_count) {
            return Err(HistogramError::NegativeCount { what: "zero bucket" });
        }
        if is_negative(&self.count) {
            return Err(HistogramError::NegativeCount { what: "count" });
        }
        Ok(())
    }
}

fn check_spans(side: &'static str, spans: &[Span], n_buckets: usize) -> Result<(), HistogramError> {
    let (mut n_covered, mut next) = (0_u64, 0_i64);
    for (idx, span) in spans.iter().enumerate() {
        if idx > 0 && span.offset < 0 {
            return Err(HistogramError::NegativeOffset { side, idx, offset: span.offset });
        }
        n_covered = n_covered.saturating_add(u64::from(span.length));
        next = next.saturating_add(i64::from(span.offset)).saturating_add(i64::from(span.length));
    }
    if n_covered != n_buckets as u64 {
        return Err(HistogramError::SpanMismatch { side, n_buckets, n_covered });
    }
    if next > i64::from(i32::MAX) { Err(HistogramError::Index { side }) } else { Ok(()) }
}

fn check_schema(
    schema: i32,
    zero_threshold: f64,
    is_one_sided: bool,
    positive_spans: &[Span],
    bounds: &[f64],
) -> Result<(), HistogramError> {
    if (SCHEMA_MIN..=SCHEMA_MAX).contains(&schema) {
        return if bounds.is_empty() { Ok(()) } else { Err(HistogramError::StrayBounds(schema)) };
    }
    if schema != CUSTOM_BUCKETS_SCHEMA {
        return Err(HistogramError::Schema(schema));
    }
    if zero_threshold != 0.0 || !is_one_sided {
        return Err(HistogramError::CustomSides);
    }
    if bounds.iter().any(|bound| !bound.is_finite()) || !bounds.is_sorted_by(|a, b| a < b) {
        return Err(HistogramError::Bounds);
    }
    // One bucket more than there are bounds: the last ends at +Inf.
    let end = positive_spans.iter().map(|span| i64::from(span.offset) + i64::from(span.length)).sum::<i64>();
    let starts_before = positive_spans.first().is_some_and(|span| span.offset < 0);
    if starts_before || end > bounds.len() as i64 + 1 {
        return Err(HistogramError::BeyondBounds { n_bounds: bounds.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        Histogram {
            schema: 1,
            count: 5,
            zero_count: 1,
            sum: 2.0,
            positive_spans: vec![Span { offset: -2, length: 2 }],
            positive_deltas: vec![1, 2],
            ..Histogram::default()
        }
    }

    #[test]
    fn a_histogram_that_adds_up_is_valid() {
        assert_eq!(histogram().validate(), Ok(()));
        assert_eq!(Histogram::stale().validate(), Ok(()));
        assert_eq!(histogram().to_float().validate(), Ok(()));
        let with_nan = Histogram { count: 9, sum: f64::NAN, ..histogram() };
        assert_eq!(with_nan.validate(), Ok(()), "observed NaNs are in no bucket");
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let cases = [
            (Histogram { count: 6, ..histogram() }, "histogram has 6 observations, but its buckets hold 5"),
            (
                Histogram { positive_deltas: vec![1], ..histogram() },
                "histogram has 1 positive buckets, but its spans cover 2",
            ),
            (Histogram { positive_deltas: vec![1, -2], ..histogram() }, "histogram has a negative bucket"),
            (
                Histogram { schema: 53, ..histogram() },
                "histogram schema 53 is unknown: exponential ones are -9 to 52, custom bounds are -53",
            ),
            (
                Histogram { custom_values: vec![1.0], ..histogram() },
                "histogram with the exponential schema 1 has custom bounds",
            ),
            (
                Histogram { schema: CUSTOM_BUCKETS_SCHEMA, ..histogram() },
                "histogram with custom bounds has a zero bucket or a negative side",
            ),
        ];
        for (histogram, want) in cases {
            assert_eq!(histogram.validate().unwrap_err().to_string(), want);
        }
        let spans = vec![Span { offset: 0, length: 1 }, Span { offset: -1, length: 1 }];
        let backwards = Histogram { positive_spans: spans, ..histogram() };
        assert!(matches!(backwards.validate(), Err(HistogramError::NegativeOffset { idx: 1, .. })));
        let negative = FloatHistogram { count: -1.0, ..FloatHistogram::default() };
        assert_eq!(negative.validate(), Err(HistogramError::NegativeCount { what: "count" }));
    }

    #[test]
    fn custom_bounds_ascend_and_hold_all_buckets() {
        let custom = |bounds: Vec<f64>, offset| FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            positive_spans: vec![Span { offset, length: 1 }],
            positive_buckets: vec![1.0],
            custom_values: bounds,
            ..FloatHistogram::default()
        };
        assert_eq!(custom(vec![1.0, 2.0], 2).validate(), Ok(()));
        assert_eq!(custom(vec![1.0, 2.0], 3).validate(), Err(HistogramError::BeyondBounds { n_bounds: 2 }));
        assert_eq!(custom(vec![1.0, 1.0], 0).validate(), Err(HistogramError::Bounds));
        assert_eq!(custom(vec![1.0, f64::INFINITY], 0).validate(), Err(HistogramError::Bounds));
    }
}
