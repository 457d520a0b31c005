//! The Alertmanager beside the original: what taking alerts in, showing them and keeping them costs.

mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::http::Client;
use crate::meter;
use crate::process::{Process, free_port, wait_until, wait_until_every};
use crate::stats::median;
use crate::{Env, Options, Report, Unit, calibrate, order, progress};
use load::Load;

pub(crate) const BENCH: Bench = Bench {
    name: "alertmanager",
    about: "ingest, GET /api/v2/alerts and memory beside Debian's Alertmanager [--alerts 10000 --routes 500 --rules 86 \
            --rounds 10 --gets 20 --their-gets 1 --many 100000]",
    run,
};

const OURS: &str = "watchfire";
const THEIRS: &str = "prometheus-alertmanager";

/// How often it is looked whether a server is idle, and how long it may be busy with what it took in.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const REST_WITHIN: Duration = Duration::from_secs(60);

/// Between two refreshes, as a Prometheus sends them, there is rest: what is resident then is what it costs to run one.
const REST: Duration = Duration::from_secs(3);

/// Most memory of ours with `--many` alerts.
const MANY_RSS_BYTES_MAX: f64 = 300e6;

/// How often each thing is asked for.
struct Effort {
    /// Posts of every alert.
    n_rounds: u64,
    /// Lists of all alerts. The original needs seconds of CPU time for one; ours needs many to be more than a few ticks.
    n_gets: u64,
    n_their_gets: u64,
}

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["alerts", "routes", "rules", "rounds", "gets", "their-gets", "many"])?;
    let load = Load {
        n_alerts: options.number("alerts", 10_000)?,
        n_routes: options.number("routes", 500)?.max(1),
        n_rules: options.number("rules", 86)?,
    };
    let effort = Effort {
        n_rounds: options.number("rounds", 10)?.max(1),
        n_gets: options.number("gets", 20)?.max(1),
        n_their_gets: options.number("their-gets", 1)?.max(1),
    };
    let mut report = Report::new("alertmanager", load.sentence());
    report.note(format!(
        "Every alert is posted {} times, in batches of {}, as a Prometheus refreshes them.",
        effort.n_rounds,
        load::BATCH
    ));
    report.note(format!(
        "The list of all alerts is asked for {} times, the original's {} times. The CPU time is that of the server alone; \
         RSS is what is resident some seconds later, as between two refreshes.",
        effort.n_gets, effort.n_their_gets
    ));
    for (_, subject) in order::passes(&[OURS, THEIRS], options.passes()?) {
        report.calibrated(calibrate::run());
        measure(env, subject, &load, &effort, &mut report).with_context(|| format!("measure {subject}"))?;
    }
    for (figure, at_most) in [("CPU per alert taken in", 0.1), ("CPU per list", 0.05), ("RSS", 0.25)] {
        if let Some(ratio) = report.ratio(figure, OURS, THEIRS) {
            report.demand(format!("{figure}, ours to theirs"), ratio, at_most);
        }
    }
    let n_many = options.number("many", 100_000)?;
    if n_many > 0 {
        progress::say(format_args!("{OURS}: {n_many} alerts"));
        let many = Load { n_alerts: n_many, ..load };
        let mut running = Running::start(env, OURS, &many)?;
        many.batches(0).iter().try_for_each(|batch| running.post(batch))?;
        many.batches(1).iter().try_for_each(|batch| running.post(batch))?;
        running.list(n_many)?;
        let usage = meter::usage(running.process.id())?;
        report.add_variant("RSS with many alerts", Unit::Bytes, OURS, usage.rss_bytes as f64);
        report.add_variant("RSS peak with many alerts", Unit::Bytes, OURS, usage.rss_peak_bytes as f64);
        let peak = usage.rss_peak_bytes as f64;
        report.demand(
            format!("memory of ours at most with {n_many} alerts, to 300 MB"),
            peak / MANY_RSS_BYTES_MAX,
            1.0,
        );
    }
    Ok(report)
}

fn measure(
    env: &Env,
    subject: &'static str,
    load: &Load,
    effort: &Effort,
    report: &mut Report,
) -> Result<()> {
    let n_rounds = effort.n_rounds;
    let n_gets = if subject == OURS { effort.n_gets } else { effort.n_their_gets };
    progress::say(format_args!("{subject}: {} alerts come in for the first time", load.n_alerts));
    let mut running = Running::start(env, subject, load)?;
    // The first round makes groups; what follows is everyday life.
    load.batches(0).iter().try_for_each(|batch| running.post(batch))?;
    running.wait_until_idle()?;
    let bodies: Vec<Vec<String>> = (1..=n_rounds).map(|round| load.batches(round)).collect();
    let before = running.cpu_s()?;
    for (round, bodies) in bodies.iter().enumerate() {
        progress::say(format_args!("{subject}: round {} of {n_rounds}", round + 1));
        bodies.iter().try_for_each(|batch| running.post(batch))?;
    }
    running.wait_until_idle()?;
    let n_posted = (n_rounds * load.n_alerts).max(1) as f64;
    report.add_variant(
        "CPU per alert taken in",
        Unit::Nanoseconds,
        subject,
        (running.cpu_s()? - before) * 1e9 / n_posted,
    );
    let before = running.cpu_s()?;
    let mut waits = Vec::new();
    for get in 0..n_gets {
        let took_s = running.list(load.n_alerts)?;
        if subject == THEIRS {
            progress::say(format_args!("{subject}: list {} of {n_gets} came after {took_s:.1} s", get + 1));
        }
        waits.push(took_s);
    }
    report.add_variant("CPU per list", Unit::Seconds, subject, (running.cpu_s()? - before) / n_gets as f64);
    report.add_variant("time of a list", Unit::Seconds, subject, median(&waits).unwrap_or(0.0));
    running.wait_until_idle()?;
    thread::sleep(REST);
    let usage = meter::usage(running.process.id())?;
    report.add_variant("RSS", Unit::Bytes, subject, usage.rss_bytes as f64);
    report.add_variant("RSS peak", Unit::Bytes, subject, usage.rss_peak_bytes as f64);
    Ok(())
}

/// A server under test.
struct Running {
    process: Process,
    base: String,
    client: Client,
    /// Where a copy of the original lies, for as long as it runs.
    _folder: PathBuf,
}

impl Running {
    fn start(env: &Env, subject: &'static str, load: &Load) -> Result<Self> {
        let folder = env.fresh_folder(&format!("alertmanager-{subject}"))?;
        let config = folder.join("am.yml");
        fs::write(&config, load.config()).context("write the configuration")?;
        let port = free_port()?;
        let (program, role) = match subject {
            OURS => (env.watchfire.clone(), Some("alertmanager".to_owned())),
            _ => (relocated(&env.peer(THEIRS), &folder)?, None),
        };
        ensure!(program.exists(), "{} is missing: build ours, or run `cargo xtask peers`", program.display());
        let mut arguments: Vec<String> = role.into_iter().collect();
        arguments.extend([
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ]);
        let process = Process::start(&program, &arguments, &folder.join("log"))?;
        let base = format!("http://127.0.0.1:{port}");
        let mut running = Self { process, base, client: Client::new(), _folder: folder };
        let ready = format!("{}/-/ready", running.base);
        wait_until(Duration::from_secs(60), "the Alertmanager", || {
            running.process.check()?;
            Ok(running.client.get(&ready).is_ok_and(|answer| answer.status == 200))
        })?;
        Ok(running)
    }

    fn post(&mut self, batch: &str) -> Result<()> {
        let url = format!("{}/api/v2/alerts", self.base);
        let answer = self.client.post_json(&url, batch.as_bytes())?;
        ensure!(answer.status == 200, "posting answered {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// Asks for all alerts; returns how long that took.
    fn list(&self, n_alerts: u64) -> Result<f64> {
        let started = std::time::Instant::now();
        let answer = self.client.get(&format!("{}/api/v2/alerts", self.base))?;
        let elapsed = started.elapsed().as_secs_f64();
        let n_listed = answer.body.matches("\"fingerprint\":").count() as u64;
        ensure!(answer.status == 200 && n_listed == n_alerts, "{n_listed} of {n_alerts} alerts are listed");
        Ok(elapsed)
    }

    fn cpu_s(&self) -> Result<f64> {
        Ok(meter::usage(self.process.id())?.cpu_s)
    }

    /// The original takes a batch first and files its alerts afterwards: what it owes belongs to the batch.
    fn wait_until_idle(&self) -> Result<()> {
        let mut last = f64::NEG_INFINITY;
        wait_until_every(LOOK_EVERY, REST_WITHIN, "the Alertmanager's coming to rest", || {
            let now = self.cpu_s()?;
            let is_idle = now - last <= meter::TICK_S;
            last = now;
            Ok(is_idle)
        })
    }
}

/// Where Debian's build looks for its templates, installed or not.
const TEMPLATES: &str = "/usr/share/prometheus/alertmanager";

/// Copies Debian's program so that it looks for its templates where they were unpacked: nothing is installed here.
fn relocated(program: &Path, folder: &Path) -> Result<PathBuf> {
    let mut bytes = fs::read(program)
        .with_context(|| format!("read {}: run `cargo xtask peers` first", program.display()))?;
    let root = program.ancestors().nth(3).context("the peer lies in no folder of peers")?;
    // A short name: it takes the place of another in the program. Slashes fill up.
    let share = std::env::temp_dir().join(format!("wf-am-{}", std::process::id()));
    crate::env::copy_folder(&root.join(TEMPLATES.trim_start_matches('/')), &share)?;
    let share = share.display().to_string();
    let n_slashes = TEMPLATES
        .len()
        .checked_sub(share.len())
        .context("the folder for temporary files has too long a name")?;
    let (from, to) = (TEMPLATES.as_bytes(), format!("{share}{}", "/".repeat(n_slashes)));
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.windows(from.len()).position(|w| w == from))
    {
        let start = at + found;
        at = start + from.len();
        if let Some(place) = bytes.get_mut(start..at) {
            place.copy_from_slice(to.as_bytes());
        }
    }
    let copy = folder.join("alertmanager");
    fs::write(&copy, bytes).context("write the copy")?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&copy, mode).context("make the copy executable")?;
    Ok(copy)
}
