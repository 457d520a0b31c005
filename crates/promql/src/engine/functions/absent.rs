//! `absent` and `absent_over_time`: a sample where there is none.

use wf_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use super::CallSite;
use crate::ast::{Expr, ExprKind};
use crate::engine::build::build_range;
use crate::engine::column::{Column, StepSet};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
use crate::engine::parallel::for_each_series;
use crate::engine::range_functions::RangeFunction;
use crate::engine::range_functions::over_time::AnySample;
use crate::engine::times::strip_parens;

/// `absent`
pub(crate) fn absent(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let op = at.vector(0, cx)?;
    absence(&*op, at, cx)
}

/// `absent_over_time`
pub(crate) fn absent_over_time(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let argument = build_range(at.arg(0)?, at.site, cx)?;
    super::range::check_mode(argument.mode, "absent_over_time")?;
    let present = RangeFunction::new(argument, Box::new(AnySample::Present));
    absence(&present, at, cx)
}

fn absence(op: &dyn VectorOp, at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let n_steps = at.site.grid.n_steps;
    let mut present = StepSet::default();
    present.reset(n_steps);
    for_each_series(op, cx, |_, column, _| {
        column.steps().iter().for_each(|step| present.insert(step));
        Ok(())
    })?;
    let mut column = Column::new(n_steps);
    for step in (0..n_steps).filter(|step| !present.contains(*step)) {
        column.set_float(step, 1.0);
    }
    let series = Series { labels: labels_of(strip_parens(at.arg(0)?)), drops_name: false, column };
    Ok(Box::new(Materialized::new(vec![series], cx)?))
}

/// Returns what the conditions of a selector say about the series that is missing.
fn labels_of(expr: &Expr) -> Labels {
    let matchers: &[Matcher] = match &expr.kind {
        ExprKind::Selector(selector) => &selector.matchers,
        ExprKind::Range(range) => &range.selector.matchers,
        _ => return Labels::empty(),
    };
    let mut builder = LabelsBuilder::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            builder.set(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            builder.remove(matcher.name());
        }
    }
    builder.build()
}
