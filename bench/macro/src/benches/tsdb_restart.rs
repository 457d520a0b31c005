//! Time to ready after `kill -9`.

mod fill;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::load::{Load, Loaded};
use crate::report::thousands;
use crate::servers::idle_config;
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, env, meter, order};

pub use fill::fill_and_die;

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-restart",
    about: "time to ready after kill -9 [--series 1000000 --scrapes 130 --reuse 0 --scraped 0 --interval 5]",
    run,
};

/// The word by which this program becomes the process that is killed.
pub const FILL: &str = "fill-log";

/// Where the one log lies that all start from.
const SHARED: &str = "tsdb-restart-log";

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "scrapes", "interval", "reuse", "scraped"])?;
    let is_reused = options.number("reuse", 0)? > 0;
    let is_scraped = options.number("scraped", 0)? > 0;
    // Beyond 120 scrapes chunks were cut: replay has to bring head chunks and log together.
    let load = Load::of(options, 1_000_000, 130, 5)?;
    let (mut report, subjects) = if is_scraped {
        let mut report = Report::new("tsdb-restart", load.sentence());
        report.note("Then each server is killed; copies of what it left are started, idle, until they say that they are ready.");
        report.note("VictoriaMetrics has no log: it is ready at once and has lost its last seconds.");
        (report, options.subjects(&Subject::ALL)?)
    } else {
        let n_series = thousands(options.number("series", 1_000_000)?);
        let setup = format!("{n_series} series, {} samples each, every 15 s.", load.n_scrapes);
        let mut report = Report::new("tsdb-restart", setup);
        report.note(
            "They are written by our database, which is then killed: log, head chunks and head snapshot, on which copies of both servers are started, idle, until they say that they are ready. So both replay the same samples.",
        );
        (report, options.subjects(&[Subject::Watchfire, Subject::Prometheus])?)
    };
    if is_reused {
        report.note("The directories are those of an earlier run.");
    } else if is_scraped {
        for subject in &subjects {
            report.calibrated(calibrate::run());
            leave_data(env, *subject, &load, &mut report)?;
        }
    } else {
        leave_log(env, options.number("series", 1_000_000)?, load.n_scrapes)?;
    }
    for (_, subject) in order::passes(&subjects, options.passes()?) {
        report.calibrated(calibrate::run());
        let left = if is_scraped { left_data(env, subject) } else { env.folder(SHARED).join("data") };
        restart(env, subject, &left, &mut report)?;
    }
    report.floor("ready after", Subject::Prometheus, 0.125);
    report.floor("CPU until ready", Subject::Prometheus, 0.125);
    Ok(report)
}

/// Has a process write a log and die.
fn leave_log(env: &Env, n_series: u64, n_rounds: u64) -> Result<()> {
    let data = env.fresh_folder(SHARED)?.join("data");
    let program = std::env::current_exe().context("find this program")?;
    let arguments = [FILL.to_owned(), data.display().to_string(), n_series.to_string(), n_rounds.to_string()];
    let status =
        Command::new(program).args(arguments).status().context("start the process that fills a log")?;
    ensure!(status.signal() == Some(9), "the process that fills a log ended with {status}");
    Ok(())
}

/// Loads a server and kills it.
fn leave_data(env: &Env, subject: Subject, load: &Load, report: &mut Report) -> Result<()> {
    let mut loaded = Loaded::start(env, subject, load, "tsdb-restart", &[])?;
    loaded.wait_for_scrapes(load.n_scrapes)?;
    loaded.check_taken_in()?;
    let before = loaded.server.usage()?;
    let n_taken_in = loaded.server.samples_appended()?;
    let data = loaded.server.data.clone();
    loaded.server.kill();
    ensure!(data == left_data(env, subject), "the data lies where it is looked for");
    report.add("samples before", Unit::Count, subject, n_taken_in);
    report.add("RSS before", Unit::Bytes, subject, before.rss_bytes as f64);
    report.add("data before", Unit::Bytes, subject, meter::folder_bytes(&data) as f64);
    Ok(())
}

fn left_data(env: &Env, subject: Subject) -> PathBuf {
    env.folder(&format!("tsdb-restart-{}", subject.name())).join("data")
}

/// Starts a copy: a start repairs and tidies, so the second one on the same files would be another.
fn restart(env: &Env, subject: Subject, left: &Path, report: &mut Report) -> Result<()> {
    let copy = env.fresh_folder("tsdb-restart-copy")?.join("data");
    ensure!(left.exists(), "{} is missing: run without --reuse first", left.display());
    env::copy_folder(left, &copy)?;
    let mut server = Server::start(env, subject, &copy, &idle_config(), &[])?;
    let ready = server.usage()?;
    report.add("ready after", Unit::Seconds, subject, server.ready_after.as_secs_f64());
    report.add("CPU until ready", Unit::Seconds, subject, server.ready_cpu_s);
    report.add("RSS when ready", Unit::Bytes, subject, ready.rss_bytes as f64);
    report.add("peak RSS until ready", Unit::Bytes, subject, ready.rss_peak_bytes as f64);
    Ok(())
}
