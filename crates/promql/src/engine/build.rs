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
use super::times::{
    is_step_invariant, range_window, selector_window, strip_parens, subquery_grid, subquery_window,
};
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
    let n_steps = site.grid.n_steps;
    let is_constant = matches!(expr.kind, ExprKind::Number(_) | ExprKind::String(_));
    if n_steps > 1 && !is_constant && is_step_invariant(expr) {
        let once = Site { grid: Grid::instant(site.grid.start_ms), ..site };
        return Ok(match build_node(expr, once, cx)? {
            Value::Scalar(scalar) => Value::Scalar(Scalar::Const(scalar.at(0))),
            Value::Vector(op) => Value::Vector(Box::new(Replicated { op, n_steps })),
            text @ Value::String(_) => text,
        });
    }
    build_node(expr, site, cx)
}

fn build_node(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<Value, QueryError> {
    Ok(match &expr.kind {
        ExprKind::Number(number) => Value::Scalar(Scalar::Const(number.value)),
        ExprKind::String(text) => Value::String(text.clone()),
        ExprKind::Selector(selector) => {
            Value::Vector(build_selector(selector, expr.pos, site, Yield::Value, cx)?)
        }
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => build(inner, site, cx)?,
        ExprKind::Unary(UnaryOp::Minus, inner) => match build(inner, site, cx)? {
            Value::Scalar(scalar) => Value::Scalar(scalar.map(|value| -value)),
            Value::Vector(op) => Value::Vector(drop_names(negate(op), cx)?),
            Value::String(_) => return Err(QueryError::Execution("a string has no sign".into())),
        },
        ExprKind::Binary(binary) => build_binary(binary, expr.pos, site, cx)?,
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

/// Builds an instant selector.
pub(crate) fn build_selector(
    selector: &VectorSelector,
    pos: Pos,
    site: Site,
    yields: Yield,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let spec = selector_window(selector, site.grid, cx.env.lookback_ms);
    let selection = cx.env.selection(&selector.matchers, spec.sample_range())?;
    if selector.mode == RangeMode::Smoothed {
        return Ok(Box::new(extended::SmoothedSelector { selection, spec, pos }));
    }
    Ok(Box::new(InstantSelector { selection, spec, detail: site.detail, yields }))
}

/// Builds a node that is a range vector.
pub(crate) fn build_range(expr: &Expr, site: Site, cx: &mut Cx<'_>) -> Result<RangeVector, QueryError> {
    let expr = strip_parens(expr);
    match &expr.kind {
        ExprKind::Range(range) => {
            let spec = range_window(range, site.grid, cx.env.lookback_ms);
            let selection = cx.env.selection(&range.selector.matchers, spec.sample_range())?;
            let with_starts = cx.env.features.use_start_timestamps && range.selector.mode == RangeMode::Plain;
            let source = SelectedSamples { selection, spec, detail: site.detail, with_starts };
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
