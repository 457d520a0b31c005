//! Changing labels of a vector: name dropping, at once or delayed, and what happens when series become equal.
//!
//! # Source
//! `spec/prometheus-query.md` §2.2, §2.3.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use wf_model::{Labels, METRIC_NAME};
use wf_series::LabelColumn;

use super::column::Column;
use super::context::Cx;
use super::error::QueryError;
use super::operator::{
    BoxVector, Materialized, VectorOp, absent_label_column, is_metadata_label, same_labelset,
    without_metadata,
};

/// Drops name, type and unit; when series become equal, those without a common step merge.
/// # Errors
/// When equal series have a sample at the same step.
pub(crate) fn drop_names(op: BoxVector, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    if cx.env.features.delayed_name_removal {
        return Ok(Box::new(NameFlagged { op }));
    }
    if stay_distinct(&*op) {
        return Ok(Box::new(NameDropped { op }));
    }
    merged(&NameDropped { op }, cx)
}

/// Drops name, type and unit; series must not become equal even at different steps.
/// # Errors
/// When they do.
pub(crate) fn drop_names_strictly(op: BoxVector, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    if cx.env.features.delayed_name_removal {
        return Ok(Box::new(NameFlagged { op }));
    }
    if stay_distinct(&*op) {
        return Ok(Box::new(NameDropped { op }));
    }
    let collected = Materialized::collect(&NameDropped { op }, cx)?;
    let mut seen: HashSet<Labels, FixedState> = HashSet::default();
    if collected.series.iter().all(|series| seen.insert(series.labels.clone())) {
        return Ok(Box::new(collected));
    }
    Err(same_labelset())
}

/// Drops the metric name only; type and unit stay visible unless name removal is delayed.
/// # Errors
/// When equal series have a sample at the same step.
pub(crate) fn drop_metric_name(op: BoxVector, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    if cx.env.features.delayed_name_removal {
        return Ok(Box::new(NameFlagged { op }));
    }
    let labels = (0..op.len()).map(|idx| op.labels(idx).without(|name| name == METRIC_NAME)).collect();
    let drops = vec![false; op.len()];
    relabel(op, labels, drops, cx)
}

/// Gives the series new labels, one set per series; series that become equal merge.
/// # Errors
/// When equal series have a sample at the same step.
pub(crate) fn relabel(
    op: BoxVector,
    labels: Vec<Labels>,
    drops: Vec<bool>,
    cx: &mut Cx<'_>,
) -> Result<BoxVector, QueryError> {
    let mut seen: HashSet<Labels, FixedState> = HashSet::default();
    let are_distinct = labels.iter().all(|set| seen.insert(set.clone()));
    let relabeled = Relabeled { op, labels, drops };
    if are_distinct { Ok(Box::new(relabeled)) } else { merged(&relabeled, cx) }
}

fn merged(op: &dyn VectorOp, cx: &mut Cx<'_>) -> Result<BoxVector, QueryError> {
    let mut collected = Materialized::collect(op, cx)?;
    collected.merge_same_labels()?;
    Ok(Box::new(collected))
}

/// Returns whether dropping names cannot make two series equal: no dropped label has two values. Usually a selector
/// names its metric, and no label set has to be made to know.
fn stay_distinct(op: &dyn VectorOp) -> bool {
    if op.len() <= 1 {
        return true;
    }
    if ["__name__", "__type__", "__unit__"].iter().all(|name| op.label_column(name).values.len() <= 1) {
        return true;
    }
    let mut seen: HashSet<Labels, FixedState> = HashSet::default();
    (0..op.len()).all(|idx| seen.insert(without_metadata(&op.labels(idx))))
}

/// Names stay visible, marked to be dropped at the end.
struct NameFlagged {
    op: BoxVector,
}

impl VectorOp for NameFlagged {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.op.labels(idx)
    }

    fn drops_name(&self, _idx: usize) -> bool {
        true
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.op.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)
    }
}

/// Names are gone.
struct NameDropped {
    op: BoxVector,
}

impl VectorOp for NameDropped {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        without_metadata(&self.op.labels(idx))
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        if is_metadata_label(name) { absent_label_column(self.len()) } else { self.op.label_column(name) }
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)
    }
}

/// Other labels than the input's.
struct Relabeled {
    op: BoxVector,
    labels: Vec<Labels>,
    drops: Vec<bool>,
}

impl VectorOp for Relabeled {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.labels[idx].clone()
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.drops[idx]
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        self.op.read(idx, out, cx)
    }
}
