//! Aggregations: group series, then fold or pick per step.
//!
//! # Reading order: here (groups), `fold` (`sum`, `avg`, …), `pick` (`topk`, `limitk`, …), `gather` (`quantile`, `count_values`).
//! # Source: `spec/prometheus-query.md` §2.5.

mod fold;
mod gather;
mod pick;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{Labels, METRIC_NAME};

use super::build::{Site, Value, build, build_vector};
use super::context::Cx;
use super::error::QueryError;
use super::operator::{BoxVector, VectorOp};
use super::plan::Rule;
use super::scalar::Scalar;
use crate::ast::{AggregateExpr, AggregateOp, Pos};

/// Which group each series belongs to.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Group by series.
    pub(crate) of: Vec<u32>,
    /// Labels by group.
    pub(crate) labels: Vec<Labels>,
    /// By group: whether the name is to be dropped at the end, because it is to be dropped from any member.
    pub(crate) drops_name: Vec<bool>,
}

impl Groups {
    /// Groups the series of `op`.
    /// # Complexity
    /// `by` compares dictionary codes, a hash per series and label; `without` makes the labels of every series.
    pub(crate) fn new(op: &dyn VectorOp, grouping: &[String], without: bool, cx: &mut Cx<'_>) -> Self {
        let mut groups = if without {
            cx.work.label_sets += op.len() as u64;
            Self::by_labels(op, |name| name == METRIC_NAME || grouping.iter().any(|g| g == name))
        } else if cx.env.rules.has(Rule::Projection) {
            Self::by(op, grouping)
        } else {
            cx.work.label_sets += op.len() as u64;
            Self::by_labels(op, |name| !grouping.iter().any(|g| g == name))
        };
        groups.drops_name = vec![false; groups.labels.len()];
        for (idx, group) in groups.of.iter().enumerate() {
            groups.drops_name[*group as usize] |= op.drops_name(idx);
        }
        groups
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    fn by(op: &dyn VectorOp, grouping: &[String]) -> Self {
        let mut of = vec![0_u32; op.len()];
        let mut values: Vec<Vec<(&str, std::sync::Arc<str>)>> = vec![Vec::new(); usize::from(op.len() > 0)];
        for name in grouping {
            let column = op.label_column(name);
            let mut code_of: HashMap<(u32, u32), u32, FixedState> = HashMap::default();
            let mut refined = Vec::new();
            for (group, code) in of.iter_mut().zip(&column.codes) {
                *group = *code_of.entry((*group, *code)).or_insert_with(|| {
                    let mut labels = values[*group as usize].clone();
                    labels.extend(
                        column.values.get(*code as usize).map(|value| (name.as_str(), value.clone())),
                    );
                    refined.push(labels);
                    u32::try_from(refined.len() - 1).unwrap_or(u32::MAX)
                });
            }
            values = refined;
        }
        let labels =
            values.iter().map(|pairs| Labels::from_pairs(pairs.iter().map(|(n, v)| (*n, &**v)))).collect();
        Self { of, labels, drops_name: Vec::new() }
    }

    /// Groups by the labels that `drops` does not name, from full label sets.
    fn by_labels(op: &dyn VectorOp, drops: impl Fn(&str) -> bool) -> Self {
        let mut groups = Self::default();
        let mut group_of: HashMap<Labels, u32, FixedState> = HashMap::default();
        for idx in 0..op.len() {
            let labels = op.labels(idx).without(&drops);
            let next = u32::try_from(groups.labels.len()).unwrap_or(u32::MAX);
            let group = *group_of.entry(labels).or_insert_with_key(|labels| {
                groups.labels.push(labels.clone());
                next
            });
            groups.of.push(group);
        }
        groups
    }
}

/// Builds and runs an aggregation; its result is complete when this returns, or streams where it can.
pub(crate) fn build_aggregate(
    aggregate: &AggregateExpr,
    pos: Pos,
    site: Site,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let input = build_vector(&aggregate.expr, site, cx)?;
    let groups = Groups::new(&*input, &aggregate.grouping, aggregate.without, cx);
    let n_steps = site.grid.n_steps;
    let expr_pos = super::times::strip_parens(&aggregate.expr).pos;
    let inputs = Inputs { op: input, groups, n_steps, pos: expr_pos };
    match aggregate.op {
        AggregateOp::Topk | AggregateOp::Bottomk => {
            let k = scalar_param(aggregate, site, cx)?;
            pick::extremes(inputs, &k, aggregate.op == AggregateOp::Topk, pos, cx)
        }
        AggregateOp::Limitk => {
            let k = scalar_param(aggregate, site, cx)?;
            pick::limit_k(inputs, &k, cx)
        }
        AggregateOp::LimitRatio => {
            let ratio = scalar_param(aggregate, site, cx)?;
            pick::limit_ratio(inputs, &ratio, param_pos(aggregate), cx)
        }
        AggregateOp::Quantile => {
            let quantile = scalar_param(aggregate, site, cx)?;
            gather::quantile(inputs, &quantile, param_pos(aggregate), cx)
        }
        AggregateOp::CountValues => {
            let label = match aggregate.param.as_ref().map(|param| build(param, site, cx)).transpose()? {
                Some(Value::String(label)) => label,
                _ => return Err(QueryError::Execution("count_values needs the name of a label".into())),
            };
            gather::count_values(&inputs, &label, cx)
        }
        op => fold::fold(&inputs, op, cx),
    }
}

/// What every aggregation starts from.
pub(crate) struct Inputs {
    op: BoxVector,
    groups: Groups,
    n_steps: usize,
    /// Where the aggregated expression stands.
    pos: Pos,
}

fn scalar_param(aggregate: &AggregateExpr, site: Site, cx: &mut Cx<'_>) -> Result<Scalar, QueryError> {
    match aggregate.param.as_ref().map(|param| build(param, site, cx)).transpose()? {
        Some(Value::Scalar(scalar)) => Ok(scalar),
        _ => Err(QueryError::Execution(format!("{} needs a scalar parameter", aggregate.op.as_str()))),
    }
}

fn param_pos(aggregate: &AggregateExpr) -> Pos {
    aggregate.param.as_ref().map_or_else(Pos::default, |param| super::times::strip_parens(param).pos)
}
