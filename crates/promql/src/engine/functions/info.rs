//! `info()`: adds the labels of info metrics (`target_info`) to series of the same target.
//!
//! # Source
//! `spec/prometheus-query.md` §2.9.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, Matcher};

use super::CallSite;
use crate::ast::{Expr, ExprKind};
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::grid::Grid;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
use crate::engine::selector::{Detail, InstantSelector, Yield};
use crate::engine::times::{at_ms, fixed_ms, strip_parens};
use crate::engine::window::WindowSpec;

/// Labels that say which target a series belongs to.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// Builds the call.
pub(crate) fn build(at: &CallSite<'_>, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let base = Materialized::collect(&*at.vector(0, cx)?, cx)?;
    let wanted = Wanted::new(at)?;
    let spec = reference_times(at.arg(0)?, at.site.grid, cx.env.lookback_ms);
    let infos = Infos::read(&wanted, spec, cx)?;
    let mut enriched: Vec<Series> = Vec::new();
    for series in &base.series {
        cx.check()?;
        if wanted.is_info_metric(&series.labels) {
            enriched.push(series.clone());
            continue;
        }
        for (labels, column) in enrich(series, &wanted, &infos)? {
            enriched.push(Series { labels, drops_name: series.drops_name, column });
        }
    }
    let mut result = Materialized::new(enriched, cx)?;
    result.merge_same_labels()?;
    Ok(Box::new(result))
}

/// What the second argument asks for.
struct Wanted {
    /// Conditions on the name of info metrics.
    names: Vec<Matcher>,
    /// Conditions on their other labels; only these labels are added, all when there are none.
    data: Vec<Matcher>,
}

impl Wanted {
    fn new(at: &CallSite<'_>) -> Result<Self, QueryError> {
        let matchers: &[Matcher] = match at.args.get(1).map(|arg| &strip_parens(arg).kind) {
            None => &[],
            Some(ExprKind::Selector(selector)) => &selector.matchers,
            Some(_) => {
                return Err(QueryError::Execution("info needs label matchers as its second argument".into()));
            }
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) =
            matchers.iter().cloned().partition(|matcher| matcher.name() == METRIC_NAME);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if names.iter().all(|matcher| matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex)) {
            let any_info = Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info");
            names.push(any_info.map_err(|error| QueryError::Execution(error.to_string()))?);
        }
        Ok(Self { names, data })
    }

    fn is_info_metric(&self, labels: &Labels) -> bool {
        self.names.iter().all(|matcher| matcher.matches(labels.metric_name()))
    }

    fn adds(&self, name: &str) -> bool {
        let is_identity = name == METRIC_NAME || IDENTIFYING.contains(&name);
        !is_identity && (self.data.is_empty() || self.data.iter().any(|matcher| matcher.name() == name))
    }
}

/// Returns when info series are looked up: when the first selector of the first argument looks.
fn reference_times(expr: &Expr, grid: Grid, lookback_ms: i64) -> WindowSpec {
    let mut spec = WindowSpec {
        grid,
        range_ms: lookback_ms,
        offset_ms: 0,
        at_ms: None,
        extra_before_ms: 0,
        extra_after_ms: 0,
    };
    shift_to_first_selector(expr, &mut spec);
    spec
}

/// Walks to the first selector, adding up offsets; an `@` forgets those outside it. Returns whether there is one.
fn shift_to_first_selector(expr: &Expr, spec: &mut WindowSpec) -> bool {
    let mut shift = |offset_ms: i64, pinned: Option<i64>| {
        if pinned.is_some() {
            spec.at_ms = pinned;
            spec.offset_ms = 0;
        }
        spec.offset_ms += offset_ms;
    };
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => false,
        ExprKind::Selector(selector) => {
            shift(fixed_ms(&selector.offset), at_ms(selector.at));
            true
        }
        ExprKind::Range(range) => {
            shift(fixed_ms(&range.selector.offset), at_ms(range.selector.at));
            true
        }
        ExprKind::Subquery(subquery) => {
            let outside = *spec;
            let mut shifted = outside;
            if let Some(pinned) = at_ms(subquery.at) {
                shifted.at_ms = Some(pinned);
                shifted.offset_ms = 0;
            }
            shifted.offset_ms += fixed_ms(&subquery.offset);
            let found = shift_to_first_selector(&subquery.expr, &mut shifted);
            if found {
                *spec = shifted;
            }
            found
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => shift_to_first_selector(inner, spec),
        ExprKind::Binary(binary) => {
            shift_to_first_selector(&binary.lhs, spec) || shift_to_first_selector(&binary.rhs, spec)
        }
        ExprKind::Aggregate(aggregate) => shift_to_first_selector(&aggregate.expr, spec),
        ExprKind::Call(call) => call.args.iter().any(|arg| shift_to_first_selector(arg, spec)),
    }
}

/// An info series with the time of its sample at each step.
struct Info {
    labels: Labels,
    /// Times of the samples in use, seconds.
    times: Column,
}

/// Info series by the identity of their target.
struct Infos {
    by_target: HashMap<Labels, Vec<Info>, FixedState>,
}

fn target_of(labels: &Labels) -> Labels {
    labels.without(|name| !IDENTIFYING.contains(&name))
}

impl Infos {
    fn read(wanted: &Wanted, spec: WindowSpec, cx: &mut Cx<'_>) -> Result<Self, QueryError> {
        let matchers: Vec<Matcher> = wanted.names.iter().chain(&wanted.data).cloned().collect();
        let selection = cx.select(&matchers, spec.sample_range())?;
        let range = spec.sample_range();
        let (shared, detail) = (selection.clone(), Detail::Full);
        let values = InstantSelector { selection: shared, spec, range, detail, yields: Yield::Value };
        let times = InstantSelector { selection, spec, range, detail, yields: Yield::Time };
        let mut by_target: HashMap<Labels, Vec<Info>, FixedState> = HashMap::default();
        let mut column = cx.take_column();
        for idx in 0..values.len() {
            cx.check()?;
            values.read(idx, &mut column, cx)?;
            let labels = values.labels(idx);
            if !column.histograms.is_empty() {
                return Err(QueryError::Execution(format!("info series must have float samples: {labels}")));
            }
            let mut sample_times = Column::default();
            times.read(idx, &mut sample_times, cx)?;
            if !sample_times.is_empty() {
                by_target.entry(target_of(&labels)).or_default().push(Info { labels, times: sample_times });
            }
        }
        cx.give_column(column);
        Ok(Self { by_target })
    }

    /// Returns, by name, the info series of a target whose sample is newest at a step.
    fn newest<'a>(&'a self, target: &Labels, step: usize) -> Result<BTreeMap<&'a str, &'a Info>, QueryError> {
        let mut newest: BTreeMap<&str, &Info> = BTreeMap::new();
        for info in self.by_target.get(target).into_iter().flatten() {
            if !info.times.floats.contains(step) {
                continue;
            }
            let name = info.labels.metric_name();
            match newest.get(name).map(|known| known.times.values[step].total_cmp(&info.times.values[step])) {
                Some(std::cmp::Ordering::Greater) => {}
                Some(std::cmp::Ordering::Equal) => {
                    return Err(QueryError::Execution(format!(
                        "found duplicate series for info metric: existing {}, new {}",
                        newest[name].labels, info.labels
                    )));
                }
                Some(std::cmp::Ordering::Less) | None => {
                    newest.insert(name, info);
                }
            }
        }
        Ok(newest)
    }
}

/// Returns the series with the labels it gets, which may change from step to step.
fn enrich(series: &Series, wanted: &Wanted, infos: &Infos) -> Result<Vec<(Labels, Column)>, QueryError> {
    let target = target_of(&series.labels);
    let n_steps = series.column.n_steps();
    let keeps_unmatched = wanted.data.iter().all(Matcher::matches_empty);
    let mut parts: Vec<(Labels, Column)> = Vec::new();
    for step in series.column.steps().iter() {
        let Some(point) = series.column.get(step) else { continue };
        let newest = if target.is_empty() { BTreeMap::new() } else { infos.newest(&target, step)? };
        if newest.is_empty() && !keeps_unmatched {
            continue;
        }
        let labels = add_labels(&series.labels, newest.values().copied(), wanted)?;
        let idx = parts.iter().position(|(known, _)| *known == labels).unwrap_or_else(|| {
            parts.push((labels, Column::new(n_steps)));
            parts.len() - 1
        });
        parts[idx].1.push(step, point.to_value());
    }
    Ok(parts)
}

fn add_labels<'a>(
    base: &Labels,
    infos: impl Iterator<Item = &'a Info>,
    wanted: &Wanted,
) -> Result<Labels, QueryError> {
    let mut added = LabelsBuilder::default();
    for info in infos {
        for (name, value) in
            info.labels.iter().filter(|(name, _)| wanted.adds(name) && base.get(name).is_none())
        {
            if added.get(name).is_some_and(|known| known != value) {
                return Err(QueryError::Execution(format!("conflicting label: {name}")));
            }
            added.set(name, value);
        }
    }
    let mut builder = LabelsBuilder::from_labels(base);
    for (name, value) in added.iter() {
        builder.set(name, value);
    }
    Ok(builder.build())
}
