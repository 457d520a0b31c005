//! What a bench found: a table for docs/benchmarks.md, JSON for machines, verdicts on floors.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::calibrate::Calibration;
use crate::servers::Subject;
use crate::stats::{Summary, median, summary};

/// How a figure is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of memory or disk.
    Bytes,
    /// Shown in milliseconds below one.
    Seconds,
    /// Of CPU time or latency.
    Nanoseconds,
    /// A plain number.
    Count,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Nanoseconds => "nanoseconds",
            Self::Count => "",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Bytes if value >= 1e9 => format!("{:.2} GB", value / 1e9),
            Self::Bytes if value >= 1e6 => format!("{:.1} MB", value / 1e6),
            Self::Bytes if value < 100.0 => format!("{value:.3} B"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Nanoseconds => format!("{value:.0} ns"),
            Self::Count => format!("{value}"),
        }
    }
}

/// One figure of one run.
#[derive(Clone, Debug, PartialEq)]
struct Measured {
    figure: &'static str,
    subject: String,
    value: f64,
}

/// Something that must hold: the median of `ours` is at most `at_most` times that of `other`.
#[derive(Clone, Debug, PartialEq)]
struct Floor {
    figure: &'static str,
    ours: String,
    other: String,
    at_most: f64,
}

/// A number of ours alone that must hold.
#[derive(Clone, Debug, PartialEq)]
struct Demand {
    what: String,
    value: f64,
    at_most: f64,
}

/// What a bench found.
#[derive(Clone, Debug)]
pub struct Report {
    name: &'static str,
    /// Sentences on load, sizes and settings.
    setup: Vec<String>,
    figures: Vec<(&'static str, Unit)>,
    measured: Vec<Measured>,
    calibrations: Vec<Calibration>,
    floors: Vec<Floor>,
    demands: Vec<Demand>,
    /// Further tables, and their figures for machines.
    detail: (String, Value),
}

impl Report {
    /// Begins the report of bench `name`; `setup` says in a sentence what was measured.
    pub fn new(name: &'static str, setup: impl Into<String>) -> Self {
        Self {
            name,
            setup: vec![setup.into()],
            figures: Vec::new(),
            measured: Vec::new(),
            calibrations: Vec::new(),
            floors: Vec::new(),
            demands: Vec::new(),
            detail: (String::new(), Value::Null),
        }
    }

    /// Adds a sentence.
    pub fn note(&mut self, text: impl Into<String>) {
        self.setup.push(text.into());
    }

    /// Adds a figure of one run. Less is better. The first mention of a figure decides its row and unit.
    pub fn add(&mut self, figure: &'static str, unit: Unit, subject: Subject, value: f64) {
        self.add_variant(figure, unit, subject.name(), value);
    }

    /// Adds a figure of a subject that is not one of the three, such as a second encoding of ours.
    pub fn add_variant(&mut self, figure: &'static str, unit: Unit, subject: &str, value: f64) {
        if !self.figures.iter().any(|(known, _)| *known == figure) {
            self.figures.push((figure, unit));
        }
        self.measured.push(Measured { figure, subject: subject.to_owned(), value });
    }

    /// Notes how fast the machine was beside a run.
    pub fn calibrated(&mut self, calibration: Calibration) {
        self.calibrations.push(calibration);
    }

    /// Demands that our median of `figure` be at most `at_most` times that of `other`.
    pub fn floor(&mut self, figure: &'static str, other: Subject, at_most: f64) {
        self.floor_beside(figure, other.name(), at_most);
    }

    /// Demands that our median of `figure` be at most `at_most` times that of `other`, which is no server.
    pub fn floor_beside(&mut self, figure: &'static str, other: &str, at_most: f64) {
        let (ours, other) = (Subject::Watchfire.name().to_owned(), other.to_owned());
        self.floors.push(Floor { figure, ours, other, at_most });
    }

    /// Demands that `value`, which `what` names, be at most `at_most`.
    pub fn demand(&mut self, what: String, value: f64, at_most: f64) {
        self.demands.push(Demand { what, value, at_most });
    }

    /// Sets further tables, shown below the first, and what they hold as JSON.
    pub fn detail(&mut self, markdown: String, json: Value) {
        self.detail = (markdown, json);
    }

    /// Returns the name of the bench.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns median, minimum and maximum of a figure of a subject, if it was measured.
    pub fn summary(&self, figure: &str, subject: &str) -> Option<Summary> {
        let is_asked = |measured: &&Measured| measured.figure == figure && measured.subject == subject;
        summary(&self.measured.iter().filter(is_asked).map(|measured| measured.value).collect::<Vec<_>>())
    }

    /// Returns our median divided by the other's.
    pub fn ratio(&self, figure: &str, ours: &str, other: &str) -> Option<f64> {
        let (ours, other) = (self.summary(figure, ours)?.median, self.summary(figure, other)?.median);
        (other > 0.0).then(|| ours / other)
    }

    /// Returns the subjects in the order of their first figure, the three known ones first.
    fn subjects(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Subject::ALL.map(Subject::name).to_vec();
        found.retain(|name| self.measured.iter().any(|measured| measured.subject == *name));
        for measured in &self.measured {
            if !found.contains(&measured.subject.as_str()) {
                found.push(&measured.subject);
            }
        }
        found
    }

    /// Returns a sentence per floor that begins with PASS, FAIL, or, when a subject was not measured, UNKNOWN.
    pub fn verdicts(&self) -> Vec<String> {
        let verdict = |floor: &Floor| {
            let demand = format!("{} at most {} × {}", floor.figure, floor.at_most, floor.other);
            match self.ratio(floor.figure, &floor.ours, &floor.other) {
                Some(ratio) if ratio <= floor.at_most => format!("PASS: {demand}: {ratio:.3}"),
                Some(ratio) => format!("FAIL: {demand}: {ratio:.3}"),
                None => format!("UNKNOWN: {demand}: not measured"),
            }
        };
        let demanded = |demand: &Demand| {
            let word = if demand.value <= demand.at_most { "PASS" } else { "FAIL" };
            format!("{word}: {} at most {}: {:.3}", demand.what, demand.at_most, demand.value)
        };
        self.floors.iter().map(verdict).chain(self.demands.iter().map(demanded)).collect()
    }

    /// Returns the report as a section of docs/benchmarks.md.
    pub fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n{}\n\n", self.name, self.setup.join(" "));
        let subjects = self.subjects();
        let others: Vec<&&str> = subjects.iter().skip(1).collect();
        let ratios = others.iter().map(|other| format!("÷ {other}"));
        let head: Vec<String> = subjects.iter().map(|subject| (*subject).to_owned()).chain(ratios).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| Figure | {} |\n|---{}|", head.join(" | "), "|---".repeat(head.len()));
        for (figure, unit) in &self.figures {
            let cell =
                |subject: &&str| self.summary(figure, subject).map_or("–".to_owned(), |it| cell(*unit, it));
            let ratio = |other: &&&str| {
                let first = subjects.first().copied().unwrap_or_default();
                self.ratio(figure, first, other).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let cells: Vec<String> = subjects.iter().map(cell).chain(others.iter().map(ratio)).collect();
            let _ = writeln!(out, "| {figure} | {} |", cells.join(" | "));
        }
        out.push_str(&self.detail.0);
        let _ = writeln!(out, "\n{}", self.calibration_sentence());
        for verdict in self.verdicts() {
            let _ = writeln!(out, "- {verdict}");
        }
        out
    }

    fn calibration_sentence(&self) -> String {
        let of = |get: fn(&Calibration) -> f64| self.calibrations.iter().map(get).collect::<Vec<_>>();
        match (summary(&of(|one| one.cpu_s)), median(&of(|one| one.wall_s / one.cpu_s))) {
            (Some(cpu), Some(wait)) => format!(
                "Calibration: {} of CPU for the fixed loop, {wait:.2} × as long by the clock ({} runs).",
                cell(Unit::Seconds, cpu),
                self.calibrations.len()
            ),
            _ => "Not calibrated.".to_owned(),
        }
    }

    /// Returns everything, each run by itself.
    pub fn json(&self) -> Value {
        let figure = |(figure, unit): &(&'static str, Unit)| {
            let of = |subject: &&str| {
                let is_asked = |one: &&Measured| one.figure == *figure && one.subject == *subject;
                let values: Vec<f64> = self.measured.iter().filter(is_asked).map(|one| one.value).collect();
                let summary = summary(&values);
                json!({
                    "subject": subject,
                    "values": values,
                    "median": summary.map(|it| it.median),
                    "min": summary.map(|it| it.min),
                    "max": summary.map(|it| it.max),
                })
            };
            let subjects: Vec<Value> = self.subjects().iter().map(of).collect();
            json!({ "figure": figure, "unit": unit.name(), "subjects": subjects })
        };
        json!({
            "name": self.name,
            "setup": self.setup,
            "figures": self.figures.iter().map(figure).collect::<Vec<_>>(),
            "calibration": self.calibrations.iter().map(|one| json!({ "cpu_s": one.cpu_s, "wall_s": one.wall_s })).collect::<Vec<_>>(),
            "verdicts": self.verdicts(),
            "detail": self.detail.1,
        })
    }
}

/// Returns `page` with the section `### NAME` replaced by `section`, or added at its end.
pub fn with_section(page: &str, name: &str, section: &str) -> String {
    let heading = format!("### {name}\n");
    let section = section.trim_end();
    let Some((before, rest)) = page.split_once(&heading) else {
        return format!("{}\n\n{section}\n", page.trim_end());
    };
    let after = ["\n### ", "\n## "].iter().filter_map(|next| rest.find(next)).min();
    match after.and_then(|at| rest.get(at..)) {
        Some(after) => format!("{before}{section}\n{after}"),
        None => format!("{before}{section}\n"),
    }
}

/// Writes a number with commas between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn cell(unit: Unit, summary: Summary) -> String {
    let shown = unit.show(summary.median);
    let (min, max) = (unit.show(summary.min), unit.show(summary.max));
    if min == max { shown } else { format!("{shown} ({min} to {max})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("size", "Two runs.");
        for (ours, theirs) in [(1e6, 8e6), (3e6, 8e6)] {
            report.add("memory", Unit::Bytes, Subject::Watchfire, ours);
            report.add("memory", Unit::Bytes, Subject::Prometheus, theirs);
        }
        report
    }

    #[test]
    fn a_table_has_medians_spans_and_ratios() {
        let table = report().markdown();
        assert!(table.contains("| Figure | watchfire | prometheus | ÷ prometheus |"), "{table}");
        assert!(table.contains("| memory | 2.0 MB (1.0 MB to 3.0 MB) | 8.0 MB | 0.25 |"), "{table}");
    }

    #[test]
    fn a_floor_passes_fails_or_is_unknown() {
        let mut report = report();
        report.floor("memory", Subject::Prometheus, 0.25);
        report.floor("memory", Subject::Prometheus, 0.2);
        report.floor("memory", Subject::VictoriaMetrics, 1.0);
        let verdicts = report.verdicts();
        assert!(verdicts[0].starts_with("PASS") && verdicts[1].starts_with("FAIL"), "{verdicts:?}");
        assert!(verdicts[2].starts_with("UNKNOWN"), "{verdicts:?}");
        report.demand("slowest".to_owned(), 1.3, 1.25);
        assert_eq!(report.verdicts()[3], "FAIL: slowest at most 1.25: 1.300");
    }

    #[test]
    fn a_section_takes_the_place_of_its_older_self() {
        let page = "# Page\n\n### a\n\nold\n\n### b\n\nkept\n";
        assert_eq!(with_section(page, "a", "### a\n\nnew\n"), "# Page\n\n### a\n\nnew\n\n### b\n\nkept\n");
        assert_eq!(with_section(page, "b", "### b\n\nnew"), "# Page\n\n### a\n\nold\n\n### b\n\nnew\n");
        assert_eq!(with_section("# Page\n", "c", "### c\n"), "# Page\n\n### c\n");
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn json_keeps_each_run() {
        let json = report().json();
        assert_eq!(json["figures"][0]["subjects"][0]["values"], json!([1e6, 3e6]));
        assert_eq!(json["figures"][0]["unit"], "bytes");
    }
}
