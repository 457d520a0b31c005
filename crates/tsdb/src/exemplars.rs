//! The exemplars of all series: the newest so many, in one ring.
//!
//! A series comes in with its first exemplar and goes with its last; its labels are kept here, so that its exemplars
//! outlive it in the head.
//!
//! # Complexity
//! Adding is constant; a query looks at the whole ring.
//! # Source
//! `spec/prometheus-core.md` §1.4.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering as Atomically};

use parking_lot::Mutex;
use wf_model::Labels;
use wf_series::exemplar::{ExemplarQuery, SeriesExemplars};
use wf_series::memory::satisfies;
use wf_series::{Exemplar, ExemplarRejection};

use crate::FastMap;

/// What became of an exemplar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    /// The newest of its series once more.
    Repeated,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Exemplars {
    /// Room, in exemplars. Apart from the ring, so that no lock is taken while exemplars are off.
    max: AtomicUsize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Oldest first, as they came.
    exemplars: VecDeque<(u64, Exemplar)>,
    series: FastMap<u64, Series>,
    n_appended: u64,
    n_out_of_order: u64,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    /// Exemplars in the ring.
    n: usize,
    newest: Exemplar,
}

impl Exemplars {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: AtomicUsize::new(max), ring: Mutex::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.max.load(Atomically::Relaxed) > 0
    }

    /// Changes the room; the oldest exemplars go if there is less of it.
    pub(crate) fn resize(&self, max: usize) {
        let mut ring = self.ring.lock();
        self.max.store(max, Atomically::Relaxed);
        ring.shrink_to(max);
        if max == 0 {
            ring.exemplars = VecDeque::new();
        }
    }

    /// Returns all exemplars with their series, oldest first.
    pub(crate) fn all(&self) -> Vec<(u64, Exemplar)> {
        self.ring.lock().exemplars.iter().cloned().collect()
    }

    /// Adds an exemplar of a series, whose labels are asked for if it has none yet; not older than `window_ms` before the
    /// newest one of its series.
    pub(crate) fn add(
        &self,
        series_ref: u64,
        labels: impl FnOnce() -> Option<Labels>,
        exemplar: &Exemplar,
        window_ms: i64,
    ) -> Result<Stored, ExemplarRejection> {
        let max = self.max.load(Atomically::Relaxed);
        if !exemplar.fits() {
            return Err(ExemplarRejection::LabelsTooLong);
        }
        let mut ring = self.ring.lock();
        if max == 0 {
            return Ok(Stored::Repeated);
        }
        match ring.series.get(&series_ref).map(|series| order(exemplar, &series.newest, window_ms)) {
            Some(Ordering::Equal) => return Ok(Stored::Repeated),
            Some(Ordering::Less) => {
                ring.n_out_of_order += 1;
                return Err(ExemplarRejection::OutOfOrder);
            }
            Some(Ordering::Greater) => {}
            None => {
                let labels = labels().ok_or(ExemplarRejection::UnknownSeries)?;
                ring.series.insert(series_ref, Series { labels, n: 0, newest: exemplar.clone() });
            }
        }
        ring.shrink_to(max - 1);
        ring.push(series_ref, exemplar);
        Ok(Stored::New)
    }

    /// Returns the exemplars wanted, by the labels of their series.
    pub(crate) fn query(&self, query: &ExemplarQuery<'_>) -> Vec<SeriesExemplars> {
        let ring = self.ring.lock();
        let is_wanted = |labels: &Labels| query.matcher_sets.iter().any(|set| satisfies(labels, set));
        let wanted: FastMap<u64, &Labels> =
            ring.series.iter().filter(|(_, s)| is_wanted(&s.labels)).map(|(r, s)| (*r, &s.labels)).collect();
        let mut found: BTreeMap<&Labels, Vec<Exemplar>> = BTreeMap::new();
        for (series_ref, exemplar) in &ring.exemplars {
            if let Some(labels) = wanted.get(series_ref).filter(|_| query.range.contains(exemplar.time_ms)) {
                found.entry(labels).or_default().push(exemplar.clone());
            }
        }
        let mut listed = Vec::with_capacity(found.len());
        for (labels, mut exemplars) in found {
            exemplars.sort_by_key(|exemplar| exemplar.time_ms);
            listed.push(SeriesExemplars { series: labels.clone(), exemplars });
        }
        listed
    }

    /// Returns gauges and counters.
    pub(crate) fn stats(&self) -> ExemplarStats {
        let ring = self.ring.lock();
        ExemplarStats {
            n_max: self.max.load(Atomically::Relaxed),
            n_exemplars: ring.exemplars.len(),
            n_series: ring.series.len(),
            n_appended: ring.n_appended,
            n_out_of_order: ring.n_out_of_order,
            oldest_ms: ring.exemplars.front().map(|(_, exemplar)| exemplar.time_ms),
        }
    }
}

/// Figures of the exemplar storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExemplarStats {
    /// Room, in exemplars; 0 while exemplars are off.
    pub n_max: usize,
    /// Exemplars kept.
    pub n_exemplars: usize,
    /// Series that have some.
    pub n_series: usize,
    /// Exemplars taken since the start, those replayed included.
    pub n_appended: u64,
    /// Exemplars refused as older than the newest of their series.
    pub n_out_of_order: u64,
    /// Time of the exemplar that goes next, ms.
    pub oldest_ms: Option<i64>,
}

impl Ring {
    fn push(&mut self, series_ref: u64, exemplar: &Exemplar) {
        if let Some(series) = self.series.get_mut(&series_ref) {
            series.n += 1;
            if exemplar.time_ms >= series.newest.time_ms {
                series.newest = exemplar.clone();
            }
            self.exemplars.push_back((series_ref, exemplar.clone()));
            self.n_appended += 1;
        }
    }

    fn shrink_to(&mut self, max: usize) {
        while self.exemplars.len() > max {
            let Some((series_ref, _)) = self.exemplars.pop_front() else { return };
            if let Some(series) = self.series.get_mut(&series_ref) {
                series.n = series.n.saturating_sub(1);
                if series.n == 0 {
                    self.series.remove(&series_ref);
                }
            }
        }
    }
}

/// Compares an exemplar with the newest of its series: it may come if it is greater.
fn order(exemplar: &Exemplar, newest: &Exemplar, window_ms: i64) -> Ordering {
    let by_time = exemplar.time_ms.cmp(&newest.time_ms);
    if by_time == Ordering::Less && newest.time_ms.saturating_sub(exemplar.time_ms) <= window_ms {
        return Ordering::Greater;
    }
    by_time
        .then_with(|| exemplar.value.total_cmp(&newest.value))
        .then_with(|| exemplar.labels.cmp(&newest.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wf_model::{Matcher, TimeRange};

    fn exemplar(time_ms: i64, value: f64) -> Exemplar {
        Exemplar { labels: Labels::from_pairs([("trace_id", "a")]), time_ms, value }
    }

    fn labels(name: &str) -> Option<Labels> {
        Some(Labels::from_pairs([("__name__", name)]))
    }

    fn all(exemplars: &Exemplars, name: &str) -> Vec<i64> {
        let sets = [vec![Matcher::equal("__name__", name)]];
        let found = exemplars.query(&ExemplarQuery { matcher_sets: &sets, range: TimeRange::ALL });
        found.iter().flat_map(|series| series.exemplars.iter().map(|exemplar| exemplar.time_ms)).collect()
    }

    #[test]
    fn the_oldest_go_when_the_ring_is_full() {
        let exemplars = Exemplars::new(3);
        for (series, time) in [(1, 10), (2, 20), (1, 30), (1, 40)] {
            let name = if series == 1 { "a" } else { "b" };
            assert_eq!(exemplars.add(series, || labels(name), &exemplar(time, 1.0), 0), Ok(Stored::New));
        }
        assert_eq!((all(&exemplars, "a"), all(&exemplars, "b")), (vec![30, 40], vec![20]));
        exemplars.resize(2);
        assert_eq!((all(&exemplars, "a"), all(&exemplars, "b")), (vec![30, 40], vec![]));
        assert_eq!(exemplars.stats().n_series, 1);
        exemplars.resize(5);
        assert_eq!(exemplars.add(2, || labels("b"), &exemplar(5, 1.0), 0), Ok(Stored::New));
        exemplars.resize(0);
        assert!(!exemplars.is_enabled() && all(&exemplars, "a").is_empty());
        assert_eq!(exemplars.stats().n_exemplars, 0);
    }

    #[test]
    fn an_exemplar_has_to_be_newer_than_the_newest() {
        let exemplars = Exemplars::new(10);
        let add = |time, value, window| exemplars.add(1, || labels("a"), &exemplar(time, value), window);
        assert_eq!(add(10, 2.0, 0), Ok(Stored::New));
        assert_eq!(add(10, 2.0, 0), Ok(Stored::Repeated));
        assert_eq!(add(10, 1.0, 0), Err(ExemplarRejection::OutOfOrder));
        assert_eq!(add(10, 3.0, 0), Ok(Stored::New));
        assert_eq!(add(5, 3.0, 0), Err(ExemplarRejection::OutOfOrder));
        assert_eq!(add(5, 3.0, 5), Ok(Stored::New), "inside the window");
        assert_eq!(all(&exemplars, "a"), [5, 10, 10]);
        assert_eq!(exemplars.stats().n_out_of_order, 2);
    }

    #[test]
    fn long_labels_and_unknown_series_are_refused() {
        let exemplars = Exemplars::new(10);
        let long = Exemplar { labels: Labels::from_pairs([("a", "b".repeat(128))]), ..exemplar(1, 1.0) };
        assert_eq!(exemplars.add(1, || labels("a"), &long, 0), Err(ExemplarRejection::LabelsTooLong));
        let unknown = exemplars.add(1, || None, &exemplar(1, 1.0), 0);
        assert_eq!(unknown, Err(ExemplarRejection::UnknownSeries));
    }
}
