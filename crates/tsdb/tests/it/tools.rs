//! The tools on whole data directories, beside those of the original.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use wf_model::{Labels, TimeRange};
use wf_series::{Acknowledge, SampleSink, WriteBatch};
use wf_tsdb::disk::os_disk;
use wf_tsdb::tools::backfill::{Outcome, create_blocks};
use wf_tsdb::tools::blocks::{Heading, Numbers, open_blocks, write_blocks};
use wf_tsdb::tools::repair::{Mode, repair};
use wf_tsdb::tools::verify::verify;
use wf_tsdb::tools::{analyze, backfill, dump};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::peers::peer;

fn backfill(page: &str, dir: &Path) -> Outcome {
    let input = dir.join("page");
    fs::write(&input, page).unwrap();
    let request = backfill::Request { block_ms_max: 0, labels: &[], now_ms: 1 };
    let outcome = create_blocks(&input, &dir.join("data"), request, &mut |_| Ok(())).unwrap();
    fs::create_dir_all(dir.join("data/wal")).unwrap();
    outcome
}

fn dump_lines(data: &Path, form: dump::Form) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let request = dump::Request { matcher_sets: &[], range: TimeRange::ALL, form };
    dump::dump(data, scratch.path(), &request, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn promtool(arguments: &[&str], data: &Path) -> Option<String> {
    let out = Command::new(peer("promtool")?).arg("tsdb").args(arguments).arg(data).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

/// A page of many series over nine hours, in no order.
fn shuffled_page() -> String {
    let mut lines = Vec::new();
    for series in 0..40_u64 {
        for idx in 0..200_u64 {
            let time_s = 1_600_000_000 + idx * 160 + series;
            let value = ["1", "2.5e-7", "NaN", "+Inf", "-17", "123456789"][((idx + series) % 6) as usize];
            lines.push(format!("m{{id=\"{series}\",kind=\"k{}\"}} {value} {time_s}.5", series % 3));
        }
    }
    // A walk with a step that is prime to the length visits all.
    let shuffled = (0..lines.len()).map(|idx| lines[idx * 3001 % lines.len()].as_str());
    let shuffled: Vec<&str> = shuffled.collect();
    format!("# TYPE m gauge\n{}\n# EOF\n", shuffled.join("\n"))
}

#[test]
fn backfilled_blocks_give_the_same_reports_in_both_programs() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = backfill(&shuffled_page(), dir.path());
    assert_eq!((outcome.n_blocks, outcome.n_samples, outcome.n_duplicates), (5, 8000, 0));
    let data = dir.path().join("data");
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(verify(&data, scratch.path()).unwrap().kept.into_iter().collect::<Vec<_>>(), []);
    let (blocks, broken) = open_blocks(&os_disk(), &data).unwrap();
    assert!(broken.is_empty());

    let mut table = Vec::new();
    write_blocks(&mut table, &blocks, Heading::Shown, Numbers::Plain).unwrap();
    let Some(theirs) = promtool(&["list"], &data) else { return };
    assert_eq!(String::from_utf8(table).unwrap(), theirs);
    let mut table = Vec::new();
    write_blocks(&mut table, &blocks, Heading::Shown, Numbers::ForPeople).unwrap();
    assert_eq!(Some(String::from_utf8(table).unwrap()), promtool(&["list", "-r"], &data));

    let mut report = Vec::new();
    let request = analyze::Request { limit: 1000, is_extended: true };
    analyze::write_report(&mut report, blocks.last().unwrap(), request).unwrap();
    let theirs = promtool(&["analyze", "--limit=1000", "--extended"], &data).unwrap();
    assert_eq!(sections(&String::from_utf8(report).unwrap()), sections(&theirs));

    let mut ours = dump_lines(&data, dump::Form::Plain);
    let theirs = promtool(&["dump"], &data).unwrap();
    let mut theirs: Vec<&str> = theirs.lines().collect();
    ours.sort();
    theirs.sort_unstable();
    assert!(ours == theirs, "{} lines, {} lines", ours.len(), theirs.len());
}

/// Sections of a report; the original leaves the order of equal counts open.
fn sections(report: &str) -> Vec<Vec<&str>> {
    let split = report.split("\n\n").map(|section| {
        let mut lines: Vec<&str> = section.lines().collect();
        lines[1..].sort_unstable();
        lines
    });
    split.collect()
}

#[test]
fn what_is_dumped_as_openmetrics_can_be_backfilled_again() {
    let first = tempfile::tempdir().unwrap();
    backfill(&shuffled_page(), first.path());
    let page = dump_lines(&first.path().join("data"), dump::Form::OpenMetrics).join("\n") + "\n";
    let second = tempfile::tempdir().unwrap();
    backfill(&page, second.path());
    let dumps = [first, second].map(|dir| dump_lines(&dir.path().join("data"), dump::Form::Plain));
    assert!(dumps[0] == dumps[1] && dumps[0].len() == 8000);
}

#[test]
fn the_first_sample_of_a_time_counts() {
    let dir = tempfile::tempdir().unwrap();
    let page = "a 1 5\na 1 5\na 2 4\na 3 5\na{b=\"1\"} 1 7200\n# EOF\n";
    let outcome = backfill(page, dir.path());
    assert_eq!((outcome.n_blocks, outcome.n_samples, outcome.n_duplicates), (2, 3, 1));
    let want = [r#"{__name__="a"} 2 4000"#, r#"{__name__="a"} 1 5000"#, r#"{__name__="a", b="1"} 1 7200000"#];
    assert_eq!(dump_lines(&dir.path().join("data"), dump::Form::Plain), want);
}

#[test]
fn a_page_that_cannot_be_used_is_refused_and_leaves_nothing() {
    let check = |page: &str, want: &str| {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("page"), dir.path().join("data"));
        fs::write(&input, page).unwrap();
        let request = backfill::Request { block_ms_max: 0, labels: &[], now_ms: 1 };
        let error = create_blocks(&input, &output, request, &mut |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains(want) && !output.exists(), "{error}");
    };
    check("a 1\n# EOF\n", "expected timestamp for series a, got none");
    check("a 1 5\n", "data does not end with # EOF");
    check("a{ 1 5\n# EOF\n", "line 1");
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// Opens the database of `dir` and appends to ten series, an hour after its backfilled samples.
fn append(dir: &Path, n_scrapes: i64) -> std::sync::Arc<Tsdb> {
    let start_ms = 1_600_040_000_000;
    let tsdb = Tsdb::open(dir, TsdbOptions::default(), start_ms).unwrap();
    let mut batch = WriteBatch::default();
    for scrape in 0..n_scrapes {
        batch.clear();
        for id in 0..10 {
            let labels = Labels::from_pairs([("__name__", "live"), ("id", &format!("{id}"))]);
            batch.push(tsdb.resolve(&labels).unwrap(), start_ms + scrape * 1000, (scrape * id) as f64);
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
    tsdb
}

#[test]
fn a_dump_beside_a_running_server_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    backfill(&shuffled_page(), dir.path());
    let data = dir.path().join("data");
    let tsdb = append(&data, 500);
    let before = files(&data);
    let lines = dump_lines(&data, dump::Form::Plain);
    assert_eq!(lines.len(), 8000 + 5000);
    assert!(lines.contains(&r#"{__name__="live", id="9"} 4491 1600040499000"#.to_owned()));
    let scratch = tempfile::tempdir().unwrap();
    assert!(verify(&data, scratch.path()).unwrap().is_empty());
    assert!(repair(&data, Mode::Apply, 1).is_err_and(|error| error.to_string().contains("is in use")));
    assert!(files(&data) == before, "files changed");
    tsdb.close().unwrap();
}

fn n_cases() -> u32 {
    if std::env::var_os("WF_SOAK").is_some() { 5_000 } else { 16 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: n_cases(), ..ProptestConfig::default() })]
    /// Whatever bit flips or end is missing: the check names the file, the repair leaves a directory that is whole, and
    /// nothing is made up.
    #[test]
    fn what_the_check_finds_the_repair_mends(which: prop::sample::Index, at: prop::sample::Index, bit in 0..8_u8, is_cut: bool) {
        let dir = tempfile::tempdir().unwrap();
        backfill(&shuffled_page(), dir.path());
        let data = dir.path().join("data");
        append(&data, 300).close().unwrap();
        let want = dump_lines(&data, dump::Form::Plain);
        let all = files(&data);
        let damageable: Vec<&PathBuf> = all.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path).collect();
        let path = *which.get(&damageable);
        let mut bytes = all[path].clone();
        let at = at.index(bytes.len());
        if is_cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(path, &bytes).unwrap();

        let scratch = || tempfile::tempdir().unwrap();
        let findings = verify(&data, scratch().path()).unwrap();
        let top = |path: &Path| path.strip_prefix(&data).unwrap().iter().next().unwrap().to_owned();
        for finding in &findings.kept {
            prop_assert_eq!(top(&finding.path), top(path), "{:?}", finding);
        }
        let planned = repair(&data, Mode::DryRun, 1).unwrap();
        let damaged = files(&data);
        prop_assert!(damaged.get(path) == Some(&bytes) && damaged.len() == all.len(), "a dry run changed something");
        let done = repair(&data, Mode::Apply, 1).unwrap();
        prop_assert!(!done.is_empty() || planned.is_empty());
        let left = verify(&data, scratch().path()).unwrap();
        prop_assert!(left.is_empty(), "{:?} after {:?}", left.kept, done);
        // Deletions that are lost bring nothing here; all that is found was there.
        let have: std::collections::BTreeSet<&String> = want.iter().collect();
        let found = dump_lines(&data, dump::Form::Plain);
        prop_assert!(found.iter().all(|line| have.contains(line)));
        // What no format can tell: a log that ends after an earlier record, and a time in meta.json, which has no checksum.
        let is_silent = is_cut || path.file_name() == Some("meta.json".as_ref());
        if findings.is_empty() && !is_silent {
            prop_assert!(found.len() == want.len(), "{} of {} lines", found.len(), want.len());
        }
    }
}
