//! Figures of each query, window and server, and what is made of them: means, the worst, tables, floors.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::asked::Asked;
use super::{ALL_SERIES, SLOWEST};
use crate::latency::Latency;
use crate::stats::median;
use crate::{Report, Subject, Unit};

/// Below this a CPU time is mostly that of the request: less is not told apart.
const CPU_MIN_S: f64 = 20e-6;

/// What a query over a window cost a server.
pub(super) struct Cell {
    set: &'static str,
    query: &'static str,
    window: String,
    subject: Subject,
    n: usize,
    p50_s: f64,
    p99_s: f64,
    cpu_s: f64,
    cached_s: Option<f64>,
    extra_bytes: f64,
}

impl Cell {
    pub(super) fn new(
        set: &'static str,
        one: &Asked,
        subject: Subject,
        cost: &Latency,
        cached_s: Option<f64>,
    ) -> Self {
        Self {
            set,
            query: one.name,
            window: one.window.clone(),
            subject,
            n: cost.n,
            p50_s: cost.p50_s,
            p99_s: cost.p99_s,
            cpu_s: cost.cpu_s.max(CPU_MIN_S),
            cached_s,
            extra_bytes: cost.extra_peak_bytes,
        }
    }

    /// Returns a line for who waits.
    pub(super) fn line(&self) -> String {
        format!(
            "{}, {}: {}, {}: CPU {:.1} ms, p50 {:.1} ms of {}",
            self.set,
            self.subject.name(),
            self.query,
            self.window,
            self.cpu_s * 1e3,
            self.p50_s * 1e3,
            self.n
        )
    }

    fn is_at(&self, other: &Self) -> bool {
        (self.set, self.query, &self.window) == (other.set, other.query, &other.window)
    }

    fn json(&self) -> Value {
        json!({
            "set": self.set, "query": self.query, "window": self.window, "subject": self.subject.name(), "answers": self.n,
            "p50_s": self.p50_s, "p99_s": self.p99_s, "cpu_s": self.cpu_s, "cached_p50_s": self.cached_s,
            "extra_bytes": self.extra_bytes,
        })
    }
}

/// All that was measured.
#[derive(Default)]
pub(super) struct Cells {
    all: Vec<Cell>,
}

impl Cells {
    pub(super) fn push(&mut self, cell: Cell) {
        self.all.push(cell);
    }

    /// Adds rows, tables, details and floors.
    pub(super) fn into_report(self, subjects: &[Subject], report: &mut Report) {
        for subject in subjects {
            let of = || self.all.iter().filter(|cell| cell.subject == *subject);
            let mut mean = |name, get: fn(&Cell) -> Option<f64>| {
                if let Some(mean) = geometric_mean(of().filter_map(get)) {
                    report.add(name, Unit::Seconds, *subject, mean);
                }
            };
            mean("CPU, geometric mean", |cell| Some(cell.cpu_s));
            mean("p50, geometric mean", |cell| Some(cell.p50_s));
            mean("p99, geometric mean", |cell| Some(cell.p99_s));
            mean("p50 of ranges asked again, caches on", |cell| cell.cached_s);
            mean("CPU of the rate of 100k series", |cell| {
                (cell.query == ALL_SERIES && cell.set == "large").then_some(cell.cpu_s)
            });
        }
        report.floor("CPU, geometric mean", Subject::Prometheus, 0.2);
        if self.all.iter().any(|cell| cell.set == "large") {
            report.floor("CPU of the rate of 100k series", Subject::Prometheus, 0.1);
            report.floor("peak RSS, large", Subject::Prometheus, 0.2);
        }
        for other in [Subject::Prometheus, Subject::VictoriaMetrics] {
            let Some((ratio, cell)) = self.slowest(other) else { continue };
            let place = format!("{}, {}, {}", cell.query, cell.window, cell.set);
            if other == Subject::Prometheus {
                let what = format!("CPU of the slowest beside prometheus ({place})");
                report.demand(what, ratio, SLOWEST);
            } else {
                report.note(format!("The slowest beside {} is {place}: {ratio:.2} × its CPU.", other.name()));
            }
        }
        let mut sets: Vec<&str> = self.all.iter().map(|cell| cell.set).collect();
        sets.dedup();
        let tables: String = sets.iter().map(|set| self.table(set)).collect();
        report.detail(tables, self.all.iter().map(Cell::json).collect());
    }

    /// Returns our CPU time divided by the other's at the place of `cell`, which is ours.
    fn ratio(&self, cell: &Cell, other: Subject) -> Option<f64> {
        let of = |subject| {
            let there = self.all.iter().filter(|one| one.subject == subject && one.is_at(cell));
            median(&there.map(|one| one.cpu_s).collect::<Vec<_>>())
        };
        Some(of(Subject::Watchfire)? / of(other)?)
    }

    fn slowest(&self, other: Subject) -> Option<(f64, &Cell)> {
        let ours = self.all.iter().filter(|cell| cell.subject == Subject::Watchfire);
        let ratios = ours.filter_map(|cell| Some((self.ratio(cell, other)?, cell)));
        ratios.max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// A table of one set: a row per query, a column per window, in each our CPU time and how many times faster that is.
    fn table(&self, set: &str) -> String {
        let ours: Vec<&Cell> =
            self.all.iter().filter(|cell| cell.set == set && cell.subject == Subject::Watchfire).collect();
        let (mut queries, mut windows) = (Vec::new(), Vec::new());
        for cell in &ours {
            if !queries.contains(&cell.query) {
                queries.push(cell.query);
            }
            if !windows.contains(&cell.window.as_str()) {
                windows.push(cell.window.as_str());
            }
        }
        let mut out = format!(
            "\n| {set}: our CPU time, × speed of prometheus, × of victoria-metrics | {} |\n",
            windows.join(" | ")
        );
        // Writing to a string cannot fail.
        let _ = writeln!(out, "|---{}|", "|---".repeat(windows.len()));
        for query in queries {
            let at = |window: &&str| {
                let cell = ours.iter().find(|cell| cell.query == query && cell.window == **window);
                cell.map_or("–".to_owned(), |cell| self.shown(cell))
            };
            let _ = writeln!(out, "| {query} | {} |", windows.iter().map(at).collect::<Vec<_>>().join(" | "));
        }
        out
    }

    fn shown(&self, cell: &Cell) -> String {
        let factor = |other| match self.ratio(cell, other) {
            Some(ratio) if ratio > 0.1 => format!("{:.1}", 1.0 / ratio),
            Some(ratio) => format!("{:.0}", 1.0 / ratio),
            None => "–".to_owned(),
        };
        let (first, second) = (factor(Subject::Prometheus), factor(Subject::VictoriaMetrics));
        format!("{:.1} ms, {first}, {second}", cell.cpu_s * 1e3)
    }
}

/// Returns the geometric mean; of nothing `None`.
fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = values.map(f64::ln).collect();
    let n = logarithms.len() as f64;
    (n > 0.0).then(|| (logarithms.iter().sum::<f64>() / n).exp())
}
