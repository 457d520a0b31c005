//! Half a day of samples made by rule, for whoever writes them into a data directory: us, or the original.
//!
//! Times leave a remainder of [`PHASE_MS`] that no evaluation time leaves, so that no sample lies on the left edge of a
//! window: 2.42 has closed windows, 3.x left-open ones.

use std::f64::consts::TAU;

use wf_model::histogram::{Histogram, Span};

use crate::dice::Dice;

/// Time between two samples of a series, ms.
pub const STEP_MS: i64 = 15_000;
/// Remainder of every sample's time, ms.
pub const PHASE_MS: i64 = 3_000;
/// The bits that say that a series has ended.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// How far a held-back sample comes after its time, ticks: 20 minutes.
const DELAY_TICKS: i64 = 80;

/// What a series' values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Counts up and starts again now and then.
    Counter,
    /// Swings.
    Gauge,
    /// Never changes.
    Constant,
    /// Comes and goes; ends with a stale marker each time.
    Flapping,
    /// Counts up; a third of its samples arrive out of order.
    Late,
    /// Takes values that are no ordinary numbers.
    Special,
    /// Noise over all bits.
    Noise,
}

/// A series and its rule.
#[derive(Clone, Debug)]
struct Series {
    labels: Vec<(String, String)>,
    shape: Shape,
    /// Tells series of one shape apart.
    seed: u64,
}

/// A sample: index of its series, time in ms, value.
pub type Sample = (usize, i64, f64);

/// Labels of the series of native histograms.
pub const NATIVE_LABELS: [(&str, &str); 2] = [("__name__", "native"), ("job", "node")];

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    start_ms: i64,
    series: Vec<Series>,
}

impl History {
    /// Makes the rules for samples from `start_ms` on, which is rounded down to a whole minute.
    pub fn new(start_ms: i64) -> Self {
        let mut series = Vec::new();
        let mut add = |name: &str, labels: &[(&str, &str)], shape: Shape| {
            let mut all = vec![("__name__".to_owned(), name.to_owned())];
            all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            all.sort();
            let seed = series.len() as u64 + 1;
            series.push(Series { labels: all, shape, seed });
        };
        for instance in ["a:9100", "b:9100", "c:9100"] {
            for (core, mode) in [("0", "idle"), ("0", "user"), ("1", "idle"), ("1", "user")] {
                let labels = [("instance", instance), ("core", core), ("mode", mode), ("job", "node")];
                add("cpu_seconds_total", &labels, Shape::Counter);
            }
            let here = [("instance", instance), ("job", "node")];
            add("load", &here, Shape::Gauge);
            add("memory_bytes", &here, Shape::Constant);
            add("noise", &here, Shape::Noise);
            add("flapping", &here, Shape::Flapping);
            add("late_total", &here, Shape::Late);
            add("doomed", &here, Shape::Gauge);
            for bound in ["0.1", "0.5", "2", "+Inf"] {
                let labels = [("instance", instance), ("job", "node"), ("le", bound)];
                add("latency_seconds_bucket", &labels, Shape::Counter);
            }
        }
        for kind in ["온도", "Δ", "space and \"quotes\"", "line\nbreak", "🜂"] {
            add("special", &[("kind", kind)], Shape::Special);
        }
        Self { start_ms: start_ms.div_euclid(60_000) * 60_000, series }
    }

    /// Returns the labels of each series, sorted by name; the metric's name is `__name__`.
    pub fn labels(&self) -> impl Iterator<Item = &[(String, String)]> {
        self.series.iter().map(|series| series.labels.as_slice())
    }

    /// Returns the time of tick `tick`, ms.
    pub fn time_ms(&self, tick: i64) -> i64 {
        self.start_ms + tick * STEP_MS + PHASE_MS
    }

    /// Returns what arrives in time at tick `tick`.
    pub fn on_time(&self, tick: i64) -> impl Iterator<Item = Sample> {
        let here = self.series.iter().enumerate();
        here.filter(move |(_, series)| !(series.shape == Shape::Late && is_held_back(tick)))
            .filter_map(move |(idx, series)| Some((idx, self.time_ms(tick), series.value(tick)?)))
    }

    /// Returns what was held back before and arrives at tick `tick`, out of order.
    pub fn belated(&self, tick: i64) -> impl Iterator<Item = Sample> {
        let due = tick - DELAY_TICKS;
        let here = self.series.iter().enumerate().filter(|(_, series)| series.shape == Shape::Late);
        here.filter(move |_| due >= 0 && is_held_back(due))
            .filter_map(move |(idx, series)| Some((idx, self.time_ms(due), series.value(due)?)))
    }

    /// Returns the native histogram of tick `tick`: it counts up, gains buckets, and starts again every 900 ticks.
    pub fn native(&self, tick: i64) -> Histogram {
        let age = u64::try_from(tick % 900).unwrap_or(0) + 1;
        // Buckets at 0, 1, 2, and later at 5 and 6: one old chunk has to be written anew for them.
        let has_more = age > 400;
        let counts: &[u64] = if has_more { &[age, 2 * age, age, age - 400, 3] } else { &[age, 2 * age, age] };
        let mut positive_spans = vec![Span { offset: 0, length: 3 }];
        positive_spans.extend(has_more.then_some(Span { offset: 2, length: 2 }));
        let previous = std::iter::once(0).chain(counts.iter().copied());
        let deltas = previous.zip(counts).map(|(previous, count)| *count as i64 - previous as i64);
        Histogram {
            zero_threshold: 0.001,
            zero_count: age / 2,
            count: counts.iter().sum::<u64>() + age / 2,
            sum: age as f64 * 7.25,
            positive_spans,
            positive_deltas: deltas.collect(),
            ..Histogram::default()
        }
    }
}

fn is_held_back(tick: i64) -> bool {
    (tick / 8) % 3 == 1
}

impl Series {
    fn value(&self, tick: i64) -> Option<f64> {
        let (at, own) = (tick as f64, self.seed as f64);
        Some(match self.shape {
            // 16-bit steps of different size, restarting every 700 to 1,000 ticks.
            Shape::Counter => ((tick % (700 + 10 * self.seed as i64)) as f64 * own * 0.25).floor(),
            Shape::Late => at * own,
            Shape::Gauge => (at / 40.0 + own).sin() * 100.0 + own,
            Shape::Constant => own * 1024.0 * 1024.0,
            Shape::Flapping => match (tick / 50) % 4 {
                3 if tick % 50 == 0 => f64::from_bits(STALE),
                3 => return None,
                _ => at + own,
            },
            Shape::Special => match (tick + self.seed as i64) % 5 {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3 => -0.0,
                _ => (at / TAU).cos() * 1e-300,
            },
            Shape::Noise => {
                let mut dice = Dice::new(self.seed << 32 | tick as u64);
                dice.below(1_000_000_007) as f64 / 977.0
            }
        })
    }
}
