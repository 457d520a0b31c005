//! Debian's prometheus 2.42 and we answer thousands of generated queries over one data directory alike.
//!
//! Windows are closed in 2.42 and left-open in 3.x, so no sample may lie on the left edge of one: all durations are
//! multiples of a unit, and evaluation times leave a remainder that no sample leaves.

mod differences;
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use wf_e2e::answers::{Answer, LabelSet, is_close};
use wf_e2e::dice::Dice;
use wf_e2e::history::STALE;
use wf_e2e::process::{Server, free_port};
use wf_e2e::queries::{Generator, Query, Span, When, seconds};
use wf_e2e::skip::{binary, peer, skip};
use wf_e2e::{figure, http, regexes};
use wf_model::Labels;
use wf_promql::functions::FunctionId;
use wf_promql::testing::{self, Scope, Vocabulary};
use wf_series::{Acknowledge, SampleSink, SeriesRef, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::setup::Site;
use differences::{Case, DIFFERENCES};
use page::Page;

/// Time between two scrapes, ms; all durations in queries are multiples of it.
const UNIT_MS: i64 = 250;
/// How many scrapes the data hold.
const N_SCRAPES: i64 = 64;
/// How far instant selectors look back: short, so that it matters.
const LOOKBACK: &str = "--query.lookback-delta=2500ms";

#[test]
fn generated_queries_are_answered_as_by_prometheus() {
    let Some(pair) = Pair::start() else { return };
    let (mut tally, seed) = (Tally::default(), seed());
    let mut queries = Generator::new(seed, pair.span);
    for _ in 0..n_of(4_000, 50_000) {
        let query = queries.query();
        pair.compare(&query.expr, &url_of(&query), &mut tally);
    }
    tally.report("generated queries", seed);

    // Several seeds: each prefers other corners of the syntax.
    for seed in seed..seed + 4 {
        let (mut tally, mut dice) = (Tally::default(), Dice::new(seed));
        for _ in 0..n_of(500, 5_000) {
            let expr = regex_query(&mut dice);
            let query = Query { expr, when: When::Instant(pair.span.end_ms) };
            pair.compare(&query.expr, &url_of(&query), &mut tally);
        }
        tally.report("generated regexes", seed);
    }
}

/// Everything 3.x has, against a reference that has it too.
#[test]
fn the_whole_grammar_is_answered_as_by_a_newer_prometheus() {
    let Some(pair) = Pair::start_newer() else {
        return skip(
            "newer-peer",
            "WF_PEER_PROMETHEUS names no newer prometheus to compare the whole grammar with",
        );
    };
    let (mut tally, seed) = (Tally::default(), seed());
    let mut queries = Generator::new(seed, pair.span);
    for _ in 0..n_of(4_000, 50_000) {
        let query = queries.query();
        pair.compare(&query.expr, &url_of(&query), &mut tally);
    }
    tally.report("generated queries, newer reference", seed);

    let mut tally = Tally::default();
    let scope = Scope { odd_spelling: false, without: &UNCOMPARABLE, ..Scope::ALL };
    let mut generator = testing::Generator::new(seed, WHOLE_GRAMMAR, scope);
    let n_queries = n_of(4_000, 50_000);
    for _ in 0..n_queries {
        let expr = generator.query();
        let end_ms = pair.span.end_ms;
        let query = Query { expr, when: When::Range(end_ms - 20 * UNIT_MS, end_ms, UNIT_MS) };
        pair.compare(&query.expr, &url_of(&query), &mut tally);
    }
    // Where a rounding error decides a comparison, whole samples differ: it is rare.
    let n_tolerated = n_queries / 100;
    figure("whole grammar compared with a newer prometheus: different", tally.wrong.len());
    assert!(tally.wrong.len() <= n_tolerated, "seed {seed}: {}", tally.wrong.join("\n"));
}

/// Functions whose order or choice among equals follows the storage.
const UNCOMPARABLE: [FunctionId; 4] =
    [FunctionId::Sort, FunctionId::SortDesc, FunctionId::SortByLabel, FunctionId::SortByLabelDesc];

const WHOLE_GRAMMAR: Vocabulary = Vocabulary {
    metrics: &[
        "requests_total",
        "restarts_total",
        "temperature",
        "odd",
        "constant",
        "latency_seconds_bucket",
        "node_info",
    ],
    matchers: &[
        "node=\"n1\"",
        "node=~\"n[12]\"",
        "code!=\"\"",
        "room=~\".*[ü온].*\"",
        "kind!=\"nan\"",
        "le=\"+Inf\"",
    ],
    labels: &["node", "code", "room", "kind", "le", "version"],
    times: &["0", "1234567890"],
};

fn n_of(usual: usize, soak: usize) -> usize {
    if std::env::var_os("WF_SOAK").is_some() { soak } else { usual }
}

fn seed() -> u64 {
    std::env::var("WF_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(42)
}

/// Both servers over the same samples.
struct Pair {
    ours: Server,
    theirs: Server,
    client: http::Client,
    span: Span,
    /// Theirs is of our level: nothing may differ, and the whole grammar is common.
    is_newer: bool,
    /// Holds the data directories for as long as the servers run.
    _site: Site,
}

impl Pair {
    /// Makes the directory of a server that scraped the simulated targets, and opens it with both.
    fn start() -> Option<Self> {
        Some(Self::over(&binary()?, &peer("prometheus")?, &["promql-experimental-functions"], &[]))
    }

    /// As [`Pair::start`], with the newer Prometheus of `WF_PEER_PROMETHEUS` and everything switched on in both.
    fn start_newer() -> Option<Self> {
        let prometheus = std::env::var_os("WF_PEER_PROMETHEUS")?;
        let features = [
            "promql-experimental-functions",
            "promql-duration-expr",
            "promql-extended-range-selectors",
            "promql-binop-fill-modifiers",
        ];
        let pair = Self::over(&binary()?, Path::new(&prometheus), &features, &features);
        Some(Self { is_newer: true, ..pair })
    }

    fn over(binary: &Path, prometheus: &Path, our_features: &[&str], their_features: &[&str]) -> Self {
        let site = Site::new();
        let span = record(&site.data());
        let other = site.path("copy");
        copy(&site.data(), &other);
        site.configure("1h", &[]);
        let mut arguments = site.server_arguments();
        arguments.retain(|argument| !argument.starts_with("--web.listen-address"));
        let enabled = |features: &[&str]| format!("--enable-feature={}", features.join(","));
        arguments.extend([LOOKBACK.to_owned(), enabled(our_features)]);
        let ours = start(binary, arguments, &site, "log");
        let empty = site.path("empty.yml");
        fs::write(&empty, "").unwrap();
        let mut arguments = vec![
            format!("--config.file={}", empty.display()),
            format!("--storage.tsdb.path={}", other.display()),
            LOOKBACK.to_owned(),
        ];
        if !their_features.is_empty() {
            arguments.push(enabled(their_features));
        }
        let theirs = start(prometheus, arguments, &site, "prometheus.log");
        Self { ours, theirs, client: http::Client::new(), span, is_newer: false, _site: site }
    }

    fn compare(&self, expr: &str, (path, rest): &(String, String), tally: &mut Tally) {
        let ask = |base: &str, expr: &str| {
            let url = format!("{base}/api/v1/{path}?query={}{rest}", http::encode(expr));
            Answer::read(&self.client.get(&url).unwrap().json().unwrap()).unwrap()
        };
        let ours = ask(&self.ours.base, expr);
        let theirs = match self.is_newer {
            true => ask(&self.theirs.base, expr),
            false => ask(&self.theirs.base, &differences::in_the_old_spelling(expr)),
        };
        tally.n_compared += 1;
        tally.n_samples += theirs.n_samples();
        tally.n_empty += usize::from(theirs.n_samples() == 0);
        tally.n_refused += usize::from(matches!(theirs, Answer::Refused(_)));
        if ours.matches(&theirs, is_close) {
            return;
        }
        let ask_theirs = |expr: &str| ask(&self.theirs.base, expr);
        let case = Case { expr, ours: &ours, theirs: &theirs, ask: &ask_theirs };
        let explained = if self.is_newer { None } else { differences::explain(&case) };
        match explained {
            Some(difference) => *tally.listed.entry(difference).or_default() += 1,
            None => tally.wrong.push(format!("{expr}  {rest}\n{}", first_difference(&ours, &theirs))),
        }
    }
}

/// Starts a server on a port of its own.
fn start(program: &Path, mut arguments: Vec<String>, site: &Site, log: &str) -> Server {
    let port = free_port().unwrap();
    arguments.push(format!("--web.listen-address=127.0.0.1:{port}"));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::start(program, &arguments, port, &site.path(log)).unwrap()
}

/// When the first scrape is: the data lie about the end of a year, which is that of a block too.
const START_MS: i64 = 1_767_225_592_000;
/// A target of the simulation.
struct Simulated {
    job: &'static str,
    instance: &'static str,
    /// When in the time between two scrapes it is scraped, ms.
    phase_ms: i64,
    /// What it says, by the number of the scrape.
    page: fn(u64) -> Option<Page>,
}

const TARGETS: [Simulated; 2] = [
    Simulated { job: "steady", instance: "127.0.0.1:8001", phase_ms: 37, page: page::steady },
    Simulated { job: "failing", instance: "127.0.0.1:8002", phase_ms: 141, page: page::failing },
];
/// By how much a scrape comes late, at most: each by another bit.
const LATE_MS: u64 = 3;
/// What evaluation times leave of [`UNIT_MS`], and no scrape does.
const RESIDUE_MS: i64 = 1;

/// Writes what a server writes that scrapes the targets and is killed; returns where that lies in time. Not with the clock of
/// the machine: other times, a scrape that is late, would be other questions each time, and luck what they find.
fn record(data: &Path) -> Span {
    let written = data.with_file_name("written");
    let options = TsdbOptions { compaction_thread: false, ..TsdbOptions::default() };
    let db = Tsdb::open(&written, options, START_MS).unwrap();
    let mut dice = Dice::new(seed());
    let mut known: [BTreeSet<SeriesRef>; 2] = Default::default();
    for tick in 0..N_SCRAPES {
        for (Simulated { job, instance, phase_ms, page }, known) in TARGETS.iter().zip(&mut known) {
            let late_ms = i64::try_from(dice.below(LATE_MS)).unwrap();
            let time_ms = START_MS + tick * UNIT_MS + phase_ms + late_ms;
            let found = page(u64::try_from(tick).unwrap());
            let is_up = if found.is_some() { 1.0 } else { 0.0 };
            let mut batch = WriteBatch::default();
            let mut push = |labels: &Labels, value: f64| {
                let own = [("job", *job), ("instance", *instance)];
                let all = Labels::from_pairs(labels.iter().chain(own));
                let series = db.resolve(&all).unwrap();
                batch.push(series, time_ms, value);
                series
            };
            let here: BTreeSet<SeriesRef> =
                found.into_iter().flatten().map(|(labels, value)| push(&labels, value)).collect();
            push(&Labels::from_pairs([("__name__", "up")]), is_up);
            known.difference(&here).for_each(|gone| batch.push(*gone, time_ms, f64::from_bits(STALE)));
            *known = here;
            assert!(db.append(&batch, Acknowledge::Written).unwrap().rejected.is_empty());
        }
    }
    // As it is now a killed process would leave it.
    copy(&written, data);
    db.close().unwrap();
    let end_ms = START_MS + N_SCRAPES * UNIT_MS;
    Span { start_ms: START_MS, end_ms, unit_ms: UNIT_MS, residue_ms: RESIDUE_MS }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap().success());
}

fn url_of(query: &Query) -> (String, String) {
    match query.when {
        When::Instant(at) => ("query".to_owned(), format!("&time={}", seconds(at))),
        When::Range(start, end, step) => (
            "query_range".to_owned(),
            format!("&start={}&end={}&step={}", seconds(start), seconds(end), seconds(step)),
        ),
    }
}

/// A matcher over the subjects, or their replacement.
fn regex_query(dice: &mut Dice) -> String {
    let pattern = quoted(&regexes::pattern(dice));
    match dice.below(3) {
        0 => format!("subject{{text=~{pattern}}}"),
        1 => format!("subject{{text!~{pattern}}}"),
        _ => {
            let replacement = quoted(dice.pick(&regexes::REPLACEMENTS));
            format!("label_replace(subject, \"to\", {replacement}, \"text\", {pattern})")
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// What was compared, and what was found.
#[derive(Default)]
struct Tally {
    n_compared: usize,
    n_refused: usize,
    n_empty: usize,
    n_samples: usize,
    /// How often each of `DIFFERENCES` was seen, by index.
    listed: BTreeMap<usize, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn report(&self, what: &str, seed: u64) {
        figure(&format!("{what} compared with prometheus 2.42"), self.n_compared);
        figure(&format!("{what}: refused by both"), self.n_refused);
        figure(&format!("{what}: samples compared"), self.n_samples);
        figure(&format!("{what}: answers without samples"), self.n_empty);
        for (difference, count) in &self.listed {
            figure(&format!("{what}: listed difference, {}", DIFFERENCES[*difference].reason), count);
        }
        let n_wrong = self.wrong.len();
        let shown: usize = std::env::var("WF_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
        let first: Vec<&String> = self.wrong.iter().take(shown).collect();
        assert!(
            first.is_empty(),
            "seed {seed}: {n_wrong} of {} {what} differ:\n{}",
            self.n_compared,
            join(&first)
        );
    }
}

fn join(parts: &[&String]) -> String {
    parts.iter().map(|part| part.as_str()).collect::<Vec<_>>().join("\n")
}

fn first_difference(ours: &Answer, theirs: &Answer) -> String {
    let (Answer::Series(_, a), Answer::Series(_, b)) = (ours, theirs) else {
        return format!("  ours:   {}\n  theirs: {}", brief(ours), brief(theirs));
    };
    let labels: std::collections::BTreeSet<&LabelSet> = a.keys().chain(b.keys()).collect();
    for labels in labels {
        let (left, right) = (a.get(labels), b.get(labels));
        if let (Some(left), Some(right)) = (left, right) {
            let differing = left.iter().zip(right).find(|(l, r)| l.0 != r.0 || !is_close(l.1, r.1));
            match differing {
                Some((l, r)) => return format!("  {labels:?}\n  ours: {l:?} theirs: {r:?}"),
                None if left.len() == right.len() => continue,
                None => {}
            }
        }
        let counts = (a.len(), b.len());
        return format!("  {labels:?} series {counts:?}\n  ours:   {left:?}\n  theirs: {right:?}");
    }
    "  result types".to_owned()
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Refused(kind) => format!("refused: {kind}"),
        Answer::Series(kind, series) => format!("{kind} of {} series", series.len()),
    }
}
