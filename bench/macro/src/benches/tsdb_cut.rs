//! What it costs to cut the head into its first block while scraping goes on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::Bench;
use super::blocks;
use super::load::{Load, Loaded};
use crate::meter::Watch;
use crate::process::wait_until;
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-cut",
    about: "CPU and memory of a head cut [--series 100000 --interval 1 --passes 1]",
    run,
};

/// A block spans a minute instead of two hours (both servers have the flag, for tests), so a head is full after one and
/// a half.
const FLAGS: [&str; 2] = ["--storage.tsdb.min-block-duration=1m", "--storage.tsdb.max-block-duration=1m"];
const BLOCK: Duration = Duration::from_secs(60);

/// Just before the head is full, and from when on the rate of CPU use before the cut is taken; seconds of the load.
const FULL_S: u64 = 87;
const STEADY_S: u64 = 57;

/// A cut begins within a minute after the head is full; how long to wait for its block.
const CUT_WITHIN: Duration = Duration::from_secs(240);

/// After the block is there, the head is truncated: that belongs to the cut.
const TRUNCATED_AFTER: Duration = Duration::from_secs(10);

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "interval"])?;
    let load = Load::of(options, 100_000, FULL_S, 1)?;
    let mut report = Report::new("tsdb-cut", load.sentence());
    report.note("Blocks span a minute, so the first is cut after one and a half.");
    report.note(
        "CPU is what was used from the full head until 10 s after its block was there, less what scraping used per sample before.",
    );
    let subjects = options.subjects(&[Subject::Watchfire, Subject::Prometheus])?;
    for (_, subject) in order::passes(&subjects, usize::try_from(options.number("passes", 1)?)?) {
        report.calibrated(calibrate::run());
        measure(env, subject, &load, &mut report)?;
    }
    Ok(report)
}

fn measure(env: &Env, subject: Subject, load: &Load, report: &mut Report) -> Result<()> {
    wait_for_block_boundary()?;
    let mut loaded = Loaded::start(env, subject, load, "tsdb-cut", &FLAGS)?;
    loaded.wait_for_scrapes(STEADY_S / load.interval_s)?;
    let before = loaded.mark()?;
    let watch = Watch::start(loaded.server.id());
    loaded.wait_for_scrapes(FULL_S / load.interval_s)?;
    let full = loaded.mark()?;
    let steady = watch.finish();
    let watch = Watch::start(loaded.server.id());
    let data = loaded.server.data.clone();
    let cut = blocks::wait_for_change(&data, &blocks::Blocks::default(), TRUNCATED_AFTER, CUT_WITHIN)
        .with_context(|| format!("wait for the block of {}", subject.name()))?;
    let end = loaded.mark()?;
    let seen = watch.finish();

    // What scraping cost per sample before is taken off by samples, not by time: on a busy machine scrapes are late.
    let n_scraped = end.served.samples.saturating_sub(full.served.samples) as f64;
    let scraping_s = full.cpu_ns_per_sample(&before) * n_scraped * 1e-9;
    let cut_cpu_s = (end.usage.cpu_s - full.usage.cpu_s - scraping_s).max(0.0);
    report.add("CPU of the cut", Unit::Seconds, subject, cut_cpu_s);
    report.add(
        "CPU per sample of the block",
        Unit::Nanoseconds,
        subject,
        cut_cpu_s * 1e9 / cut.n_samples.max(1) as f64,
    );
    let extra = seen.anonymous_peak_bytes - steady.anonymous_peak_bytes;
    report.add("extra anonymous memory", Unit::Bytes, subject, extra.max(0.0));
    report.add("anonymous memory before", Unit::Bytes, subject, steady.anonymous_bytes);
    report.add("anonymous memory after", Unit::Bytes, subject, end.usage.anonymous_bytes as f64);
    report.add(
        "bytes per sample of the block",
        Unit::Bytes,
        subject,
        cut.bytes as f64 / cut.n_samples.max(1) as f64,
    );
    Ok(())
}

/// Waits until a block begins by the clock: else the first would hold less than its minute.
fn wait_for_block_boundary() -> Result<()> {
    wait_until(BLOCK * 2, "the beginning of a block", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(now.as_millis() % BLOCK.as_millis() < 100)
    })
}
