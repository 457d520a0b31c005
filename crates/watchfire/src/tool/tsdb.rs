//! `watchfire tool tsdb`: about data directories.
//!
//! Arguments and output are those of the original's `promtool tsdb`, as far as it has the command.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use wf_model::{Matcher, TimeRange};
use wf_tsdb::block::{Block, BlockError};
use wf_tsdb::disk::os_disk;
use wf_tsdb::tools::{analyze, backfill, bench_write, blocks, dump, repair, verify};

use crate::{complain, say};

/// Tools about data directories.
#[derive(Debug, Subcommand)]
pub(crate) enum TsdbCommand {
    /// List blocks
    List {
        /// Data directory
        #[arg(default_value = "data/")]
        dir: PathBuf,
        /// Print dates and units
        #[arg(short = 'r', long)]
        human_readable: bool,
    },
    /// Report churn, cardinality and compaction efficiency of a block
    Analyze {
        /// Data directory
        #[arg(default_value = "data/")]
        dir: PathBuf,
        /// Block; the newest one unless given
        block: Option<String>,
        /// Items of each list
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Look at chunks, too
        #[arg(long)]
        extended: bool,
    },
    /// Print samples; the directory is only read
    Dump(DumpOptions),
    /// Print samples as OpenMetrics, which create-blocks-from reads; the directory is only read
    DumpOpenmetrics(DumpOptions),
    /// Make blocks
    CreateBlocksFrom {
        #[command(subcommand)]
        source: Source,
    },
    /// Check every checksum and rule of blocks, logs and head chunks; exit 0 only if all is well
    Verify {
        /// Data directory; it is only read, and may be in use
        #[arg(default_value = "data/")]
        dir: PathBuf,
    },
    /// Repair what verify finds. Says what it would do unless told to do it
    Repair {
        /// Data directory
        #[arg(default_value = "data/")]
        dir: PathBuf,
        /// Do it; no server may use the directory
        #[arg(long)]
        apply: bool,
    },
    /// Measure
    Bench {
        #[command(subcommand)]
        what: Bench,
    },
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Appending scrapes to a new database
    Write {
        /// Series, a JSON object of labels a line; made up unless given
        file: Option<PathBuf>,
        /// Directory of the database, which must not exist yet
        #[arg(long, default_value = "benchout")]
        out: PathBuf,
        /// Series at most
        #[arg(long, default_value_t = 10_000)]
        metrics: usize,
        /// Scrapes
        #[arg(long, default_value_t = 3_000)]
        scrapes: u32,
    },
}

/// What to print.
#[derive(Debug, Args)]
pub(crate) struct DumpOptions {
    /// Data directory
    #[arg(default_value = "data/")]
    dir: PathBuf,
    /// Where a directory for scratch files is made and removed; that of the system unless given
    #[arg(long)]
    sandbox_dir_root: Option<PathBuf>,
    /// No samples before, ms since the epoch
    #[arg(long, default_value_t = i64::MIN, allow_hyphen_values = true)]
    min_time: i64,
    /// No samples behind, ms since the epoch
    #[arg(long, default_value_t = i64::MAX, allow_hyphen_values = true)]
    max_time: i64,
    /// Series selector; several are united; all series unless given
    #[arg(long = "match")]
    selectors: Vec<String>,
}

/// What to make blocks from.
#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// What recording rules would have given, by a server's history
    Rules(super::history::FromRulesOptions),
    /// Samples of an OpenMetrics file, all of them with times
    Openmetrics {
        /// The file
        input: PathBuf,
        /// Directory for the blocks
        #[arg(default_value = "data/")]
        output: PathBuf,
        /// Blocks are at most this long
        #[arg(long, value_parser = super::promql::duration)]
        max_block_duration: Option<Duration>,
        /// Label that every series gets, name=value; can be repeated
        #[arg(long, value_parser = label)]
        label: Vec<(String, String)>,
        /// Print dates and units
        #[arg(short = 'r', long)]
        human_readable: bool,
        /// Do not print the blocks
        #[arg(short, long)]
        quiet: bool,
    },
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("expected name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn main(command: &TsdbCommand) -> ExitCode {
    let outcome = match command {
        TsdbCommand::List { dir, human_readable } => list(dir, numbers(*human_readable)),
        TsdbCommand::Analyze { dir, block, limit, extended } => {
            let request = analyze::Request { limit: *limit, is_extended: *extended };
            analyze_block(dir, block.as_deref(), request)
        }
        TsdbCommand::Dump(options) => print_samples(options, dump::Form::Plain),
        TsdbCommand::DumpOpenmetrics(options) => print_samples(options, dump::Form::OpenMetrics),
        TsdbCommand::CreateBlocksFrom { source } => create_blocks(source),
        TsdbCommand::Verify { dir } => return exit_code(check(dir)),
        TsdbCommand::Repair { dir, apply } => mend(dir, *apply),
        TsdbCommand::Bench { what: Bench::Write { file, out, metrics, scrapes } } => {
            bench(file.as_deref(), out, *metrics, *scrapes)
        }
    };
    exit_code(outcome.map(|()| ExitCode::SUCCESS))
}

fn exit_code(outcome: Result<ExitCode>) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => crate::fail(&error),
    }
}

/// Returns whether whoever read our output has seen enough.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io_error.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

fn numbers(human_readable: bool) -> blocks::Numbers {
    if human_readable { blocks::Numbers::ForPeople } else { blocks::Numbers::Plain }
}

fn list(dir: &Path, numbers: blocks::Numbers) -> Result<()> {
    let (found, broken) = blocks::open_blocks(&os_disk(), dir)?;
    report_broken(&broken);
    blocks::write_blocks(&mut io::stdout().lock(), &found, blocks::Heading::Shown, numbers)?;
    Ok(())
}

fn report_broken(broken: &[BlockError]) {
    for error in broken {
        complain(&format!("a block is left out: {error}"));
    }
}

fn analyze_block(dir: &Path, wanted: Option<&str>, request: analyze::Request) -> Result<()> {
    let (found, broken) = blocks::open_blocks(&os_disk(), dir)?;
    report_broken(&broken);
    let block: Option<Arc<Block>> = match wanted {
        None => found.last().cloned(),
        Some(ulid) => found.into_iter().find(|block| block.meta().ulid.to_string() == ulid),
    };
    let Some(block) = block else {
        bail!("block not found: {} has none, or none of this name", dir.display())
    };
    let mut out = BufWriter::new(io::stdout().lock());
    analyze::write_report(&mut out, &block, request)?;
    Ok(out.flush()?)
}

fn print_samples(options: &DumpOptions, form: dump::Form) -> Result<()> {
    // The original's way to say `all`, which is not a selector by the rules of queries.
    let selectors = options.selectors.iter().filter(|text| *text != "{__name__=~'(?s:.*)'}");
    let parse =
        |text: &String| wf_promql::parser::parse_selector(text).with_context(|| format!("--match {text}"));
    let matcher_sets: Vec<Vec<Matcher>> = selectors.map(parse).collect::<Result<_>>()?;
    let range = TimeRange { start_ms: options.min_time, end_ms: options.max_time };
    let request = dump::Request { matcher_sets: &matcher_sets, range, form };
    let scratch = ScratchDir::create(options.sandbox_dir_root.as_deref())?;
    let mut out = BufWriter::new(io::stdout().lock());
    let broken = dump::dump(&options.dir, &scratch.0, &request, &mut out)?;
    report_broken(&broken);
    Ok(out.flush()?)
}

/// A directory that goes with us.
struct ScratchDir(PathBuf);

impl ScratchDir {
    fn create(root: Option<&Path>) -> Result<Self> {
        let path = root
            .map_or_else(std::env::temp_dir, Path::to_owned)
            .join(format!("watchfire-sandbox-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            complain(&format!("remove {}: {error}", self.0.display()));
        }
    }
}

fn create_blocks(source: &Source) -> Result<()> {
    let (input, output, max_block_duration, label, human_readable, quiet) = match source {
        Source::Rules(options) => return super::history::create_blocks(options),
        Source::Openmetrics { input, output, max_block_duration, label, human_readable, quiet } => {
            (input, output, max_block_duration, label, human_readable, quiet)
        }
    };
    let block_ms_max = max_block_duration
        .map_or(backfill::BLOCK_MS, |longest| i64::try_from(longest.as_millis()).unwrap_or(i64::MAX));
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let request = backfill::Request { block_ms_max, labels: label, now_ms };
    let mut heading = blocks::Heading::Shown;
    let outcome = backfill::create_blocks(input, output, request, &mut |block| {
        if *quiet {
            return Ok(());
        }
        let shown = std::mem::replace(&mut heading, blocks::Heading::Hidden);
        blocks::write_blocks(&mut io::stdout().lock(), &[Arc::clone(block)], shown, numbers(*human_readable))
    })?;
    if outcome.n_duplicates > 0 {
        complain(&format!(
            "{} samples are left out: their series have another value at the same time",
            outcome.n_duplicates
        ));
    }
    Ok(())
}

/// Prints what is wrong with a data directory, a line each: file, offset, what.
fn check(dir: &Path) -> Result<ExitCode> {
    let scratch = ScratchDir::create(None)?;
    let findings = verify::verify(dir, &scratch.0)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for finding in &findings.kept {
        let place = finding.offset.map_or_else(String::new, |offset| format!(" at byte {offset}"));
        writeln!(out, "{}{place}: {}", finding.path.display(), finding.what)?;
    }
    match (findings.kept.len(), findings.n_more) {
        (0, _) => writeln!(out, "{}: all is well", dir.display())?,
        (n, 0) => writeln!(out, "{}: {n} findings", dir.display())?,
        (n, n_more) => writeln!(out, "{}: {n} findings and {n_more} more", dir.display())?,
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!findings.is_empty())))
}

fn mend(dir: &Path, apply: bool) -> Result<()> {
    let mode = if apply { repair::Mode::Apply } else { repair::Mode::DryRun };
    let steps = repair::repair(dir, mode, jiff::Timestamp::now().as_millisecond())?;
    for step in &steps {
        say(&format!("{}: {}", step.path.display(), step.what));
    }
    match (steps.is_empty(), apply) {
        (true, _) => say(&format!("{}: nothing to repair", dir.display())),
        (false, true) => {}
        (false, false) => say("nothing was changed: repeat with --apply to do this"),
    }
    Ok(())
}

fn bench(file: Option<&Path>, out: &Path, metrics: usize, scrapes: u32) -> Result<()> {
    let series = match file {
        Some(file) => bench_write::read_series(file, metrics)?,
        None => bench_write::invent_series(metrics),
    };
    let started = std::time::Instant::now();
    let n_samples = bench_write::run(out, &series, scrapes)?;
    let elapsed_s = started.elapsed().as_secs_f64();
    say(&format!(">> total series: {}", series.len()));
    say(&format!(">> total samples: {n_samples}"));
    say(&format!(">> total time: {elapsed_s:.3}s"));
    say(&format!(">> samples/sec: {:.0}", n_samples as f64 / elapsed_s.max(f64::MIN_POSITIVE)));
    Ok(())
}
