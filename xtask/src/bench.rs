//! Benches by name: hot paths (`instructions`) and whole servers beside the originals (`bench/macro`).

use anyhow::Result;

use crate::build::{Profile, binary, say};
use crate::command::{output, run as run_program};
use crate::peers;
use crate::workspace::{root, target_dir};

/// Prints the names of all benches, each with a sentence.
/// # Errors
/// When the harness cannot be built.
pub fn list() -> Result<()> {
    let harness = harness()?;
    say("make bench NAME=… [ARGS=\"--key value …\"]");
    say(&line("paths", "hot paths: instructions and nanoseconds of each"));
    for (name, about) in
        output(&root(), &harness, &["list"])?.lines().filter_map(|line| line.split_once('\t'))
    {
        say(&line(name, about));
    }
    Ok(())
}

/// Runs a bench of whole servers: builds ours, unpacks the originals.
/// # Errors
/// When a step fails, or a floor is missed.
pub fn run(name: &str, options: &[&str]) -> Result<()> {
    let harness = harness()?;
    binary(Profile::Release)?;
    peers::fetch()?;
    run_program(&root(), &harness, &[&["run", name], options].concat(), &[])
}

fn harness() -> Result<String> {
    run_program(&root(), "cargo", &["build", "--locked", "--release", "--package", "wf-macrobench"], &[])?;
    Ok(target_dir().join("release/wf-macrobench").display().to_string())
}

fn line(name: &str, about: &str) -> String {
    format!("  {name:<16} {about}")
}
