//! Time to ready after `kill -9`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::Bench;
use super::load::{Load, Loaded};
use crate::servers::idle_config;
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, env, meter, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-restart",
    about: "time to ready after kill -9 [--series 1000000 --scrapes 130 --interval 5 --reuse 0]",
    run,
};

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "scrapes", "interval", "reuse"])?;
    // Beyond 120 scrapes chunks were cut: replay has to bring head chunks and log together.
    let load = Load::of(options, 1_000_000, 130, 5)?;
    let is_reused = options.number("reuse", 0)? > 0;
    let mut report = Report::new("tsdb-restart", load.sentence());
    report.note("Then each server is killed; copies of what it left are started, idle, until they say that they are ready.");
    report.note("VictoriaMetrics has no log: it is ready at once and has lost its last seconds.");
    if is_reused {
        report.note("The directories are those of an earlier run.");
    }
    let subjects = options.subjects(&Subject::ALL)?;
    for subject in subjects.iter().filter(|_| !is_reused) {
        report.calibrated(calibrate::run());
        leave_data(env, *subject, &load, &mut report)?;
    }
    for (_, subject) in order::passes(&subjects, options.passes()?) {
        report.calibrated(calibrate::run());
        restart(env, subject, &mut report)?;
    }
    report.floor("ready after", Subject::Prometheus, 0.125);
    Ok(report)
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
fn restart(env: &Env, subject: Subject, report: &mut Report) -> Result<()> {
    let copy = env.fresh_folder("tsdb-restart-copy")?.join("data");
    copy_data(&left_data(env, subject), &copy)?;
    let mut server = Server::start(env, subject, &copy, &idle_config(), &[])?;
    let ready = server.usage()?;
    report.add("ready after", Unit::Seconds, subject, server.ready_after.as_secs_f64());
    report.add("CPU until ready", Unit::Seconds, subject, server.ready_cpu_s);
    report.add("RSS when ready", Unit::Bytes, subject, ready.rss_bytes as f64);
    report.add("peak RSS until ready", Unit::Bytes, subject, ready.rss_peak_bytes as f64);
    Ok(())
}

fn copy_data(from: &Path, to: &Path) -> Result<()> {
    ensure!(from.exists(), "{} is missing: run without --reuse first", from.display());
    env::copy_folder(from, to)
}
