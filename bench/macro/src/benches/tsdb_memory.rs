//! Memory of a server that scrapes many series.

use anyhow::Result;

use super::Bench;
use super::load::{Load, Loaded};
use crate::meter::Watch;
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-memory",
    about: "memory per scraped series [--series 1000000 --scrapes 40 --interval 10]",
    run,
};

/// Memory is watched while the last part of the load comes in: garbage collectors make it go up and down.
const WATCHED_PART: u64 = 4;

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "scrapes", "interval"])?;
    let load = Load::of(options, 1_000_000, 40, 10)?;
    let mut report = Report::new("tsdb-memory", load.sentence());
    report.note(
        "Memory is the median over the last quarter of the load; the peak is the kernel's high-water mark.",
    );
    for (_, subject) in order::passes(&options.subjects(&Subject::ALL)?, options.passes()?) {
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
