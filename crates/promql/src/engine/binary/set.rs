//! `and`, `or`, `unless`: which samples exist decides, not their values.

use wf_model::Labels;
use wf_series::LabelColumn;

use super::matching::MatchGroups;
use crate::ast::{BinaryExpr, BinaryOp};
use crate::engine::column::{Column, StepSet};
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, Materialized, Series, VectorOp};
use crate::engine::parallel::for_each_series;

/// Builds a set operation.
pub(crate) fn build(
    binary: &BinaryExpr,
    left: BoxVector,
    right: BoxVector,
    n_steps: usize,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    if binary.op == BinaryOp::Or {
        return union(&[left, right], binary, n_steps, cx);
    }
    let matching = binary.matching.clone().unwrap_or_default();
    let groups = MatchGroups::new(&[&*left, &*right], &matching, cx);
    let mut present = vec![StepSet::default(); groups.len()];
    present.iter_mut().for_each(|steps| steps.reset(n_steps));
    let [group_of, of_right] = <[Vec<u32>; 2]>::try_from(groups.of).unwrap_or_default();
    for_each_series(&*right, cx, |idx, column, _| {
        column.steps().iter().for_each(|step| present[of_right[idx] as usize].insert(step));
        Ok(())
    })?;
    let keep_present = binary.op == BinaryOp::And;
    Ok(Box::new(Masked { op: left, group_of, present, keep_present }))
}

/// `or`: everything of the first input, and of each later one what has no partner in those before it.
pub(crate) fn union(
    inputs: &[BoxVector],
    binary: &BinaryExpr,
    n_steps: usize,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let matching = binary.matching.clone().unwrap_or_default();
    let vectors: Vec<&dyn VectorOp> = inputs.iter().map(|input| &**input).collect();
    let groups = MatchGroups::new(&vectors, &matching, cx);
    let mut present = vec![StepSet::default(); groups.len()];
    present.iter_mut().for_each(|steps| steps.reset(n_steps));
    let mut series = Vec::new();
    let mut held = cx.hold(0)?;
    for (op, group_of) in vectors.iter().zip(&groups.of) {
        let from = series.len();
        let mut group_of_kept = Vec::new();
        for_each_series(*op, cx, |idx, column, _| {
            let group = group_of[idx];
            let taken = &present[group as usize];
            column.retain(|step, _| !taken.contains(step));
            if column.is_empty() {
                return Ok(());
            }
            held.grow(column.weight())?;
            group_of_kept.push(group);
            let (labels, drops_name) = (op.labels(idx), op.drops_name(idx));
            series.push(Series { labels, drops_name, column: std::mem::take(column) });
            Ok(())
        })?;
        // Elements of one input do not exclude each other.
        for (kept, group) in series[from..].iter().zip(group_of_kept) {
            kept.column.steps().iter().for_each(|step| present[group as usize].insert(step));
        }
    }
    drop(held);
    cx.work.series_held += series.len() as u64;
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
