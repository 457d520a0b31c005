//! The data: made once, kept below the build folder, and used again as long as nothing about it changes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::benches::blocks;
use crate::process::wait_until;
use crate::report::thousands;
use crate::servers::idle_config;
use crate::sim::cluster_blocks::ClusterData;
use crate::{Env, Server, Subject, meter};

const HOUR_MS: u64 = 3_600_000;

/// Data ends here: 2026-09-21, a past day whose year every kept data set shares.
const END_MS: u64 = 20_717 * 24 * HOUR_MS;

/// A merge that has not changed the folder for this long is over.
const QUIET: Duration = Duration::from_secs(3);
const MERGED_WITHIN: Duration = Duration::from_secs(300);

/// A data set.
pub(super) struct DataSet {
    pub(super) name: &'static str,
    pub(super) data: ClusterData,
}

/// Returns the data sets of these names.
pub(super) fn chosen(names: &str) -> Result<Vec<DataSet>> {
    let find = |name: &str| match name {
        "month" => Ok(set("month", 66, 30 * 24, 60, 24)),
        "large" => Ok(set("large", 5_000, 6, 15, 2)),
        // Too small to tell anything but that the bench works.
        "tiny" => Ok(set("tiny", 66, 6, 60, 2)),
        _ => anyhow::bail!("no data set {name}: month, large, tiny"),
    };
    names.split(',').map(find).collect()
}

fn set(name: &'static str, n_pods: u64, n_hours: u64, step_s: u64, block_h: u64) -> DataSet {
    let start_ms = END_MS - n_hours * HOUR_MS;
    let data = ClusterData {
        n_pods,
        start_ms,
        end_ms: END_MS,
        step_ms: step_s * 1_000,
        block_ms: block_h * HOUR_MS,
    };
    DataSet { name, data }
}

impl DataSet {
    /// Says what it is.
    pub(super) fn sentence(&self) -> String {
        let (data, n_hours) = (&self.data, (self.data.end_ms - self.data.start_ms) / HOUR_MS);
        format!(
            "Data set {}: {} series, {n_hours} h every {} s, {} samples.",
            self.name,
            thousands(data.n_series()),
            data.step_ms / 1_000,
            thousands(data.n_samples())
        )
    }

    /// Starts a server on this data.
    pub(super) fn serve(&self, env: &Env, subject: Subject) -> Result<Server> {
        if subject == Subject::VictoriaMetrics {
            let data = self.kept(env, "victoria-metrics", |data| self.import(env, data))?;
            return Server::start(env, subject, &data, &idle_config(), &VICTORIA_FLAGS);
        }
        let blocks = self.kept(env, "blocks", |data| self.data.write_blocks(data))?;
        let data = env.fresh_folder(&format!("queries-{}-{}", self.name, subject.name()))?.join("data");
        blocks::link(&blocks, &data)?;
        // A limit on samples is not what is measured, and compaction is not to be paid for by a query.
        let flags = [
            "--query.max-samples=500000000",
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
        ];
        Server::start(env, subject, &data, &idle_config(), &flags)
    }

    /// Returns a folder that `make` has filled, now or in an earlier run with the same data.
    fn kept(&self, env: &Env, form: &str, make: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
        let name = format!("queries-{}-{form}-kept", self.name);
        let mark = format!("{:?}\n{:016x}\n", self.data, self.data.fingerprint());
        let folder = env.folder(&name);
        let (data, mark_path) = (folder.join("data"), folder.join("made-of"));
        if fs::read_to_string(&mark_path).is_ok_and(|text| text == mark) {
            return Ok(data);
        }
        env.fresh_folder(&name)?;
        make(&data).with_context(|| format!("make data set {} as {form}", self.name))?;
        fs::write(&mark_path, mark).context("mark the data set as complete")?;
        Ok(data)
    }

    fn import(&self, env: &Env, data: &Path) -> Result<()> {
        let server = Server::start(env, Subject::VictoriaMetrics, data, &idle_config(), &VICTORIA_FLAGS)?;
        self.data.write_json(&mut Importer { server: &server, pending: Vec::new() })?;
        server.get("/internal/force_flush")?;
        server.get("/internal/force_merge")?;
        let (mut before, mut since) = (u64::MAX, std::time::Instant::now());
        wait_until(MERGED_WITHIN, "the end of merging", || {
            let now = meter::folder_bytes(data);
            if std::mem::replace(&mut before, now) != now {
                since = std::time::Instant::now();
            }
            Ok(since.elapsed() > QUIET)
        })?;
        server.stop().map(drop)
    }
}

/// Its retention counts from now, whatever it holds; of a flag given twice the later counts. A subquery of a month has more
/// points than it allows by default.
const VICTORIA_FLAGS: [&str; 2] = ["-retentionPeriod=100y", "-search.maxPointsPerTimeseries=100000"];

/// Hands whole lines to the server in pieces of some megabytes.
struct Importer<'a> {
    server: &'a Server,
    pending: Vec<u8>,
}

const PIECE_BYTES: usize = 32 << 20;

impl Write for Importer<'_> {
    /// Lines come whole, so a piece ends where a line does.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(line);
        if self.pending.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let outcome = self.server.import_json(&self.pending);
        self.pending.clear();
        outcome.map_err(std::io::Error::other)
    }
}
