//! Measures blocks: writing one with many series, opening it, selecting and reading from it.
//!
//! `cargo run --release -p wf-tsdb --example block_bench [SERIES]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement talks to the person who runs it"
)]

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use wf_model::{MatchOp, Matcher, TimeRange};
use wf_series::{SampleColumns, SelectRequest, SeriesSource};
use wf_tsdb::block::{Block, BlockSource, BlockWriter, Findings, MetaDraft, OutChunk, Ulid, verify_block};
use wf_tsdb::chunk::{Encoding, XorState};
use wf_tsdb::disk::os_disk;

const NAMES: [&str; 10] =
    ["__name__", "container", "cpu", "device", "id", "instance", "job", "mode", "namespace", "pod"];

fn value(name: usize, series: u32) -> String {
    let (metric, target) = (series / 1000, series % 1000);
    match NAMES[name] {
        "__name__" => format!("metric_{metric:04}"),
        "instance" => format!("host-{target:04}:9100"),
        "id" => format!("id-{series:07}"),
        "pod" => format!("pod-{target:04}"),
        other => format!("{other}-{}", target % 7),
    }
}

/// Peak of the memory that is not a file's, bytes.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn main() {
    let n_series: u32 = std::env::args().nth(1).map_or(1_000_000, |text| text.parse().unwrap());
    let dir = std::env::temp_dir().join(format!("block-bench-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let mut symbols: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    for series in 0..n_series {
        symbols.extend(
            (0..NAMES.len()).filter(|_| series < 1000 || series % 1000 == 0).map(|name| value(name, series)),
        );
        symbols.push(value(4, series));
    }
    symbols.sort_unstable();
    symbols.dedup();
    let ordinal =
        |text: &str| u32::try_from(symbols.binary_search_by(|s| s.as_str().cmp(text)).unwrap()).unwrap();
    let (mut state, mut data) = (XorState::default(), Vec::new());
    (0..120).for_each(|idx| state.append(&mut data, idx * 15_000, (idx / 3) as f64));

    let before = peak_bytes();
    let started = Instant::now();
    let mut writer = BlockWriter::create(&os_disk(), &dir, Ulid::generate(1), symbols.iter()).unwrap();
    let mut encode_s = 0.0;
    let mut peak = 0;
    for series in 0..n_series {
        let labelled = Instant::now();
        let labels: Vec<(u32, u32)> =
            (0..NAMES.len()).map(|name| (ordinal(NAMES[name]), ordinal(&value(name, series)))).collect();
        encode_s += labelled.elapsed().as_secs_f64();
        let chunk = OutChunk { min_time: 0, max_time: 119 * 15_000, encoding: Encoding::Xor, data: &data };
        writer.add_series(&labels, &[chunk]).unwrap();
        if series % 50_000 == 0 {
            peak = peak.max(peak_bytes());
        }
    }
    peak = peak.max(peak_bytes());
    let added_s = started.elapsed().as_secs_f64() - encode_s;
    println!("series added: {added_s:.2} s, {} MiB", (peak - before) >> 20);
    let watcher = std::thread::spawn(move || {
        // Until the main thread says so by removing the file that it looks for.
        let flag = std::env::temp_dir().join(format!("block-bench-{}.running", std::process::id()));
        let mut peak = 0;
        while flag.exists() {
            peak = peak.max(peak_bytes());
            std::thread::yield_now();
        }
        peak
    });
    let flag = std::env::temp_dir().join(format!("block-bench-{}.running", std::process::id()));
    fs::write(&flag, "").unwrap();
    let started = Instant::now();
    let draft = MetaDraft { min_time: 0, max_time: 7_200_000, ..MetaDraft::default() };
    let meta = writer.finish(draft).unwrap().unwrap();
    let finished_s = started.elapsed().as_secs_f64();
    fs::remove_file(&flag).unwrap();
    let peak = watcher.join().unwrap();
    println!("finished: {finished_s:.2} s, peak {} MiB", peak.saturating_sub(before) >> 20);

    let path = meta.dir_in(&dir);
    let started = Instant::now();
    let block = Block::open(&os_disk(), &path).unwrap();
    println!("open: {:.3} ms, {} MiB", started.elapsed().as_secs_f64() * 1e3, block.size_bytes() >> 20);
    let source = BlockSource(Arc::clone(&block));
    let select = |what: &str, matchers: &[Matcher]| {
        let started = Instant::now();
        let found = source.select(&SelectRequest { matchers, range: TimeRange::ALL }).unwrap();
        println!("select {what}: {} series, {:.3} ms", found.len(), started.elapsed().as_secs_f64() * 1e3);
        found
    };
    let regex = |name: &str, pattern: &str| Matcher::new(MatchOp::Regex, name, pattern).unwrap();
    select("first, with tables", &[Matcher::equal("id", "id-0000007")]);
    select("id", &[Matcher::equal("id", "id-0000007")]);
    let metric = select("metric", &[Matcher::equal("__name__", "metric_0007")]);
    select(
        "metric, instance",
        &[Matcher::equal("__name__", "metric_0007"), Matcher::equal("instance", "host-0007:9100")],
    );
    select(
        "metric, instance regex",
        &[Matcher::equal("__name__", "metric_0007"), regex("instance", "host-00[0-4].*")],
    );
    select("cpu set", &[regex("cpu", "cpu-1|cpu-2"), regex("__name__", "metric_000.")]);
    let all = select("all", &[]);
    let mut out = SampleColumns::default();
    for (what, found) in [("metric", &metric), ("all", &all)] {
        let started = Instant::now();
        (0..found.len()).for_each(|idx| found.read(idx, TimeRange::ALL, &mut out).unwrap());
        let per_series = started.elapsed().as_secs_f64() / found.len() as f64 * 1e9;
        println!("read {what}: {per_series:.0} ns a series of 120 samples");
    }
    let started = Instant::now();
    (0..metric.len()).for_each(|idx| drop(metric.labels(idx)));
    println!("labels: {:.0} ns a series", started.elapsed().as_secs_f64() / metric.len() as f64 * 1e9);
    let started = Instant::now();
    let mut findings = Findings::default();
    verify_block(&os_disk(), &path, &mut findings);
    println!("verify: {:.2} s, {} findings", started.elapsed().as_secs_f64(), findings.kept.len());
    fs::remove_dir_all(&dir).unwrap();
}
