//! What several rules of a group select is selected and decoded once.
//!
//! A selection is a snapshot, so rules of one evaluation may share it, until a rule writes series that it could hold.
//! Windows of different lengths over the same series (burn rates over 5 minutes to 3 days) are parts of the longest: that one
//! is read, and the others are cut out of it, as far as [`SharedMemory`] reaches.
//!
//! # Source
//! `spec/performance-design.md` §9.

mod plan;
mod selection;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::{METRIC_NAME, Matcher, TimeRange};
use wf_series::{LabelQuery, SelectError, SelectRequest, Selection, SeriesSource};

pub(crate) use plan::SharedPlan;
use plan::{shifted, text_of};
pub use selection::SharedMemory;
use selection::SharedSelection;

/// A source for the time of one evaluation.
pub(crate) struct SharedSource<'a> {
    source: &'a dyn SeriesSource,
    plan: &'a SharedPlan,
    memory: &'a SharedMemory,
    /// Time of the queries, ms.
    query_ms: i64,
    known: Mutex<HashMap<(String, TimeRange), Known>>,
}

struct Known {
    /// The conditions on the metric name.
    names: Vec<Matcher>,
    selection: Arc<dyn Selection>,
}

impl<'a> SharedSource<'a> {
    pub(crate) fn new(
        source: &'a dyn SeriesSource,
        plan: &'a SharedPlan,
        memory: &'a SharedMemory,
        query_ms: i64,
    ) -> Self {
        Self { source, plan, memory, query_ms, known: Mutex::default() }
    }

    /// Forgets selections that series of this metric could be part of: some were written.
    pub(crate) fn forget(&self, metric: &str) {
        self.known.lock().retain(|_, known| !known.names.iter().all(|matcher| matcher.matches(metric)));
    }
}

impl SeriesSource for SharedSource<'_> {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        let text = text_of(request.matchers);
        let wide = self.plan.window_around(&text, shifted(request.range, self.query_ms.saturating_neg()));
        let range = wide.map_or(request.range, |wide| shifted(wide, self.query_ms));
        let key = (text, range);
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(Arc::clone(&known.selection));
        }
        let mut selection = self.source.select(&SelectRequest { range, ..*request })?;
        if wide.is_some() {
            selection = Arc::new(SharedSelection::new(selection, range, self.memory.clone()));
        }
        let is_name = |matcher: &&Matcher| matcher.name() == METRIC_NAME;
        let names = request.matchers.iter().filter(is_name).cloned().collect();
        self.known.lock().insert(key, Known { names, selection: Arc::clone(&selection) });
        Ok(selection)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.source.label_names(query)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.source.label_values(name, query)
    }
}

#[cfg(test)]
mod tests;
