//! What a scraped sample costs, from socket to log.

use anyhow::Result;

use super::Bench;
use super::load::{Load, Loaded};
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-append",
    about: "CPU per scraped sample [--series 100000 --scrapes 90 --interval 1 --warm 30 --gzip 0]",
    run,
};

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "scrapes", "interval", "warm", "gzip"])?;
    let mut load = Load::of(options, 100_000, 90, 1)?;
    load.spec.gzip = options.number("gzip", 0)? > 0;
    let n_warm = options.number("warm", 30)?.min(load.n_scrapes - 1);
    let mut report = Report::new("tsdb-append", load.sentence());
    report.note(format!("The first {n_warm} scrapes, which make the series, do not count."));
    report.note(if load.spec.gzip { "Pages are compressed." } else { "Pages are plain." });
    for (_, subject) in order::passes(&options.subjects(&Subject::ALL)?, options.passes()?) {
        report.calibrated(calibrate::run());
        measure(env, subject, &load, n_warm, &mut report)?;
    }
    Ok(report)
}

fn measure(env: &Env, subject: Subject, load: &Load, n_warm: u64, report: &mut Report) -> Result<()> {
    let mut loaded = Loaded::start(env, subject, load, "tsdb-append", &[])?;
    loaded.wait_for_scrapes(n_warm)?;
    let warm = loaded.mark()?;
    loaded.wait_for_scrapes(load.n_scrapes)?;
    let end = loaded.mark()?;
    loaded.check_taken_in()?;
    let n_samples = (end.served.samples - warm.served.samples).max(1) as f64;
    let n_written = (end.usage.written_bytes - warm.usage.written_bytes) as f64;
    report.add("CPU per sample", Unit::Nanoseconds, subject, end.cpu_ns_per_sample(&warm));
    report.add("CPU per new series, first scrapes included", Unit::Nanoseconds, subject, {
        let steady_s = warm.served.samples as f64 * end.cpu_ns_per_sample(&warm) * 1e-9;
        ((warm.usage.cpu_s - loaded.server.ready_cpu_s - steady_s) * 1e9 / load.spec.n_series() as f64)
            .max(0.0)
    });
    report.add("bytes written per sample", Unit::Bytes, subject, n_written / n_samples);
    Ok(())
}
