//! Memory of a server that scrapes many series.

use anyhow::Result;

use super::Bench;
use super::load::{Load, Loaded};
use crate::meter::Watch;
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-memory",
    about: "memory of a million scraped series [--series 1000000 --scrapes 20 --interval 5 --churn 0.02/20 --passes 1]",
    // Once: a pass loads three servers one after the other, which takes minutes each.
    run: |env, options| {
        run(env, options, "tsdb-memory", Size { n_series: 1_000_000, interval_s: 5, n_passes: 1 })
    },
};

/// What is paid per server and per target weighs more here.
pub(crate) const BENCH_200K: Bench = Bench {
    name: "tsdb-memory-200k",
    about: "the same with 200,000 series, every 3 s",
    run: |env, options| {
        run(env, options, "tsdb-memory-200k", Size { n_series: 200_000, interval_s: 3, n_passes: 2 })
    },
};

/// What is measured unless the caller wants it otherwise.
#[derive(Clone, Copy)]
struct Size {
    n_series: u64,
    interval_s: u64,
    n_passes: u64,
}

/// Memory is watched while the last part of the load comes in: garbage collectors make it go up and down.
const WATCHED_PART: u64 = 4;

fn run(env: &Env, options: &Options, name: &'static str, size: Size) -> Result<Report> {
    options.only(&["series", "scrapes", "interval", "churn"])?;
    let load = Load::of(options, size.n_series, 20, size.interval_s)?;
    let n_passes = usize::try_from(options.number("passes", size.n_passes)?)?;
    let mut report = Report::new(name, load.sentence());
    report.note(
        "Memory is the median over the last quarter of the load; the peak is the kernel's high-water mark.",
    );
    for (_, subject) in order::passes(&options.subjects(&Subject::ALL)?, n_passes) {
        report.calibrated(calibrate::run());
        measure(env, subject, &load, &mut report)?;
    }
    report.floor("RSS", Subject::Prometheus, 0.25);
    report.floor("RSS", Subject::VictoriaMetrics, 1.0);
    Ok(report)
}

fn measure(env: &Env, subject: Subject, load: &Load, report: &mut Report) -> Result<()> {
    let mut loaded = Loaded::start(env, subject, load, "tsdb-memory", &[])?;
    let idle = loaded.server.usage()?;
    loaded.wait_for_scrapes(load.n_scrapes - load.n_scrapes / WATCHED_PART)?;
    let watch = Watch::start(loaded.server.id());
    loaded.wait_for_scrapes(load.n_scrapes)?;
    let seen = watch.finish();
    loaded.check_taken_in()?;
    let n_series = load.spec.n_series() as f64;
    report.add("RSS", Unit::Bytes, subject, seen.rss_bytes);
    report.add("RSS per series", Unit::Bytes, subject, seen.rss_bytes / n_series);
    report.add("anonymous memory", Unit::Bytes, subject, seen.anonymous_bytes);
    let grown = seen.anonymous_bytes - idle.anonymous_bytes as f64;
    report.add(
        "anonymous memory per series, above the empty server's",
        Unit::Bytes,
        subject,
        grown / n_series,
    );
    report.add("peak RSS", Unit::Bytes, subject, loaded.server.usage()?.rss_peak_bytes as f64);
    Ok(())
}
