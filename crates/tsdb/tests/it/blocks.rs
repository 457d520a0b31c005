//! Blocks: the original reads ours, we read the original's, old ones too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use wf_model::sample::NORMAL_NAN_BITS;
use wf_model::{Labels, MatchOp, Matcher, STALE_NAN, TimeRange};
use wf_series::{LabelQuery, SampleColumns, SelectRequest, SeriesSource};
use wf_tsdb::block::{
    Block, BlockSource, BlockWriter, Findings, MetaDraft, OutChunk, SeriesEntry, Ulid, repair_index_version,
    verify_block,
};
use wf_tsdb::chunk::{Encoding, XorState};
use wf_tsdb::disk::os_disk;
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::peers::{Dump, dump, peer, value_text};

const CHUNK_SAMPLES: usize = 120;

/// Returns a folder of the conformance data, or says that it is not there.
fn conformance(folder: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance");
    let root = std::env::var_os("WATCHFIRE_CONFORMANCE").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|entry| entry == "conformance"), "{} is required", path.display());
    let _ = writeln!(std::io::stderr(), "SKIPPED: conformance: {} is absent", path.display());
    None
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn assert_whole(dir: &Path) {
    let mut findings = Findings::default();
    verify_block(&os_disk(), dir, &mut findings);
    assert!(findings.is_empty(), "{:#?}", findings.kept);
}

/// Writes series of float samples as one block and returns its directory.
fn write_block(parent: &Path, series: &BTreeMap<Labels, Vec<(i64, f64)>>) -> PathBuf {
    let symbols: BTreeSet<&str> = series.keys().flat_map(|l| l.iter().flat_map(|(n, v)| [n, v])).collect();
    let symbols: Vec<&str> = symbols.into_iter().collect();
    let ordinal = |text: &str| u32::try_from(symbols.binary_search(&text).unwrap()).unwrap();
    let mut writer = BlockWriter::create(&os_disk(), parent, Ulid::generate(1), symbols.iter()).unwrap();
    let (mut min_time, mut max_time) = (i64::MAX, i64::MIN);
    for (labels, samples) in series {
        let pairs: Vec<_> = labels.iter().map(|(name, value)| (ordinal(name), ordinal(value))).collect();
        let mut encoded = Vec::new();
        for part in samples.chunks(CHUNK_SAMPLES) {
            let (mut state, mut data) = (XorState::default(), Vec::new());
            part.iter().for_each(|(time, value)| state.append(&mut data, *time, *value));
            encoded.push((part[0].0, part[part.len() - 1].0, data));
            min_time = min_time.min(part[0].0);
            max_time = max_time.max(part[part.len() - 1].0 + 1);
        }
        let chunk =
            |(min_time, max_time, data): &'_ (i64, i64, Vec<u8>)| (*min_time, *max_time, data.clone());
        let owned: Vec<_> = encoded.iter().map(chunk).collect();
        let chunks: Vec<OutChunk<'_>> = owned
            .iter()
            .map(|(min_time, max_time, data)| OutChunk {
                min_time: *min_time,
                max_time: *max_time,
                encoding: Encoding::Xor,
                data,
            })
            .collect();
        writer.add_series(&pairs, &chunks).unwrap();
    }
    let meta = writer.finish(MetaDraft { min_time, max_time, ..MetaDraft::default() }).unwrap().unwrap();
    meta.dir_in(parent)
}

/// Returns every sample of a block as the original prints it.
fn our_dump(dir: &Path) -> Dump {
    let source = BlockSource(Block::open(&os_disk(), dir).unwrap());
    let selection = source.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    let mut found = Dump::new();
    let mut out = SampleColumns::default();
    for idx in 0..selection.len() {
        selection.read(idx, TimeRange::ALL, &mut out).unwrap();
        let samples = out.times_ms.iter().zip(&out.values).map(|(time, value)| (*time, value_text(*value)));
        found.insert(selection.labels(idx).to_string(), samples.collect());
    }
    found
}

fn special_series() -> BTreeMap<Labels, Vec<(i64, f64)>> {
    let start_ms = 1_700_000_000_000_i64;
    let mut series = BTreeMap::new();
    for id in 0..50_i64 {
        let id_text = id.to_string();
        let labels =
            Labels::from_pairs([("__name__", "wf_test"), ("id", &id_text), ("text", "a \"b\"\n \\ π")]);
        let value = |idx: i64| match idx % 11 {
            3 => f64::INFINITY,
            5 => f64::from_bits(NORMAL_NAN_BITS),
            7 => STALE_NAN,
            9 => -0.0,
            _ => (id * idx) as f64 / 8.0,
        };
        let samples = (0..id * 7 + 1).map(|idx| (start_ms + idx * 15_000 + idx % 3, value(idx)));
        series.insert(labels, samples.collect());
    }
    series
}

#[test]
fn promtool_reads_a_block_of_ours() {
    let Some(promtool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let series = special_series();
    let block = write_block(dir.path(), &series);
    assert_whole(&block);
    fs::create_dir(dir.path().join("wal")).unwrap();
    let mut want = Dump::new();
    for (labels, samples) in &series {
        let samples = samples.iter().map(|(time, value)| (*time, value_text(*value)));
        want.insert(labels.to_string(), samples.collect());
    }
    assert_eq!(our_dump(&block), want);
    let theirs = dump(&promtool, dir.path());
    assert!(theirs == want, "theirs has {} series", theirs.len());

    let analyzed = Command::new(&promtool).args(["tsdb", "analyze"]).arg(dir.path()).output().unwrap();
    let report = String::from_utf8(analyzed.stdout).unwrap();
    assert!(analyzed.status.success(), "{}", String::from_utf8_lossy(&analyzed.stderr));
    for line in
        ["Series: 50", "Label names: 3", "Postings (unique label pairs): 52", "50 text=a \"b\"", "50 id"]
    {
        assert!(report.contains(line), "{line}: {report}");
    }
    let listed = Command::new(&promtool).args(["tsdb", "list"]).arg(dir.path()).output().unwrap();
    let table = String::from_utf8(listed.stdout).unwrap();
    let meta = Block::open(&os_disk(), &block).unwrap().meta();
    let row = table.lines().nth(1).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    let stats = meta.stats;
    let want = [meta.ulid.to_string(), meta.min_time.to_string(), meta.max_time.to_string()];
    assert_eq!(columns[..3], want);
    assert_eq!(columns[4..7], [stats.n_samples, stats.n_chunks, stats.n_series].map(|n| n.to_string()));
}

#[test]
fn we_read_blocks_of_promtool() {
    let Some(promtool) = peer("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut page = String::from("# TYPE wf_test gauge\n");
    for idx in 0..2000 {
        for id in 0..7 {
            let time_s = 1_600_000_000 + idx * 15;
            page.push_str(&format!("wf_test{{id=\"{id}\",text=\"a \\\"b\\\" π\"}} {} {time_s}\n", idx * id));
        }
    }
    page.push_str("# EOF\n");
    fs::write(dir.path().join("page"), page).unwrap();
    let data = dir.path().join("data");
    let made = Command::new(&promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([dir.path().join("page"), data.clone()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut found = Dump::new();
    let mut n_blocks = 0;
    for entry in fs::read_dir(&data).unwrap().map(Result::unwrap) {
        if entry.path().join("meta.json").exists() {
            n_blocks += 1;
            assert_whole(&entry.path());
            for (series, samples) in our_dump(&entry.path()) {
                found.entry(series).or_default().extend(samples);
            }
        }
    }
    found.values_mut().for_each(|samples| samples.sort());
    fs::create_dir_all(data.join("wal")).unwrap();
    assert!(n_blocks > 3 && found == dump(&promtool, &data), "{n_blocks} blocks, {} series", found.len());
}

#[test]
fn an_index_of_version_1_is_read() {
    let Some(folder) = conformance("tsdb/index_format_v1") else { return };
    assert_whole(&folder);
    let block = Block::open(&os_disk(), &folder).unwrap();
    assert_eq!(block.n_series().unwrap(), 102);
    let source = BlockSource(Arc::clone(&block));
    let all = LabelQuery { matcher_sets: &[], range: TimeRange::ALL };
    assert_eq!(source.label_names(&all).unwrap(), ["bar", "foo"]);
    let values = source.label_values("bar", &all).unwrap();
    assert!(values.is_sorted() && values.len() > 90, "{values:?}");
    for value in &values {
        let matchers = [Matcher::equal("bar", value)];
        let found = source.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
        assert_eq!((found.len(), found.labels(0).get("bar")), (1, Some(value.as_str())));
    }
    let matchers = [Matcher::new(MatchOp::NotEqual, "foo", "bar").unwrap()];
    let rest = source.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
    assert!((0..rest.len()).all(|idx| rest.labels(idx).get("foo") != Some("bar")));
    if let Some(promtool) = peer("promtool") {
        let dir = tempfile::tempdir().unwrap();
        copy(&folder, &dir.path().join(block.meta().ulid.to_string()));
        fs::create_dir(dir.path().join("wal")).unwrap();
        assert_eq!(our_dump(&folder), dump(&promtool, dir.path()));
    }
}

#[test]
fn a_block_with_mixed_up_versions_is_read_and_repaired() {
    let Some(folder) = conformance("tsdb/repair_index_version/01BZJ9WJQPWHGNC2W4J9TA62KC") else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("01BZJ9WJQPWHGNC2W4J9TA62KC");
    copy(&folder, &path);
    let check = || {
        let block = Block::open(&os_disk(), &path).unwrap();
        let mut entry = SeriesEntry::default();
        let labels = [2, 3].map(|id| {
            block.read_series(id, &mut entry).unwrap();
            block.labels(&entry).unwrap().to_string()
        });
        assert_eq!(labels, [r#"{a="1", b="1"}"#, r#"{a="2", b="1"}"#]);
    };
    check();
    let data = tempfile::tempdir().unwrap();
    let inside = data.path().join("01BZJ9WJQPWHGNC2W4J9TA62KC");
    copy(&folder, &inside);
    let options = TsdbOptions { compaction_thread: false, ..TsdbOptions::default() };
    let tsdb = Tsdb::open(data.path(), options, 1_500_000_000_000).unwrap();
    assert_eq!(fs::read(inside.join("index")).unwrap()[4], 2, "opening the database repairs");
    tsdb.close().unwrap();
    assert!(repair_index_version(&os_disk(), &path).unwrap());
    assert!(!repair_index_version(&os_disk(), &path).unwrap());
    assert_eq!(fs::read(path.join("index")).unwrap()[4], 2);
    assert_eq!(Block::open(&os_disk(), &path).unwrap().meta().version, 1);
    check();
}
