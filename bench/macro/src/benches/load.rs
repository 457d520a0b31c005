//! Load shared by benches: a server that scrapes a simulated cluster until every target was scraped often enough.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::meter::Usage;
use crate::process::{wait_until, wait_until_every};
use crate::report::thousands;
use crate::servers::scrape_config;
use crate::sim::process::Served;
use crate::sim::{Churn, Spec};
use crate::{Env, Options, Server, Simulator, Subject};

/// How often a server is asked what it counted: its answer costs it something.
pub const ASK_EVERY: Duration = Duration::from_millis(500);

/// What is put on a server.
#[derive(Clone, Debug)]
pub struct Load {
    /// Targets.
    pub spec: Spec,
    /// Between scrapes of a target.
    pub interval_s: u64,
    /// Scrapes of each target until the load is in.
    pub n_scrapes: u64,
}

impl Load {
    /// Reads `--series`, `--scrapes`, `--interval` (seconds) and `--churn` (fraction/scrapes).
    /// # Errors
    /// When one is not a number, or is zero.
    pub fn of(options: &Options, n_series: u64, n_scrapes: u64, interval_s: u64) -> Result<Self> {
        let mut spec = Spec::cluster(options.number("series", n_series)?);
        spec.churn = options.text("churn").map(str::parse).transpose().context("read --churn")?;
        let load = Self {
            spec,
            interval_s: options.number("interval", interval_s)?,
            n_scrapes: options.number("scrapes", n_scrapes)?,
        };
        ensure!(load.spec.n_series() > 0 && load.interval_s > 0 && load.n_scrapes > 0, "a load of nothing");
        Ok(load)
    }

    /// Returns a sentence on it.
    pub fn sentence(&self) -> String {
        let churn = self.spec.churn.map_or_else(String::new, |Churn { fraction, period }| {
            format!(" Every {period} scrapes {} % of the pods are replaced.", fraction * 100.0)
        });
        format!(
            "{} series of {} targets, every {} s, until each target was scraped {} times.{churn}",
            thousands(self.spec.n_series()),
            self.spec.profiles().len(),
            self.interval_s,
            self.n_scrapes
        )
    }
}

/// A server under load.
#[derive(Debug)]
pub struct Loaded {
    /// The server; declared first so that it ends before its targets.
    pub server: Server,
    /// Its targets.
    pub simulator: Simulator,
}

impl Loaded {
    /// Starts targets and server; `folder` names the data directory, which is emptied before.
    /// # Errors
    /// When either does not come up.
    pub fn start(env: &Env, subject: Subject, load: &Load, folder: &str, flags: &[&str]) -> Result<Self> {
        let simulator = Simulator::start(&load.spec)?;
        let config = scrape_config(&load.spec, simulator.port, load.interval_s);
        let data = env.fresh_folder(&format!("{folder}-{}", subject.name()))?.join("data");
        let server = Server::start(env, subject, &data, &config, flags)?;
        Ok(Self { server, simulator })
    }

    /// Waits until each target was scraped `n_scrapes` times, however long a slow server needs (an hour at most).
    /// # Errors
    /// When the server or the simulator ends.
    pub fn wait_for_scrapes(&mut self, n_scrapes: u64) -> Result<()> {
        self.wait_for_scrapes_within(n_scrapes, Duration::from_secs(3_600))
    }

    /// Waits until each target was scraped `n_scrapes` times.
    /// # Errors
    /// When that takes longer than `within`, or the server or the simulator ends.
    pub fn wait_for_scrapes_within(&mut self, n_scrapes: u64, within: Duration) -> Result<()> {
        let mut next_look = Instant::now();
        wait_until(within, &format!("{n_scrapes} scrapes of every target"), || {
            if Instant::now() < next_look {
                return Ok(false);
            }
            // Asking locks each target for an instant: not too often.
            next_look = Instant::now() + Duration::from_millis(200);
            self.server.usage()?;
            Ok(self.simulator.served()?.rounds_min >= n_scrapes)
        })
        .with_context(|| format!("load {}", self.server.subject.name()))
    }

    /// Fails when the server took in less than what it was served: then it measured another load.
    /// # Errors
    /// See above.
    pub fn check_taken_in(&self) -> Result<()> {
        let taken_in = self.server.samples_appended()?;
        // What is being scraped just now is served and not yet taken in.
        let served = self.simulator.served()?.samples as f64 * 0.9;
        let name = self.server.subject.name();
        ensure!(taken_in >= served, "{name} took in {taken_in} samples of about {served}");
        Ok(())
    }

    /// Waits until the server took in `n_samples`.
    /// # Errors
    /// When it has fewer after `within`; the message says how many.
    pub fn wait_for_samples(&self, n_samples: f64, within: Duration) -> Result<()> {
        let mut taken_in = 0.0;
        wait_until_every(ASK_EVERY, within, &format!("{n_samples} samples taken in"), || {
            taken_in = self.server.samples_appended()?;
            Ok(taken_in >= n_samples)
        })
        .with_context(|| format!("{} took in {taken_in} samples", self.server.subject.name()))
    }

    /// Reads what server and targets did so far.
    /// # Errors
    /// When either has ended.
    pub fn mark(&mut self) -> Result<Mark> {
        Ok(Mark { usage: self.server.usage()?, served: self.simulator.served()? })
    }
}

/// An instant of a load: differences of two are the cost of what was served between them.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The server's use of the machine.
    pub usage: Usage,
    /// What it got.
    pub served: Served,
}

impl Mark {
    /// Returns the server's CPU time per sample served since `earlier`, nanoseconds.
    pub fn cpu_ns_per_sample(&self, earlier: &Self) -> f64 {
        let n_samples = self.served.samples.saturating_sub(earlier.served.samples).max(1);
        (self.usage.cpu_s - earlier.usage.cpu_s) * 1e9 / n_samples as f64
    }
}
