//! The host exporter beside Debian's: CPU of a scrape and memory, on this host and on a recorded big one.
//!
//! Both run the collectors that both have by default, and are asked over one connection for compressed pages, as a
//! server asks. CPU is that of the whole process. Memory is looked at while scrapes come at a server's interval.

mod host;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::http::Client;
use crate::meter::{self, Watch};
use crate::process::{Process, free_port, wait_until};
use crate::{Env, Options, Report, Subject, Unit, calibrate, order};

use host::Size;

pub(crate) const BENCH: Bench = Bench {
    name: "node",
    about: "CPU and memory of a host's metrics beside node_exporter [--scrapes 300 --interval 15 --looks 4 --cpus 128 --network 1500 --disks 500 --big-scrapes 20]",
    run,
};

/// Name of Debian's program and package.
const PEER: &str = "prometheus-node-exporter";

const READY_WITHIN: Duration = Duration::from_secs(60);

/// Scrapes before anything counts: buffers grow, patterns are compiled.
const N_WARM: u64 = 3;

/// Anonymous memory that ours may hold, bytes.
const ANONYMOUS_MAX: f64 = (8 << 20) as f64;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exporter {
    Watchfire,
    Peer,
}

/// Load of a run.
#[derive(Clone, Copy, Debug)]
struct Load {
    n_scrapes: u64,
    n_big_scrapes: u64,
    n_looks: u64,
    interval: Duration,
}

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["scrapes", "interval", "looks", "cpus", "network", "disks", "big-scrapes"])?;
    let load = Load {
        n_scrapes: options.number("scrapes", 300)?,
        n_big_scrapes: options.number("big-scrapes", 20)?,
        n_looks: options.number("looks", 4)?,
        interval: Duration::from_secs(options.number("interval", 15)?),
    };
    let size = Size {
        n_cpus: options.number("cpus", 128)?,
        n_networks: options.number("network", 1_500)?,
        n_disks: options.number("disks", 500)?,
    };
    let host = host::Recorded::new(size).context("record a host")?;
    let collectors = shared_collectors(env)?;
    let mut report = Report::new("node", "A host's metrics, scraped compressed over one connection.");
    report.note(format!("{} collectors, those that both have by default.", collectors.len()));
    report.note(format!(
        "The recorded host has {} CPUs, {} network devices, {} disks.",
        size.n_cpus, size.n_networks, size.n_disks
    ));
    report.note(format!("Memory is that while a scrape comes every {} s.", load.interval.as_secs()));
    for (_, who) in order::passes(&[Exporter::Watchfire, Exporter::Peer], options.passes()?) {
        report.calibrated(calibrate::run());
        measure_here(env, who, &collectors, load, &mut report)?;
        measure_recorded(env, who, &collectors, host.root(), load, &mut report)?;
    }
    report.floor_beside("CPU per scrape", PEER, 0.25);
    report.floor_beside("RSS", PEER, 0.5);
    report.floor_beside("CPU per scrape of the big host", PEER, 0.25);
    if let Some(ours) = report.summary("RssAnon", Subject::Watchfire.name()) {
        report.demand("RssAnon, bytes".to_owned(), ours.median, ANONYMOUS_MAX);
    }
    Ok(report)
}

/// Collectors that both run unless told otherwise.
fn shared_collectors(env: &Env) -> Result<Vec<String>> {
    let names = |who: Exporter| -> Result<BTreeSet<String>> {
        let running = Running::start(env, who, &[])?;
        let page = running.client.get(&running.url)?.body;
        let lines =
            page.lines().filter_map(|line| line.strip_prefix("node_scrape_collector_success{collector=\""));
        Ok(lines.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect())
    };
    let (ours, theirs) = (names(Exporter::Watchfire)?, names(Exporter::Peer)?);
    let shared: Vec<_> = ours.intersection(&theirs).cloned().collect();
    ensure!(shared.len() > 30, "only these collectors run on both sides: {shared:?}");
    Ok(shared)
}

fn measure_here(
    env: &Env,
    who: Exporter,
    collectors: &[String],
    load: Load,
    report: &mut Report,
) -> Result<()> {
    let mut running = Running::start(env, who, &switches(collectors))?;
    let (cpu_s, n_bytes) = running.cpu_of(load.n_scrapes)?;
    report.add_variant("CPU per scrape", Unit::Seconds, who.name(), cpu_s);
    report.add_variant("compressed page", Unit::Bytes, who.name(), n_bytes as f64);
    let watch = Watch::start(running.process.id());
    for _ in 0..load.n_looks {
        running.scrape()?;
        // The time between scrapes is part of what is measured.
        thread::sleep(load.interval);
    }
    let seen = watch.finish();
    running.process.check()?;
    report.add_variant("RSS", Unit::Bytes, who.name(), seen.rss_bytes);
    report.add_variant("RssAnon", Unit::Bytes, who.name(), seen.anonymous_bytes);
    report.add_variant(
        "RSS peak",
        Unit::Bytes,
        who.name(),
        meter::usage(running.process.id())?.rss_peak_bytes as f64,
    );
    Ok(())
}

fn measure_recorded(
    env: &Env,
    who: Exporter,
    collectors: &[String],
    tree: &Path,
    load: Load,
    report: &mut Report,
) -> Result<()> {
    let mut arguments = switches(collectors);
    arguments.extend([
        format!("--path.procfs={}", tree.join("proc").display()),
        format!("--path.sysfs={}", tree.join("sys").display()),
        format!("--path.rootfs={}", tree.display()),
        format!("--path.udev.data={}", tree.join("udev").display()),
        // The kernel answers for this host, not for the recorded one.
        "--no-collector.netdev.netlink".to_owned(),
    ]);
    if who == Exporter::Watchfire {
        arguments.push("--no-collector.arp.netlink".to_owned());
    }
    let mut running = Running::start(env, who, &arguments)?;
    let n_samples =
        running.client.get(&running.url)?.body.lines().filter(|line| !line.starts_with('#')).count();
    let (cpu_s, _) = running.cpu_of(load.n_big_scrapes)?;
    let usage = meter::usage(running.process.id())?;
    report.add_variant("CPU per scrape of the big host", Unit::Seconds, who.name(), cpu_s);
    report.add_variant("series of the big host", Unit::Count, who.name(), n_samples as f64);
    report.add_variant("RSS of the big host", Unit::Bytes, who.name(), usage.rss_bytes as f64);
    report.add_variant("RssAnon of the big host", Unit::Bytes, who.name(), usage.anonymous_bytes as f64);
    Ok(())
}

fn switches(collectors: &[String]) -> Vec<String> {
    let each = collectors.iter().map(|name| format!("--collector.{name}"));
    std::iter::once("--collector.disable-defaults".to_owned()).chain(each).collect()
}

impl Exporter {
    fn name(self) -> &'static str {
        match self {
            Self::Watchfire => Subject::Watchfire.name(),
            Self::Peer => PEER,
        }
    }

    fn program(self, env: &Env) -> Result<PathBuf> {
        let (path, cure) = match self {
            Self::Watchfire => (env.watchfire.clone(), "cargo build --release -p watchfire"),
            Self::Peer => (env.peer(PEER), "cargo xtask peers"),
        };
        ensure!(path.exists(), "{} is missing: run `{cure}`", path.display());
        Ok(path)
    }
}

/// An exporter at work; killed by its id when dropped.
struct Running {
    process: Process,
    client: Client,
    url: String,
}

impl Running {
    fn start(env: &Env, who: Exporter, more: &[String]) -> Result<Self> {
        let port = free_port()?;
        let mut arguments = Vec::new();
        if who == Exporter::Watchfire {
            arguments.push("node-exporter".to_owned());
        }
        arguments.push(format!("--web.listen-address=127.0.0.1:{port}"));
        arguments.push("--log.level=error".to_owned());
        arguments.extend_from_slice(more);
        let log = env.folder("node").with_extension("log");
        let mut process = Process::start(&who.program(env)?, &arguments, &log)?;
        let (client, url) = (Client::new(), format!("http://127.0.0.1:{port}/metrics"));
        let landing_page = format!("http://127.0.0.1:{port}/");
        wait_until(READY_WITHIN, "readiness", || {
            process.check()?;
            Ok(client.get(&landing_page).is_ok_and(|answer| answer.status == 200))
        })
        .with_context(|| format!("start {}", who.name()))?;
        Ok(Self { process, client, url })
    }

    fn scrape(&mut self) -> Result<usize> {
        let page = self.client.get_compressed(&self.url)?;
        self.process.check()?;
        Ok(page.len())
    }

    /// Returns the CPU seconds of a scrape, and the bytes of the last page.
    fn cpu_of(&mut self, n_scrapes: u64) -> Result<(f64, usize)> {
        for _ in 0..N_WARM {
            self.scrape()?;
        }
        let before = meter::usage(self.process.id())?.cpu_s;
        let started = Instant::now();
        let mut n_bytes = 0;
        for _ in 0..n_scrapes.max(1) {
            n_bytes = self.scrape()?;
        }
        let cpu_s = meter::usage(self.process.id())?.cpu_s - before;
        ensure!(
            cpu_s <= started.elapsed().as_secs_f64() * 64.0,
            "the clock of the process is broken: {cpu_s} s of CPU"
        );
        Ok((cpu_s / n_scrapes.max(1) as f64, n_bytes))
    }
}
