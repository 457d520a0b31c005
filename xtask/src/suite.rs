//! The test suite as one command: each stage is timed, its log is kept, and what was skipped or failed is listed last.
//!
//! Compiling leaves cores idle where one crate waits for another, and tests that talk to servers mostly wait: stages that do
//! not need each other run side by side. No test may depend on how much of the processor it gets.

mod failure;
mod stage;

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::build::{self, Profile, say};
use crate::command::exists;
use crate::peers;
use crate::workspace::target_dir;
use stage::{Stage, command};

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `make test`: minutes.
    Short,
    /// `make soak`: the long forms, hours.
    Long,
}

/// Runs everything; fails when a stage failed, after all of them ran.
/// # Errors
/// When a stage failed or could not be started.
pub fn run(form: Form) -> Result<()> {
    let [units, program] = thread::scope(|scope| {
        let program = scope.spawn(program);
        let units = unit_tests(form);
        anyhow::Ok([units?, joined(program)?])
    })?;
    // Without a program there is nothing to start.
    let others = if program.passed { with_program(form)? } else { Vec::new() };
    report(&[vec![units, program], others].concat())
}

/// Compiles the program, its web UI included. It gives way to nobody: linking, its last step, takes minutes and one core, and
/// all that follows waits for it.
fn program() -> Result<Stage> {
    build::ui()?;
    let arguments = ["build", "--quiet", "--locked", "--release", "--package", "watchfire"];
    stage::run("program", command("cargo", &arguments))
}

/// Tests that start the program. They mostly wait: what only computes takes the processor time that they leave.
fn with_program(form: Form) -> Result<Vec<Stage>> {
    thread::scope(|scope| {
        let groups = Group::ALL.map(|group| scope.spawn(move || end_to_end(group, form)));
        let computed = computed();
        computed.into_iter().chain(groups.into_iter().map(joined)).collect()
    })
}

/// The outcome of a thread.
fn joined<T>(work: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    work.join().unwrap_or_else(|_| bail!("a thread of the suite panicked"))
}

fn fetch_peers() {
    for (kind, fetched) in [("peers", peers::fetch()), ("python", peers::fetch_python())] {
        if let Err(error) = fetched {
            say(&format!("SKIPPED: {kind}: {error:#}"));
        }
    }
}

/// Stages that need the processor, the short ones first. Those that know no timeouts give way to the end-to-end tests.
fn computed() -> Vec<Result<Stage>> {
    let mut commands = vec![("instructions", gently("cargo", &COUNTS))];
    if exists("npm") {
        let npm = |script| ["run", "--silent", "--prefix", "ui", script];
        commands.insert(0, ("ui-unit", command("npm", &npm("test"))));
        commands.insert(1, ("ui-types", gently("npm", &npm("typecheck"))));
    }
    commands.into_iter().map(|(name, command)| stage::run(name, command)).collect()
}

/// Not by this program's own path: testing the workspace may have built it anew.
const COUNTS: [&str; 7] = ["run", "--quiet", "--locked", "--package", "xtask", "--", "instructions"];

/// A command that takes the processor time that others leave.
fn gently(program: &str, arguments: &[&str]) -> Command {
    command("nice", &[&["-n", "19", program], arguments].concat())
}

/// What generated inputs start from in the short form: a test must not depend on luck. The long form tries others.
const PROPERTY_SEED: &str = "20260701";

/// Tests of parts, while the program is compiled.
fn unit_tests(form: Form) -> Result<Stage> {
    thread::scope(|scope| {
        scope.spawn(fetch_peers);
        build::cargo("test", &["--workspace", "--no-run"])
    })?;
    // One crate's failure shall not hide another's.
    let arguments =
        ["test", "--locked", "--workspace", "--exclude", "wf-e2e", "--no-fail-fast", "--", "--show-output"];
    let mut tests = command("cargo", &arguments);
    tests.env("WF_PEERS", peers::folder());
    match form {
        Form::Short => tests.env("PROPTEST_RNG_SEED", PROPERTY_SEED),
        Form::Long => tests.env("WF_SOAK", "1"),
    };
    stage::run("rust", tests)
}

/// End-to-end tests that run one after the other: each starts servers, and the machine is small. Those of different groups
/// run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// A person's journeys in a browser.
    Browser,
    /// What mostly waits for intervals to pass: Alertmanagers and discovery.
    Waiting,
    /// All others.
    Rest,
}

impl Group {
    const ALL: [Self; 3] = [Self::Browser, Self::Waiting, Self::Rest];

    fn stage(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Waiting => "waiting",
            Self::Rest => "end-to-end",
        }
    }

    /// What the names of its tests hold, as the test runner looks for it; those of [`Group::Rest`] are in no other group.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Browser => &["browser::"],
            Self::Waiting => &["alert_clients::", "alerts::", "cluster::", "discovery::", "mail::"],
            Self::Rest => &[],
        }
    }

    /// Arguments of the test runner that choose its tests.
    fn filters(self) -> Vec<&'static str> {
        if self == Self::Rest {
            let others = Self::ALL.into_iter().flat_map(Self::modules);
            return others.flat_map(|module| ["--skip", module]).collect();
        }
        self.modules().to_vec()
    }
}

fn end_to_end(group: Group, form: Form) -> Result<Stage> {
    let mut tests = command(
        "cargo",
        &["test", "--locked", "--workspace", "--test", "e2e", "--", "--show-output", "--test-threads=1"],
    );
    tests
        .args(group.filters())
        .env("WATCHFIRE_BIN", build::path(Profile::Release))
        .env("WF_PEERS", peers::folder());
    if form == Form::Long {
        tests.env("WF_SOAK", "1");
    }
    stage::run(group.stage(), tests)
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
    // What a test prints past its capture begins behind its name.
    let lines = |word: &str| -> Vec<&str> {
        let lines = logs.iter().flat_map(|log| log.lines());
        let mut found: Vec<&str> = lines.filter_map(|line| line.get(line.find(word)?..)).collect();
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
    say(&format!("\n{} passed, 0 failed", logs.iter().map(|log| n_passed(log)).sum::<u64>()));
    Ok(())
}

/// How many tests passed by the sums that cargo's test runner writes.
fn n_passed(log: &str) -> u64 {
    let sums = log.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    sums.filter_map(|sum| sum.split(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_end_to_end_is_in_one_group() {
        let tests = ["browser::a", "alerts::b", "discovery::zookeeper::c", "mail::d", "swap::e"];
        let is_run = |group: Group, test: &str| match group.filters().as_slice() {
            skips if group == Group::Rest => !skips.iter().any(|part| test.contains(part)),
            parts => parts.iter().any(|part| test.contains(part)),
        };
        for test in tests {
            assert_eq!(Group::ALL.into_iter().filter(|group| is_run(*group, test)).count(), 1, "{test}");
        }
    }

    #[test]
    fn passed_tests_are_summed_up() {
        let log = "test result: ok. 38 passed; 0 failed; 0 ignored\ntest a ... ok\ntest result: ok. 2 passed; 0 failed";
        assert_eq!(n_passed(log), 40);
    }
}
