//! The head through its door: new series, samples, selections.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use wf_model::{Labels, MatchOp, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleSink, SelectRequest, SeriesRef, SeriesSource, WriteBatch};
use wf_tsdb::{Tsdb, TsdbOptions};

use crate::path::{Path, Work, mixed};

pub(crate) const PATHS: &[Path] = &[
    Path { name: "head/new-series", unit: "series", n_rounds: 4, prepare: new_series },
    Path { name: "head/known-series", unit: "series", n_rounds: 4, prepare: known_series },
    // One chunk's worth of rounds: each series is cut once.
    Path { name: "head/append-constant", unit: "sample", n_rounds: 120, prepare: || append(|_, _| 1.0) },
    Path { name: "head/append-random", unit: "sample", n_rounds: 120, prepare: || append(random) },
    Path { name: "select/equal", unit: "series", n_rounds: 8, prepare: || select(&[EQUAL_NAME, EQUAL_MODE]) },
    Path { name: "select/regex", unit: "series", n_rounds: 8, prepare: || select(&[EQUAL_NAME, REGEX_CPU]) },
];

const N_SERIES: usize = 1_000;
pub(crate) const START_MS: i64 = 1_700_000_000_000;
pub(crate) const INTERVAL_MS: i64 = 15_000;
const MODES: [&str; 4] = ["idle", "iowait", "system", "user"];

type Triple = (MatchOp, &'static str, &'static str);
const EQUAL_NAME: Triple = (MatchOp::Equal, "__name__", "node_cpu_seconds_total");
const EQUAL_MODE: Triple = (MatchOp::Equal, "mode", "idle");
const REGEX_CPU: Triple = (MatchOp::Regex, "cpu", "1[0-9]*|2.+");

/// A head in a folder of its own, which goes away with it.
pub(crate) struct Head {
    pub(crate) tsdb: Arc<Tsdb>,
    pub(crate) series: Vec<SeriesRef>,
    dir: PathBuf,
}

impl Head {
    pub(crate) fn open() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("wf-bench-{}", std::process::id()));
        let tsdb = Tsdb::open(&dir, TsdbOptions::default(), START_MS)?;
        Ok(Self { tsdb, series: Vec::new(), dir })
    }

    /// Opens a head with series of `n` CPUs and modes of some instances.
    pub(crate) fn with_series(n: usize) -> Result<Self> {
        let mut head = Self::open()?;
        head.series = (0..n).map(|idx| head.tsdb.resolve(&labels(0, idx))).collect::<Result<_, _>>()?;
        Ok(head)
    }

    /// Appends one sample to each series : readers see it once it is written.
    pub(crate) fn append(
        &self,
        batch: &mut WriteBatch,
        acknowledge: Acknowledge,
        time_ms: i64,
        value: impl Fn(usize) -> f64,
    ) -> Result<()> {
        batch.clear();
        for (idx, series) in self.series.iter().enumerate() {
            batch.push(*series, time_ms, value(idx));
        }
        let outcome = self.tsdb.append(batch, acknowledge)?;
        ensure!(outcome.rejected.is_empty(), "{} samples were rejected", outcome.rejected.len());
        Ok(())
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        // Left-overs in the folder for temporary files are the system's to sweep.
        let _ = self.tsdb.close();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Labels of a series as a scrape makes them; `generation` makes them new.
fn labels(generation: usize, idx: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", "node_cpu_seconds_total".to_owned()),
        ("cpu", (idx / MODES.len() % 50).to_string()),
        ("generation", generation.to_string()),
        ("instance", format!("10.0.0.{}:9100", idx / (MODES.len() * 50))),
        ("job", "node".to_owned()),
        ("mode", MODES.get(idx % MODES.len()).copied().unwrap_or_default().to_owned()),
    ])
}

fn new_series() -> Result<Work> {
    let head = Head::open()?;
    // Label sets are built ahead: they are the caller's, one generation for each round and then some.
    let mut generations: Vec<Vec<Labels>> =
        (0..64).rev().map(|generation| (0..N_SERIES).map(|idx| labels(generation, idx)).collect()).collect();
    Ok(Work::new(N_SERIES, move || {
        for labels in generations.pop().unwrap_or_default() {
            black_box(head.tsdb.resolve(&labels)?);
        }
        Ok(())
    }))
}

fn known_series() -> Result<Work> {
    let head = Head::with_series(N_SERIES)?;
    let known: Vec<Labels> = (0..N_SERIES).map(|idx| labels(0, idx)).collect();
    Ok(Work::new(N_SERIES, move || {
        for labels in &known {
            black_box(head.tsdb.resolve(labels)?);
        }
        Ok(())
    }))
}

/// A value whose bits all change from round to round.
fn random(series: usize, round: u64) -> f64 {
    (mixed(series as u64 * 1_000_003 + round) >> 11) as f64
}

fn append(value: fn(usize, u64) -> f64) -> Result<Work> {
    let head = Head::with_series(N_SERIES)?;
    let mut batch = WriteBatch::default();
    let (mut round, mut time_ms) = (0, START_MS);
    Ok(Work::new(N_SERIES, move || {
        (round, time_ms) = (round + 1, time_ms + INTERVAL_MS);
        head.append(&mut batch, Acknowledge::Queued, time_ms, |series| value(series, round))?;
        head.tsdb.maintain(time_ms);
        Ok(())
    }))
}

fn select(matchers: &[Triple]) -> Result<Work> {
    let head = Head::with_series(10 * N_SERIES)?;
    head.append(&mut WriteBatch::default(), Acknowledge::Written, START_MS, |idx| idx as f64)?;
    let matchers: Vec<Matcher> =
        matchers.iter().map(|(op, name, value)| Matcher::new(*op, name, value)).collect::<Result<_, _>>()?;
    let run = move || {
        let request = SelectRequest { matchers: black_box(&matchers), range: TimeRange::ALL };
        head.tsdb.select(&request)
    };
    let n_selected = run()?.len();
    ensure!(n_selected > 0, "nothing was selected");
    Ok(Work::new(n_selected, move || {
        black_box(run()?.len());
        Ok(())
    }))
}
