//! The test suite as one command: each stage is timed, its log is kept, and what was skipped or failed is listed last.

mod failure;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile, say};
use crate::peers;
use crate::workspace::{root, target_dir};

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `make test`: minutes.
    Short,
    /// `make soak`: the long forms, hours.
    Long,
}

/// A finished stage.
#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    took: Duration,
    log: PathBuf,
    passed: bool,
}

/// Runs everything; fails when a stage failed, after all of them ran.
/// # Errors
/// When a stage failed or could not be started.
pub fn run(form: Form) -> Result<()> {
    if let Err(error) = peers::fetch() {
        say(&format!("SKIPPED: peers: {error:#}"));
    }
    if let Err(error) = peers::fetch_python() {
        say(&format!("SKIPPED: python: {error:#}"));
    }
    let mut stages = vec![unit_tests(form)?];
    let binary = build::binary(Profile::Release)?;
    stages.push(instruction_counts()?);
    if build_has_node() {
        stages.push(npm("ui-types", &["run", "--silent", "typecheck"])?);
        stages.push(npm("ui-unit", &["run", "--silent", "test"])?);
    }
    stages.push(end_to_end(&binary, form)?);
    report(&stages)
}

/// What generated inputs start from in the short form: a test must not depend on luck. The long form tries others.
const PROPERTY_SEED: &str = "20260701";

fn unit_tests(form: Form) -> Result<Stage> {
    // One crate's failure shall not hide another's.
    let arguments =
        ["test", "--locked", "--workspace", "--exclude", "wf-e2e", "--no-fail-fast", "--", "--show-output"];
    let mut command = Command::new("cargo");
    command.args(arguments).env("WF_PEERS", peers::folder());
    match form {
        Form::Short => command.env("PROPTEST_RNG_SEED", PROPERTY_SEED),
        Form::Long => command.env("WF_SOAK", "1"),
    };
    stage("rust", &mut command)
}

/// Counts do not depend on what else runs, so this stage needs no quiet machine. Not by this program's own path: testing
/// the workspace may have built it anew.
fn instruction_counts() -> Result<Stage> {
    let arguments = ["run", "--quiet", "--locked", "--package", "xtask", "--", "instructions"];
    stage("instructions", Command::new("cargo").args(arguments))
}

fn end_to_end(binary: &Path, form: Form) -> Result<Stage> {
    let mut command = Command::new("cargo");
    // One after the other: each starts servers and measures, and the machine is small.
    command.args(["test", "--locked", "--package", "wf-e2e", "--", "--show-output", "--test-threads=1"]);
    command.env("WATCHFIRE_BIN", binary).env("WF_PEERS", peers::folder());
    if form == Form::Long {
        command.env("WF_SOAK", "1");
    }
    stage("end-to-end", &mut command)
}

fn npm(name: &'static str, arguments: &[&str]) -> Result<Stage> {
    stage(name, Command::new("npm").args(arguments).current_dir(root().join("ui")))
}

fn build_has_node() -> bool {
    crate::command::exists("npm")
}

/// Runs a command, showing its output and keeping it in `target/test-logs`.
fn stage(name: &'static str, command: &mut Command) -> Result<Stage> {
    say(&format!("== {name}"));
    let folder = target_dir().join("test-logs");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let log = folder.join(format!("{name}.log"));
    let started = Instant::now();
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("share the pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("start stage {name}"))?;
    // The command holds the pipe's writing ends: dropping them lets reading end with the child.
    *command = Command::new("true");
    let mut file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("read the stage's output")?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        let text = String::from_utf8_lossy(&line);
        if is_worth_showing(&text) {
            say(&text);
        }
    }
    let passed = child.wait().context("wait for the stage")?.success();
    Ok(Stage { name, took: started.elapsed(), log, passed })
}

/// Passing tests and their output stay in the log; sums, figures, skips and failures are shown.
fn is_worth_showing(line: &str) -> bool {
    if line.starts_with("test ") && line.ends_with("... ok") {
        return false;
    }
    let starts =
        ["test ", "test result", "error", "warning", "FIGURE:", "SKIPPED:", "failures:", "thread ", "----"];
    let holds = ["panicked", "FAILED", "assertion", " Tests ", " passed", " failed", "left:", "right:"];
    starts.iter().any(|start| line.starts_with(start)) || holds.iter().any(|part| line.contains(part))
}

/// What each stage wrote; programs under test may write what is no text.
fn logs(stages: &[Stage]) -> Vec<String> {
    let read = |stage: &Stage| fs::read(&stage.log).unwrap_or_default();
    stages.iter().map(|stage| String::from_utf8_lossy(&read(stage)).into_owned()).collect()
}

fn report(stages: &[Stage]) -> Result<()> {
    say("\n== stages");
    for stage in stages {
        let verdict = if stage.passed { "passed" } else { "FAILED" };
        say(&format!("{:>12} {verdict} in {:.0} s", stage.name, stage.took.as_secs_f64()));
    }
    let logs = logs(stages);
    let lines = |start: &str| -> Vec<&str> {
        let mut found: Vec<&str> =
            logs.iter().flat_map(|log| log.lines()).filter(|line| line.starts_with(start)).collect();
        found.sort();
        found.dedup();
        found
    };
    say("\n== figures");
    lines("FIGURE:").iter().for_each(|line| say(line));
    say("\n== skips");
    let skips = lines("SKIPPED:");
    if skips.is_empty() {
        say("none");
    }
    skips.iter().for_each(|line| say(line));
    // Last, where they are found, and where they are left when a long log is cut: the sums above do not name a test.
    for (stage, log) in stages.iter().zip(&logs).filter(|(stage, _)| !stage.passed) {
        say(&format!("\n== why {} failed", stage.name));
        failure::told(log).iter().for_each(|line| say(line));
    }
    let failures = logs.iter().flat_map(|log| failure::tests(log));
    failures.for_each(|test| say(&format!("FAILED: {test}")));
    let failed: Vec<&str> = stages.iter().filter(|stage| !stage.passed).map(|stage| stage.name).collect();
    if !failed.is_empty() {
        bail!("failed: {} (logs in {})", failed.join(", "), target_dir().join("test-logs").display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_tests_are_not_shown() {
        let log = "test a::b ... ok\ntest a::c ... FAILED\ntest result: FAILED. 1 passed; 1 failed\n";
        let shown: Vec<&str> = log.lines().filter(|line| is_worth_showing(line)).collect();
        assert_eq!(shown, ["test a::c ... FAILED", "test result: FAILED. 1 passed; 1 failed"]);
    }
}
