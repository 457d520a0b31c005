//! Columns that overlap in time become one; deleted samples leave.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_series::SampleColumns;

/// Walks columns sample by sample; histograms keep pace.
struct Walker {
    columns: SampleColumns,
    at: usize,
    histogram_at: usize,
}

impl Walker {
    fn new(columns: SampleColumns) -> Self {
        Self { columns, at: 0, histogram_at: 0 }
    }

    fn time_ms(&self) -> Option<i64> {
        self.columns.times_ms.get(self.at).copied()
    }

    /// Returns the histogram at the current place, and moves on to the next place.
    fn advance(&mut self) -> Option<Arc<FloatHistogram>> {
        let here = self.columns.histograms.get(self.histogram_at);
        let histogram =
            here.filter(|(position, _)| *position == self.at).map(|(_, histogram)| Arc::clone(histogram));
        self.histogram_at += usize::from(histogram.is_some());
        self.at += 1;
        histogram
    }

    /// Moves the current sample to the end of `out`.
    fn push_to(&mut self, out: &mut SampleColumns, with_start_times: bool) {
        let at = self.at;
        let (Some(time_ms), Some(value)) = (self.columns.times_ms.get(at), self.columns.values.get(at))
        else {
            return;
        };
        out.push(*time_ms, *value);
        if with_start_times {
            out.start_times_ms.push(self.columns.start_times_ms.get(at).copied().unwrap_or(0));
        }
        if let Some(histogram) = self.advance() {
            out.histograms.push((out.times_ms.len() - 1, histogram));
        }
    }
}

/// Merges two ascending columns; where both have a sample of one time, that of `first` stays.
/// # Complexity
/// Linear; constant when one is empty, a copy of `second` when it follows `first`.
pub(crate) fn merge(first: SampleColumns, second: SampleColumns) -> SampleColumns {
    if second.is_empty() {
        return first;
    }
    if first.is_empty() {
        return second;
    }
    let has_start_times = !first.start_times_ms.is_empty() || !second.start_times_ms.is_empty();
    let mut out = SampleColumns::default();
    out.times_ms.reserve(first.len() + second.len());
    out.values.reserve(first.len() + second.len());
    let (mut first, mut second) = (Walker::new(first), Walker::new(second));
    loop {
        match (first.time_ms(), second.time_ms()) {
            (None, None) => return out,
            (Some(a), Some(b)) if a == b => {
                first.push_to(&mut out, has_start_times);
                second.advance();
            }
            (Some(a), Some(b)) if a < b => first.push_to(&mut out, has_start_times),
            (Some(_), None) => first.push_to(&mut out, has_start_times),
            (_, Some(_)) => second.push_to(&mut out, has_start_times),
        }
    }
}

/// Merges any number of columns; of samples of one time that of the earliest in `all` stays.
/// # Complexity
/// Samples × log(columns): neighbours are merged in pairs, round after round.
pub(crate) fn merge_all(mut all: Vec<SampleColumns>) -> SampleColumns {
    while all.len() > 1 {
        let mut merged = Vec::with_capacity(all.len().div_ceil(2));
        let mut rest = all.into_iter();
        while let Some(first) = rest.next() {
            merged.push(match rest.next() {
                Some(second) => merge(first, second),
                None => first,
            });
        }
        all = merged;
    }
    all.pop().unwrap_or_default()
}

/// Keeps the samples whose time `keep` wants.
pub(crate) fn retain(columns: &mut SampleColumns, keep: impl Fn(i64) -> bool) {
    if columns.times_ms.iter().all(|time_ms| keep(*time_ms)) {
        return;
    }
    let has_start_times = !columns.start_times_ms.is_empty();
    let mut kept = SampleColumns::default();
    let mut all = Walker::new(std::mem::take(columns));
    while let Some(time_ms) = all.time_ms() {
        if keep(time_ms) {
            all.push_to(&mut kept, has_start_times);
        } else {
            all.advance();
        }
    }
    *columns = kept;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn columns(samples: &BTreeMap<i64, u8>) -> SampleColumns {
        let mut out = SampleColumns::default();
        for (time, value) in samples {
            if value.is_multiple_of(3) {
                let sum = f64::from(*value);
                out.push_histogram(*time, Arc::new(FloatHistogram { sum, ..FloatHistogram::default() }));
            } else {
                out.push(*time, f64::from(*value));
            }
        }
        out
    }

    fn samples(columns: &SampleColumns) -> BTreeMap<i64, u8> {
        assert!(columns.times_ms.is_sorted_by(|a, b| a < b));
        for (position, histogram) in &columns.histograms {
            assert!(histogram.sum == columns.values[*position] && histogram.sum % 3.0 == 0.0);
        }
        #[expect(clippy::cast_possible_truncation, reason = "made from small numbers")]
        let values = columns.values.iter().map(|value| *value as u8);
        let n_histograms = values.clone().filter(|value| value.is_multiple_of(3)).count();
        assert_eq!(n_histograms, columns.histograms.len());
        columns.times_ms.iter().copied().zip(values).collect()
    }

    proptest! {
        /// Merging is what a map would do that keeps what it has.
        #[test]
        fn the_first_of_a_time_stays(all in prop::collection::vec(prop::collection::btree_map(0i64..40, 0u8..50, 0..20), 0..6)) {
            let mut want = BTreeMap::new();
            for part in &all {
                for (time, value) in part {
                    want.entry(*time).or_insert(*value);
                }
            }
            let mut got = merge_all(all.iter().map(columns).collect());
            prop_assert_eq!(samples(&got), want.clone());
            want.retain(|time, _| !(10..=20).contains(time));
            retain(&mut got, |time| !(10..=20).contains(&time));
            prop_assert_eq!(samples(&got), want);
        }
    }
}
