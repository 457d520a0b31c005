//! Lines that a bench against the originals shows.

use anyhow::Result;

use super::clone::Clone;
use super::{Line, Verdict};

/// Runs a bench in the clone and judges a line by its floors: all must pass. The table is the line's figures.
pub(super) fn line(clone: &Clone, what: &'static str, names: &[&str]) -> Result<Line> {
    let (mut figures, mut verdict) = (Vec::new(), Verdict::Pass);
    for name in names {
        let (succeeded, text) = clone.output("cargo", &["xtask", "bench", name])?;
        let verdicts = || text.lines().filter_map(|line| line.strip_prefix("- "));
        let is_shown = succeeded && verdicts().all(|verdict| verdict.starts_with("PASS"));
        if !is_shown {
            verdict = Verdict::Fail;
        }
        figures.push(format!("bench {name}: {}", if is_shown { "floors hold" } else { "NOT shown" }));
        let is_figure =
            |line: &&str| line.starts_with('|') || line.starts_with("- ") || line.starts_with("Calib");
        figures.extend(text.lines().filter(is_figure).map(str::to_owned));
    }
    let mut line = Line::new(what, true, figures);
    line.verdict = verdict;
    Ok(line)
}
