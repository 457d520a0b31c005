//! A program under test as a process that never outlives its handle.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::progress;

/// How often something awaited is looked at.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// How often it is told what is waited for.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// How long a program may take to stop by itself.
const STOP_WITHIN: Duration = Duration::from_secs(120);

/// A running program with its log; killed by its id when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    /// When it was started.
    pub started: Instant,
}

impl Process {
    /// Starts `program`; what it prints is appended to `log`.
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("open the log")?;
        let started = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("share the log")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self { child, log: log.to_owned(), started })
    }

    /// Runs `program` to its end.
    /// # Errors
    /// When it cannot be started, fails, or is not done `within`; the message holds the end of its log.
    pub fn run(program: &Path, arguments: &[String], log: &Path, within: Duration) -> Result<()> {
        let mut process = Self::start(program, arguments, log)?;
        let mut status = None;
        wait_until(within, "its end", || {
            status = process.child.try_wait().context("look at the program")?;
            Ok(status.is_some())
        })
        .with_context(|| format!("wait for {}", program.display()))?;
        match status {
            Some(status) if status.success() => Ok(()),
            _ => bail!("{} failed:\n{}", program.display(), process.log_end()),
        }
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended; the message holds the end of its log.
    /// # Errors
    /// See above.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("look at the program")? {
            None => Ok(()),
            Some(status) => bail!("it ended with {status}:\n{}", self.log_end()),
        }
    }

    /// Kills without warning, as `kill -9` does, and waits.
    pub fn kill(mut self) {
        self.end_now();
    }

    /// Asks to stop with SIGTERM and waits; returns how long that took.
    /// # Errors
    /// When it does not end within two minutes.
    pub fn stop(mut self) -> Result<Duration> {
        let raw = i32::try_from(self.child.id()).context("process id")?;
        let pid = rustix::process::Pid::from_raw(raw).context("process id is zero")?;
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).context("send SIGTERM")?;
        wait_until(STOP_WITHIN, "its end", || Ok(self.child.try_wait()?.is_some()))?;
        Ok(asked.elapsed())
    }

    /// Returns the last lines of the log.
    pub fn log_end(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    fn end_now(&mut self) {
        // It may have ended by itself: then there is nothing to kill, and waiting returns at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Looks until `is_done`; an error of it ends the wait.
/// # Errors
/// When `what` did not come `within`, or looking failed.
pub fn wait_until(within: Duration, what: &str, is_done: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_until_every(POLL_EVERY, within, what, is_done)
}

/// As [`wait_until`], for looks that cost the server under test something.
/// # Errors
/// When `what` did not come `within`, or looking failed.
pub fn wait_until_every(
    every: Duration,
    within: Duration,
    what: &str,
    mut is_done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let (started, mut told) = (Instant::now(), Instant::now());
    while !is_done()? {
        if started.elapsed() > within {
            bail!("{what} did not come within {} s", within.as_secs());
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let (waited, within) = (started.elapsed().as_secs(), within.as_secs());
            progress::say(format_args!("waiting for {what} since {waited} s, for {within} s at most"));
        }
        std::thread::sleep(every);
    }
    Ok(())
}

/// Returns a port nobody listens on at this moment.
/// # Errors
/// When the machine has none.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("bind a free port")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_is_noticed_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let words = ["-c".to_owned(), "echo spoken; exit 3".to_owned()];
        let error = Process::run(Path::new("/bin/sh"), &words, &log, STOP_WITHIN).unwrap_err();
        assert!(error.to_string().contains("spoken"), "{error:#}");
    }

    #[test]
    fn what_never_comes_is_an_error() {
        let error = wait_until(Duration::ZERO, "spring", || Ok(false)).unwrap_err();
        assert!(error.to_string().contains("spring"));
    }
}
