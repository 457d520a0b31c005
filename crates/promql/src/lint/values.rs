//! Comparisons that always hold or never do, by the range that values can have.

use super::Report;
use crate::ast::{AggregateOp, BinaryExpr, BinaryOp, Call, Expr, ExprKind, Pos, UnaryOp, ValueType};
use crate::functions::FunctionId;

/// Least and greatest value, NaN aside.
type Span = (f64, f64);

const ANY: Span = (f64::NEG_INFINITY, f64::INFINITY);
const NOT_NEGATIVE: Span = (0.0, f64::INFINITY);

/// Returns the value of a scalar or vector that has only one.
pub(super) fn constant(expr: &Expr) -> Option<f64> {
    let (low, high) = span(expr);
    (low == high).then_some(low)
}

/// Whether a comparison holds, where that is known.
pub(super) fn comparison(binary: &BinaryExpr, pos: Pos, report: &mut Report<'_>) {
    if !binary.op.is_comparison() {
        return;
    }
    let is_same =
        binary.lhs.value_type() == ValueType::Vector && binary.lhs.to_string() == binary.rhs.to_string();
    if is_same {
        let message = "both sides are the same".to_owned();
        return report.warn("compares-with-itself", pos, message, "compare with something else");
    }
    let (left, right) = (span(&binary.lhs), span(&binary.rhs));
    let Some(holds) = decide(binary.op, left, right) else { return };
    let what = match (holds, binary.return_bool) {
        (true, false) => "always holds: nothing is filtered",
        (false, false) => "never holds: the result is empty",
        (true, true) => "always holds: the result is 1",
        (false, true) => "never holds: the result is 0",
    };
    let op = binary.op.as_str();
    let message = format!("{} {op} {} {what}", describe(left), describe(right));
    let code = if holds { "always-true" } else { "never-true" };
    report.warn(code, pos, message, "compare with a value that can occur");
}

fn describe((low, high): Span) -> String {
    if low == high { format!("{low}") } else { format!("[{low}, {high}]") }
}

fn decide(op: BinaryOp, (a_low, a_high): Span, (b_low, b_high): Span) -> Option<bool> {
    let either = |yes: bool, no: bool| if yes { Some(true) } else { no.then_some(false) };
    // An infinite end stands for "unknown": nothing is decided by it.
    let below = |a: f64, b: f64| a < b && a.is_finite() && b.is_finite();
    let not_above = |a: f64, b: f64| a <= b && a.is_finite() && b.is_finite();
    match op {
        BinaryOp::Less => either(below(a_high, b_low), not_above(b_high, a_low)),
        BinaryOp::LessEqual => either(not_above(a_high, b_low), below(b_high, a_low)),
        BinaryOp::Greater => either(below(b_high, a_low), not_above(a_high, b_low)),
        BinaryOp::GreaterEqual => either(not_above(b_high, a_low), below(a_high, b_low)),
        BinaryOp::Equal | BinaryOp::NotEqual => {
            let disjoint = below(a_high, b_low) || below(b_high, a_low);
            let same = a_low == a_high && b_low == b_high && a_low == b_low && a_low.is_finite();
            let is_equal = either(same, disjoint)?;
            Some(is_equal == (op == BinaryOp::Equal))
        }
        _ => None,
    }
}

/// Returns the range of the values of `expr`.
fn span(expr: &Expr) -> Span {
    match &expr.kind {
        ExprKind::Number(number) if number.value.is_nan() => ANY,
        ExprKind::Number(number) => (number.value, number.value),
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => span(inner),
        ExprKind::Unary(UnaryOp::Minus, inner) => {
            let (low, high) = span(inner);
            (-high, -low)
        }
        ExprKind::Selector(selector) if selector.name.as_deref() == Some("up") => (0.0, 1.0),
        ExprKind::Binary(binary) => of_operator(binary),
        ExprKind::Aggregate(aggregate) => of_aggregation(aggregate.op, span(&aggregate.expr)),
        ExprKind::Call(call) => of_call(call),
        ExprKind::Selector(_) | ExprKind::String(_) | ExprKind::Range(_) | ExprKind::Subquery(_) => ANY,
    }
}

fn of_operator(binary: &BinaryExpr) -> Span {
    let (left, right) = (span(&binary.lhs), span(&binary.rhs));
    match binary.op {
        op if op.is_comparison() && binary.return_bool => (0.0, 1.0),
        // A filter passes values of its vector.
        op if op.is_comparison() => match binary.lhs.value_type() {
            ValueType::Scalar => right,
            _ => left,
        },
        BinaryOp::And | BinaryOp::Unless => left,
        BinaryOp::Or => (left.0.min(right.0), left.1.max(right.1)),
        BinaryOp::Add => known(left.0 + right.0, left.1 + right.1),
        BinaryOp::Sub => known(left.0 - right.1, left.1 - right.0),
        BinaryOp::Mul if left.0 >= 0.0 && right.0 >= 0.0 => known(left.0 * right.0, left.1 * right.1),
        BinaryOp::Mul if left.0 == left.1 && right.0 == right.1 => known(left.0 * right.0, left.0 * right.0),
        BinaryOp::Div if right.0 == right.1 && right.0 > 0.0 => known(left.0 / right.0, left.1 / right.0),
        BinaryOp::Div if left.0 >= 0.0 && right.0 >= 0.0 => NOT_NEGATIVE,
        _ => ANY,
    }
}

fn known(low: f64, high: f64) -> Span {
    if low.is_nan() || high.is_nan() { ANY } else { (low, high) }
}

fn of_aggregation(op: AggregateOp, inner: Span) -> Span {
    use AggregateOp as A;
    match op {
        A::Count | A::CountValues => (1.0, f64::INFINITY),
        A::Group => (1.0, 1.0),
        A::Stddev | A::Stdvar => NOT_NEGATIVE,
        A::Sum if inner.0 >= 0.0 => (inner.0, f64::INFINITY),
        A::Sum => ANY,
        A::Avg | A::Min | A::Max | A::Topk | A::Bottomk | A::Limitk | A::LimitRatio => inner,
        A::Quantile => ANY,
    }
}

fn of_call(call: &Call) -> Span {
    use FunctionId as F;
    let argument = |idx: usize| call.args.get(idx).map_or(ANY, span);
    match call.function.id {
        F::Vector | F::Scalar | F::Sort | F::SortDesc | F::LabelReplace | F::LabelJoin => argument(0),
        F::Absent | F::AbsentOverTime | F::PresentOverTime => (1.0, 1.0),
        F::CountOverTime => (1.0, f64::INFINITY),
        F::Rate
        | F::Irate
        | F::Increase
        | F::Changes
        | F::Resets
        | F::Abs
        | F::Sqrt
        | F::Exp
        | F::StddevOverTime
        | F::StdvarOverTime
        | F::HistogramCount => NOT_NEGATIVE,
        F::Sgn => (-1.0, 1.0),
        F::Sin | F::Cos | F::Tanh => (-1.0, 1.0),
        F::Minute => (0.0, 59.0),
        F::Hour => (0.0, 23.0),
        F::DayOfWeek => (0.0, 6.0),
        F::DayOfMonth => (1.0, 31.0),
        F::DayOfYear => (1.0, 366.0),
        F::DaysInMonth => (28.0, 31.0),
        F::Month => (1.0, 12.0),
        F::HistogramFraction => (0.0, 1.0),
        F::Clamp => (argument(1).0, argument(2).1),
        F::ClampMin => (argument(1).0, f64::INFINITY),
        F::ClampMax => (f64::NEG_INFINITY, argument(1).1),
        _ => ANY,
    }
}
