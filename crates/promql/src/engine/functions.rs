//! Function calls: which operator computes which function.
//!
//! # Reading order: here (dispatch), `math`, `date`, `label`, `order`, `absent`, `histogram_parts`,
//! `histogram_quantile`, `info`; functions of range vectors are in [`super::range_functions`].
//! # Source: `spec/prometheus-query.md` §2.4.

mod absent;
mod bucket_quantile;
mod date;
mod histogram_parts;
mod histogram_quantile;
mod info;
pub(crate) mod label;
mod math;
mod native_quantile;
mod order;
mod range;

use wf_model::Labels;

use super::build::{Site, Value, build_scalar, build_selector, build_vector};
use super::column::Column;
use super::context::Cx;
use super::error::QueryError;
use super::names::drop_names;
use super::operator::{BoxVector, Materialized, Series, VectorOp};
use super::parallel::for_each_series;
use super::scalar::Scalar;
use super::selector::Yield;
use super::times::strip_parens;
use crate::ast::{Call, Expr, ExprKind, Pos, RangeMode};
use crate::functions::FunctionId;

/// A call being built.
pub(crate) struct CallSite<'a> {
    pub(crate) id: FunctionId,
    pub(crate) args: &'a [Expr],
    pub(crate) pos: Pos,
    pub(crate) site: Site,
}

impl CallSite<'_> {
    /// Returns an argument; the parser has checked that it is there.
    pub(crate) fn arg(&self, idx: usize) -> Result<&Expr, QueryError> {
        self.args.get(idx).ok_or_else(|| QueryError::Execution(format!("argument {} is missing", idx + 1)))
    }

    pub(crate) fn vector(&self, idx: usize, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
        build_vector(self.arg(idx)?, self.site, cx)
    }

    pub(crate) fn scalar(&self, idx: usize, cx: &mut Cx<'_>) -> Result<Scalar, QueryError> {
        build_scalar(self.arg(idx)?, self.site, cx)
    }

    /// Returns a literal text.
    pub(crate) fn text(&self, idx: usize) -> Result<&str, QueryError> {
        match &strip_parens(self.arg(idx)?).kind {
            ExprKind::String(text) => Ok(text),
            _ => Err(QueryError::Execution(format!("argument {} must be a string literal", idx + 1))),
        }
    }

    /// Returns where an argument stands, inside its parentheses.
    pub(crate) fn arg_pos(&self, idx: usize) -> Pos {
        self.args.get(idx).map_or_else(Pos::default, |arg| strip_parens(arg).pos)
    }
}

/// Builds a function call.
pub(crate) fn build_call(call: &Call, pos: Pos, site: Site, cx: &mut Cx<'_>) -> Result<Value, QueryError> {
    let at = CallSite { id: call.function.id, args: &call.args, pos, site };
    if let Some(vector) = range::build(&at, cx)? {
        return Ok(Value::Vector(vector));
    }
    if let Some(vector) = math::build(&at, cx)? {
        return Ok(Value::Vector(vector));
    }
    if let Some(vector) = date::build(&at, cx)? {
        return Ok(Value::Vector(vector));
    }
    if let Some(scalar) = build_scalar_call(&at, cx)? {
        return Ok(Value::Scalar(scalar));
    }
    Ok(Value::Vector(match at.id {
        FunctionId::Vector => constant_vector(&at.scalar(0, cx)?, &at, cx)?,
        FunctionId::Timestamp => timestamp(&at, cx)?,
        FunctionId::StartTimestamp => start_timestamp(&at, cx)?,
        FunctionId::Absent => absent::absent(&at, cx)?,
        FunctionId::AbsentOverTime => absent::absent_over_time(&at, cx)?,
        FunctionId::LabelReplace => label::replace(&at, cx)?,
        FunctionId::LabelJoin => label::join(&at, cx)?,
        FunctionId::Sort | FunctionId::SortDesc => order::sort(&at, cx)?,
        FunctionId::SortByLabel | FunctionId::SortByLabelDesc => order::sort_by_label(&at, cx)?,
        FunctionId::HistogramAvg
        | FunctionId::HistogramCount
        | FunctionId::HistogramSum
        | FunctionId::HistogramStddev
        | FunctionId::HistogramStdvar => histogram_parts::build(&at, cx)?,
        FunctionId::HistogramQuantile | FunctionId::HistogramQuantiles | FunctionId::HistogramFraction => {
            histogram_quantile::build(&at, cx)?
        }
        FunctionId::Info => info::build(&at, cx)?,
        _ => {
            let name = call.function.name;
            return Err(QueryError::Execution(format!("function {name} cannot be evaluated")));
        }
    }))
}

/// Functions that yield a scalar.
fn build_scalar_call(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<Option<Scalar>, QueryError> {
    let grid = at.site.grid;
    Ok(Some(match at.id {
        FunctionId::Pi => Scalar::Const(std::f64::consts::PI),
        FunctionId::Time => {
            Scalar::Steps((0..grid.n_steps).map(|step| grid.time_ms(step) as f64 / 1000.0).collect())
        }
        FunctionId::MaxOf => at.scalar(0, cx)?.zip(&at.scalar(1, cx)?, math::max),
        FunctionId::MinOf => at.scalar(0, cx)?.zip(&at.scalar(1, cx)?, math::min),
        FunctionId::Scalar => scalar_of(&*at.vector(0, cx)?, grid.n_steps, cx)?,
        _ => return Ok(None),
    }))
}

/// `scalar()`: the float of a vector with exactly one, NaN otherwise.
fn scalar_of(op: &dyn VectorOp, n_steps: usize, cx: &mut Cx<'_>) -> Result<Scalar, QueryError> {
    let mut counts = vec![0_u32; n_steps];
    let mut values = vec![f64::NAN; n_steps];
    for_each_series(op, cx, |_, column, _| {
        for step in column.floats.iter() {
            counts[step] = counts[step].saturating_add(1);
            values[step] = if counts[step] == 1 { column.values[step] } else { f64::NAN };
        }
        Ok(())
    })?;
    Ok(Scalar::Steps(values))
}

/// A vector of one series without labels.
pub(crate) fn constant_vector(
    scalar: &Scalar,
    at: &CallSite<'_>,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let n_steps = at.site.grid.n_steps;
    let mut column = Column::new(n_steps);
    for step in 0..n_steps {
        column.set_float(step, scalar.at(step));
    }
    let series = Series { labels: Labels::empty(), drops_name: false, column };
    Ok(Box::new(Materialized::new(vec![series], cx)?))
}

/// `timestamp()`: the sample's own time for a selector, the evaluation time for anything else.
fn timestamp(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let arg = strip_parens(at.arg(0)?);
    if let ExprKind::Selector(selector) = &arg.kind
        && selector.mode != RangeMode::Smoothed
    {
        let times = build_selector(arg, selector, at.site, Yield::Time, cx)?;
        return drop_names(times, cx);
    }
    let grid = at.site.grid;
    let times = math::MapAny { op: at.vector(0, cx)?, f: move |step| grid.time_ms(step) as f64 / 1000.0 };
    drop_names(Box::new(times), cx)
}

/// `start_timestamp()`: only stored samples have one, and only when start timestamps are in use.
fn start_timestamp(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let arg = strip_parens(at.arg(0)?);
    match &arg.kind {
        ExprKind::Selector(selector) if cx.env.features.use_start_timestamps => {
            let times = build_selector(arg, selector, at.site, Yield::StartTime, cx)?;
            drop_names(times, cx)
        }
        _ => Ok(Box::new(Materialized::new(Vec::new(), cx)?)),
    }
}
