//! Type, help and unit by series: equal ones are stored once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashSet;
use parking_lot::Mutex;
use wf_model::Metadata;

use crate::FastMap;

/// See the module. Costs nothing while nobody sends metadata.
#[derive(Debug, Default)]
pub(crate) struct MetadataStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_series: FastMap<u64, Arc<Metadata>>,
    /// All that a series has.
    distinct: HashSet<Arc<Metadata>, foldhash::fast::RandomState>,
}

impl MetadataStore {
    /// Sets what is known about a series. Returns whether that is news.
    pub(crate) fn set(&self, series_ref: u64, metadata: &Metadata) -> bool {
        let mut inner = self.inner.lock();
        if inner.by_series.get(&series_ref).is_some_and(|known| **known == *metadata) {
            return false;
        }
        let shared = match inner.distinct.get(metadata) {
            Some(known) => Arc::clone(known),
            None => {
                let shared = Arc::new(metadata.clone());
                inner.distinct.insert(Arc::clone(&shared));
                shared
            }
        };
        inner.by_series.insert(series_ref, shared);
        true
    }

    /// Forgets series that the head dropped, and metadata that no series has any more.
    pub(crate) fn retain(&self, mut is_kept: impl FnMut(u64) -> bool) {
        let mut inner = self.inner.lock();
        if inner.by_series.is_empty() {
            return;
        }
        inner.by_series.retain(|series_ref, _| is_kept(*series_ref));
        inner.distinct.retain(|metadata| Arc::strong_count(metadata) > 1);
        inner.by_series.shrink_to_fit();
        inner.distinct.shrink_to_fit();
    }

    /// Returns what is known about a series.
    pub(crate) fn get(&self, series_ref: u64) -> Option<Arc<Metadata>> {
        self.inner.lock().by_series.get(&series_ref).cloned()
    }

    /// Returns all that is known, by series.
    pub(crate) fn all(&self) -> Vec<(u64, Arc<Metadata>)> {
        self.inner.lock().by_series.iter().map(|(series, known)| (*series, Arc::clone(known))).collect()
    }

    /// Returns the distinct metadata of each metric; `metric_of` names the metric of a series, and leaves out those not
    /// wanted.
    pub(crate) fn by_metric(
        &self,
        mut metric_of: impl FnMut(u64) -> Option<String>,
    ) -> BTreeMap<String, Vec<Arc<Metadata>>> {
        // Without the lock: naming a metric takes others.
        let all = self.all();
        let mut by_metric: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for (series_ref, metadata) in all {
            if let Some(metric) = metric_of(series_ref) {
                by_metric.entry(metric).or_default().insert(Key(metadata));
            }
        }
        let listed = by_metric.into_iter();
        listed.map(|(metric, keys)| (metric, keys.into_iter().map(|key| key.0).collect())).collect()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let inner = self.inner.lock();
        let texts: usize =
            inner.distinct.iter().map(|m| m.help.len() + m.unit.len() + size_of::<Metadata>() + 32).sum();
        texts + inner.by_series.capacity() * (size_of::<(u64, Arc<Metadata>)>() + 1)
    }
}

/// Orders metadata, so that lists come out the same each time.
#[derive(PartialEq, Eq)]
struct Key(Arc<Metadata>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |metadata: &Metadata| (metadata.kind, metadata.help.clone(), metadata.unit.clone());
        key(&self.0).cmp(&key(&other.0))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wf_model::MetricType;

    fn metadata(help: &str) -> Metadata {
        Metadata { kind: MetricType::Counter, help: help.to_owned(), unit: String::new() }
    }

    #[test]
    fn only_news_is_news_and_equal_metadata_is_stored_once() {
        let store = MetadataStore::default();
        assert!(store.set(1, &metadata("a")) && store.set(2, &metadata("a")) && store.set(3, &metadata("b")));
        assert!(!store.set(1, &metadata("a")));
        assert_eq!(store.inner.lock().distinct.len(), 2);
        store.retain(|series_ref| series_ref != 3);
        assert_eq!(store.inner.lock().distinct.len(), 1);
        assert_eq!((store.get(3), store.get(2).is_some()), (None, true));
    }

    #[test]
    fn metadata_is_listed_by_metric_without_repetition() {
        let store = MetadataStore::default();
        for (series, help) in [(1, "b"), (2, "a"), (3, "a"), (4, "c")] {
            store.set(series, &metadata(help));
        }
        let listed = store.by_metric(|series| (series != 4).then(|| "up".to_owned()));
        let helps: Vec<&str> = listed["up"].iter().map(|metadata| metadata.help.as_str()).collect();
        assert_eq!((listed.len(), helps), (1, vec!["a", "b"]));
    }
}
