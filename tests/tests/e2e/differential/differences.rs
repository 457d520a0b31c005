//! The known differences of 2.42 from 3.14, each with its reason, each recognised and counted.
//!
//! Not generated at all, as no answer tells them from a mistake: samples on the left edge of a window (closed in
//! 2.42), and `rate` and `increase` over a subquery whose values start near zero (2.42 looks for the zero point
//! before it looks whether the first sample is far from the edge, 3.x after).

use wf_e2e::answers::{Answer, LabelSet, is_close};

/// A comparison that was not the same.
pub(super) struct Case<'a> {
    pub(super) expr: &'a str,
    pub(super) ours: &'a Answer,
    pub(super) theirs: &'a Answer,
    /// Asks 2.42 something else about the same times.
    pub(super) ask: &'a dyn Fn(&str) -> Answer,
}

/// A known difference: why, and how it is recognised.
pub(super) struct Difference {
    pub(super) reason: &'static str,
    explains: fn(&Case<'_>) -> bool,
}

const fn known(reason: &'static str, explains: fn(&Case<'_>) -> bool) -> Difference {
    Difference { reason, explains }
}

/// All of them; the first that explains a case counts it.
pub(super) static DIFFERENCES: [Difference; 11] = [
    known("topk and bottomk: which of equal values wins follows the order of storage", |case| {
        case.is_ranked() && case.same_values_by_time()
    }),
    known("since 3.0 a dot in a regex matches a newline", |case| case.differs_by_newlines()),
    known(
        "Go 1.19, with which 2.42 is built, merges `A|(?i:a)` into `A` when it factors alternatives",
        |case| {
            case.mentions("subject")
                && case.mentions("(?i")
                && case.mentions("|")
                && !case.is_refused_by_one()
        },
    ),
    known("3.x sums with compensation: where 2.42 leaves rounding, zero is left", |case| {
        case.ours.matches(case.theirs, is_noise)
    }),
    known("2.42 forgot to drop the metric name after atan2 with a scalar", |case| {
        case.mentions(" atan2 ") && case.ours.matches(&case.theirs.unnamed(), is_noise)
    }),
    known(
        "stddev and stdvar: compensated since 3.0, and NaN instead of 0 for a single NaN or infinity",
        |case| case.is_deviation(),
    ),
    known("3.x finds duplicate matches before a comparison filters them away", |case| {
        case.refuses_pairs_that_are_filtered()
    }),
    known("since 3.0 series that become alike at different times are one series, not an error", |case| {
        case.may_join_series()
    }),
    known(
        "2.42 looks for the zero of a counter before it looks how far the first sample is from the edge",
        |case| case.extrapolates_less(),
    ),
    known("2.42 moves the window of a pinned predict_linear with the step", |case| {
        case.mentions("predict_linear(") && case.mentions(" @ ")
    }),
    known("2.42 forgets the offset of timestamp() with both @ and offset", |case| {
        case.mentions("timestamp(") && case.mentions(" @ ") && case.mentions(" offset ")
    }),
];

/// Writes what 3.x renamed as 2.42 knows it.
pub(super) fn in_the_old_spelling(expr: &str) -> String {
    expr.replace("double_exponential_smoothing(", "holt_winters(")
}

/// Returns which of [`DIFFERENCES`] explains the case.
pub(super) fn explain(case: &Case<'_>) -> Option<usize> {
    DIFFERENCES.iter().position(|difference| (difference.explains)(case))
}

impl Case<'_> {
    fn mentions(&self, text: &str) -> bool {
        self.expr.contains(text)
    }

    fn is_refused_by_one(&self) -> bool {
        matches!(self.ours, Answer::Refused(_)) != matches!(self.theirs, Answer::Refused(_))
    }

    fn is_refused_by_ours(&self) -> bool {
        matches!(self.ours, Answer::Refused(_))
    }

    /// A counter near zero whose window begins before it does.
    fn extrapolates_less(&self) -> bool {
        let near_zero =
            ["rate(restarts_total", "increase(restarts_total"].iter().any(|part| self.mentions(part));
        let is_less = |a: f64, b: f64| is_noise(a, b) || (a.abs() <= b.abs() && b.abs() <= 1.6 * a.abs());
        near_zero && self.ours.matches(self.theirs, is_less)
    }

    fn may_join_series(&self) -> bool {
        let joins = ["-(", "label_replace(", "label_join("].iter().any(|part| self.mentions(part));
        joins && *self.theirs == Answer::Refused("execution".to_owned()) && !self.is_refused_by_ours()
    }

    fn is_ranked(&self) -> bool {
        self.expr.starts_with("topk") || self.expr.starts_with("bottomk")
    }

    fn same_values_by_time(&self) -> bool {
        let (ours, theirs) = (self.ours.values_by_time(), self.theirs.values_by_time());
        let same =
            |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_close(*a, *b));
        let mut times = ours.iter().zip(&theirs);
        ours.len() == theirs.len() && times.all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
    }

    fn differs_by_newlines(&self) -> bool {
        let has_newline = |labels: &LabelSet| labels.get("text").is_some_and(|text| text.contains('\n'));
        self.mentions("subject")
            && self.ours.without(has_newline).matches(&self.theirs.without(has_newline), is_close)
    }

    fn is_deviation(&self) -> bool {
        let names = ["stddev(", "stdvar(", "stddev by", "stdvar by", "stddev without", "stdvar without"];
        // Of values about the present time, 1.8e9, not many digits are left to vary.
        let is_close = |a: f64, b: f64| is_noise(a, b) || (a - b).abs() <= 1e-6 * b.abs() || a.is_nan();
        names.iter().any(|name| self.mentions(name)) && self.ours.matches(self.theirs, is_close)
    }

    /// With `bool` nothing is filtered: then 2.42 has to refuse as well.
    fn refuses_pairs_that_are_filtered(&self) -> bool {
        if *self.ours != Answer::Refused("execution".to_owned()) {
            return false;
        }
        let mut expr = self.expr.to_owned();
        for op in [" == ", " != ", " > ", " < ", " >= ", " <= "] {
            expr = expr.replace(op, &format!("{op}bool "));
        }
        let unfiltered = expr.replace("bool bool", "bool");
        unfiltered != self.expr && (self.ask)(&unfiltered) == *self.ours
    }
}

/// Whether two values are the same but for rounding about zero.
fn is_noise(a: f64, b: f64) -> bool {
    is_close(a, b) || (a - b).abs() < 1e-9
}
