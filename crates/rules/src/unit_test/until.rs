//! A storage that knows nothing of the time to come: samples of a test appear as its clock goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use wf_model::{Labels, TimeRange};
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, LabelQuery, SampleColumns, SampleSink, SelectError,
    SelectRequest, Selection, SeriesRef, SeriesSource, WriteBatch,
};

use crate::sandbox::Sandbox;

/// See the module.
pub(super) struct Until {
    sandbox: Sandbox,
    now_ms: AtomicI64,
}

impl Until {
    pub(super) fn new(sandbox: Sandbox) -> Self {
        Self { sandbox, now_ms: AtomicI64::new(i64::MIN) }
    }

    pub(super) fn set_now(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    fn known(&self, range: TimeRange) -> TimeRange {
        TimeRange { end_ms: range.end_ms.min(self.now_ms.load(Ordering::Relaxed)), ..range }
    }
}

struct Known {
    selection: Arc<dyn Selection>,
    end_ms: i64,
}

impl Selection for Known {
    fn len(&self) -> usize {
        self.selection.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.selection.labels(idx)
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        let range = TimeRange { end_ms: range.end_ms.min(self.end_ms), ..range };
        self.selection.read(idx, range, out)
    }
}

impl SeriesSource for Until {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        let range = self.known(request.range);
        let selection = self.sandbox.select(&SelectRequest { range, ..request.clone() })?;
        Ok(Arc::new(Known { selection, end_ms: range.end_ms }))
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.sandbox.label_names(&LabelQuery { range: self.known(query.range), ..query.clone() })
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.sandbox.label_values(name, &LabelQuery { range: self.known(query.range), ..query.clone() })
    }
}

impl SampleSink for Until {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        self.sandbox.resolve(labels)
    }

    fn append(&self, batch: &WriteBatch, acknowledge: Acknowledge) -> Result<AppendOutcome, AppendError> {
        self.sandbox.append(batch, acknowledge)
    }
}
