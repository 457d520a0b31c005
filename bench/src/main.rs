//! Hot paths with steady inputs: what an operation costs, in instructions and in nanoseconds.
//!
//! ```text
//! wf-bench list          every path: name and unit
//! wf-bench count NAME    prepares, warms up, works inside `measure::counted`; prints the number of units of that work
//! wf-bench time NAME     prints the nanoseconds of a unit in the best of many rounds
//! ```
//! `cargo xtask instructions` runs `count` under callgrind, which counts inside `counted` alone, and compares with
//! `bench/instructions.toml`. What the numbers mean and which budgets they stand beside: `docs/benchmarks.md`.
//! # Reading order: `path` (what a path is), `measure`, then a module per part: `scrape`, `storage`, `chunks`, `query`.
//! # Not here: load generators and comparisons with real peers (`bench/macro`).

mod path;

mod measure;

mod chunks;
mod query;
mod scrape;
mod storage;

use std::io::Write;

use anyhow::{Context, Result, bail};

use path::Path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["list"] => paths().map(|path| format!("{}\t{}\n", path.name, path.unit)).collect(),
        ["count", name] => format!("{}\n", measure::count(&find(name)?)?),
        ["time", name] => format!("{:.2}\n", measure::time_ns(&find(name)?)?),
        _ => bail!("usage: wf-bench list | count NAME | time NAME"),
    };
    std::io::stdout().write_all(answer.as_bytes()).context("print the answer")
}

fn paths() -> impl Iterator<Item = Path> {
    [scrape::PATHS, storage::PATHS, chunks::PATHS, query::PATHS].into_iter().flatten().copied()
}

fn find(name: &str) -> Result<Path> {
    paths().find(|path| path.name == name).with_context(|| format!("no path {name}: see `wf-bench list`"))
}
