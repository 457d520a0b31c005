//! What several rules of a group select is selected once.
//!
//! A selection is a snapshot, so rules of one evaluation may share it, until a rule writes series that it could hold.
//!
//! # Source
//! `spec/performance-design.md` §9.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::{METRIC_NAME, Matcher, TimeRange};
use wf_series::{LabelQuery, SelectError, SelectRequest, Selection, SeriesSource};

/// A source for the time of one evaluation.
pub(crate) struct SharedSource<'a> {
    source: &'a dyn SeriesSource,
    known: Mutex<HashMap<(String, TimeRange), Known>>,
}

struct Known {
    /// The conditions on the metric name.
    names: Vec<Matcher>,
    selection: Arc<dyn Selection>,
}

impl<'a> SharedSource<'a> {
    pub(crate) fn new(source: &'a dyn SeriesSource) -> Self {
        Self { source, known: Mutex::default() }
    }

    /// Forgets selections that series of this metric could be part of: some were written.
    pub(crate) fn forget(&self, metric: &str) {
        self.known.lock().retain(|_, known| !known.names.iter().all(|matcher| matcher.matches(metric)));
    }
}

impl SeriesSource for SharedSource<'_> {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        let mut text = String::new();
        for matcher in request.matchers {
            // Lengths keep values that look like conditions apart; writing to a string cannot fail.
            let (name, value) = (matcher.name(), matcher.value());
            let _ = write!(text, "{}{name}{}{}{value}", name.len(), matcher.op().as_str(), value.len());
        }
        let key = (text, request.range);
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(Arc::clone(&known.selection));
        }
        let selection = self.source.select(request)?;
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
mod tests {
    use wf_model::MatchOp;
    use wf_series::memory::MemoryStorage;

    use super::*;

    #[test]
    fn equal_selections_are_shared_until_their_metric_is_written() {
        let storage = MemoryStorage::new();
        let shared = SharedSource::new(&storage);
        let range = TimeRange { start_ms: 0, end_ms: 1 };
        let select = |op, value: &str| {
            let matchers = [Matcher::new(op, METRIC_NAME, value).unwrap()];
            shared.select(&SelectRequest { matchers: &matchers, range }).unwrap()
        };
        let first = select(MatchOp::Equal, "a");
        assert!(Arc::ptr_eq(&first, &select(MatchOp::Equal, "a")));
        assert!(!Arc::ptr_eq(&first, &select(MatchOp::Regex, "a")));
        shared.forget("b");
        assert!(Arc::ptr_eq(&first, &select(MatchOp::Equal, "a")));
        let pattern = select(MatchOp::Regex, "a.*");
        shared.forget("ab");
        assert!(!Arc::ptr_eq(&pattern, &select(MatchOp::Regex, "a.*")));
        assert!(Arc::ptr_eq(&first, &select(MatchOp::Equal, "a")));
    }
}
