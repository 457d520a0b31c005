//! The PromQL test language: load series, evaluate, compare. `watchfire tool promql test` runs such scripts.
//!
//! ```text
//! load 1m
//!   m{a="1"} 0+1x10
//!
//! eval instant at 5m rate(m[5m])
//!   {a="1"} 0.016666666666666666
//! ```
//! The whole script is parsed before anything runs. Every instant evaluation is repeated with pinned times and as the
//! middle step of a range query, so that one line checks three ways through the engine.
//!
//! # Reading order: `command` (what a script says), `parse`, `series`, `load`, `run`, `compare`, `rerun`.
//! # Source: `spec/prometheus-query.md` §3.

mod command;
mod compare;
mod histogram;
mod load;
mod parse;
mod rerun;
mod run;
mod series;

use std::fmt;

use wf_series::memory::MemoryStorage;

/// What running a script found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Evaluations that passed.
    pub passed: usize,
    /// What failed: evaluations, or the script itself when it cannot be read.
    pub failed: Vec<Failure>,
}

/// A failure and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Line of the script, from 1.
    pub line: usize,
    /// What was wanted and what was got.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Runs a script from its text. A script that cannot be read, or that evaluates nothing, fails.
pub fn run(text: &str) -> Report {
    let commands = match parse::parse(text) {
        Ok(commands) => commands,
        Err(failure) => return Report { passed: 0, failed: vec![failure] },
    };
    let mut report = run::run(&commands);
    if report.passed == 0 && report.failed.is_empty() {
        report.failed.push(Failure { line: 1, message: "the script has no evaluation".to_owned() });
    }
    report
}

/// Runs only the `load` and `clear` commands of a script; returns what they leave.
/// # Errors
/// The first thing that is wrong with the script or its series.
pub fn load(text: &str) -> Result<MemoryStorage, Failure> {
    run::load_all(&parse::parse(text)?)
}
