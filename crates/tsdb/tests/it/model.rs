//! The whole database against a map: whatever is done to it in whatever order, it holds what the map holds, after every
//! step.
//!
//! A step is an arm of [`Step`], chosen by a seed; a failure names seed and step. The value of a sample follows from its
//! series and time, so that it does not matter which of two equal samples was kept. `WF_SOAK=1` tries many more seeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{Acknowledge, SampleColumns, SampleSink, SelectRequest, SeriesSource, WriteBatch};
use wf_tsdb::disk::fault::Rng;
use wf_tsdb::{Tsdb, TsdbOptions};

const START_MS: i64 = 1_700_000_040_000;
const SECOND: i64 = 1_000;
/// Late samples are taken this far back from the newest one, ms.
const WINDOW_MS: i64 = 300 * SECOND;
const N_SERIES: usize = 6;
const N_STEPS: usize = 60;

#[derive(Clone, Debug)]
enum Step {
    /// Series, and seconds relative to now.
    Append(Vec<(usize, i64)>),
    /// One series, many samples, so many seconds apart.
    Run {
        series: usize,
        n: i64,
        step_s: i64,
    },
    /// Seconds relative to now, both ends included.
    Delete {
        series: usize,
        from_s: i64,
        to_s: i64,
    },
    CleanTombstones,
    Pass {
        seconds: i64,
    },
    Maintain,
    Compact,
    /// Closed in order and opened again.
    Restart,
    /// Gone without a word, and opened again.
    Crash,
}

impl Step {
    fn any(rng: &mut Rng) -> Self {
        let between = |rng: &mut Rng, low: i64, high: i64| {
            low + i64::try_from(rng.below(usize::try_from(high - low).unwrap())).unwrap()
        };
        match rng.below(24) {
            0..7 => {
                let n_samples = 1 + rng.below(12);
                Self::Append((0..n_samples).map(|_| (rng.below(N_SERIES), between(rng, -400, 20))).collect())
            }
            7..11 => {
                let (n, step_s) = (between(rng, 1, 200), between(rng, 1, 4));
                Self::Run { series: rng.below(N_SERIES), n, step_s }
            }
            11..13 => {
                let from_s = between(rng, -500, 0);
                Self::Delete { series: rng.below(N_SERIES), from_s, to_s: from_s + between(rng, 0, 200) }
            }
            13 => Self::CleanTombstones,
            14..17 => Self::Pass { seconds: between(rng, 1, 120) },
            17..20 => Self::Maintain,
            20 => Self::Compact,
            21 | 22 => Self::Restart,
            _ => Self::Crash,
        }
    }
}

fn open(dir: &Path, now_ms: i64) -> Arc<Tsdb> {
    let options = TsdbOptions {
        chunk_range_ms: 60 * SECOND,
        out_of_order_window_ms: WINDOW_MS,
        compaction_thread: false,
        ..TsdbOptions::default()
    };
    Tsdb::open(dir, options, now_ms).unwrap()
}

fn labels(series: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("n", series.to_string())])
}

fn value(series: usize, time_ms: i64) -> f64 {
    if series.is_multiple_of(2) { series as f64 } else { (time_ms / SECOND % 61) as f64 * 0.1 }
}

/// The database and what it should hold.
struct World {
    dir: tempfile::TempDir,
    tsdb: Option<Arc<Tsdb>>,
    now_ms: i64,
    newest_ms: i64,
    samples: BTreeMap<(usize, i64), f64>,
    /// A late sample in a deleted range may stay deleted or not: none is sent.
    deleted_until: [i64; N_SERIES],
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tsdb = Some(open(dir.path(), START_MS));
        let (now_ms, newest_ms) = (START_MS, i64::MIN);
        let (samples, deleted_until) = (BTreeMap::new(), [i64::MIN; N_SERIES]);
        Self { dir, tsdb, now_ms, newest_ms, samples, deleted_until }
    }

    fn tsdb(&self) -> &Tsdb {
        self.tsdb.as_ref().unwrap()
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Append(samples) => {
                let samples = samples.iter().map(|(series, s)| (*series, self.now_ms + s * SECOND));
                self.append(samples.collect());
            }
            Step::Run { series, n, step_s } => {
                for _ in 0..*n {
                    self.now_ms += step_s * SECOND;
                    self.append(vec![(*series, self.now_ms)]);
                }
            }
            Step::Delete { series, from_s, to_s } => {
                let (start_ms, end_ms) = (self.now_ms + from_s * SECOND, self.now_ms + to_s * SECOND);
                let matchers = [Matcher::equal("n", &series.to_string())];
                self.tsdb().delete(&matchers, TimeRange { start_ms, end_ms }).unwrap();
                self.samples.retain(|(n, time), _| n != series || !(start_ms..=end_ms).contains(time));
                self.deleted_until[*series] = self.deleted_until[*series].max(end_ms);
            }
            Step::CleanTombstones => self.tsdb().clean_tombstones(self.now_ms).unwrap(),
            Step::Pass { seconds } => self.now_ms += seconds * SECOND,
            Step::Maintain => self.tsdb().maintain(self.now_ms),
            Step::Compact => {
                self.tsdb().maintain(self.now_ms);
                self.tsdb().compact(self.now_ms);
            }
            Step::Restart => {
                self.tsdb().close().unwrap();
                self.reopen();
            }
            Step::Crash => self.reopen(),
        }
    }

    fn reopen(&mut self) {
        self.tsdb = None;
        self.tsdb = Some(open(self.dir.path(), self.now_ms));
    }

    fn append(&mut self, samples: Vec<(usize, i64)>) {
        let mut batch = WriteBatch::default();
        let sent: Vec<_> =
            samples.into_iter().filter(|(series, time)| *time > self.deleted_until[*series]).collect();
        for (series, time) in &sent {
            batch.push(self.tsdb().resolve(&labels(*series)).unwrap(), *time, value(*series, *time));
        }
        let outcome = self.tsdb().append(&batch, Acknowledge::Written).unwrap();
        let oldest = self.newest_ms.saturating_sub(WINDOW_MS);
        for (at, (series, time)) in sent.into_iter().enumerate() {
            match outcome.rejected.iter().find(|(rejected, _)| *rejected == at) {
                None => {
                    self.samples.insert((series, time), value(series, time));
                    self.newest_ms = self.newest_ms.max(time);
                }
                // What is beyond the window may still be taken: the window counts from the head, which may be empty.
                Some((_, reason)) => {
                    assert!(time < oldest, "series {series} at {time}: {reason:?}, of {oldest}");
                }
            }
        }
    }

    fn check(&self) {
        let selection = self.tsdb().select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
        let (mut out, mut found) = (SampleColumns::default(), BTreeMap::new());
        for idx in 0..selection.len() {
            let series: usize = selection.labels(idx).get("n").unwrap().parse().unwrap();
            selection.read(idx, TimeRange::ALL, &mut out).unwrap();
            for (time, value) in out.times_ms.iter().zip(&out.values) {
                assert!(found.insert((series, *time), *value).is_none(), "series {series} has {time} twice");
            }
        }
        let differs = |(key, value): &(&(usize, i64), &f64)| found.get(key) != Some(value);
        let missing: Vec<_> = self.samples.iter().filter(differs).collect();
        let extra: Vec<_> = found.keys().filter(|key| !self.samples.contains_key(key)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{} missing, first {:?}; {} too many, first {:?}; of {}",
            missing.len(),
            missing.first(),
            extra.len(),
            extra.first(),
            self.samples.len()
        );
    }
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let steps: Vec<Step> = (0..N_STEPS).map(|_| Step::any(&mut rng)).collect();
    let mut world = World::new();
    for (at, step) in steps.iter().enumerate() {
        let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.take(step);
            world.check();
        }));
        if let Err(panic) = taken {
            let from = at.saturating_sub(30);
            panic!("seed {seed}, step {at} of {:?}: {:?}", &steps[from..=at], panic.downcast_ref::<String>());
        }
    }
}

#[test]
fn the_database_is_a_map_after_every_step() {
    let n_seeds = if std::env::var_os("WF_SOAK").is_some() { 2_000 } else { 6 };
    let only = std::env::var("WF_SEED").ok().and_then(|seed| seed.parse().ok());
    only.map_or(0..n_seeds, |seed: u64| seed..seed + 1).for_each(run);
}
