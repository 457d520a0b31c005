//! The canonical text of a tree: what `format_query` starts from, and what parses back to the same tree.
//!
//! # Source
//! `spec/prometheus-query.md` §1.4, "Canonical forms".

mod pretty;

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use wf_model::float::format_f;
use wf_model::labels::is_legacy_metric_name;
use wf_model::quote::GoQuoted;
use wf_model::{METRIC_NAME, MatchOp, duration};

use crate::ast::{
    AggregateExpr, AtModifier, BinaryExpr, BinaryOp, Cardinality, DurationExpr, DurationExprKind,
    DurationSpec, Expr, ExprKind, NumberLiteral, RangeMode, RangeSelector, Subquery, UnaryOp, VectorMatching,
    VectorSelector,
};

use crate::durations;

pub use pretty::pretty;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number(number) => number.fmt(f),
            ExprKind::String(text) => GoQuoted(text).fmt(f),
            ExprKind::Selector(selector) => {
                write!(f, "{}{}", Matchers(selector), At(selector.at))?;
                write!(f, "{}{}", Mode(selector.mode), Offset(&selector.offset))
            }
            ExprKind::Range(range) => write_range(f, range),
            ExprKind::Subquery(subquery) => write!(f, "{}{}", subquery.expr, Window(subquery)),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
            ExprKind::Unary(UnaryOp::Plus, inner) => write!(f, "+{inner}"),
            ExprKind::Unary(UnaryOp::Minus, inner) => write!(f, "-{inner}"),
            ExprKind::Binary(binary) => {
                // `+Inf ^ 2` would be `+(Inf ^ 2)`.
                match &binary.lhs.kind {
                    ExprKind::Number(number)
                        if number.value == f64::INFINITY && binary.op == BinaryOp::Pow =>
                    {
                        f.write_str("Inf")?;
                    }
                    _ => binary.lhs.fmt(f)?,
                }
                write!(f, " {} {}", OperatorText(binary), binary.rhs)
            }
            ExprKind::Aggregate(aggregate) => {
                write!(f, "{}(", AggregateHead(aggregate))?;
                if let Some(param) = &aggregate.param {
                    write!(f, "{param}, ")?;
                }
                write!(f, "{})", aggregate.expr)
            }
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function.name)?;
                write_list(f, &call.args)?;
                f.write_str(")")
            }
        }
    }
}

fn write_list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (idx, item) in items.iter().enumerate() {
        if idx > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn write_range(f: &mut Formatter<'_>, range: &RangeSelector) -> fmt::Result {
    let selector = &range.selector;
    write!(f, "{}[{}]{}", Matchers(selector), Span(&range.range), Mode(selector.mode))?;
    write!(f, "{}{}", At(selector.at), Offset(&selector.offset))
}

/// What follows the expression of a subquery: `[1h:5m] @ 1.000 offset 1m`.
pub(crate) struct Window<'a>(pub(crate) &'a Subquery);

impl Display for Window<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let subquery = self.0;
        write!(f, "[{}:", Span(&subquery.range))?;
        if let Some(step) = &subquery.step {
            Span(step).fmt(f)?;
        }
        write!(f, "]{}{}", At(subquery.at), Offset(&subquery.offset))
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.is_duration {
            return f.write_str(&format_f(self.value));
        }
        let sign = if self.value.is_sign_negative() { "-" } else { "" };
        // Seconds as a float are a little off; a duration literal was a whole number of milliseconds.
        let ms = durations::literal_ms(self.value.abs()).unwrap_or(i64::MAX);
        write!(f, "{sign}{}", duration::format(Duration::from_millis(ms.unsigned_abs())))
    }
}

/// The operator with its modifiers: `== bool on (a) group_left ()`.
pub(crate) struct OperatorText<'a>(pub(crate) &'a BinaryExpr);

impl Display for OperatorText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        self.0.matching.as_ref().map_or(Ok(()), |matching| write_matching(f, matching))
    }
}

fn write_matching(f: &mut Formatter<'_>, matching: &VectorMatching) -> fmt::Result {
    let grouped = matches!(matching.cardinality, Cardinality::ManyToOne | Cardinality::OneToMany);
    if matching.on || !matching.labels.is_empty() || grouped {
        write!(f, " {} {}", if matching.on { "on" } else { "ignoring" }, LabelList(&matching.labels))?;
    }
    match matching.cardinality {
        Cardinality::ManyToOne => write!(f, " group_left {}", LabelList(&matching.include))?,
        Cardinality::OneToMany => write!(f, " group_right {}", LabelList(&matching.include))?,
        Cardinality::OneToOne | Cardinality::ManyToMany => {}
    }
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    match (matching.fill_left, matching.fill_right) {
        (Some(left), Some(right)) if same(left, right) => write!(f, " fill ({})", format_f(left)),
        (left, right) => {
            if let Some(value) = left {
                write!(f, " fill_left ({})", format_f(value))?;
            }
            right.map_or(Ok(()), |value| write!(f, " fill_right ({})", format_f(value)))
        }
    }
}

/// `(a, "b.c")`
struct LabelList<'a>(&'a [String]);

impl Display for LabelList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (idx, label) in self.0.iter().enumerate() {
            if idx > 0 {
                f.write_str(", ")?;
            }
            // These words are no labels when bare.
            let is_word = matches!(label.to_ascii_lowercase().as_str(), "without" | "inf" | "nan");
            if is_legacy_metric_name(label) && !is_word {
                f.write_str(label)?;
            } else {
                GoQuoted(label).fmt(f)?;
            }
        }
        f.write_str(")")
    }
}

/// `sum by (a) `, with the blank before the parenthesis only when there is a clause.
pub(crate) struct AggregateHead<'a>(pub(crate) &'a AggregateExpr);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        match (self.0.without, self.0.grouping.is_empty()) {
            (true, _) => write!(f, " without {} ", LabelList(&self.0.grouping)),
            (false, false) => write!(f, " by {} ", LabelList(&self.0.grouping)),
            (false, true) => Ok(()),
        }
    }
}

/// `name{a="b",c="d"}`
struct Matchers<'a>(&'a VectorSelector);

impl Display for Matchers<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let selector = self.0;
        let outside = selector.name.as_deref().filter(|name| is_bare(name));
        let mut texts: Vec<String> = Vec::new();
        for matcher in &selector.matchers {
            let is_name = matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal;
            if is_name && selector.name.as_deref() == Some(matcher.value()) {
                if outside.is_none() {
                    texts.push(GoQuoted(matcher.value()).to_string());
                }
                continue;
            }
            texts.push(matcher.to_string());
        }
        texts.sort();
        f.write_str(outside.unwrap_or_default())?;
        if texts.is_empty() && outside.is_some() {
            return Ok(());
        }
        write!(f, "{{{}}}", texts.join(","))
    }
}

/// Whether a metric name can stand outside braces: words with another meaning there cannot.
fn is_bare(name: &str) -> bool {
    const RESERVED: [&str; 8] =
        ["bool", "on", "ignoring", "group_left", "group_right", "atan2", "inf", "nan"];
    is_legacy_metric_name(name) && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
}

struct At(Option<AtModifier>);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(AtModifier::Start) => f.write_str(" @ start()"),
            Some(AtModifier::End) => f.write_str(" @ end()"),
            Some(AtModifier::Time(ms)) => {
                let sign = if ms < 0 { "-" } else { "" };
                write!(f, " @ {sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
            }
        }
    }
}

struct Mode(RangeMode);

impl Display for Mode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            RangeMode::Plain => "",
            RangeMode::Anchored => " anchored",
            RangeMode::Smoothed => " smoothed",
        })
    }
}

struct Offset<'a>(&'a DurationSpec);

impl Display for Offset<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            DurationSpec::Fixed(0) => Ok(()),
            spec => write!(f, " offset {}", Span(spec)),
        }
    }
}

/// A duration as written in brackets or behind `offset`.
struct Span<'a>(&'a DurationSpec);

impl Display for Span<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            DurationSpec::Fixed(ms) => {
                let sign = if *ms < 0 { "-" } else { "" };
                write!(f, "{sign}{}", duration::format(Duration::from_millis(ms.unsigned_abs())))
            }
            DurationSpec::Expr(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DurationExprKind::Number(number) => number.fmt(f),
            DurationExprKind::Step => f.write_str("step()"),
            DurationExprKind::Range => f.write_str("range()"),
            DurationExprKind::Unary(UnaryOp::Plus, inner) => write!(f, "+{inner}"),
            DurationExprKind::Unary(UnaryOp::Minus, inner) => write!(f, "-{inner}"),
            DurationExprKind::Binary(op, lhs, rhs) => write!(f, "{lhs} {} {rhs}", op.as_str()),
            DurationExprKind::MinOf(a, b) => write!(f, "min_of({a}, {b})"),
            DurationExprKind::MaxOf(a, b) => write!(f, "max_of({a}, {b})"),
            DurationExprKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

#[cfg(test)]
mod tests;
