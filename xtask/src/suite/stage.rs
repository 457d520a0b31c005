//! One stage of the suite: a command that is run, timed, told and kept.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::build::say;
use crate::workspace::{root, target_dir};

/// A finished stage.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    pub(super) log: PathBuf,
    pub(super) passed: bool,
}

/// A command in the workspace's root that reads nothing.
pub(super) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command, showing what matters of its output and keeping all of it in `target/test-logs`.
pub(super) fn run(name: &'static str, mut command: Command) -> Result<Stage> {
    let folder = target_dir().join("test-logs");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let log = folder.join(format!("{name}.log"));
    let started = Instant::now();
    let (reader, writer) = std::io::pipe().context("make a pipe")?;
    let mut child = command
        .stdout(writer.try_clone().context("share the pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("start stage {name}"))?;
    // The command holds the pipe's writing ends: without it reading ends with the child.
    drop(command);
    let mut file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("read the stage's output")?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        let text = String::from_utf8_lossy(&line);
        if is_worth_showing(&text) {
            // Stages run side by side.
            say(&format!("{name}: {text}"));
        }
    }
    let passed = child.wait().context("wait for the stage")?.success();
    let (took, verdict) = (started.elapsed(), if passed { "passed" } else { "FAILED" });
    say(&format!("{name}: {verdict} in {:.0} s", took.as_secs_f64()));
    Ok(Stage { name, took, log, passed })
}

/// Passing tests and their output stay in the log, figures come at the end: sums, skips and failures are shown.
fn is_worth_showing(line: &str) -> bool {
    let starts = ["test result: FAILED", "error", "warning", "SKIPPED:"];
    let holds = [" FAILED", " Tests ", " passed (", " failed ("];
    starts.iter().any(|start| line.starts_with(start))
        || line == "FAILED"
        || holds.iter().any(|part| line.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_tests_are_not_shown() {
        let log = "test a::b ... ok\ntest a::c ... FAILED\ntest a::d ... FIGURE: x: 1\nok\ntest result: FAILED. 2 passed; 1 failed\n";
        let shown: Vec<&str> = log.lines().filter(|line| is_worth_showing(line)).collect();
        assert_eq!(shown, ["test a::c ... FAILED", "test result: FAILED. 2 passed; 1 failed"]);
    }
}
