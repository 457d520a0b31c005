//! Time to ready after `kill -9`.

use anyhow::Result;

use super::Bench;
use super::load::{Load, Loaded};
use crate::{Env, Options, Report, Subject, Unit, calibrate, meter, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-restart",
    about: "time to ready after kill -9 [--series 1000000 --scrapes 130 --interval 5 --restarts 2]",
    run,
};

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["series", "scrapes", "interval", "restarts"])?;
    // Beyond 120 scrapes chunks were cut: replay has to bring head chunks and log together.
    let load = Load::of(options, 1_000_000, 130, 5)?;
    let n_restarts = options.number("restarts", 2)?;
    let mut report = Report::new("tsdb-restart", load.sentence());
    report.note("Then the server is killed and started on its data until it says that it is ready.");
    report.note("VictoriaMetrics has no log: it is ready at once and has lost its last seconds.");
    for (_, subject) in order::passes(&options.subjects(&Subject::ALL)?, options.passes()?) {
        let mut loaded = Loaded::start(env, subject, &load, "tsdb-restart", &[])?;
        loaded.wait_for_scrapes(load.n_scrapes)?;
        loaded.check_taken_in()?;
        let before = loaded.server.usage()?;
        report.add("RSS before", Unit::Bytes, subject, before.rss_bytes as f64);
        report.add("data before", Unit::Bytes, subject, meter::folder_bytes(&loaded.server.data) as f64);
        for _ in 0..n_restarts {
            report.calibrated(calibrate::run());
            loaded = loaded.restart_after_kill(env, &[])?;
            let ready = loaded.server.usage()?;
            report.add("ready after", Unit::Seconds, subject, loaded.server.ready_after.as_secs_f64());
            report.add("CPU until ready", Unit::Seconds, subject, loaded.server.ready_cpu_s);
            report.add("RSS when ready", Unit::Bytes, subject, ready.rss_bytes as f64);
            report.add("peak RSS until ready", Unit::Bytes, subject, ready.rss_peak_bytes as f64);
        }
    }
    report.floor("ready after", Subject::Prometheus, 0.125);
    Ok(report)
}
