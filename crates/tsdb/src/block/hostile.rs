//! Bytes made by somebody who knows the checksums: nothing may panic, run away or use memory beyond the file's size.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use wf_model::{MatchOp, Matcher, TimeRange};
use wf_series::{LabelQuery, SampleColumns, SelectRequest, SeriesSource};

use super::{Block, BlockSource, BlockWriter, Findings, MetaDraft, OutChunk, Ulid, verify_block};
use crate::chunk::{Encoding, XorState};
use crate::disk::os_disk;

/// Writes a block of 40 series with two chunks each.
fn write_block(parent: &Path) -> std::path::PathBuf {
    let symbols: Vec<String> = (0..90).map(|n| format!("s{n:02}")).collect();
    let mut writer = BlockWriter::create(&os_disk(), parent, Ulid::generate(1), symbols.iter()).unwrap();
    for series in 0..40_u32 {
        let chunk = |start: i64| {
            let (mut state, mut data) = (XorState::default(), Vec::new());
            (0..3).for_each(|idx| state.append(&mut data, start + idx, f64::from(series)));
            data
        };
        let data = [chunk(0), chunk(100)];
        let chunks = [0, 1].map(|idx| OutChunk {
            min_time: [0, 100][idx],
            max_time: [2, 102][idx],
            encoding: Encoding::Xor,
            data: &data[idx],
        });
        writer.add_series(&[(0, 1), (2, 3 + series), (80, 81 + series % 4)], &chunks).unwrap();
    }
    let meta = writer.finish(MetaDraft { min_time: 0, max_time: 103, ..MetaDraft::default() });
    meta.unwrap().unwrap().dir_in(parent)
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// What each checksum of a good index covers; the checksum follows.
fn checked_ranges(index: &[u8]) -> Vec<Range<usize>> {
    let toc = index.len() - 52;
    let section = |at: usize| at + 4..at + 4 + u32_at(index, at);
    let field = |n: usize| u32_at(index, toc + n * 8 + 4);
    let mut ranges = vec![section(field(0)), toc..toc + 48, section(field(5))];
    let mut at = field(1).next_multiple_of(16);
    while at < field(2) {
        // Entries here are shorter than 128 bytes, so that their length is one.
        let body = at + 1..at + 1 + usize::from(index[at]);
        at = (body.end + 4).next_multiple_of(16);
        ranges.push(body);
    }
    let mut at = field(4).next_multiple_of(4);
    while at < field(5) {
        ranges.push(section(at));
        at = section(at).end + 4;
    }
    ranges
}

/// Asks for everything there is.
fn exercise(dir: &Path) {
    verify_block(&os_disk(), dir, &mut Findings::default());
    let Ok(block) = Block::open(&os_disk(), dir) else { return };
    if let Ok(mut cursor) = block.series() {
        let mut n_read = 0;
        while !matches!(cursor.next(), Ok(None)) {
            n_read += 1;
            assert!(n_read < 10_000, "more series than bytes");
        }
    }
    let source = BlockSource(Arc::clone(&block));
    let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
    for (op, pattern) in
        ops.into_iter().flat_map(|op| ["", "s8.", "s81", "s0[1-9]|s10"].map(|text| (op, text)))
    {
        for name in ["s00", "s02", "s80"] {
            let matchers = vec![Matcher::new(op, name, pattern).unwrap(), Matcher::equal("s00", "s01")];
            let Ok(found) = source.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL })
            else {
                continue;
            };
            let mut out = SampleColumns::default();
            for idx in 0..found.len().min(50) {
                let _ = (found.labels(idx), found.read(idx, TimeRange::ALL, &mut out));
            }
            let _ = found.label_column("s02");
            let query = LabelQuery { matcher_sets: &[matchers], range: TimeRange::ALL };
            let _ = (source.label_names(&query), source.label_values("s02", &query));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn an_index_with_good_checksums_may_say_anything(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = write_block(dir.path());
        let mut index = std::fs::read(path.join("index")).unwrap();
        let ranges = checked_ranges(&index);
        prop_assert!(ranges.iter().all(|range| crc32c::crc32c(&index[range.clone()]) as usize == u32_at(&index, range.end)));
        let mut touched = BTreeMap::new();
        for (which, at, value) in changes {
            let range = which.get(&ranges).clone();
            let at = range.start + at.index(range.len());
            index[at] = value;
            touched.insert(range.start, range);
        }
        for range in touched.into_values() {
            let crc = crc32c::crc32c(&index[range.clone()]);
            index[range.end..range.end + 4].copy_from_slice(&crc.to_be_bytes());
        }
        std::fs::write(path.join("index"), &index).unwrap();
        exercise(&path);
    }
}
