//! Scraping hosts as a mid-sized site does: what the whole server costs, all in all, and for each sample.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Bench;
use super::load::{Load, Loaded};
use crate::meter::Watch;
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "scrape-500",
    about: "CPU and memory of scraping 500 hosts of 1,100 series [--targets 500 --interval 10 --seconds 300 --gzip 0]",
    run,
};

/// Scrapes of each target before the clock starts: the first makes the series.
const N_WARM: u64 = 2;

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["targets", "interval", "seconds", "gzip"])?;
    let n_targets = options.number("targets", 500)?;
    let mut spec: crate::sim::Spec = format!("node={n_targets}").parse()?;
    spec.gzip = options.number("gzip", 0)? > 0;
    let load = Load { spec, interval_s: options.number("interval", 10)?, n_scrapes: N_WARM };
    let measured = Duration::from_secs(options.number("seconds", 300)?);
    let mut report = Report::new("scrape-500", load.sentence());
    report.note(format!("Then for {} s; only these count.", measured.as_secs()));
    report.note(if load.spec.gzip { "Pages are compressed." } else { "Pages are plain." });
    for (_, subject) in order::passes(&options.subjects(&Subject::ALL)?, options.passes()?) {
        report.calibrated(calibrate::run());
        measure(env, subject, &load, measured, &mut report)?;
    }
    report.floor("CPU per sample", Subject::Prometheus, 0.25);
    report.floor("CPU per sample", Subject::VictoriaMetrics, 0.5);
    Ok(report)
}

fn measure(env: &Env, subject: Subject, load: &Load, measured: Duration, report: &mut Report) -> Result<()> {
    let mut loaded = Loaded::start(env, subject, load, "scrape-500", &[])?;
    loaded.wait_for_scrapes(N_WARM)?;
    let before = loaded.mark()?;
    let watch = Watch::start(loaded.server.id());
    // The load goes on by itself; what is measured is what this time costs.
    thread::sleep(measured);
    let seen = watch.finish();
    let after = loaded.mark()?;
    loaded.check_taken_in()?;
    let cores = (after.usage.cpu_s - before.usage.cpu_s) / measured.as_secs_f64();
    report.add("CPU per sample", Unit::Nanoseconds, subject, after.cpu_ns_per_sample(&before));
    report.add("cores in use", Unit::Count, subject, (cores * 1e4).round() / 1e4);
    report.add("RSS", Unit::Bytes, subject, seen.rss_bytes);
    report.add("RSS peak", Unit::Bytes, subject, after.usage.rss_peak_bytes as f64);
    Ok(())
}
