//! The result of a subquery as samples: evaluated once on the union of all its windows.

use std::sync::Arc;

use wf_model::Labels;
use wf_model::histogram::CounterResetHint;
use wf_series::LabelColumn;

use super::context::Cx;
use super::error::QueryError;
use super::grid::Grid;
use super::operator::BoxVector;
use super::window::{SampleSource, Samples};

/// An instant vector over inner steps, seen as series of samples.
pub(crate) struct SubqueryResult {
    pub(crate) inner: BoxVector,
    pub(crate) grid: Grid,
}

impl SampleSource for SubqueryResult {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.inner.labels(idx)
    }

    fn drops_name(&self, idx: usize) -> bool {
        self.inner.drops_name(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.inner.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Samples, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        out.clear();
        let mut column = cx.take_column();
        self.inner.read(idx, &mut column, cx)?;
        for steps in column.floats.runs() {
            out.floats.times_ms.extend(steps.clone().map(|step| self.grid.time_ms(step)));
            out.floats.values.extend_from_slice(&column.values[steps]);
        }
        for (step, histogram) in column.histograms.drain(..) {
            let mut histogram = histogram;
            // Between two inner steps anything may have happened: a stored hint says nothing about them.
            if matches!(histogram.counter_reset_hint, CounterResetHint::Reset | CounterResetHint::NotReset) {
                Arc::make_mut(&mut histogram).counter_reset_hint = CounterResetHint::Unknown;
            }
            out.histograms.push(self.grid.time_ms(step), histogram);
        }
        cx.give_column(column);
        Ok(())
    }
}
