//! The simulator as a process of its own: what it costs is never booked on the server under test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Spec;
use super::serve::Serving;
use crate::http::Client;

/// Serves `spec` until standard input ends; prints the port first. The body of `wf-macrobench simulate`.
/// # Errors
/// When no port is to be had or standard output is closed.
pub fn serve_until_stdin_ends(spec: &Spec) -> Result<()> {
    let serving = Serving::start(spec)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", serving.address.port()).and_then(|()| out.flush()).context("print the port")?;
    // Whatever comes is ignored; that it ends means that the parent is gone.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    // Connections are not waited for: the process ends with them.
    std::process::exit(0);
}

/// A running simulator; ended by its id when dropped.
#[derive(Debug)]
pub struct Simulator {
    child: Child,
    /// What it simulates.
    pub spec: Spec,
    /// Where all targets listen.
    pub port: u16,
    client: Client,
}

/// What was served so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Samples of all pages.
    pub samples: u64,
    /// Bytes of all pages, before compression.
    pub bytes: u64,
    /// Scrapes of the target that was scraped least.
    pub rounds_min: u64,
    /// Scrapes of the target that was scraped most.
    pub rounds_max: u64,
}

impl Simulator {
    /// Starts this program again as a simulator.
    /// # Errors
    /// When it cannot be started or does not come up.
    pub fn start(spec: &Spec) -> Result<Self> {
        let program = std::env::current_exe().context("find this program")?;
        let mut child = Command::new(program)
            .args(["simulate", &spec.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the simulator")?;
        let mut line = String::new();
        let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let port = read.transpose().ok().and_then(|_| line.trim().parse().ok());
        let mut simulator = Self { child, spec: spec.clone(), port: 0, client: Client::new() };
        simulator.port = port.context("the simulator did not print its port")?;
        Ok(simulator)
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks how much was served.
    /// # Errors
    /// When the simulator is gone.
    pub fn served(&self) -> Result<Served> {
        let body = self.client.get(&format!("http://127.0.0.1:{}/stats", self.port))?.body;
        let stats: Value = serde_json::from_str(&body).context("read the simulator's stats")?;
        let number = |key: &str| stats[key].as_u64().unwrap_or(0);
        Ok(Served {
            samples: number("samples"),
            bytes: number("bytes"),
            rounds_min: number("rounds_min"),
            rounds_max: number("rounds_max"),
        })
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // It may be gone by itself: then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
