//! Evidence: reruns every line of an issue's "Must show" on a fresh clone and prints pass, fail or skipped with the
//! figure. The closing note of the issue is this output.

mod alertmanager;
mod api;
mod bench;
mod clone;
mod node;
mod promql;
mod rules;
mod scrape;
mod tsdb;
mod ui;
mod up;

use std::fmt;

use anyhow::{Result, bail};

use crate::build::say;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Shown.
    Pass,
    /// Contradicted.
    Fail,
    /// Not run: not shown.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Skipped => "SKIPPED",
        })
    }
}

/// A line of "Must show" with its verdict.
#[derive(Clone, Debug)]
pub struct Line {
    what: &'static str,
    verdict: Verdict,
    figures: Vec<String>,
}

impl Line {
    fn new(what: &'static str, passed: bool, figures: Vec<String>) -> Self {
        Self { what, verdict: if passed { Verdict::Pass } else { Verdict::Fail }, figures }
    }
}

/// Shows the issue called `name`.
/// # Errors
/// When there is no such issue, or unless every line passes.
pub fn run(name: &str) -> Result<()> {
    let lines = match name {
        "up" => up::show()?,
        "tsdb" => tsdb::show()?,
        "promql" => promql::show()?,
        "scrape" => scrape::show()?,
        "rules" => rules::show()?,
        "api" => api::show()?,
        "alertmanager" => alertmanager::show()?,
        "node" => node::show()?,
        "ui" => ui::show()?,
        _ => bail!(
            "nothing to show for {name:?}: known are `up`, `tsdb`, `promql`, `scrape`, `rules`, `api`, `alertmanager`, `node`, `ui`"
        ),
    };
    say(&format!("\n== show {name}"));
    for line in &lines {
        say(&format!("{:<8}{}", line.verdict.to_string(), line.what));
        line.figures.iter().for_each(|figure| say(&format!("          {figure}")));
    }
    if lines.iter().any(|line| line.verdict != Verdict::Pass) {
        bail!("not everything is shown");
    }
    Ok(())
}
