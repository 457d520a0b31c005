//! What the nodes of a plan really cost: counted by wrappers around operators, only when a query asks for it.

use std::time::Duration;

use wf_model::Labels;
use wf_series::LabelColumn;

use super::{Actual, NodeId, Plan};
use crate::engine::column::Column;
use crate::engine::context::{Cx, SAMPLE_BYTES};
use crate::engine::error::QueryError;
use crate::engine::operator::{BoxVector, VectorOp};
use crate::engine::window::{RangeVector, SampleSource, Samples};

/// Actual costs so far, by node; empty when nobody asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    nodes: Vec<Actual>,
}

impl Trace {
    /// Returns a trace of `n_nodes`.
    pub(crate) fn new(n_nodes: usize) -> Self {
        Self { nodes: vec![Actual::default(); n_nodes] }
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Returns a trace for another thread of the same query.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.nodes.len())
    }

    /// Adds what another thread counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for (mine, theirs) in self.nodes.iter_mut().zip(&other.nodes) {
            mine.series_read += theirs.series_read;
            mine.samples += theirs.samples;
            mine.rows += theirs.rows;
            mine.time += theirs.time;
        }
    }

    /// Writes the costs into the plan they belong to.
    pub(crate) fn write_into(&self, plan: &mut Plan) {
        for (node, actual) in plan.nodes.iter_mut().zip(&self.nodes) {
            node.actual = Some(*actual);
        }
    }
}

/// Where counting began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    time: Duration,
    samples: u64,
    held: u64,
}

impl Cx<'_> {
    /// Starts counting for a node.
    pub(crate) fn mark(&self) -> Mark {
        let time = self.env.clock.as_ref().map_or(Duration::ZERO, |clock| clock());
        Mark { time, samples: self.work.samples_decoded, held: self.held() }
    }

    /// Adds what happened since `mark` to a node.
    pub(crate) fn count_since(&mut self, mark: Mark, id: NodeId) {
        let now = self.mark();
        let Some(actual) = self.trace.nodes.get_mut(id) else { return };
        actual.time += now.time.saturating_sub(mark.time);
        actual.samples += now.samples.saturating_sub(mark.samples);
        actual.memory_bytes = actual.memory_bytes.max(SAMPLE_BYTES * now.held.saturating_sub(mark.held));
    }

    /// Wraps the operator of a node when costs are wanted.
    pub(crate) fn traced(&mut self, id: Option<NodeId>, op: BoxVector) -> BoxVector {
        let Some((id, actual)) = id.and_then(|id| Some((id, self.trace.nodes.get_mut(id)?))) else {
            return op;
        };
        actual.series = op.len() as u64;
        Box::new(Traced { id, inner: op })
    }

    /// Wraps the samples of a range vector when costs are wanted.
    pub(crate) fn traced_range(&mut self, id: Option<NodeId>, mut range: RangeVector) -> RangeVector {
        if let Some((id, actual)) = id.and_then(|id| Some((id, self.trace.nodes.get_mut(id)?))) {
            actual.series = range.source.len() as u64;
            range.source = Box::new(Traced { id, inner: range.source });
        }
        range
    }

    fn count_rows(&mut self, id: NodeId, n_rows: usize) {
        if let Some(actual) = self.trace.nodes.get_mut(id) {
            actual.series_read += 1;
            actual.rows += n_rows as u64;
        }
    }
}

struct Traced<T: ?Sized> {
    id: NodeId,
    inner: Box<T>,
}

impl VectorOp for Traced<dyn VectorOp> {
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

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let mark = cx.mark();
        self.inner.read(idx, out, cx)?;
        cx.count_since(mark, self.id);
        cx.count_rows(self.id, out.floats.count() + out.histograms.len());
        Ok(())
    }
}

impl SampleSource for Traced<dyn SampleSource> {
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
        let mark = cx.mark();
        self.inner.read(idx, out, cx)?;
        cx.count_since(mark, self.id);
        cx.count_rows(self.id, out.floats.times_ms.len() + out.histograms.times_ms.len());
        Ok(())
    }
}
