//! Merged selections against the naive way: one map from labels to samples.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wf_model::Labels;
use wf_series::memory::MemoryStorage;
use wf_series::{LabelColumn, SampleColumns, SelectError, SelectRequest, SeriesSource};

use super::*;

/// Any selection, its labels coded in the order they come.
struct Coded(Arc<dyn Selection>);

struct Texts(Vec<String>);

impl SymbolText for Texts {
    fn text(&self, code: u32) -> &str {
        &self.0[code as usize]
    }
}

impl Selection for Coded {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn labels(&self, idx: usize) -> Labels {
        self.0.labels(idx)
    }
    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        self.0.read(idx, range, out)
    }
    fn label_column(&self, name: &str) -> LabelColumn {
        self.0.label_column(name)
    }
}

impl CodedSelection for Coded {
    fn visit_labels(&self, visit: &mut VisitLabels<'_>) {
        let mut texts = Texts(Vec::new());
        for idx in 0..self.len() {
            let labels = self.labels(idx);
            let mut code = |text: &str| {
                let known = texts.0.iter().position(|known| known == text);
                let at = known.unwrap_or_else(|| {
                    texts.0.push(text.to_owned());
                    texts.0.len() - 1
                });
                u32::try_from(at).unwrap()
            };
            let coded: Vec<(u32, u32)> =
                labels.iter().map(|(name, value)| (code(name), code(value))).collect();
            visit(&coded, &texts);
        }
    }
    fn read_behind(
        &self,
        idx: usize,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> Result<bool, SelectError> {
        let mut own = SampleColumns::default();
        self.read(idx, range, &mut own)?;
        let is_behind =
            out.times_ms.last().is_none_or(|last| own.times_ms.first().is_none_or(|first| last < first));
        assert!(is_behind, "asked only where all samples lie behind");
        merge_columns(out, &own);
        Ok(true)
    }
}

type Samples = BTreeMap<u8, BTreeMap<i64, u8>>;

fn labels(n: u8) -> Labels {
    let shape = [("a", n % 2), ("b", n % 3), ("c", n)];
    let present = shape.iter().filter(|(_, value)| *value > 0 || n == 0);
    Labels::from_pairs(present.map(|(name, value)| (*name, value.to_string())))
}

fn storage(samples: &Samples) -> MemoryStorage {
    let storage = MemoryStorage::new();
    for (n, samples) in samples {
        let mut columns = SampleColumns::default();
        samples.iter().for_each(|(time, value)| columns.push(*time, f64::from(*value)));
        storage.insert(labels(*n), columns);
    }
    storage
}

fn part(samples: &Samples) -> Part {
    let times = || samples.values().flat_map(|samples| samples.keys().copied());
    let range = TimeRange { start_ms: times().min().unwrap_or(0), end_ms: times().max().unwrap_or(0) };
    let selection = storage(samples).select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    Part { selection: Arc::new(Coded(selection)), range, order_ms: range.start_ms }
}

fn read_all(selection: &dyn Selection, range: TimeRange) -> BTreeMap<Labels, Vec<(i64, f64)>> {
    let column = selection.label_column("b");
    let mut out = SampleColumns::default();
    let mut all = BTreeMap::new();
    for idx in 0..selection.len() {
        selection.read(idx, range, &mut out).unwrap();
        let labels = selection.labels(idx);
        assert_eq!(&*column.values[column.codes[idx] as usize], labels.get("b").unwrap_or(""));
        let samples: Vec<(i64, f64)> = out.times_ms.iter().copied().zip(out.values.iter().copied()).collect();
        assert!(all.insert(labels, samples).is_none(), "a series came twice");
    }
    all.retain(|_, samples| !samples.is_empty());
    all
}

proptest! {
    #[test]
    fn many_sources_are_as_one(
        sources in prop::collection::vec(
            prop::collection::btree_map(0u8..9, prop::collection::btree_map(0i64..60, any::<u8>(), 1..8), 0..6), 0..5),
        start in 0i64..60,
        length in 0i64..60,
    ) {
        let range = TimeRange { start_ms: start, end_ms: start + length };
        let mut ordered: Vec<&Samples> = sources.iter().filter(|source| !source.is_empty()).collect();
        ordered.sort_by_key(|source| source.values().flat_map(|s| s.keys()).min().copied());
        let mut want: BTreeMap<Labels, BTreeMap<i64, f64>> = BTreeMap::new();
        for (n, samples) in ordered.iter().flat_map(|source| source.iter()) {
            for (time, value) in samples.range(start..=start + length) {
                want.entry(labels(*n)).or_default().entry(*time).or_insert(f64::from(*value));
            }
        }
        let want: BTreeMap<Labels, Vec<(i64, f64)>> =
            want.into_iter().map(|(labels, samples)| (labels, samples.into_iter().collect())).collect();
        let merged = merge(sources.iter().map(part).collect());
        prop_assert_eq!(read_all(&*merged, range), want);
    }
}

#[test]
fn one_source_is_passed_straight_through() {
    let samples = Samples::from([(1, BTreeMap::from([(1, 1)]))]);
    let only = part(&samples);
    let selection: Arc<dyn Selection> = Arc::clone(&only.selection) as _;
    let merged = merge(vec![only, part(&Samples::new())]);
    assert!(Arc::ptr_eq(&merged, &selection));
}

#[test]
fn names_are_merged_sorted() {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let check = |a: &[&str], b: &[&str], want: &[&str]| {
        assert_eq!(merge_names(list(a), list(b)), list(want));
        assert_eq!(merge_names(list(b), list(a)), list(want));
    };
    check(&["a", "c"], &["b", "c"], &["a", "b", "c"]);
    check(&["a", "d"], &["b", "c", "e", "f"], &["a", "b", "c", "d", "e", "f"]);
    check(&["a", "b"], &["a", "b"], &["a", "b"]);
    check(&["a"], &[], &["a"]);
    check(&[], &[], &[]);
}
