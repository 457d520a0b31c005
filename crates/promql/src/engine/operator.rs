//! What operators have in common: series known up front, columns computed on demand.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use wf_model::{Labels, METRIC_NAME};
use wf_series::LabelColumn;

use super::column::Column;
use super::context::{Cx, Held};
use super::error::QueryError;
use super::parallel::for_each_series;

/// An instant vector over all steps of its grid.
///
/// Consumers read every series exactly once, so that remarks and errors do not depend on the consumer. Series may turn
/// out empty. Reading takes `&self`: series can be computed in parallel, each thread with its own [`Cx`].
pub(crate) trait VectorOp: Send + Sync {
    /// Returns the number of series.
    fn len(&self) -> usize;

    /// Returns the labels of series `idx`.
    fn labels(&self, idx: usize) -> Labels;

    /// Returns whether the name of series `idx` is to be dropped at the end (delayed name removal).
    fn drops_name(&self, _idx: usize) -> bool {
        false
    }

    /// Returns label `name` of all series as dictionary codes.
    fn label_column(&self, name: &str) -> LabelColumn {
        label_column_of((0..self.len()).map(|idx| self.labels(idx)), name)
    }

    /// Computes series `idx` into `out`, which is reset first.
    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError>;
}

/// An operator on the heap.
pub(crate) type BoxVector = Box<dyn VectorOp>;

/// Builds a label column from materialised labels.
pub(crate) fn label_column_of(labels: impl Iterator<Item = Labels>, name: &str) -> LabelColumn {
    let mut column = LabelColumn::default();
    let mut code_of: HashMap<Arc<str>, u32, FixedState> = HashMap::default();
    for set in labels {
        let value = set.get(name).unwrap_or("");
        let code = match code_of.get(value) {
            Some(code) => *code,
            None => {
                let code = u32::try_from(column.values.len()).unwrap_or(u32::MAX);
                let value: Arc<str> = value.into();
                column.values.push(Arc::clone(&value));
                code_of.insert(value, code);
                code
            }
        };
        column.codes.push(code);
    }
    column
}

/// Returns a column in which no series has the label.
pub(crate) fn absent_label_column(n_series: usize) -> LabelColumn {
    LabelColumn { codes: vec![0; n_series], values: vec!["".into()] }
}

/// A finished series.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) drops_name: bool,
    pub(crate) column: Column,
}

/// Series that are already computed.
#[derive(Debug)]
pub(crate) struct Materialized {
    pub(crate) series: Vec<Series>,
    held: Held,
}

impl Materialized {
    /// Wraps finished series, accounting for their samples.
    pub(crate) fn new(series: Vec<Series>, cx: &Cx<'_>) -> Result<Self, QueryError> {
        let held = cx.hold(series.iter().map(|series| series.column.weight()).sum())?;
        Ok(Self { series, held })
    }

    /// Computes all series of `op`, accounting for their samples; empty ones are left out.
    pub(crate) fn collect(op: &dyn VectorOp, cx: &mut Cx<'_>) -> Result<Self, QueryError> {
        let mut collected = Self { series: Vec::new(), held: cx.hold(0)? };
        for_each_series(op, cx, |idx, column, _| {
            if !column.is_empty() {
                collected.held.grow(column.weight())?;
                let (labels, drops_name) = (op.labels(idx), op.drops_name(idx));
                collected.series.push(Series { labels, drops_name, column: std::mem::take(column) });
            }
            Ok(())
        })?;
        Ok(collected)
    }

    /// Merges series of equal labels.
    /// # Errors
    /// When two of them have a sample at the same step.
    pub(crate) fn merge_same_labels(&mut self) -> Result<(), QueryError> {
        let mut first_of: HashMap<Labels, usize, FixedState> = HashMap::default();
        let mut merged: Vec<Series> = Vec::with_capacity(self.series.len());
        for series in self.series.drain(..) {
            match first_of.get(&series.labels) {
                Some(&idx) => merged[idx].column.merge(&series.column).map_err(|_| same_labelset())?,
                None => {
                    first_of.insert(series.labels.clone(), merged.len());
                    merged.push(series);
                }
            }
        }
        self.series = merged;
        Ok(())
    }
}

impl VectorOp for Materialized {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.series[idx].labels.clone()
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.series[idx].drops_name
    }

    fn read(&self, idx: usize, out: &mut Column, _cx: &mut Cx<'_>) -> Result<(), QueryError> {
        out.clone_from(&self.series[idx].column);
        Ok(())
    }
}

/// The error of two samples that cannot be told apart.
pub(crate) fn same_labelset() -> QueryError {
    QueryError::Execution("vector cannot contain metrics with the same labelset".into())
}

/// Returns whether `name` is a label that name dropping removes.
pub(crate) fn is_metadata_label(name: &str) -> bool {
    matches!(name, METRIC_NAME | "__type__" | "__unit__")
}

/// Returns `labels` without name, type and unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    labels.without(is_metadata_label)
}
