//! Instruction counts of hot paths against a committed table: a regression fails a test on any machine, however noisy.
//!
//! Each path of `wf-bench` runs under callgrind, which counts the instructions of its measured part alone.
//! `bench/instructions.toml` holds what a unit of each path cost when last lowered; more than [`TOLERANCE`] above fails.
//!
//! # Not here: what is measured (`bench/`), what the counts mean beside the budgets (`docs/benchmarks.md`).

pub mod table;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::build::{self, say};
use crate::command::{exists, output};
use crate::workspace::{root, target_dir};
use table::{Count, Table, Verdict};

/// How much a count may grow before it is a regression: hash seeds and addresses differ a little from run to run, and the
/// compiler parts a crate anew when code elsewhere in it changes, which was seen to move a path by 2.0 %.
pub const TOLERANCE: f64 = 0.03;

/// How often a path is counted before it is called a regression: an unlucky hash seed costs `head/new-series` up to 2 %,
/// while code that really grew does so with every seed.
const TRIES: usize = 3;

/// What to do with the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Compare with the table.
    Check,
    /// Compare, and print nanoseconds too.
    Bench,
    /// Lower the table to what was counted; it never rises.
    Update,
}

/// Counts all paths and compares.
/// # Errors
/// When a path costs more than the table allows, or is missing from it, or cannot be measured.
pub fn check(mode: Mode) -> Result<()> {
    if let Some((kind, why)) = obstacle() {
        return skip(kind, &why);
    }
    build_bench()?;
    let path = root().join("bench/instructions.toml");
    let committed = Table::parse(&std::fs::read_to_string(&path).unwrap_or_default())?;
    let counts = count_all(&committed)?;
    let here = Table { compiler: compiler()?, counts };
    let is_same_compiler = committed.compiler == here.compiler;
    if mode == Mode::Update {
        let text = if is_same_compiler { committed.lowered_to(&here).to_string() } else { here.to_string() };
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let verdicts = here.compared_with(&committed, TOLERANCE);
    print(&here, &verdicts, mode)?;
    if !is_same_compiler && mode != Mode::Update {
        return skip("rustc", &format!("the table is of {}, this is {}", committed.compiler, here.compiler));
    }
    let complaints: Vec<String> = verdicts.iter().filter_map(Verdict::complaint).collect();
    if complaints.is_empty() || (mode == Mode::Update && !verdicts.iter().any(Verdict::is_regression)) {
        return Ok(());
    }
    bail!(
        "{}\nmend the path; or, if the cost is worth it, raise its line in bench/instructions.toml and say why in the commit",
        complaints.join("\n")
    )
}

/// Returns why counts of this machine could not be compared, if so.
fn obstacle() -> Option<(&'static str, String)> {
    if !exists("valgrind") {
        return Some(("valgrind", "it is not installed: apt-get install valgrind".to_owned()));
    }
    // Libraries choose their loops by the CPU that valgrind shows them: AVX2 where there is AVX2, never AVX-512.
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_avx2 = cpu.split_whitespace().any(|flag| flag == "avx2");
    (!has_avx2).then(|| ("avx2", "the table is of CPUs with AVX2, which this one lacks".to_owned()))
}

/// Says loudly that counts were not compared, or fails if `WF_REQUIRE` names `kind`.
fn skip(kind: &str, why: &str) -> Result<()> {
    let required = std::env::var("WF_REQUIRE").unwrap_or_default();
    if required.split(',').any(|entry| entry == kind) {
        bail!("{kind} is required, but {why}");
    }
    say(&format!("SKIPPED: {kind}: instruction counts: {why}"));
    Ok(())
}

/// Builds together with the shipped binary, so that both share every artefact.
fn build_bench() -> Result<()> {
    build::cargo("build", &["--release", "--package", "watchfire", "--package", "wf-bench"])
}

fn bench(words: &[&str]) -> Result<String> {
    output(&root(), &program()?, words)
}

fn program() -> Result<String> {
    let path = target_dir().join("release/wf-bench");
    path.into_os_string().into_string().ok().context("the build folder's path is not UTF-8")
}

fn compiler() -> Result<String> {
    let version = output(&root(), "rustc", &["--version"])?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Counts every path, as many at a time as there are cores: other load does not change a count.
fn count_all(committed: &Table) -> Result<Vec<Count>> {
    let list = bench(&["list"])?;
    let paths: Vec<(&str, &str)> = list.lines().filter_map(|line| line.split_once('\t')).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let n_workers = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while let Some((name, unit)) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let counted = best_count(name, unit, committed).with_context(|| format!("count {name}"));
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(counted);
        }
    };
    thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(work);
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut counts = found.into_iter().collect::<Result<Vec<Count>>>()?;
    counts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(counts)
}

/// Counts until the table allows it, and returns the lowest count.
fn best_count(name: &str, unit: &str, committed: &Table) -> Result<Count> {
    let mut best = count(name, unit)?;
    for _ in 1..TRIES {
        if committed.allows(&best, TOLERANCE) {
            break;
        }
        let again = count(name, unit)?;
        if again.per_unit < best.per_unit {
            best = again;
        }
    }
    Ok(best)
}

fn count(name: &str, unit: &str) -> Result<Count> {
    let finished = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .args(["--toggle-collect=wf_bench::measure::counted*", &program()?, "count", name])
        .output()
        .context("start valgrind")?;
    let (stdout, stderr) =
        (String::from_utf8_lossy(&finished.stdout), String::from_utf8_lossy(&finished.stderr));
    if !finished.status.success() {
        bail!("valgrind ended with {}: {stderr}", finished.status);
    }
    let n_units: f64 = stdout.trim().parse().context("read the number of units")?;
    let n_instructions = collected(&stderr).with_context(|| format!("no count in: {stderr}"))?;
    if n_instructions == 0.0 {
        bail!("nothing was counted: did `wf_bench::measure::counted` change its name?");
    }
    Ok(Count { name: name.to_owned(), unit: unit.to_owned(), per_unit: n_instructions / n_units })
}

/// Reads callgrind's total: `==1== Collected : 12345`.
fn collected(log: &str) -> Option<f64> {
    let line = log.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn print(here: &Table, verdicts: &[Verdict], mode: Mode) -> Result<()> {
    say(&format!("{:<28} {:>14} {:>8}  {}", "path", "instructions", "change", "per"));
    for (count, verdict) in here.counts.iter().zip(verdicts) {
        let mut line =
            format!("{:<28} {:>14.1} {:>8}  {}", count.name, count.per_unit, verdict.change(), count.unit);
        if mode == Mode::Bench {
            line += &format!(", {} ns", bench(&["time", &count.name])?.trim());
        }
        say(&line);
    }
    let worst = verdicts.iter().filter_map(Verdict::growth).fold(0.0, f64::max);
    say(&format!(
        "FIGURE: instruction counts: {} paths, largest growth {:+.1} %",
        here.counts.len(),
        worst * 100.0
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_total_is_read() {
        let log = "==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(log), Some(1_234_567.0));
        assert_eq!(collected("==7== error"), None);
    }
}
