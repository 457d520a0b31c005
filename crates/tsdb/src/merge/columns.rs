//! Samples of one series from two sources, merged by time.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_series::SampleColumns;

/// Adds `later` to `columns`. Of two samples with the same time the one in `columns` stays.
/// # Complexity
/// Linear in `later` if it follows `columns` in time, else linear in both.
pub(crate) fn merge_columns(columns: &mut SampleColumns, later: &SampleColumns) {
    let follows = match (columns.times_ms.last(), later.times_ms.first()) {
        (_, None) => return,
        (None, Some(_)) => true,
        (Some(last), Some(first)) => last < first,
    };
    if follows {
        return append(columns, later);
    }
    let earlier = std::mem::take(columns);
    let (mut a, mut b) = (Reader::new(&earlier), Reader::new(later));
    let has_starts = !(earlier.start_times_ms.is_empty() && later.start_times_ms.is_empty());
    loop {
        let (time_a, time_b) = (a.time(), b.time());
        let source = match (time_a, time_b) {
            (None, None) => return,
            (Some(_), None) => &mut a,
            (None, Some(_)) => &mut b,
            (Some(time_a), Some(time_b)) => {
                if time_a == time_b {
                    b.skip();
                }
                if time_a <= time_b { &mut a } else { &mut b }
            }
        };
        source.take(columns, has_starts);
    }
}

fn append(columns: &mut SampleColumns, later: &SampleColumns) {
    let n_before = columns.len();
    if !(columns.start_times_ms.is_empty() && later.start_times_ms.is_empty()) {
        columns.start_times_ms.resize(n_before, 0);
        columns.start_times_ms.extend_from_slice(&later.start_times_ms);
        columns.start_times_ms.resize(n_before + later.len(), 0);
    }
    columns.times_ms.extend_from_slice(&later.times_ms);
    columns.values.extend_from_slice(&later.values);
    let histograms = later.histograms.iter();
    columns.histograms.extend(histograms.map(|(at, histogram)| (n_before + at, Arc::clone(histogram))));
}

/// Walks over columns sample by sample.
struct Reader<'a> {
    columns: &'a SampleColumns,
    at: usize,
    next_histogram: usize,
}

impl<'a> Reader<'a> {
    fn new(columns: &'a SampleColumns) -> Self {
        Self { columns, at: 0, next_histogram: 0 }
    }

    fn time(&self) -> Option<i64> {
        self.columns.times_ms.get(self.at).copied()
    }

    fn skip(&mut self) {
        self.next_histogram += usize::from(self.histogram().is_some());
        self.at += 1;
    }

    fn histogram(&self) -> Option<&'a Arc<FloatHistogram>> {
        let next = self.columns.histograms.get(self.next_histogram);
        next.filter(|(at, _)| *at == self.at).map(|(_, histogram)| histogram)
    }

    fn take(&mut self, out: &mut SampleColumns, has_starts: bool) {
        let (Some(time), Some(value)) = (self.time(), self.columns.values.get(self.at)) else { return };
        match self.histogram() {
            Some(histogram) => out.push_histogram(time, Arc::clone(histogram)),
            None => out.push(time, *value),
        }
        if has_starts {
            out.start_times_ms.push(self.columns.start_times_ms.get(self.at).copied().unwrap_or(0));
        }
        self.skip();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(samples: &[(i64, f64)]) -> SampleColumns {
        let mut columns = SampleColumns::default();
        samples.iter().for_each(|(time, value)| columns.push(*time, *value));
        columns
    }

    fn check(a: &[(i64, f64)], b: &[(i64, f64)], want: &[(i64, f64)]) {
        let mut merged = columns(a);
        merge_columns(&mut merged, &columns(b));
        let got: Vec<(i64, f64)> = merged.times_ms.into_iter().zip(merged.values).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn samples_are_concatenated_or_interleaved_and_come_once() {
        check(&[], &[], &[]);
        check(&[(1, 1.0)], &[], &[(1, 1.0)]);
        check(&[], &[(1, 1.0)], &[(1, 1.0)]);
        check(&[(1, 1.0)], &[(2, 2.0)], &[(1, 1.0), (2, 2.0)]);
        check(&[(2, 2.0)], &[(1, 1.0)], &[(1, 1.0), (2, 2.0)]);
        check(
            &[(1, 1.0), (3, 3.0)],
            &[(1, 9.0), (2, 2.0), (4, 4.0)],
            &[(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)],
        );
    }

    #[test]
    fn histograms_and_start_times_stay_with_their_samples() {
        let histogram = |sum| Arc::new(FloatHistogram { sum, ..FloatHistogram::default() });
        let mut a = columns(&[(1, 1.0)]);
        a.push_histogram(5, histogram(5.0));
        let mut b = SampleColumns::default();
        b.push_histogram(3, histogram(3.0));
        b.push_histogram(5, histogram(9.0));
        b.push(6, 6.0);
        b.start_times_ms = vec![30, 50, 60];
        let mut interleaved = a.clone();
        merge_columns(&mut interleaved, &b);
        assert_eq!(interleaved.times_ms, [1, 3, 5, 6]);
        assert_eq!(interleaved.start_times_ms, [0, 30, 0, 60]);
        let sums: Vec<(usize, f64)> = interleaved.histograms.iter().map(|(at, h)| (*at, h.sum)).collect();
        assert_eq!(sums, [(1, 3.0), (2, 5.0)]);
        b.times_ms = vec![13, 15, 16];
        merge_columns(&mut a, &b);
        assert_eq!((a.times_ms, a.start_times_ms), (vec![1, 5, 13, 15, 16], vec![0, 0, 30, 50, 60]));
        assert_eq!(a.histograms.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
