//! From syntax tree to operators: every node becomes a value over the steps of its grid.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::aggregate::build_aggregate;
use super::binary::{build_binary, negate};
use super::column::Column;
use super::context::Cx;
use super::error::QueryError;
use super::extended;
use super::functions::build_call;
use super::grid::Grid;
use super::names::drop_names;
use super::operator::{BoxVector, VectorOp};
use super::scalar::Scalar;
use super::selector::{Detail, InstantSelector, SelectedSamples, Yield};
use super::subquery::SubqueryResult;
use super::times::{range_window, selector_window, strip_parens, subquery_grid, subquery_window};
use super::window::RangeVector;
use crate::ast::{BinaryOp, Expr, ExprKind, Pos, RangeMode, UnaryOp, VectorSelector};

/// Where in a query a node is evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) grid: Grid,
    /// How much of native histograms the surroundings look at.
    pub(crate) detail: Detail,
}

impl Site {
    /// Returns the site of the operands of a binary operator: trimming looks at buckets.
    pub(crate) fn for_operands_of(self, op: BinaryOp) -> Self {
        match op {
            BinaryOp::TrimUpper | BinaryOp::TrimLower => self.with_detail(Detail::Full),
            _ => self,
        }
    }

    pub(crate) fn with_detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }
}

/// Value of a node.
pub(crate) enum Value {
    Scalar(Scalar),
    String(String),
    Vector(BoxVector),
}

/// Builds a node; range vectors only appear as arguments, see [`build_range`].
pub(crate) fn build(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<Value, QueryError> {
    let expr = without_wrapping(expr);
    let n_steps = site.grid.n_steps;
    let is_invariant = cx.env.plan.node(expr).is_some_and(|node| node.is_step_invariant);
    if n_steps > 1 && is_invariant {
        let once = Site { grid: Grid::instant(site.grid.start_ms), ..site };
        return Ok(match build_traced(expr, once, cx)? {
            Value::Scalar(scalar) => Value::Scalar(Scalar::Const(scalar.at(0))),
            Value::Vector(op) => Value::Vector(Box::new(Replicated { op, n_steps })),
            text @ Value::String(_) => text,
        });
    }
    build_traced(expr, site, cx)
}

/// Returns what parentheses and a plus sign stand around.
fn without_wrapping(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => without_wrapping(inner),
        _ => expr,
    }
}

/// Builds a node and counts what that costs, if it is to be counted.
fn build_traced(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<Value, QueryError> {
    cx.work.nodes += 1;
    cx.work.steps += site.grid.n_steps as u64;
    if !cx.trace.is_on() {
        return build_node(expr, site, cx);
    }
    let id = cx.env.plan.id(expr);
    let mark = cx.mark();
    let value = build_node(expr, site, cx)?;
    if let Some(id) = id {
        cx.count_since(mark, id);
    }
    Ok(match value {
        Value::Vector(op) => Value::Vector(cx.traced(id, op)),
        other => other,
    })
}

fn build_node(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<Value, QueryError> {
    Ok(match &expr.kind {
        ExprKind::Number(number) => Value::Scalar(Scalar::Const(number.value)),
        ExprKind::String(text) => Value::String(text.clone()),
        ExprKind::Selector(selector) => {
            Value::Vector(build_selector(expr, selector, site, Yield::Value, cx)?)
        }
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => build(inner, site, cx)?,
        ExprKind::Unary(UnaryOp::Minus, inner) => match build(inner, site, cx)? {
            Value::Scalar(scalar) => Value::Scalar(scalar.map(|value| -value)),
            Value::Vector(op) => Value::Vector(drop_names(negate(op), cx)?),
            Value::String(_) => return Err(QueryError::Execution("a string has no sign".into())),
        },
        ExprKind::Binary(binary) => build_binary(expr, binary, site, cx)?,
        ExprKind::Aggregate(aggregate) => Value::Vector(build_aggregate(aggregate, expr.pos, site, cx)?),
        ExprKind::Call(call) => build_call(call, expr.pos, site, cx)?,
        ExprKind::Range(_) | ExprKind::Subquery(_) => {
            return Err(QueryError::Execution("a range vector needs a function around it".into()));
        }
    })
}

/// Builds a node that is an instant vector.
pub(crate) fn build_vector(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    match build(expr, site, cx)? {
        Value::Vector(op) => Ok(op),
        Value::Scalar(_) | Value::String(_) => {
            Err(QueryError::Execution("expected an instant vector".into()))
        }
    }
}

/// Builds a node that is a scalar.
pub(crate) fn build_scalar(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<Scalar, QueryError> {
    match build(expr, site, cx)? {
        Value::Scalar(scalar) => Ok(scalar),
        Value::Vector(_) | Value::String(_) => Err(QueryError::Execution("expected a scalar".into())),
    }
}

/// Builds an instant selector; `expr` is the node that `selector` is the content of.
pub(crate) fn build_selector(
    expr: &Expr,
    selector: &VectorSelector,
    site: Site,
    yields: Yield,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let spec = selector_window(selector, site.grid, cx.env.lookback_ms);
    let selection = cx.selection(expr, &selector.matchers, spec.sample_range())?;
    let range = cx.decoded_range(expr, spec.sample_range());
    if selector.mode == RangeMode::Smoothed {
        return Ok(Box::new(extended::SmoothedSelector { selection, spec, pos: expr.pos }));
    }
    Ok(Box::new(InstantSelector { selection, spec, range, detail: site.detail, yields }))
}

/// Builds a node that is a range vector.
pub(crate) fn build_range(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<RangeVector, QueryError> {
    let expr = strip_parens(expr);
    let mark = cx.mark();
    let range = build_range_node(expr, site, cx)?;
    let id = cx.env.plan.id(expr);
    if let Some(id) = id {
        cx.count_since(mark, id);
    }
    Ok(cx.traced_range(id, range))
}

fn build_range_node(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<RangeVector, QueryError> {
    match &expr.kind {
        ExprKind::Range(range) => {
            let spec = range_window(range, site.grid, cx.env.lookback_ms);
            let selection = cx.selection(expr, &range.selector.matchers, spec.sample_range())?;
            let decoded = cx.decoded_range(expr, spec.sample_range());
            let with_starts = cx.env.features.use_start_timestamps && range.selector.mode == RangeMode::Plain;
            let source = SelectedSamples { selection, range: decoded, detail: site.detail, with_starts };
            Ok(RangeVector { source: Box::new(source), spec, mode: range.selector.mode, pos: expr.pos })
        }
        ExprKind::Subquery(subquery) => {
            let grid = subquery_grid(subquery, site.grid, cx.env.default_subquery_step_ms);
            cx.env.check_grid(&grid)?;
            let inner = build_vector(&subquery.expr, Site { grid, detail: Detail::Full }, cx)?;
            let source = SubqueryResult { inner, grid };
            let spec = subquery_window(subquery, site.grid);
            // Upstream reports remarks on subqueries at the start of the query.
            Ok(RangeVector { source: Box::new(source), spec, mode: RangeMode::Plain, pos: Pos::default() })
        }
        _ => Err(QueryError::Execution("expected a range vector".into())),
    }
}

/// A vector that is the same at every step: computed once, repeated.
struct Replicated {
    op: BoxVector,
    n_steps: usize,
}

impl VectorOp for Replicated {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.op.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let mut once = cx.take_column();
        self.op.read(idx, &mut once, cx)?;
        out.reset(self.n_steps);
        if let Some(point) = once.get(0) {
            for step in 0..self.n_steps {
                out.push(step, point.to_value());
            }
        }
        cx.give_column(once);
        Ok(())
    }
}
