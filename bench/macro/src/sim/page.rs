//! One target's page in text: built once, patched in place for each scrape.

use std::io::Write;

use super::spec::{Churn, Clock, Spec};
use super::values::{Class, Moving, write_digits};
use super::{Profile, mixed2};

/// Digits of a pod's generation within its labels.
const GENERATION_DIGITS: usize = 5;
const GENERATION: &[u8; GENERATION_DIGITS] = b"@@@@@";

/// A page and what moves in it.
#[derive(Debug)]
pub struct Page {
    bytes: Vec<u8>,
    n_samples: u64,
    seed: u64,
    values: Vec<(usize, Moving)>,
    /// Where timestamps stand, if the clock is simulated.
    stamps: Vec<usize>,
    /// Where generations stand, and of which pod.
    generations: Vec<(usize, u64)>,
    clock: Clock,
    dialect: Dialect,
    churn: Option<Churn>,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Text 0.0.4: timestamps in milliseconds.
    Text,
    /// OpenMetrics: timestamps in seconds, exemplars, metadata.
    OpenMetrics,
    /// Samples alone, with `job` and `instance` as a scrape adds them, timestamps in seconds.
    SamplesInSeconds,
    /// Samples alone, with `job` and `instance`, timestamps in milliseconds.
    SamplesInMilliseconds,
}

impl Dialect {
    fn is_in_seconds(self) -> bool {
        matches!(self, Self::OpenMetrics | Self::SamplesInSeconds)
    }

    fn has_metadata(self) -> bool {
        matches!(self, Self::Text | Self::OpenMetrics)
    }
}

impl Page {
    /// Builds the page of target number `target` as it is before the first scrape.
    pub fn new(spec: &Spec, profile: Profile, target: u64) -> Self {
        let is_openmetrics = profile == Profile::OpenMetrics;
        let dialect = if is_openmetrics { Dialect::OpenMetrics } else { Dialect::Text };
        Self::in_dialect(spec, profile, target, dialect)
    }

    /// Builds the page as [`Self::new`] does, written in another way.
    pub fn in_dialect(spec: &Spec, profile: Profile, target: u64, dialect: Dialect) -> Self {
        let seed = mixed2(spec.seed, target);
        let page = Self {
            bytes: Vec::new(),
            n_samples: 0,
            seed,
            values: Vec::new(),
            stamps: Vec::new(),
            generations: Vec::new(),
            clock: spec.clock,
            dialect,
            churn: spec.churn,
        };
        let own_labels = if dialect.has_metadata() {
            String::new()
        } else {
            format!(",instance=\"{0}-{target}:9100\",job=\"{0}\"", profile.name())
        };
        let mut builder = Builder { page, own_labels };
        profile.build(target, &mut builder);
        let mut page = builder.page;
        page.write_generations(|_| 0);
        page.bytes.shrink_to_fit();
        page
    }

    /// Moves the page to scrape `round`, counted from 1 and without a gap.
    pub fn step(&mut self, round: u64) {
        for (at, value) in &mut self.values {
            value.step(round);
            let end = *at + value.n_bytes();
            if let Some(out) = self.bytes.get_mut(*at..end) {
                value.write(out);
            }
        }
        if let Clock::Simulated { start_ms, step_ms } = self.clock {
            self.stamp(start_ms + (round - 1) * step_ms);
        }
        if let Some(churn) = self.churn.filter(|churn| round.is_multiple_of(churn.period)) {
            let (seed, epoch) = (self.seed, round / churn.period);
            self.write_generations(|pod| churn.generation(seed, pod, epoch));
        }
    }

    /// Returns the page's text as of the last step.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of samples the page exposes.
    pub fn n_samples(&self) -> u64 {
        self.n_samples
    }

    fn stamp(&mut self, time_ms: u64) {
        let mut digits = [b'.'; 14];
        let n_digits = if self.dialect.is_in_seconds() {
            write_digits(&mut digits[..10], time_ms / 1_000);
            write_digits(&mut digits[11..], time_ms % 1_000);
            14
        } else {
            write_digits(&mut digits[..13], time_ms);
            13
        };
        for at in &self.stamps {
            if let Some(out) = self.bytes.get_mut(*at..*at + n_digits) {
                out.copy_from_slice(&digits[..n_digits]);
            }
        }
    }

    fn write_generations(&mut self, generation_of: impl Fn(u64) -> u64) {
        // Lines of one pod are far apart, but pods are few: their generations are computed once each.
        let n_pods = self.generations.iter().map(|(_, pod)| pod + 1).max().unwrap_or(0);
        let generations: Vec<u64> = (0..n_pods).map(generation_of).collect();
        for (at, pod) in &self.generations {
            let generation = usize::try_from(*pod).ok().and_then(|idx| generations.get(idx));
            if let (Some(out), Some(generation)) =
                (self.bytes.get_mut(*at..*at + GENERATION_DIGITS), generation)
            {
                write_digits(out, *generation);
            }
        }
    }
}

/// Writes a page line by line and remembers what moves.
#[derive(Debug)]
pub(crate) struct Builder {
    page: Page,
    /// Labels that a scrape would add.
    own_labels: String,
}

impl Builder {
    /// Begins a family.
    pub(crate) fn family(&mut self, name: &str, kind: &str) {
        if !self.page.dialect.has_metadata() {
            return;
        }
        self.text(format_args!("# HELP {name} A simulated {kind}.\n# TYPE {name} {kind}\n"));
    }

    /// Writes a sample that never changes.
    pub(crate) fn constant(&mut self, pod: u64, name: &str, labels: &str, value: u64) {
        self.series(pod, name, labels);
        self.text(format_args!("{value}"));
        self.end_sample();
    }

    /// Writes a sample that moves; `id` tells it from the others of the page.
    pub(crate) fn moving(&mut self, pod: u64, name: &str, labels: &str, class: Class, id: u64) {
        self.series(pod, name, labels);
        self.value(class, id);
        self.end_sample();
    }

    /// Writes a sample that moves, with an exemplar where the format has them.
    pub(crate) fn exemplified(&mut self, name: &str, labels: &str, class: Class, id: u64) {
        self.series(0, name, labels);
        self.value(class, id);
        self.time();
        if self.page.dialect == Dialect::OpenMetrics {
            self.text(format_args!(" # {{trace_id=\""));
            self.value(Class::Trace, self.page.n_samples);
            self.text(format_args!("\"}} "));
            self.value(Class::Random, self.page.n_samples);
        }
        self.text(format_args!("\n"));
    }

    /// Says that an OpenMetrics page is complete.
    pub(crate) fn end(&mut self) {
        if self.page.dialect == Dialect::OpenMetrics {
            self.text(format_args!("# EOF\n"));
        }
    }

    fn series(&mut self, pod: u64, name: &str, labels: &str) {
        let start = self.page.bytes.len();
        let own_labels = std::mem::take(&mut self.own_labels);
        self.text(format_args!("{name}{{{labels}{own_labels}}} "));
        self.own_labels = own_labels;
        let line = self.page.bytes.get(start..).unwrap_or_default();
        let marks = line.windows(GENERATION_DIGITS).enumerate().filter(|(_, bytes)| *bytes == GENERATION);
        self.page.generations.extend(marks.map(|(at, _)| (start + at, pod)));
        self.page.n_samples += 1;
    }

    fn value(&mut self, class: Class, id: u64) {
        let value = Moving::new(class, mixed2(self.page.seed, id));
        let at = self.page.bytes.len();
        self.page.bytes.resize(at + value.n_bytes(), b'0');
        if let Some(out) = self.page.bytes.get_mut(at..) {
            value.write(out);
        }
        self.page.values.push((at, value));
    }

    fn end_sample(&mut self) {
        self.time();
        self.text(format_args!("\n"));
    }

    /// Leaves room for a timestamp.
    fn time(&mut self) {
        if matches!(self.page.clock, Clock::Simulated { .. }) {
            self.page.bytes.push(b' ');
            self.page.stamps.push(self.page.bytes.len());
            let n_digits = if self.page.dialect.is_in_seconds() { 14 } else { 13 };
            self.page.bytes.resize(self.page.bytes.len() + n_digits, b'0');
        }
    }

    fn text(&mut self, text: std::fmt::Arguments<'_>) {
        self.page.bytes.write_fmt(text).expect("writing to a vector cannot fail");
    }
}

#[cfg(test)]
mod tests;
