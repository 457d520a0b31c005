//! Which labels the series of an expression can have, as far as the text tells.

use std::collections::{BTreeMap, BTreeSet};

use wf_model::{METRIC_NAME, MatchOp};

use crate::ast::{
    AggregateExpr, AggregateOp, BinaryExpr, BinaryOp, Call, Cardinality, Expr, ExprKind, VectorMatching,
    VectorSelector,
};
use crate::functions::FunctionId;

/// What is known about the labels of a vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// No labels but these; `None` when there can be any.
    pub(super) only: Option<BTreeSet<String>>,
    /// Never there.
    pub(super) absent: BTreeSet<String>,
    /// Always there, with this value.
    pub(super) fixed: BTreeMap<String, String>,
}

impl Shape {
    /// A vector whose series have no labels.
    fn without_labels() -> Self {
        Self { only: Some(BTreeSet::new()), ..Self::default() }
    }

    /// Returns whether some series may have the label.
    pub(super) fn may_have(&self, label: &str) -> bool {
        !self.absent.contains(label) && self.only.as_ref().is_none_or(|only| only.contains(label))
    }

    fn remove(mut self, label: &str) -> Self {
        if let Some(only) = &mut self.only {
            only.remove(label);
        }
        self.fixed.remove(label);
        self.absent.insert(label.to_owned());
        self
    }

    /// The label may be there with any value.
    fn add(mut self, label: &str) -> Self {
        if let Some(only) = &mut self.only {
            only.insert(label.to_owned());
        }
        self.absent.remove(label);
        self.fixed.remove(label);
        self
    }

    fn keep(self, labels: &[String]) -> Self {
        let only = labels.iter().filter(|label| self.may_have(label)).cloned().collect();
        let fixed = self.fixed.into_iter().filter(|(label, _)| labels.contains(label)).collect();
        Self { only: Some(only), absent: self.absent, fixed }
    }

    fn remove_all(self, labels: &[String]) -> Self {
        labels.iter().fold(self, |shape, label| shape.remove(label))
    }

    fn unnamed(self) -> Self {
        self.remove(METRIC_NAME)
    }

    /// Either of two.
    fn or(self, other: Self) -> Self {
        let only = self.only.zip(other.only).map(|(a, b)| a.union(&b).cloned().collect());
        let fixed =
            self.fixed.into_iter().filter(|(label, value)| other.fixed.get(label) == Some(value)).collect();
        Self { only, absent: self.absent.intersection(&other.absent).cloned().collect(), fixed }
    }
}

/// Returns what is known about the labels of `expr`.
pub(super) fn shape(expr: &Expr) -> Shape {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => Shape::without_labels(),
        ExprKind::Selector(selector) => selected(selector),
        ExprKind::Range(range) => selected(&range.selector),
        ExprKind::Subquery(subquery) => shape(&subquery.expr),
        ExprKind::Paren(inner) => shape(inner),
        ExprKind::Unary(_, inner) => shape(inner).unnamed(),
        ExprKind::Binary(binary) => combined(binary),
        ExprKind::Aggregate(aggregate) => aggregated(aggregate),
        ExprKind::Call(call) => computed(call),
    }
}

fn selected(selector: &VectorSelector) -> Shape {
    let mut shape = Shape::default();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.op() == MatchOp::Equal) {
        if matcher.value().is_empty() {
            shape.absent.insert(matcher.name().to_owned());
        } else {
            shape.fixed.insert(matcher.name().to_owned(), matcher.value().to_owned());
        }
    }
    shape
}

fn aggregated(aggregate: &AggregateExpr) -> Shape {
    use AggregateOp::{Bottomk, LimitRatio, Limitk, Topk};
    let inner = shape(&aggregate.expr);
    if matches!(aggregate.op, Topk | Bottomk | Limitk | LimitRatio) {
        return inner;
    }
    let grouped = if aggregate.without {
        inner.remove_all(&aggregate.grouping).unnamed()
    } else {
        inner.keep(&aggregate.grouping)
    };
    match aggregate.param.as_ref().map(|param| &param.kind) {
        Some(ExprKind::String(label)) => grouped.add(label),
        _ => grouped,
    }
}

fn computed(call: &Call) -> Shape {
    use FunctionId as F;
    let argument = |idx: usize| call.args.get(idx).map_or_else(Shape::without_labels, shape);
    let text = |idx: usize| match call.args.get(idx).map(|arg| &arg.kind) {
        Some(ExprKind::String(text)) => text.as_str(),
        _ => "",
    };
    match call.function.id {
        F::LabelReplace | F::LabelJoin => argument(0).add(text(1)),
        F::HistogramQuantile => argument(1).remove("le").unnamed(),
        F::HistogramFraction => argument(2).remove("le").unnamed(),
        F::HistogramQuantiles => argument(0).remove("le").unnamed().add(text(1)),
        F::QuantileOverTime => argument(1).unnamed(),
        F::Absent | F::AbsentOverTime => {
            let named = argument(0).unnamed().fixed;
            Shape { only: Some(named.keys().cloned().collect()), absent: BTreeSet::new(), fixed: named }
        }
        F::Info => Shape { only: None, absent: BTreeSet::new(), ..argument(0) },
        F::LastOverTime | F::FirstOverTime | F::Sort | F::SortDesc | F::SortByLabel | F::SortByLabelDesc => {
            argument(0)
        }
        F::Vector | F::Time | F::Pi => Shape::without_labels(),
        _ => argument(0).unnamed(),
    }
}

fn combined(binary: &BinaryExpr) -> Shape {
    let Some(matching) = &binary.matching else {
        let is_scalar = |expr: &Expr| expr.value_type() == crate::ast::ValueType::Scalar;
        let vector = if is_scalar(&binary.lhs) { &binary.rhs } else { &binary.lhs };
        let inner = shape(vector);
        return if binary.op.is_comparison() && !binary.return_bool { inner } else { inner.unnamed() };
    };
    let (left, right) = (shape(&binary.lhs), shape(&binary.rhs));
    match binary.op {
        BinaryOp::And | BinaryOp::Unless => return left,
        BinaryOp::Or => return left.or(right),
        _ => {}
    }
    let is_filter = binary.op.is_comparison() && !binary.return_bool;
    let named = |shape: Shape| if is_filter { shape } else { shape.unnamed() };
    let one_to_one = |shape: Shape, matching: &VectorMatching| {
        if matching.on { shape.keep(&matching.labels) } else { shape.remove_all(&matching.labels) }
    };
    let including = |many: Shape| matching.include.iter().fold(many, |shape, label| shape.add(label));
    match matching.cardinality {
        Cardinality::ManyToOne => named(including(left)),
        Cardinality::OneToMany => named(including(right)),
        Cardinality::OneToOne | Cardinality::ManyToMany => named(one_to_one(left, matching)),
    }
}
