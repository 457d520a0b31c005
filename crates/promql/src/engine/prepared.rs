//! Parsed queries by their text: rules and dashboards repeat themselves, and compiling patterns is most of parsing.

use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::PreparedQuery;

/// Most queries that are kept.
const QUERIES_MAX: usize = 1000;

/// Longer queries are parsed each time: what is kept stays small.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// The queries used last.
#[derive(Debug, Default)]
pub(crate) struct PreparedQueries {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_text: HashMap<String, (PreparedQuery, u64), RandomState>,
    now: u64,
}

impl PreparedQueries {
    /// Returns the query with this text, if it was prepared lately.
    pub(crate) fn get(&self, text: &str) -> Option<PreparedQuery> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.now += 1;
        let now = inner.now;
        let (query, used) = inner.by_text.get_mut(text)?;
        *used = now;
        Some(query.clone())
    }

    /// Keeps a query; the half that was not used longest goes when there are too many.
    pub(crate) fn put(&self, query: &PreparedQuery) {
        if query.text.len() > TEXT_BYTES_MAX {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.by_text.len() >= QUERIES_MAX {
            let mut used: Vec<u64> = inner.by_text.values().map(|(_, used)| *used).collect();
            let (_, median, _) = used.select_nth_unstable(QUERIES_MAX / 2);
            let median = *median;
            inner.by_text.retain(|_, (_, used)| *used > median);
        }
        inner.now += 1;
        let now = inner.now;
        inner.by_text.insert(query.text.clone(), (query.clone(), now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, EngineOptions};

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded() {
        let engine = Engine::new(EngineOptions::default());
        let queries = PreparedQueries::default();
        for idx in 0..3 * QUERIES_MAX {
            queries.put(&engine.prepare(&format!("m{{a=~'{idx}.+'}}")).unwrap());
            assert!(queries.get("m{a=~'0.+'}").is_some(), "after {idx}");
        }
        assert!(queries.inner.lock().unwrap().by_text.len() <= QUERIES_MAX);
        assert!(queries.get("m{a=~'1.+'}").is_none());
    }
}
