//! `and`, `or`, `unless`: which samples exist decides, not their values.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::matching::MatchGroups;
use crate::ast::{BinaryExpr, BinaryOp};
use crate::engine::column::{Column, StepSet};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};

/// Builds a set operation.
pub(crate) fn build(
    binary: &BinaryExpr,
    left: BoxVector,
    right: &dyn VectorOp,
    n_steps: usize,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let matching = binary.matching.clone().unwrap_or_default();
    let groups = MatchGroups::new(&*left, right, &matching);
    let mut present = vec![StepSet::default(); groups.len()];
    present.iter_mut().for_each(|steps| steps.reset(n_steps));
    if binary.op == BinaryOp::Or {
        return union(&*left, right, &groups, present, cx);
    }
    let mut column = cx.take_column();
    for (idx, group) in groups.second.iter().enumerate() {
        cx.check()?;
        right.read(idx, &mut column, cx)?;
        for step in column.steps().iter() {
            present[*group as usize].insert(step);
        }
    }
    cx.give_column(column);
    let keep_present = binary.op == BinaryOp::And;
    Ok(Box::new(Masked { op: left, group_of: groups.first, present, keep_present }))
}

/// Everything on the left, and what has no partner there from the right.
fn union(
    left: &dyn VectorOp,
    right: &dyn VectorOp,
    groups: &MatchGroups,
    mut present: Vec<StepSet>,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let mut series = Vec::new();
    let mut held = cx.hold(0)?;
    let mut column = cx.take_column();
    for (op, group_of, is_left) in [(left, &groups.first, true), (right, &groups.second, false)] {
        for (idx, group) in group_of.iter().enumerate() {
            cx.check()?;
            op.read(idx, &mut column, cx)?;
            let present = &mut present[*group as usize];
            if is_left {
                column.steps().iter().for_each(|step| present.insert(step));
            } else {
                column.retain(|step, _| !present.contains(step));
            }
            if column.is_empty() {
                continue;
            }
            held.grow(column.weight())?;
            series.push(Series {
                labels: op.labels(idx),
                drops_name: op.drops_name(idx),
                column: column.clone(),
            });
        }
    }
    cx.give_column(column);
    drop(held);
    let mut merged = Materialized::new(series, cx)?;
    merged.merge_same_labels()?;
    Ok(Box::new(merged))
}

/// The left side, restricted to steps at which its group is (or is not) present on the right.
struct Masked {
    op: BoxVector,
    group_of: Vec<u32>,
    present: Vec<StepSet>,
    keep_present: bool,
}

impl VectorOp for Masked {
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
        self.op.read(idx, out, cx)?;
        let present = &self.present[self.group_of[idx] as usize];
        out.retain(|step, _| present.contains(step) == self.keep_present);
        Ok(())
    }
}
