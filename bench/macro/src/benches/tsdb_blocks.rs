//! Bytes per sample of a day that was backfilled and compacted, on identical samples.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use wf_tsdb::chunk::Encoding;
use wf_tsdb::tools::backfill as backfill_tool;

use super::Bench;
use super::blocks::{self, Blocks};
use crate::process::{Process, wait_until};
use crate::report::thousands;
use crate::servers::idle_config;
use crate::sim::page::Dialect;
use crate::sim::{Clock, Spec, backfill};
use crate::{Env, Options, Report, Server, Subject, Unit, calibrate, meter, order};

pub(crate) const BENCH: Bench = Bench {
    name: "tsdb-blocks",
    about: "bytes per sample of a backfilled, compacted day [--hours 24 --step 15 --targets node=1,app=2]",
    run,
};

const HOUR_MS: u64 = 3_600_000;

/// A tool reads the file once per block of two hours.
const TOOL_WITHIN: Duration = Duration::from_secs(1_800);

/// Blocks are compacted a minute after the start and then until nothing is left to do.
const COMPACTED_WITHIN: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(15);

fn run(env: &Env, options: &Options) -> Result<Report> {
    options.only(&["hours", "step", "targets"])?;
    let (n_hours, step_s) = (options.number("hours", 24)?, options.number("step", 15)?);
    ensure!(n_hours > 0 && step_s > 0, "a day of nothing");
    let mut spec: Spec = options.text("targets").unwrap_or("node=1,app=2").parse()?;
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    // Begins with a day, and is old enough that no head overlaps it.
    let start_ms = (now_ms / HOUR_MS / 24 - 2) * 24 * HOUR_MS - n_hours / 24 * 24 * HOUR_MS;
    spec.clock = Clock::Simulated { start_ms, step_ms: step_s * 1_000 };
    let n_rounds = n_hours * HOUR_MS / (step_s * 1_000);
    let mut report = Report::new(
        "tsdb-blocks",
        format!(
            "{} series of {} targets, {n_hours} h every {step_s} s, backfilled from one file, then compacted.",
            thousands(spec.n_series()),
            spec.profiles().len()
        ),
    );
    let subjects = options.subjects(&Subject::ALL)?;
    let folder = env.fresh_folder("tsdb-blocks")?;
    let file = folder.join("samples.om");
    let mut out = BufWriter::new(File::create(&file).context("create the file of samples")?);
    let n_samples = backfill::write(&spec, n_rounds, Dialect::SamplesInSeconds, &mut out)?;
    out.flush().context("write the file of samples")?;
    for (_, subject) in order::passes(&subjects, options.number("passes", 1)?.try_into()?) {
        report.calibrated(calibrate::run());
        match subject {
            Subject::VictoriaMetrics => victoria(env, &spec, n_rounds, &mut report)?,
            _ => blocks_of(env, subject, &file, n_samples, &mut report)?,
        }
        if subject == Subject::Watchfire {
            xor2_blocks(env, &file, n_samples, now_ms, &mut report)?;
        }
    }
    report.note(
        "The column of XOR2 is ours with `chunk_encoding.floats: xor2`, which Prometheus 2.42 cannot read.",
    );
    report.floor("bytes per sample", Subject::Prometheus, 0.92);
    Ok(report)
}

/// Makes blocks by the subject's tool and lets its server compact them.
fn blocks_of(env: &Env, subject: Subject, file: &Path, n_samples: u64, report: &mut Report) -> Result<()> {
    let data = env.fresh_folder(&format!("tsdb-blocks-{}", subject.name()))?.join("data");
    let program = if subject == Subject::Prometheus { env.peer("promtool") } else { subject.program(env)? };
    let words: &[&str] = if subject == Subject::Prometheus { &[] } else { &["tool"] };
    let words = [words, &["tsdb", "create-blocks-from", "openmetrics"]].concat();
    let mut arguments: Vec<String> = words.into_iter().map(str::to_owned).collect();
    arguments.extend([file, &data].map(|path| path.display().to_string()));
    Process::run(&program, &arguments, &data.with_extension("tool.log"), TOOL_WITHIN)?;
    compact(env, subject, &data, subject.name(), n_samples, report)
}

/// Makes blocks of XOR2 chunks and lets our server compact them.
fn xor2_blocks(env: &Env, file: &Path, n_samples: u64, now_ms: u64, report: &mut Report) -> Result<()> {
    let data = env.fresh_folder("tsdb-blocks-xor2")?.join("data");
    let request = backfill_tool::Request { block_ms_max: 0, labels: &[], now_ms: i64::try_from(now_ms)? };
    backfill_tool::create_blocks_of(Encoding::Xor2, file, &data, request, &mut |_| Ok(()))?;
    compact(env, Subject::Watchfire, &data, "watchfire, XOR2", n_samples, report)
}

/// Reports the blocks in `data` as they are, and again when the subject's server has compacted them.
fn compact(
    env: &Env,
    subject: Subject,
    data: &Path,
    column: &str,
    n_samples: u64,
    report: &mut Report,
) -> Result<()> {
    let made = blocks::list(data)?;
    ensure!(made.n_samples == n_samples, "{column}: blocks hold {} of {n_samples}", made.n_samples);
    add(report, column, &made, ["bytes per sample before compaction", "", ""]);
    let server = Server::start(env, subject, data, &idle_config(), &[])?;
    let compacted = blocks::wait_for_change(data, &made, QUIET, COMPACTED_WITHIN)
        .with_context(|| format!("wait for {column} to compact"))?;
    server.stop()?;
    ensure!(compacted.n_samples == n_samples, "{column} lost samples: {compacted:?}");
    add(report, column, &compacted, ["bytes per sample", "of these samples", "of these index"]);
    report.add_variant("blocks", Unit::Count, column, compacted.names.len() as f64);
    Ok(())
}

fn add(report: &mut Report, column: &str, blocks: &Blocks, names: [&'static str; 3]) {
    let sizes = [blocks.bytes, blocks.chunk_bytes, blocks.index_bytes];
    for (name, bytes) in names.into_iter().zip(sizes).filter(|(name, _)| !name.is_empty()) {
        report.add_variant(name, Unit::Bytes, column, bytes as f64 / blocks.n_samples.max(1) as f64);
    }
}

/// Imports the same samples and lets everything be merged.
fn victoria(env: &Env, spec: &Spec, n_rounds: u64, report: &mut Report) -> Result<()> {
    let subject = Subject::VictoriaMetrics;
    let data = env.fresh_folder("tsdb-blocks-victoria-metrics")?.join("data");
    let server = Server::start(env, subject, &data, &idle_config(), &[])?;
    let mut importer = Importer::new(&server);
    let n_samples = backfill::write(spec, n_rounds, Dialect::SamplesInMilliseconds, &mut importer)?;
    importer.flush()?;
    server.get("/internal/force_merge")?;
    let mut before = u64::MAX;
    wait_until(COMPACTED_WITHIN, "the end of merging", || {
        std::thread::sleep(QUIET);
        let now = meter::folder_bytes(&data);
        Ok(std::mem::replace(&mut before, now) == now)
    })?;
    server.stop()?;
    report.add(
        "bytes per sample",
        Unit::Bytes,
        subject,
        meter::folder_bytes(&data) as f64 / n_samples as f64,
    );
    Ok(())
}

/// Hands whole lines to the server in pieces of some megabytes.
pub(crate) struct Importer<'a> {
    server: &'a Server,
    pending: Vec<u8>,
}

impl<'a> Importer<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, pending: Vec::new() }
    }
}

const PIECE_BYTES: usize = 16 << 20;

impl Write for Importer<'_> {
    /// Pages come whole, so a piece ends where a line does.
    fn write(&mut self, page: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(page);
        if self.pending.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(page.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let outcome = self.server.import_text(&self.pending);
        self.pending.clear();
        outcome.map_err(std::io::Error::other)
    }
}
