//! Data directories change hands: ours to Debian's prometheus 2.42 and back, and its to us and back. After each hand-over
//! both answer the same queries over the same directory.

mod queries;
mod writers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wf_e2e::answers::{Answer, is_close};
use wf_e2e::history::{History, STEP_MS};
use wf_e2e::process::{Server, free_port, run};
use wf_e2e::skip::{binary, peer};
use wf_e2e::{figure, http};

use crate::setup::Site;
use queries::{FUNCTIONS, QUERIES};

/// Eleven hours: five blocks, some of them compacted, and a head.
const TICKS: i64 = 11 * 3_600_000 / STEP_MS;
/// What the second and third owner add: three quarters of an hour each.
const MORE_TICKS: i64 = 45 * 60_000 / STEP_MS;
/// The shortest blocks.
const BLOCK_MS: i64 = 2 * 3_600_000;
/// The end of blocks of 2, 6 and 18 hours: 2026-01-01T00:00:00Z.
const NEW_YEAR_MS: i64 = 1_767_225_600_000;
/// How far into a block the history begins.
const PHASE_MS: i64 = 50 * 60_000;
/// Blocks that a directory must hold at least.
const N_BLOCKS_MIN: usize = 3;
/// Time between steps of range queries, ms: whole minutes, so that steps keep the remainder of the first.
const RANGE_STEP_MS: i64 = 600_000;

#[test]
fn our_directory_goes_to_prometheus_and_back() {
    let Some(peers) = Peers::find() else { return };
    let site = Site::new();
    let history = history();
    let data = site.data();
    writers::we_write(&data, &history, 0..TICKS);
    writers::we_delete(&data, &history, TICKS);
    figure("swap: blocks that we wrote", blocks(&data).len());
    assert!(blocks(&data).len() >= N_BLOCKS_MIN);
    peers.promtool_accepts(&data);
    peers.compare(&site, &data, &history, TICKS, "ours, read by both");

    writers::they_write(&peers.prometheus, &site, &data, &history, TICKS..TICKS + MORE_TICKS);
    peers.compare(&site, &data, &history, TICKS + MORE_TICKS, "ours, continued by prometheus, read by both");

    writers::we_write(&data, &history, TICKS + MORE_TICKS..TICKS + 2 * MORE_TICKS);
    peers.compare(&site, &data, &history, TICKS + 2 * MORE_TICKS, "ours again, read by both");
}

#[test]
fn the_directory_of_prometheus_comes_to_us_and_goes_back() {
    let Some(peers) = Peers::find() else { return };
    let site = Site::new();
    let history = history();
    let data = site.data();
    writers::they_write(&peers.prometheus, &site, &data, &history, 0..TICKS);
    figure("swap: blocks that prometheus wrote", blocks(&data).len());
    assert!(blocks(&data).len() >= N_BLOCKS_MIN);
    peers.compare(&site, &data, &history, TICKS, "prometheus's, read by both");

    writers::we_write(&data, &history, TICKS..TICKS + MORE_TICKS);
    peers.promtool_accepts(&data);
    peers.compare(&site, &data, &history, TICKS + MORE_TICKS, "prometheus's, continued by us, read by both");
}

#[test]
fn the_questions_use_every_function_of_the_original() {
    for function in FUNCTIONS {
        let call = format!("{function}(");
        assert!(QUERIES.iter().any(|expr| expr.contains(&call)), "no query calls {function}");
    }
}

/// A history about the end of a year, which is that of a long block too: the hour and the day of the test are not asked for.
/// Where it lies in a block is chosen: asked for a part of a block's time, 2.42 may show what was deleted there, by where chunks
/// end (its promtool dumps the same block rightly as a whole, and wrongly by `--min-time`). From 33 to 69 minutes into a block
/// no window of [`times`] brings that about.
fn history() -> History {
    History::new(NEW_YEAR_MS - 3 * BLOCK_MS + PHASE_MS)
}

/// Returns the folders of complete blocks.
fn blocks(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("meta.json").exists()).collect()
}

struct Peers {
    ours: PathBuf,
    prometheus: PathBuf,
    promtool: PathBuf,
}

impl Peers {
    fn find() -> Option<Self> {
        Some(Self { ours: binary()?, prometheus: peer("prometheus")?, promtool: peer("promtool")? })
    }

    /// Lists, analyses and dumps the directory with the original's tool.
    fn promtool_accepts(&self, data: &Path) {
        let folder = data.to_str().unwrap();
        let (code, list, errors) = run(&self.promtool, &["tsdb", "list", folder]).unwrap();
        assert_eq!(code, 0, "promtool tsdb list: {errors}");
        let ids: Vec<String> = blocks(data)
            .iter()
            .map(|block| block.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        ids.iter().for_each(|id| assert!(list.contains(id), "{id} is missing in {list}"));
        for id in &ids {
            let (code, report, errors) = run(&self.promtool, &["tsdb", "analyze", folder, id]).unwrap();
            assert_eq!(code, 0, "promtool tsdb analyze: {errors}");
            assert!(report.contains("\nSeries: "), "{report}");
        }
        let copy = copy_of(data, "dumped");
        let (code, dump, errors) = run(&self.promtool, &["tsdb", "dump", copy.to_str().unwrap()]).unwrap();
        assert_eq!(code, 0, "promtool tsdb dump: {errors}");
        figure("swap: samples that promtool dumps", dump.lines().count());
        fs::remove_dir_all(copy).unwrap();
    }

    /// Opens copies of the directory with both and asks every query at several times and over the whole history.
    fn compare(&self, site: &Site, data: &Path, history: &History, n_ticks: i64, what: &str) {
        let (our_data, their_data) = (copy_of(data, "ours"), copy_of(data, "theirs"));
        site.configure("1h", &[]);
        let ours = start_ours(&self.ours, site, &our_data);
        let theirs = writers::start_theirs(&self.prometheus, site, &their_data, 0);
        let (mut n_equal, mut different) = (0, Vec::new());
        for expr in QUERIES {
            for when in times(history, n_ticks) {
                let ask = |base: &str, expr: &str| {
                    let (path, rest) = &when;
                    let url = format!("{base}/api/v1/{path}?query={}{rest}", http::encode(expr));
                    Answer::read(&http::get(&url).unwrap().json().unwrap()).unwrap()
                };
                let our_answer =
                    ask(&ours.base, &expr.replace("holt_winters", "double_exponential_smoothing"));
                let their_answer = ask(&theirs.base, expr);
                if their_answer.n_samples() == 0 || !our_answer.matches(&their_answer, is_close) {
                    different.push(format!(
                        "{expr} {}\n  {}",
                        when.1,
                        first_difference(&our_answer, &their_answer)
                    ));
                }
                n_equal += 1;
            }
        }
        let all: Vec<&str> = different.iter().map(String::as_str).take(12).collect();
        assert!(all.is_empty(), "{what}: {} of {n_equal} differ\n{}", different.len(), all.join("\n"));
        self.compare_raw(&ours, &theirs, history, n_ticks, what);
        figure(&format!("swap: queries, {what}"), QUERIES.len());
        figure(&format!("swap: answers, {what}, all equal"), n_equal);
        drop((ours, theirs));
        fs::remove_dir_all(our_data).unwrap();
        fs::remove_dir_all(their_data).unwrap();
    }

    /// Every sample of every series, by hours; not of the one with deletions, see [`QUERIES`].
    fn compare_raw(&self, ours: &Server, theirs: &Server, history: &History, n_ticks: i64, what: &str) {
        let mut n_samples = 0;
        for at_ms in (0..=n_ticks).step_by(240).map(|tick| minute_and_a_quarter(history.time_ms(tick))) {
            let ask = |base: &str| {
                let query = http::encode("{__name__=~\".+\",__name__!~\"native|doomed\"}[1h]");
                let url = format!("{base}/api/v1/query?query={query}&time={}", seconds(at_ms));
                Answer::read(&http::get(&url).unwrap().json().unwrap()).unwrap()
            };
            let (our_answer, their_answer) = (ask(&ours.base), ask(&theirs.base));
            assert!(
                our_answer
                    .matches(&their_answer, |a, b| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())),
                "{what}: samples before {at_ms}: {}",
                first_difference(&our_answer, &their_answer)
            );
            n_samples += their_answer.n_samples();
        }
        assert!(n_samples > 100_000, "{what}: {n_samples} raw samples");
        figure(&format!("swap: raw samples, {what}, all equal"), n_samples);
    }
}

/// Where queries are evaluated: three single times and a range over all of it.
fn times(history: &History, n_ticks: i64) -> Vec<(String, String)> {
    let at = |tick: i64| minute_and_a_quarter(history.time_ms(tick));
    let mut times: Vec<_> = [n_ticks / 3, n_ticks * 2 / 3, n_ticks - 1]
        .map(|tick| ("query".to_owned(), format!("&time={}", seconds(at(tick)))))
        .into();
    // From the second hour on every window has data.
    let (start, end, step) = (at(240), at(n_ticks - 1), RANGE_STEP_MS / 1000);
    times.push((
        "query_range".to_owned(),
        format!("&start={}&end={}&step={step}", seconds(start), seconds(end)),
    ));
    times
}

/// Returns a time near `time_ms` on which no sample lies, nor any step of a subquery, not at a window's edge either.
fn minute_and_a_quarter(time_ms: i64) -> i64 {
    time_ms.div_euclid(60_000) * 60_000 + STEP_MS
}

fn seconds(time_ms: i64) -> i64 {
    time_ms / 1000
}

fn first_difference(ours: &Answer, theirs: &Answer) -> String {
    let (Answer::Series(_, a), Answer::Series(_, b)) = (ours, theirs) else {
        return format!("ours {ours:?}\n  theirs {theirs:?}");
    };
    for (labels, left) in a {
        let Some(right) = b.get(labels) else {
            return format!("only ours: {labels:?} ({} samples)", left.len());
        };
        if left.len() != right.len() {
            let missing = right.iter().find(|(time, _)| !left.iter().any(|(other, _)| other == time));
            let extra = left.iter().find(|(time, _)| !right.iter().any(|(other, _)| other == time));
            let counts = (left.len(), right.len());
            return format!("{labels:?}: samples {counts:?}, only theirs {missing:?}, only ours {extra:?}");
        }
        let pair = left.iter().zip(right).find(|(l, r)| l.0 != r.0 || !is_close(l.1, r.1));
        if let Some((left, right)) = pair {
            return format!("{labels:?}: ours {left:?} theirs {right:?}");
        }
    }
    match b.keys().find(|labels| !a.contains_key(*labels)) {
        Some(labels) => format!("only theirs: {labels:?}"),
        None => format!("no difference, {} series: an empty answer?", b.len()),
    }
}

fn copy_of(data: &Path, name: &str) -> PathBuf {
    let copy = data.with_file_name(name);
    let status = Command::new("cp").arg("-r").arg(data).arg(&copy).status().unwrap();
    assert!(status.success());
    copy
}

fn start_ours(binary: &Path, site: &Site, data: &Path) -> Server {
    let port = free_port().unwrap();
    let arguments = [
        "server".to_owned(),
        format!("--config.file={}", site.path("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--enable-feature=promql-experimental-functions".to_owned(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(binary, &arguments, port, &site.path("ours.log")).unwrap()
}
