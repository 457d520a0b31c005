//! What an operator makes of two samples.

use std::sync::Arc;

use wf_model::FloatHistogram;

use crate::ast::{BinaryOp, Pos};
use crate::engine::column::Point;
use crate::engine::remarks::Remarks;
use crate::engine::result::SampleValue;

/// Result for a pair of samples.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the operation yields.
    pub(crate) value: SampleValue,
    /// Whether a filter lets it pass; always for arithmetic.
    pub(crate) keep: bool,
}

/// Returns `a op b` for floats; comparisons give 1 or 0.
#[inline]
pub(crate) fn floats(op: BinaryOp, a: f64, b: f64) -> f64 {
    match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => power(a, b),
        BinaryOp::Atan2 => a.atan2(b),
        BinaryOp::Equal => f64::from(a == b),
        BinaryOp::NotEqual => f64::from(a != b),
        BinaryOp::Greater => f64::from(a > b),
        BinaryOp::Less => f64::from(a < b),
        BinaryOp::GreaterEqual => f64::from(a >= b),
        BinaryOp::LessEqual => f64::from(a <= b),
        // Set operators never get here; trimming a float is refused by the caller.
        BinaryOp::TrimUpper | BinaryOp::TrimLower | BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => {
            f64::NAN
        }
    }
}

fn power(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// Applies `op` to two samples; `None` when their types do not fit, which is remarked.
pub(crate) fn samples(
    op: BinaryOp,
    a: Point<'_>,
    b: Point<'_>,
    pos: Pos,
    remarks: &mut Remarks,
) -> Option<Outcome> {
    let arithmetic = |histogram: FloatHistogram| {
        Some(Outcome { value: SampleValue::Histogram(Arc::new(histogram)), keep: true })
    };
    match (a, b) {
        (Point::Float(a_value), Point::Float(b_value)) => match op {
            BinaryOp::TrimUpper | BinaryOp::TrimLower => incompatible(op, a, b, pos, remarks),
            op if op.is_comparison() => Some(Outcome {
                value: SampleValue::Float(a_value),
                keep: floats(op, a_value, b_value) != 0.0,
            }),
            op => Some(Outcome { value: SampleValue::Float(floats(op, a_value, b_value)), keep: true }),
        },
        (Point::Float(factor), Point::Histogram(histogram)) if op == BinaryOp::Mul => {
            arithmetic(scaled(histogram, factor))
        }
        (Point::Histogram(histogram), Point::Float(number)) => match op {
            BinaryOp::Mul => arithmetic(scaled(histogram, number)),
            BinaryOp::Div => {
                let mut quotient = FloatHistogram::clone(histogram);
                quotient.divide(number);
                arithmetic(quotient)
            }
            BinaryOp::TrimUpper => arithmetic(histogram.trim_upper(number)),
            BinaryOp::TrimLower => arithmetic(histogram.trim_lower(number)),
            _ => incompatible(op, a, b, pos, remarks),
        },
        (Point::Histogram(left), Point::Histogram(right)) => match op {
            BinaryOp::Add | BinaryOp::Sub => {
                add_or_subtract(op, left, right, pos, remarks).and_then(arithmetic)
            }
            BinaryOp::Equal | BinaryOp::NotEqual => Some(Outcome {
                value: SampleValue::Histogram(Arc::clone(left)),
                keep: left.equals(right) == (op == BinaryOp::Equal),
            }),
            _ => incompatible(op, a, b, pos, remarks),
        },
        _ => incompatible(op, a, b, pos, remarks),
    }
}

fn scaled(histogram: &FloatHistogram, factor: f64) -> FloatHistogram {
    let mut product = FloatHistogram::clone(histogram);
    product.scale(factor);
    product
}

fn add_or_subtract(
    op: BinaryOp,
    left: &FloatHistogram,
    right: &FloatHistogram,
    pos: Pos,
    remarks: &mut Remarks,
) -> Option<FloatHistogram> {
    let mut result = left.clone();
    let (outcome, noun) = match op {
        BinaryOp::Add => (result.add(right), "addition"),
        _ => (result.sub(right), "subtraction"),
    };
    let Ok(outcome) = outcome else {
        remarks
            .warn(pos, format!("incompatible bucket layout encountered for binary operator {}", op.as_str()));
        return None;
    };
    if outcome.conflicting_resets {
        remarks.warn(pos, format!("conflicting counter resets during histogram {noun}"));
        return None;
    }
    if outcome.bounds_reconciled {
        remarks.info(pos, format!("mismatched custom buckets were reconciled during {noun}"));
    }
    result.compact();
    Some(result)
}

fn incompatible(
    op: BinaryOp,
    a: Point<'_>,
    b: Point<'_>,
    pos: Pos,
    remarks: &mut Remarks,
) -> Option<Outcome> {
    let noun = |point| match point {
        Point::Float(_) => "float",
        Point::Histogram(_) => "histogram",
    };
    remarks.info(
        pos,
        format!(
            "incompatible sample types encountered for binary operator \"{}\": {} {} {}",
            op.as_str(),
            noun(a),
            op.as_str(),
            noun(b)
        ),
    );
    None
}
