//! Scraping hosts as a mid-sized site does: what the whole server costs, all in all, and for each sample.
//!
//! All servers scrape at the same time, each its own simulator: together they leave a core idle, CPU time is read for each
//! process, and whatever the machine does meanwhile it does to all of them. One after the other they would need a quarter of
//! an hour.
//!
//! # Reading order: this file, `parse` (pages in memory), `files` (ten thousand targets of a file).

mod files;
mod parse;

use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::Bench;
use super::load::{Load, Loaded};
use crate::meter::Watch;
use crate::{Env, Options, Report, Subject, Unit, calibrate};

pub(crate) const BENCH: Bench = Bench {
    name: "scrape-500",
    about: "CPU and memory of scraping 500 hosts of 1,100 series; parse rate; 10,000 targets of a file [--targets 500 --interval 10 --seconds 300 --gzip 0 --files 10000]",
    run,
};

/// Scrapes of each target before the clock starts: the first makes the series.
const N_WARM: u64 = 2;

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["targets", "interval", "seconds", "gzip", "files"])?;
    let n_targets = options.number("targets", 500)?;
    let mut spec: crate::sim::Spec = format!("node={n_targets}").parse()?;
    spec.gzip = options.number("gzip", 0)? > 0;
    let load = Load { spec, interval_s: options.number("interval", 10)?, n_scrapes: N_WARM };
    let measured = Duration::from_secs(options.number("seconds", 300)?);
    let subjects = options.subjects(&Subject::ALL)?;
    let mut report = Report::new("scrape-500", load.sentence());
    report
        .note(format!("Then for {} s, all servers at the same time; only these count.", measured.as_secs()));
    report.note(if load.spec.gzip { "Pages are compressed." } else { "Pages are plain." });
    for _ in 0..options.number("passes", 1)? {
        measure(env, &subjects, &load, measured, &mut report)?;
    }
    report.floor("CPU per sample", Subject::Prometheus, 0.25);
    report.floor("CPU per sample", Subject::VictoriaMetrics, 0.5);
    let parsed = parse::measure(&load.spec)?;
    let listed = files::measure(env, &subjects, options.number("files", 10_000)?)?;
    let rows = [parsed.rows(), listed.rows()].concat();
    let table: String = rows.iter().map(|(what, value)| format!("| {what} | {value} |\n")).collect();
    report.detail(format!("\n| Reported | |\n|---|---|\n{table}"), json!([parsed.json(), listed.json()]));
    Ok(report)
}

fn measure(
    env: &Env,
    subjects: &[Subject],
    load: &Load,
    measured: Duration,
    report: &mut Report,
) -> Result<()> {
    report.calibrated(calibrate::run());
    let start = |subject: &Subject| Loaded::start(env, *subject, load, "scrape-500", &[]);
    let mut all: Vec<Loaded> = subjects.iter().map(start).collect::<Result<_>>()?;
    for loaded in &mut all {
        loaded.wait_for_scrapes(N_WARM)?;
    }
    let mut watched = Vec::new();
    for loaded in &mut all {
        watched.push((loaded.mark()?, Watch::start(loaded.server.id())));
    }
    // The load goes on by itself; what is measured is what this time costs.
    thread::sleep(measured);
    for (loaded, (before, watch)) in all.iter_mut().zip(watched) {
        let seen = watch.finish();
        let after = loaded.mark()?;
        loaded.check_taken_in()?;
        let subject = loaded.server.subject;
        let cores = (after.usage.cpu_s - before.usage.cpu_s) / measured.as_secs_f64();
        report.add("CPU per sample", Unit::Nanoseconds, subject, after.cpu_ns_per_sample(&before));
        report.add("cores in use", Unit::Count, subject, (cores * 1e4).round() / 1e4);
        report.add("RSS", Unit::Bytes, subject, seen.rss_bytes);
        report.add("RSS peak", Unit::Bytes, subject, after.usage.rss_peak_bytes as f64);
    }
    report.calibrated(calibrate::run());
    Ok(())
}
