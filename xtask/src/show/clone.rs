//! A fresh clone and the logs of the suite that ran in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Line, Verdict};
use crate::command::run;
use crate::workspace::{root, target_dir};

/// A clone of the committed state, without build output.
#[derive(Debug)]
pub(super) struct Clone {
    /// Its root.
    pub(super) folder: PathBuf,
}

impl Clone {
    /// Clones HEAD afresh. `WF_SHOW_KEEP=1` brings the last clone to HEAD instead and keeps what was built in it, for whoever
    /// mends a line and looks again; times are warm then.
    pub(super) fn fresh() -> Result<Self> {
        let folder = target_dir().join("show/clone");
        if folder.exists() && std::env::var_os("WF_SHOW_KEEP").is_some() {
            let origin = root()
                .into_os_string()
                .into_string()
                .ok()
                .context("the path of the checkout is not UTF-8")?;
            run(&folder, "git", &["fetch", "--quiet", &origin, "HEAD"], &[])?;
            run(&folder, "git", &["reset", "--quiet", "--hard", "FETCH_HEAD"], &[])?;
            return Ok(Self { folder });
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        }
        let to = folder.to_str().context("the path of the build folder is not UTF-8")?;
        run(&root(), "git", &["clone", "--quiet", "--no-local", ".", to], &[])?;
        Ok(Self { folder })
    }

    /// Prepares a command in the clone; conformance data is where it is for this checkout.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env_remove("CARGO_TARGET_DIR")
            .env("CI", "true");
        if std::env::var_os("WATCHFIRE_CONFORMANCE").is_none() {
            command.env("WATCHFIRE_CONFORMANCE", root().join("../shared/conformance"));
        }
        command
    }

    /// Runs a command and returns whether it succeeded and how long it took.
    pub(super) fn time(&self, program: &str, arguments: &[&str]) -> Result<(bool, Duration)> {
        let started = Instant::now();
        let status =
            self.command(program).args(arguments).status().with_context(|| format!("start {program}"))?;
        Ok((status.success(), started.elapsed()))
    }

    /// Runs a command and returns whether it succeeded and what it printed; its errors are seen as they come.
    pub(super) fn output(&self, program: &str, arguments: &[&str]) -> Result<(bool, String)> {
        let output = self
            .command(program)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("start {program}"))?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Runs the whole check and tells whether it is green. A clone that was kept, and is still at the commit whose check was green,
    /// is not checked again: several issues are then shown by one run.
    pub(super) fn suite(&self) -> Result<Line> {
        let what = "make test and .ci/run are green from a clean clone";
        let stamp = self.folder.join("target/show-suite");
        let (_, head) = self.output("git", &["rev-parse", "HEAD"])?;
        let head = head.trim();
        let earlier = fs::read_to_string(&stamp).unwrap_or_default();
        if let Some(minutes) = earlier.strip_prefix(head) {
            return Ok(Line::new(what, true, vec![format!("minutes of .ci/run at this commit:{minutes}")]));
        }
        let is_warm = self.folder.join("target/debug").exists();
        let (is_green, took) = self.time("bash", &[".ci/run"])?;
        let minutes = took.as_secs_f64() / 60.0;
        if is_green {
            fs::write(&stamp, format!("{head} {minutes:.1}")).context("note that the check is green")?;
        }
        let state = if is_warm { "warm" } else { "cold" };
        Ok(Line::new(what, is_green, vec![format!("minutes of .ci/run, {state}: {minutes:.1}")]))
    }

    /// Reads all logs of the suite.
    pub(super) fn logs(&self) -> Result<Logs> {
        let folder = self.folder.join("target/test-logs");
        let entries = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let text = texts.collect::<Vec<_>>().join("\n");
        ensure!(!text.is_empty(), "the suite left no logs");
        Ok(Logs { text })
    }
}

/// What the suite printed.
#[derive(Debug)]
pub(super) struct Logs {
    text: String,
}

impl Logs {
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Judges a line by tests and the figures they printed.
    pub(super) fn line(&self, what: &'static str, tests: &[&str], figures: &[&str]) -> Line {
        let passed = |test: &&str| {
            // With one thread a test's own output may stand between its name and its verdict.
            let verdict = self.text.split(&format!("{test} ... ")).nth(1).unwrap_or("");
            let verdict = verdict.split("\ntest ").next().unwrap_or("");
            !verdict.contains("SKIPPED:") && verdict.lines().any(|line| line == "ok" || line.ends_with(" ok"))
        };
        let skipped = |test: &&str| {
            let after = self.text.split(&format!("{test} ... ")).nth(1).unwrap_or("");
            after.split("\ntest ").next().unwrap_or("").contains("SKIPPED:")
        };
        let found: Vec<String> = figures.iter().filter_map(|name| self.figure(name)).collect();
        let is_whole = tests.iter().all(passed) && found.len() == figures.len();
        let mut line = Line::new(what, is_whole, found);
        if tests.iter().any(skipped) {
            line.verdict = Verdict::Skipped;
        }
        line
    }

    /// Judges a line by the instruction counts of the suite: all of `paths` are among them, and none grew too much.
    pub(super) fn instructions(&self, what: &'static str, paths: &[&str]) -> Line {
        let is_counted = |line: &&str| line.contains('%') && paths.iter().any(|path| line.starts_with(path));
        let counts: Vec<String> = self.lines().filter(is_counted).map(str::to_owned).collect();
        let are_all_counted = paths.iter().all(|path| counts.iter().any(|line| line.starts_with(path)));
        let they_hold = self.has_line(|line| line.starts_with("FIGURE: instruction counts"))
            && !self.has_line(|line| line.starts_with("mend the path"));
        Line::new(what, they_hold && are_all_counted, counts)
    }

    /// Whether any line of the logs is one that `is_wanted` accepts.
    pub(super) fn has_line(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        self.find_line(is_wanted).is_some()
    }

    /// Returns the first line that `is_wanted` accepts.
    pub(super) fn find_line(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&str> {
        self.text.lines().find(|line| is_wanted(line))
    }

    fn figure(&self, name: &str) -> Option<String> {
        let start = format!("FIGURE: {name}: ");
        let line = self.text.lines().find(|line| line.contains(&start))?;
        Some(format!("{name}: {}", line.split(&start).nth(1)?))
    }
}
