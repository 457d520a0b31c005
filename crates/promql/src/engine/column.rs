//! One series over all steps: the unit that operators hand to each other.

use std::ops::Range;
use std::sync::Arc;

use wf_model::FloatHistogram;

use super::result::SampleValue;

/// A set of steps, one bit each.
#[derive(Debug, Default)]
pub(crate) struct StepSet {
    words: Vec<u64>,
}

impl StepSet {
    /// Empties the set and makes room for `n_steps`.
    pub(crate) fn reset(&mut self, n_steps: usize) {
        self.words.clear();
        self.words.resize(n_steps.div_ceil(64), 0);
    }

    #[inline]
    pub(crate) fn insert(&mut self, step: usize) {
        self.words[step / 64] |= 1 << (step % 64);
    }

    /// Adds steps that follow each other.
    #[inline]
    pub(crate) fn insert_run(&mut self, steps: Range<usize>) {
        let (mut step, end) = (steps.start, steps.end);
        while step < end {
            let n = (64 - step % 64).min(end - step);
            self.words[step / 64] |= u64::MAX >> (64 - n) << (step % 64);
            step += n;
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, step: usize) {
        self.words[step / 64] &= !(1 << (step % 64));
    }

    #[inline]
    pub(crate) fn contains(&self, step: usize) -> bool {
        self.words[step / 64] >> (step % 64) & 1 == 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Adds the steps of `other`, a set for as many steps.
    pub(crate) fn insert_all(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// Drops the steps that `other` lacks.
    pub(crate) fn keep_only(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= theirs);
    }

    /// Iterates over the steps as ranges without a gap, ascending: mostly one range of all.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = self.seek(next, 0)?;
            let end = self.seek(start, u64::MAX).unwrap_or(self.words.len() * 64);
            next = end;
            Some(start..end)
        })
    }

    /// Returns the first step from `from` on that is in the set, or with every bit of `flip` set, that is not.
    fn seek(&self, from: usize, flip: u64) -> Option<usize> {
        let first = self.words.get(from / 64)?;
        let rest = (first ^ flip) & (u64::MAX << (from % 64));
        if rest != 0 {
            return Some(from / 64 * 64 + rest.trailing_zeros() as usize);
        }
        let later = self.words.iter().enumerate().skip(from / 64 + 1);
        let mut found = later.filter(|(_, word)| **word != flip);
        found.next().map(|(idx, word)| idx * 64 + (word ^ flip).trailing_zeros() as usize)
    }

    /// Iterates over the steps in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(word_idx, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    word_idx * 64 + bit
                })
            })
        })
    }
}

impl Clone for StepSet {
    fn clone(&self) -> Self {
        Self { words: self.words.clone() }
    }

    fn clone_from(&mut self, other: &Self) {
        self.words.clone_from(&other.words);
    }
}

/// A sample in a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Point<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Point<'_> {
    pub(crate) fn to_value(self) -> SampleValue {
        match self {
            Self::Float(value) => SampleValue::Float(value),
            Self::Histogram(histogram) => SampleValue::Histogram(Arc::clone(histogram)),
        }
    }
}

/// The samples of one series, at most one per step: floats dense with a bit each, histograms sparse.
///
/// # Invariants
/// A step holds a float or a histogram, never both; `histograms` ascends by step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Column {
    /// By step; meaningless where `floats` lacks the step.
    pub(crate) values: Vec<f64>,
    /// Steps that hold a float.
    pub(crate) floats: StepSet,
    /// Native histograms with their step.
    pub(crate) histograms: Vec<(usize, Arc<FloatHistogram>)>,
}

impl Column {
    /// Returns an empty column of `n_steps`.
    pub(crate) fn new(n_steps: usize) -> Self {
        let mut column = Self::default();
        column.reset(n_steps);
        column
    }

    /// Empties the column and sizes it for `n_steps`, keeping its buffers.
    pub(crate) fn reset(&mut self, n_steps: usize) {
        self.values.clear();
        self.values.resize(n_steps, 0.0);
        self.floats.reset(n_steps);
        self.histograms.clear();
    }

    pub(crate) fn n_steps(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.histograms.is_empty() && self.floats.is_empty()
    }

    #[inline]
    pub(crate) fn set_float(&mut self, step: usize, value: f64) {
        self.values[step] = value;
        self.floats.insert(step);
    }

    /// Sets steps that follow each other to one value.
    #[inline]
    pub(crate) fn fill_floats(&mut self, steps: Range<usize>, value: f64) {
        self.values[steps.clone()].fill(value);
        self.floats.insert_run(steps);
    }

    /// Adds a histogram; steps must ascend from call to call.
    pub(crate) fn push_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        debug_assert!(self.histograms.last().is_none_or(|(last, _)| *last < step), "histograms out of order");
        self.histograms.push((step, histogram));
    }

    /// Adds a sample; steps must ascend from call to call.
    pub(crate) fn push(&mut self, step: usize, value: SampleValue) {
        match value {
            SampleValue::Float(value) => self.set_float(step, value),
            SampleValue::Histogram(histogram) => self.push_histogram(step, histogram),
        }
    }

    /// Returns the sample at `step`.
    pub(crate) fn get(&self, step: usize) -> Option<Point<'_>> {
        if self.floats.contains(step) {
            return Some(Point::Float(self.values[step]));
        }
        self.histogram(step).map(Point::Histogram)
    }

    /// Returns the histogram at `step`.
    pub(crate) fn histogram(&self, step: usize) -> Option<&Arc<FloatHistogram>> {
        if self.histograms.is_empty() {
            return None;
        }
        let found = self.histograms.binary_search_by_key(&step, |(at, _)| *at).ok()?;
        Some(&self.histograms[found].1)
    }

    pub(crate) fn contains(&self, step: usize) -> bool {
        self.floats.contains(step) || self.histogram(step).is_some()
    }

    /// Returns the steps that hold a sample, ascending.
    pub(crate) fn steps(&self) -> StepSet {
        let mut steps = self.floats.clone();
        for (step, _) in &self.histograms {
            steps.insert(*step);
        }
        steps
    }

    /// Changes every float with `f` and forgets the histograms.
    pub(crate) fn map_floats(&mut self, f: impl Fn(f64) -> f64) {
        self.histograms.clear();
        // Gaps are computed too: a branch per step costs more than the arithmetic.
        for value in &mut self.values {
            *value = f(*value);
        }
    }

    /// Keeps only samples for which `keep(step, sample)` holds.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(usize, Point<'_>) -> bool) {
        for step in 0..self.values.len() {
            if self.floats.contains(step) && !keep(step, Point::Float(self.values[step])) {
                self.floats.remove(step);
            }
        }
        self.histograms.retain(|(step, histogram)| keep(*step, Point::Histogram(histogram)));
    }

    /// Keeps only floats for which `keep(step, value)` holds, and lets it change them.
    pub(crate) fn retain_floats(&mut self, mut keep: impl FnMut(usize, &mut f64) -> bool) {
        for (word_idx, word) in self.floats.words.iter_mut().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let step = word_idx * 64 + bit;
                if !keep(step, &mut self.values[step]) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Takes over the samples of `other`; returns the first step that both hold, if there is one.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), usize> {
        for step in other.floats.iter() {
            if self.contains(step) {
                return Err(step);
            }
            self.set_float(step, other.values[step]);
        }
        for (step, histogram) in &other.histograms {
            if self.contains(*step) {
                return Err(*step);
            }
            let position = self.histograms.partition_point(|(at, _)| at < step);
            self.histograms.insert(position, (*step, Arc::clone(histogram)));
        }
        Ok(())
    }

    /// Returns what the column weighs against the sample limit.
    pub(crate) fn weight(&self) -> u64 {
        let histograms: u64 = self.histograms.iter().map(|(_, histogram)| histogram_weight(histogram)).sum();
        self.floats.count() as u64 + histograms
    }
}

/// Returns how many samples a histogram counts as: its size in units of a float sample's 16 bytes.
pub(crate) fn histogram_weight(histogram: &FloatHistogram) -> u64 {
    let n_parts = histogram.positive_spans.len()
        + histogram.negative_spans.len()
        + histogram.positive_buckets.len()
        + histogram.negative_buckets.len()
        + histogram.custom_values.len();
    (168 + 8 * n_parts as u64 + 8) / 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_in_order() {
        let mut column = Column::new(130);
        for step in [129, 0, 64] {
            column.set_float(step, step as f64);
        }
        column.push_histogram(65, Arc::default());
        assert_eq!(column.steps().iter().collect::<Vec<_>>(), [0, 64, 65, 129]);
        assert!(matches!(column.get(64), Some(Point::Float(64.0))));
        assert!(matches!(column.get(65), Some(Point::Histogram(_))));
        assert!(column.get(1).is_none());
        assert_eq!(column.weight(), 3 + 11);
    }

    #[test]
    fn runs_cover_all_steps_and_nothing_else() {
        let check = |n_steps: usize, steps: &[usize], want: &[(usize, usize)]| {
            let mut set = StepSet::default();
            set.reset(n_steps);
            steps.iter().for_each(|step| set.insert(*step));
            let runs: Vec<_> = set.runs().map(|run| (run.start, run.end)).collect();
            assert_eq!(runs, want);
        };
        let all: Vec<usize> = (0..130).collect();
        check(130, &[], &[]);
        check(130, &[0], &[(0, 1)]);
        check(130, &all, &[(0, 130)]);
        check(128, &all[..128], &[(0, 128)]);
        check(130, &[3, 4, 63, 64, 65, 129], &[(3, 5), (63, 66), (129, 130)]);
    }

    #[test]
    fn a_run_is_all_of_its_steps() {
        for start in [0, 1, 63, 64, 65, 127] {
            for end in [0, 1, 2, 63, 64, 65, 128, 129, 200] {
                let (mut at_once, mut one_by_one) = (Column::new(200), Column::new(200));
                at_once.fill_floats(start.min(end)..end, 2.5);
                (start..end).for_each(|step| one_by_one.set_float(step, 2.5));
                assert_eq!(at_once.values, one_by_one.values);
                assert_eq!(at_once.floats.words, one_by_one.floats.words, "{start}..{end}");
            }
        }
    }

    #[test]
    fn merging_columns_that_share_a_step_names_it() {
        let (mut a, mut b) = (Column::new(3), Column::new(3));
        a.set_float(0, 1.0);
        b.set_float(2, 2.0);
        assert_eq!(a.merge(&b), Ok(()));
        assert_eq!(a.merge(&b), Err(2));
    }
}
