//! Sharing is not seen in answers, only in what is read.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use wf_model::{Labels, MatchOp};
use wf_series::memory::MemoryStorage;
use wf_series::{LabelColumn, SampleColumns};

use super::*;
use crate::file::{Acceptance, load};

const MINUTE: i64 = 60_000;

fn plan(exprs: &[&str]) -> SharedPlan {
    let rules: Vec<String> = exprs.iter().map(|expr| format!("{{record: r, expr: '{expr}'}}")).collect();
    let text = format!("groups: [{{name: g, rules: [{}]}}]", rules.join(", "));
    SharedPlan::new(&load(&text, Path::new("r.yml"), Acceptance::default()).unwrap()[0].rules, 5 * MINUTE)
}

#[test]
fn equal_selections_are_shared_until_their_metric_is_written() {
    let storage = MemoryStorage::new();
    let (plan, memory) = (SharedPlan::default(), SharedMemory::default());
    let shared = SharedSource::new(&storage, &plan, &memory, 0);
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

#[test]
fn windows_that_end_together_are_parts_of_the_longest() {
    let plan = plan(&["rate(a[1h])", "rate(a[5m]) + rate(a[10m] offset 1m)", "a", "rate(b[5m])"]);
    let around = |metric: &str, minutes: i64, offset: i64| {
        let end_ms = -offset * MINUTE;
        let range = TimeRange { start_ms: end_ms - minutes * MINUTE + 1, end_ms };
        let found = plan.window_around(&text_of(&[Matcher::equal(METRIC_NAME, metric)]), range);
        found.map(|wide| (wide.end_ms - wide.start_ms + 1) / MINUTE)
    };
    assert_eq!(around("a", 60, 0), Some(60));
    assert_eq!(around("a", 30, 0), Some(60), "whoever asks");
    assert_eq!(around("a", 5, 0), None, "an instant selector looks there, too");
    assert_eq!((around("a", 90, 0), around("a", 10, 1), around("b", 5, 0)), (None, None, None));
    let elsewhere = ["rate(a[1h] @ 0)", "rate(a[1h] @ 0)", "max_over_time(rate(a[1h])[1d:])", "rate(a[1h])"];
    assert_eq!(super::tests::plan(&elsewhere).window_around("", TimeRange { start_ms: 0, end_ms: 0 }), None);
}

/// Counts what is decoded.
struct Counted(Arc<dyn Selection>, Arc<AtomicUsize>);

impl Selection for Counted {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.0.labels(idx)
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(idx, range, out)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.label_column(name)
    }
}

#[test]
fn a_series_is_decoded_once_while_there_is_memory() {
    let storage = MemoryStorage::new();
    let mut samples = SampleColumns::default();
    (0..60).for_each(|minute| samples.push(minute * MINUTE, minute as f64));
    storage.insert(Labels::from_pairs([(METRIC_NAME, "a")]), samples);
    let range = TimeRange { start_ms: 0, end_ms: 59 * MINUTE };
    let matchers = [Matcher::equal(METRIC_NAME, "a")];
    let inner = storage.select(&SelectRequest { matchers: &matchers, range }).unwrap();
    for (bytes, n_reads) in [(1 << 20, 2), (SERIES_AND_HALF, 6), (0, 5)] {
        let n_read = Arc::new(AtomicUsize::new(0));
        let memory = SharedMemory::new(bytes);
        let counted = Arc::new(Counted(Arc::clone(&inner), Arc::clone(&n_read)));
        let shared = selection::SharedSelection::new(counted, range, memory.clone());
        for start in [30, 50, 0, 59] {
            let part = TimeRange { start_ms: start * MINUTE, end_ms: range.end_ms };
            let (mut ours, mut theirs) = (SampleColumns::default(), SampleColumns::default());
            shared.read(0, part, &mut ours).unwrap();
            inner.read(0, part, &mut theirs).unwrap();
            assert_eq!((ours.times_ms, ours.values), (theirs.times_ms, theirs.values), "from {start}");
        }
        shared.label_column("x");
        shared.label_column("x");
        assert_eq!(n_read.load(Ordering::Relaxed), n_reads, "{bytes}");
        drop(shared);
        assert!(memory.take(bytes), "all is given back");
    }
}

/// Enough for the series, not for its samples.
const SERIES_AND_HALF: usize = 500;
