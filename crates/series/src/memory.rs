//! A plain storage in memory: the naive model that tests compare with, and what PromQL test scripts load into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use wf_model::{Labels, METRIC_NAME, Matcher, TimeRange};

use crate::read::{LabelQuery, SampleColumns, SelectError, SelectRequest, Selection, SeriesSource};

/// Series of one metric by labels.
type Metric = BTreeMap<Labels, Arc<SampleColumns>>;

/// Series by metric and labels, each fully decoded. Appending replaces a sample of the same time.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    metrics: RwLock<BTreeMap<String, Metric>>,
}

impl MemoryStorage {
    /// Returns an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a whole series; samples must be in ascending time order.
    pub fn insert(&self, labels: Labels, samples: SampleColumns) {
        debug_assert!(samples.times_ms.is_sorted_by(|a, b| a < b), "samples of {labels} are not ascending");
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        metrics.entry(labels.metric_name().to_owned()).or_default().insert(labels, Arc::new(samples));
    }

    /// Changes the samples of one series, which begins without any; they must stay in ascending time order.
    pub fn update<T>(&self, labels: &Labels, change: impl FnOnce(&mut SampleColumns) -> T) -> T {
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        let metric = metrics.entry(labels.metric_name().to_owned()).or_default();
        // Copied only while a selection holds them.
        change(Arc::make_mut(metric.entry(labels.clone()).or_default()))
    }

    /// Returns the samples of one series, if it exists.
    pub fn get(&self, labels: &Labels) -> Option<Arc<SampleColumns>> {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        metrics.get(labels.metric_name())?.get(labels).cloned()
    }

    fn matching(&self, matcher_sets: &[&[Matcher]], range: TimeRange) -> Vec<(Labels, Arc<SampleColumns>)> {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |set: &&[Matcher], name: &str| {
            set.iter().filter(|matcher| matcher.name() == METRIC_NAME).all(|matcher| matcher.matches(name))
        };
        let named = metrics.iter().filter(|(name, _)| {
            matcher_sets.is_empty() || matcher_sets.iter().any(|set| is_wanted(set, name))
        });
        let selected = named.flat_map(|(_, metric)| metric.iter()).filter(|(labels, samples)| {
            let first = samples.times_ms.partition_point(|time| *time < range.start_ms);
            let in_range = samples.times_ms.get(first).is_some_and(|time| *time <= range.end_ms);
            in_range && (matcher_sets.is_empty() || matcher_sets.iter().any(|set| satisfies(labels, set)))
        });
        selected.map(|(labels, samples)| (labels.clone(), Arc::clone(samples))).collect()
    }

    fn matching_query(&self, query: &LabelQuery<'_>) -> Vec<(Labels, Arc<SampleColumns>)> {
        let sets: Vec<&[Matcher]> = query.matcher_sets.iter().map(Vec::as_slice).collect();
        self.matching(&sets, query.range)
    }
}

/// Returns whether `labels` satisfies every matcher.
pub fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or("")))
}

impl SeriesSource for MemoryStorage {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        Ok(Arc::new(MemorySelection { series: self.matching(&[request.matchers], request.range) }))
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let mut names = BTreeSet::new();
        for (labels, _) in self.matching_query(query) {
            names.extend(labels.iter().map(|(name, _)| name.to_owned()));
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        let selected = self.matching_query(query);
        let values: BTreeSet<String> =
            selected.iter().filter_map(|(labels, _)| labels.get(name).map(str::to_owned)).collect();
        Ok(values.into_iter().collect())
    }
}

struct MemorySelection {
    series: Vec<(Labels, Arc<SampleColumns>)>,
}

impl Selection for MemorySelection {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.series.get(idx).map_or_else(Labels::empty, |(labels, _)| labels.clone())
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        out.clear();
        let Some((_, samples)) = self.series.get(idx) else { return Ok(()) };
        let start = samples.times_ms.partition_point(|time| *time < range.start_ms);
        let end = samples.times_ms.partition_point(|time| *time <= range.end_ms).max(start);
        out.times_ms.extend_from_slice(&samples.times_ms[start..end]);
        out.values.extend_from_slice(&samples.values[start..end]);
        if !samples.start_times_ms.is_empty() {
            out.start_times_ms.extend_from_slice(&samples.start_times_ms[start..end]);
        }
        let inside = samples.histograms.iter().filter(|(position, _)| (start..end).contains(position));
        out.histograms.extend(inside.map(|(position, histogram)| (position - start, Arc::clone(histogram))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_reads_what_was_inserted_inside_the_range() {
        let storage = MemoryStorage::new();
        let mut samples = SampleColumns::default();
        for time in [10, 20, 30] {
            samples.push(time, time as f64);
        }
        storage.insert(Labels::from_pairs([("__name__", "m"), ("a", "1")]), samples);
        let range = TimeRange { start_ms: 15, end_ms: 30 };
        let matchers = [Matcher::equal("__name__", "m")];
        let selection = storage.select(&SelectRequest { matchers: &matchers, range }).unwrap();
        let mut out = SampleColumns::default();
        selection.read(0, range, &mut out).unwrap();
        assert_eq!((selection.len(), out.times_ms, out.values), (1, vec![20, 30], vec![20.0, 30.0]));
        assert_eq!(selection.label_column("a").values, ["1".into()]);
        let all = LabelQuery { matcher_sets: &[], range };
        assert_eq!(storage.label_names(&all).unwrap(), ["__name__", "a"]);
        assert_eq!(storage.label_values("a", &all).unwrap(), ["1"]);
    }
}
