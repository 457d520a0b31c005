//! What queries find in a block.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;
use wf_model::{MatchOp, Matcher};
use wf_series::memory::satisfies;

use super::*;
use crate::block::{BlockWriter, MetaDraft, OutChunk, Ulid};
use crate::chunk::{Encoding, XorState};
use crate::disk::os_disk;

fn xor_chunk(samples: &[(i64, f64)]) -> Vec<u8> {
    let (mut state, mut data) = (XorState::default(), Vec::new());
    samples.iter().for_each(|(time, value)| state.append(&mut data, *time, *value));
    data
}

/// Writes a block with chunks of at most `chunk_len` samples.
fn write_block(
    parent: &std::path::Path,
    series: &BTreeMap<Labels, Vec<(i64, f64)>>,
    chunk_len: usize,
) -> Option<PathBuf> {
    let mut symbols: BTreeSet<String> = BTreeSet::new();
    for labels in series.keys() {
        symbols.extend(labels.iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]));
    }
    let symbols: Vec<String> = symbols.into_iter().collect();
    let ordinal =
        |text: &str| u32::try_from(symbols.binary_search_by(|s| s.as_str().cmp(text)).unwrap()).unwrap();
    let mut writer = BlockWriter::create(&os_disk(), parent, Ulid::generate(1), symbols.iter()).unwrap();
    for (labels, samples) in series {
        let pairs: Vec<(u32, u32)> = labels.iter().map(|(n, v)| (ordinal(n), ordinal(v))).collect();
        let data: Vec<Vec<u8>> = samples.chunks(chunk_len).map(xor_chunk).collect();
        let chunks: Vec<OutChunk<'_>> = samples
            .chunks(chunk_len)
            .zip(&data)
            .map(|(samples, data)| OutChunk {
                min_time: samples.first().unwrap().0,
                max_time: samples.last().unwrap().0,
                encoding: Encoding::Xor,
                data,
            })
            .collect();
        writer.add_series(&pairs, &chunks).unwrap();
    }
    let draft = MetaDraft { min_time: 0, max_time: 1000, ..MetaDraft::default() };
    writer.finish(draft).unwrap().map(|meta| meta.dir_in(parent))
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    let name = prop::sample::select(vec!["__name__", "a", "b", "c", "nowhere"]);
    let patterns = [
        "", "x", "y", "x1", "x|y", "x|", ".+", ".*", "x.*", "x?", "x1*", "[xy].*", ".*1", "z", "y1.?",
        "(x|y)2", "x.+", "(x.*|)", "(x.*)?",
    ];
    (op, name, prop::sample::select(patterns.to_vec()))
        .prop_map(|(op, name, pattern)| Matcher::new(op, name, pattern).unwrap())
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let value = prop::sample::select(vec!["", "x", "y", "x1", "x2", "x11", "y1", "z", "xy"]);
    let value =
        (value, 0..90u8).prop_map(|(value, n)| if n < 40 { value.to_owned() } else { format!("x{n}") });
    prop::collection::vec(value, 4)
        .prop_map(|values| Labels::from_pairs(["__name__", "a", "b", "c"].into_iter().zip(values)))
        .prop_filter("a series has labels", |labels| !labels.is_empty())
}

fn any_series() -> impl Strategy<Value = BTreeMap<Labels, Vec<(i64, f64)>>> {
    let samples = prop::collection::btree_map(0..1000_i64, any::<f64>(), 1..12);
    let samples = samples.prop_map(|samples| samples.into_iter().collect());
    prop::collection::btree_map(any_labels(), samples, 1..150)
}

fn bits(columns: &SampleColumns) -> Vec<(i64, u64)> {
    columns.times_ms.iter().zip(&columns.values).map(|(time, value)| (*time, value.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// Whatever the matchers, the range and the deletions, the block answers as a look at every sample does.
    #[test]
    fn a_block_answers_as_a_scan_does(
        series in any_series(),
        matchers in prop::collection::vec(any_matcher(), 0..4),
        start_ms in -10..1000_i64,
        length in 0..500_i64,
        deletions in prop::collection::vec((any::<prop::sample::Index>(), 0..1000_i64, 0..300_i64), 0..20),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = write_block(dir.path(), &series, 4).unwrap();
        let block = Block::open(&os_disk(), &path).unwrap();
        let range = TimeRange { start_ms, end_ms: start_ms + length };

        let mut cursor = block.series().unwrap();
        let mut refs = Vec::new();
        while let Some(entry) = cursor.next().unwrap() {
            prop_assert_eq!(Some(&block.labels(entry).unwrap()), series.keys().nth(refs.len()));
            refs.push(entry.series_ref);
        }
        prop_assert_eq!(refs.len(), series.len());
        let mut tombstones = Tombstones::default();
        for (which, start_ms, length) in deletions {
            tombstones.add(*which.get(&refs), Interval { start_ms, end_ms: start_ms + length });
        }
        block.write_tombstones(tombstones.clone()).unwrap();
        let reopened = Block::open(&os_disk(), &path).unwrap();
        prop_assert_eq!(&reopened.tombstones(), &block.tombstones());
        prop_assert_eq!(reopened.meta().stats.n_tombstones, tombstones.len() as u64);

        let mut left: BTreeMap<Labels, Vec<(i64, u64)>> = BTreeMap::new();
        for ((labels, samples), series_ref) in series.iter().zip(&refs) {
            let is_deleted = |time: i64| tombstones.of(*series_ref).iter().any(|span| span.contains(time));
            let left_ones = samples.iter().filter(|(time, _)| !is_deleted(*time));
            left.insert(labels.clone(), left_ones.map(|(time, value)| (*time, value.to_bits())).collect());
        }
        let inside = |labels: &Labels, range: TimeRange| -> Vec<(i64, u64)> {
            left[labels].iter().copied().filter(|(time, _)| range.contains(*time)).collect()
        };
        let wanted = series.keys().filter(|labels| satisfies(labels, &matchers));
        let want = wanted.map(|labels| (labels.clone(), inside(labels, range)));
        let want: BTreeMap<_, _> = want.filter(|(_, samples)| !samples.is_empty()).collect();
        let source = BlockSource(reopened);
        let selection = source.select(&SelectRequest { matchers: &matchers, range }).unwrap();
        let mut found = BTreeMap::new();
        let mut out = SampleColumns::default();
        let column = selection.label_column("a");
        for idx in 0..selection.len() {
            selection.read(idx, range, &mut out).unwrap();
            let labels = selection.labels(idx);
            prop_assert!(satisfies(&labels, &matchers));
            prop_assert_eq!(&*column.values[column.codes[idx] as usize], labels.get("a").unwrap_or(""));
            // Whatever was asked for, a reader may look elsewhere.
            for start_ms in [range.start_ms - 300, range.start_ms + 100] {
                let other = TimeRange { start_ms, end_ms: range.end_ms + 200 };
                let mut columns = SampleColumns::default();
                selection.read(idx, other, &mut columns).unwrap();
                prop_assert_eq!(bits(&columns), inside(&labels, other));
            }
            if !out.is_empty() {
                found.insert(labels, bits(&out));
            }
        }
        prop_assert_eq!(found, want);
    }

    /// The index knows the names and values that its series have.
    #[test]
    fn label_queries_answer_as_a_scan_does(series in any_series(), matchers in prop::collection::vec(any_matcher(), 1..3)) {
        let dir = tempfile::tempdir().unwrap();
        let path = write_block(dir.path(), &series, 4).unwrap();
        let mut findings = crate::block::Findings::default();
        crate::block::verify_block(&os_disk(), &path, &mut findings);
        prop_assert!(findings.is_empty(), "{:?}", findings.kept);
        let source = BlockSource(Block::open(&os_disk(), &path).unwrap());
        let sets = [matchers];
        for matcher_sets in [&[][..], &sets] {
            let query = LabelQuery { matcher_sets, range: TimeRange::ALL };
            let wanted = series.keys().filter(|l| matcher_sets.is_empty() || satisfies(l, &sets[0]));
            let (mut names, mut values) = (BTreeSet::new(), BTreeSet::new());
            for labels in wanted {
                names.extend(labels.iter().map(|(name, _)| name.to_owned()));
                values.extend(labels.get("a").map(str::to_owned));
            }
            prop_assert_eq!(source.label_names(&query).unwrap(), names.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(source.label_values("a", &query).unwrap(), values.into_iter().collect::<Vec<_>>());
        }
        let long_ago = LabelQuery { matcher_sets: &[], range: TimeRange { start_ms: -9, end_ms: -1 } };
        prop_assert!(source.label_names(&long_ago).unwrap().is_empty());
    }

    /// Flipped bits and cut ends are errors, never a panic, and never another answer.
    #[test]
    fn damage_is_an_error_or_harmless(
        file in prop::sample::select(vec!["index", "chunks/000001", "tombstones", "meta.json"]),
        at: prop::sample::Index,
        bit in 0..8_u8,
        is_cut: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let labels = |n: i64| Labels::from_pairs([("__name__", "m".to_owned()), ("n", format!("v{n}"))]);
        let series: BTreeMap<_, _> = (0..40).map(|n| (labels(n), vec![(n, n as f64), (n + 100, 0.5)])).collect();
        let path = write_block(dir.path(), &series, 1).unwrap();
        let damaged = path.join(file);
        let mut bytes = std::fs::read(&damaged).unwrap();
        let at = at.index(bytes.len());
        if is_cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        std::fs::write(&damaged, &bytes).unwrap();

        let mut findings = crate::block::Findings::default();
        crate::block::verify_block(&os_disk(), &path, &mut findings);
        // Nobody can check each number in `meta.json`, and nobody needs the zeros between parts of the index.
        prop_assert!(!findings.is_empty() || file == "meta.json" || (file == "index" && !is_cut));
        let Ok(block) = Block::open(&os_disk(), &path) else { return Ok(()) };
        let source = BlockSource(Arc::clone(&block));
        let query = LabelQuery { matcher_sets: &[], range: TimeRange::ALL };
        let _ = (source.label_names(&query), source.label_values("n", &query));
        let matchers = [Matcher::new(MatchOp::Regex, "n", "v.*").unwrap()];
        let Ok(selection) = source.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }) else {
            return Ok(());
        };
        let mut out = SampleColumns::default();
        for idx in 0..selection.len() {
            if selection.read(idx, TimeRange::ALL, &mut out).is_ok() && file != "meta.json" {
                prop_assert_eq!(Some(&out.times_ms[0]), series.get(&selection.labels(idx)).map(|s| &s[0].0));
            }
        }
    }
}

#[test]
fn a_block_without_samples_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let series = BTreeMap::from([(Labels::from_pairs([("a", "b")]), Vec::new())]);
    assert_eq!(write_block(dir.path(), &series, 4), None);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
