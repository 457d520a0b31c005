//! Out-of-order samples against a naive model, through restarts and crashes.

use super::*;

mod cases;

/// `spec/prometheus-core.md` §7.7 for a map: the first sample of a time stays; what was deleted stays deleted.
#[derive(Default)]
struct LateModel {
    series: BTreeMap<usize, LateModelSeries>,
    newest: Option<i64>,
    window_ms: i64,
}

#[derive(Default)]
struct LateModelSeries {
    samples: BTreeMap<i64, f64>,
    /// Newest sample in order.
    newest: Option<(i64, f64)>,
    /// Oldest and newest ever.
    span: Option<(i64, i64)>,
    deleted: Vec<(i64, i64)>,
}

impl LateModel {
    fn append(&mut self, batch: &[(usize, i64, f64)]) -> Vec<(usize, Rejection)> {
        let head_newest = self.newest;
        let bound = head_newest.map_or(i64::MIN, |newest| newest - HOUR);
        let mut rejected = Vec::new();
        for (at, (n, time, value)) in batch.iter().enumerate() {
            let series = self.series.entry(*n).or_default();
            let newest = series.newest;
            if *time >= bound && newest.is_none_or(|(newest, _)| *time > newest) {
                series.newest = Some((*time, *value));
                series.store(*time, *value);
                self.newest = self.newest.max(Some(*time));
            } else if *time >= bound && newest.is_some_and(|(newest, _)| *time == newest) {
                if newest != Some((*time, *value)) {
                    rejected.push((at, Rejection::Duplicate));
                }
            } else if self.window_ms == 0 {
                let reason = if *time < bound { Rejection::OutOfBounds } else { Rejection::OutOfOrder };
                rejected.push((at, reason));
            } else if head_newest.is_some_and(|newest| *time < newest - self.window_ms) {
                rejected.push((at, Rejection::TooOld));
            } else {
                series.store(*time, *value);
            }
        }
        rejected
    }

    fn delete(&mut self, n: usize, start: i64, end: i64) {
        let Some(series) = self.series.get_mut(&n) else { return };
        let Some((oldest, newest)) = series.span else { return };
        let (start, end) = (start.max(oldest), end.min(newest));
        if start <= end {
            series.samples.retain(|time, _| !(start..=end).contains(time));
            series.deleted.push((start, end));
        }
    }

    fn dump(&self) -> BTreeMap<Labels, Vec<(i64, u64)>> {
        let filled = self.series.iter().filter(|(_, series)| !series.samples.is_empty());
        let bits = |series: &LateModelSeries| series.samples.iter().map(|(t, v)| (*t, v.to_bits())).collect();
        filled.map(|(n, series)| (labels(*n), bits(series))).collect()
    }
}

impl LateModelSeries {
    fn store(&mut self, time: i64, value: f64) {
        let (oldest, newest) = self.span.unwrap_or((time, time));
        self.span = Some((oldest.min(time), newest.max(time)));
        if !self.deleted.iter().any(|(start, end)| (*start..=*end).contains(&time)) {
            self.samples.entry(time).or_insert(value);
        }
    }
}

#[derive(Clone, Debug)]
enum LateStep {
    /// Series, seconds from now, value.
    Append(Vec<(usize, i64, u8)>),
    /// One series: first sample so many seconds before now, so many samples, seconds between them.
    Run(usize, i64, i64, i64),
    /// Series, and from when to when, minutes from now.
    Delete(usize, i64, i64),
    Window(i64),
    Pass(i64),
    Maintain,
    Restart,
    Crash,
}

fn any_late_step() -> impl Strategy<Value = LateStep> {
    let sample = (0..6usize, prop_oneof![2 => -60..30i64, 2 => -20_000..0i64], 0..3u8);
    prop_oneof![
        6 => prop::collection::vec(sample, 1..30).prop_map(LateStep::Append),
        4 => (0..6usize, 0..20_000i64, 1..150i64, 1..60i64).prop_map(|(n, at, len, step)| LateStep::Run(n, at, len, step)),
        1 => (0..6usize, -300..0i64, 0..120i64).prop_map(|(n, at, len)| LateStep::Delete(n, at, at + len)),
        1 => prop_oneof![Just(0), Just(2), Just(30)].prop_map(LateStep::Window),
        3 => (1..90i64).prop_map(LateStep::Pass),
        2 => Just(LateStep::Maintain),
        1 => Just(LateStep::Restart),
        1 => Just(LateStep::Crash),
    ]
}

/// Keeps everything: truncation is not the matter here.
fn late_options(window_ms: i64) -> TsdbOptions {
    TsdbOptions { out_of_order_window_ms: window_ms, ..small() }
}

/// What maintenance may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cuts {
    /// Nothing becomes a block: deletions are remembered for good.
    None,
    /// Blocks are made. Then it is not defined which of two values of one time stays, nor how long a deletion is
    /// remembered: values depend on time alone, and nothing is deleted.
    Blocks,
}

fn run_late_model(steps: &[LateStep], cuts: Cuts) {
    let root = tempfile::tempdir().unwrap();
    let mut n_dirs = 0;
    let mut dir = root.path().join("0");
    let mut model = LateModel { window_ms: 3 * HOUR, ..LateModel::default() };
    let mut tsdb = Tsdb::open(&dir, late_options(model.window_ms), START).unwrap();
    let mut now = START + MINUTE;
    let append = |tsdb: &Tsdb, model: &mut LateModel, samples: &[(usize, i64, f64)]| {
        let mut batch = WriteBatch::default();
        let of_time =
            |(n, time, _): &(usize, i64, f64)| (*n, *time, (*n as i64 * 7 + time / 1000 % 977) as f64);
        let by_time: Vec<_> = samples.iter().map(of_time).collect();
        let samples = if cuts == Cuts::Blocks { by_time.as_slice() } else { samples };
        for (n, time, value) in samples {
            batch.push(tsdb.resolve(&labels(*n)).unwrap(), *time, *value);
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
        assert_eq!(outcome.rejected, model.append(samples));
    };
    for step in steps {
        match step {
            LateStep::Append(samples) => {
                let samples: Vec<_> =
                    samples.iter().map(|(n, s, v)| (*n, now + s * 1000, f64::from(*v))).collect();
                append(&tsdb, &mut model, &samples);
            }
            LateStep::Run(n, before, len, step) => {
                let time = |at: i64| now - before * 1000 + at * step * 1000;
                let samples: Vec<_> = (0..*len).map(|at| (*n, time(at), (at * at) as f64 * 0.37)).collect();
                append(&tsdb, &mut model, &samples);
            }
            LateStep::Delete(..) if cuts == Cuts::Blocks => {}
            LateStep::Delete(n, start, end) => {
                let (start_ms, end_ms) = (now + start * MINUTE, now + end * MINUTE);
                let matchers = [Matcher::equal("n", &n.to_string())];
                tsdb.delete(&matchers, TimeRange { start_ms, end_ms }).unwrap();
                model.delete(*n, start_ms, end_ms);
            }
            LateStep::Window(hours) => {
                model.window_ms = hours * HOUR;
                tsdb.set_out_of_order_window(model.window_ms).unwrap();
            }
            LateStep::Pass(minutes) => now += minutes * MINUTE,
            // Without cuts: a deletion that went to a block no longer applies to late samples that come after it.
            LateStep::Maintain if cuts == Cuts::Blocks => tsdb.maintain(now),
            LateStep::Maintain => tsdb.head.maintain(now),
            LateStep::Restart => {
                tsdb.close().unwrap();
                tsdb = Tsdb::open(&dir, late_options(model.window_ms), now).unwrap();
            }
            LateStep::Crash => {
                n_dirs += 1;
                let copy = root.path().join(n_dirs.to_string());
                copy_dir(&dir, &copy);
                let recovered = Tsdb::open(&copy, late_options(model.window_ms), now).unwrap();
                std::mem::replace(&mut tsdb, recovered).close().unwrap();
                dir = copy;
            }
        }
        assert_eq!(dump(&*tsdb, &[], TimeRange::ALL), model.dump(), "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    /// In order, late, too late, twice, deleted, over restarts and crashes: what was acknowledged is what is read.
    #[test]
    fn late_samples_equal_the_model(steps in prop::collection::vec(any_late_step(), 1..40)) {
        run_late_model(&steps, Cuts::None);
    }

    /// The same while the head and its late samples are cut to blocks and these are merged in the background.
    #[test]
    fn late_samples_equal_the_model_across_blocks(steps in prop::collection::vec(any_late_step(), 10..60)) {
        run_late_model(&steps, Cuts::Blocks);
    }
}
