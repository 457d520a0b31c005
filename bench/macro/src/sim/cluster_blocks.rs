//! A cluster's samples as blocks, made by our block writer: hours or weeks in seconds, the same bytes for whoever reads blocks.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use wf_tsdb::block::{BlockWriter, Compaction, MetaDraft, OutChunk, Ulid};
use wf_tsdb::chunk::Encoding;
use wf_tsdb::chunk::xor::XorState;
use wf_tsdb::disk::os_disk;

use super::cluster::{self, Series};
use super::{mixed, mixed2};

const SAMPLES_PER_CHUNK: u64 = 120;

/// Samples lie this much after the beginning of their interval, as scrapes do, so that no window of whole minutes begins or
/// ends with one: whether windows hold their left end is a difference between versions.
pub const PHASE_MS: u64 = 7_000;

/// How much, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterData {
    /// Pods; their nodes come with them.
    pub n_pods: u64,
    /// Begin of the first interval, ms; a multiple of the block's length.
    pub start_ms: u64,
    /// No sample at or after this time, ms.
    pub end_ms: u64,
    /// Between samples, ms; more than [`PHASE_MS`].
    pub step_ms: u64,
    /// Length of a block, ms.
    pub block_ms: u64,
}

impl ClusterData {
    /// Returns the number of series.
    pub fn n_series(&self) -> u64 {
        cluster::n_series(self.n_pods)
    }

    /// Returns the number of samples.
    pub fn n_samples(&self) -> u64 {
        self.n_series() * self.n_rounds()
    }

    fn n_rounds(&self) -> u64 {
        (self.end_ms - self.start_ms) / self.step_ms
    }

    /// Returns a number that changes when labels, values or times do: it is made of some of them.
    pub fn fingerprint(&self) -> u64 {
        let mut sum = mixed2(self.start_ms, mixed2(self.step_ms, self.block_ms));
        for one in cluster::series(self.n_pods).iter().step_by(37) {
            let letters = one.labels.iter().flat_map(|(name, value)| name.bytes().chain(value.bytes()));
            sum = letters.fold(sum, |sum, letter| mixed(sum ^ u64::from(letter)));
            let rounds = (0..self.n_rounds()).step_by(311);
            sum = rounds.fold(sum, |sum, round| mixed2(sum, one.value(round, self.step_ms).to_bits()));
        }
        mixed2(sum, self.n_samples())
    }

    /// Writes all blocks into `data`.
    /// # Errors
    /// When the disk refuses.
    pub fn write_blocks(&self, data: &Path) -> Result<()> {
        std::fs::create_dir_all(data).context("create the data folder")?;
        let mut series = cluster::series(self.n_pods);
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut symbols: Vec<&str> = series
            .iter()
            .flat_map(|one| one.labels.iter().flat_map(|(name, value)| [*name, value.as_str()]))
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        let mut start_ms = self.start_ms;
        while start_ms < self.end_ms {
            let end_ms = (start_ms + self.block_ms).min(self.end_ms);
            self.write_block(data, &series, &symbols, (start_ms, end_ms))?;
            start_ms = end_ms;
        }
        Ok(())
    }

    fn write_block(
        &self,
        data: &Path,
        series: &[Series],
        symbols: &[&str],
        (start_ms, end_ms): (u64, u64),
    ) -> Result<()> {
        let ulid = Ulid::generate(i64::try_from(end_ms)?);
        let mut block = BlockWriter::create(&os_disk(), data, ulid, symbols.iter())?;
        for one in series {
            let code = |text: &str| u32::try_from(symbols.binary_search(&text).unwrap_or(0));
            let labels = one.labels.iter().map(|(name, value)| Ok((code(name)?, code(value)?)));
            let labels = labels.collect::<Result<Vec<(u32, u32)>>>()?;
            let chunks = self.chunks(one, start_ms, end_ms)?;
            let chunks = chunks.iter().map(|(min_time, max_time, data)| OutChunk {
                min_time: *min_time,
                max_time: *max_time,
                encoding: Encoding::Xor,
                data,
            });
            block.add_series(&labels, &chunks.collect::<Vec<_>>())?;
        }
        let (min_time, max_time) = (i64::try_from(start_ms)?, i64::try_from(end_ms)?);
        block.finish(MetaDraft { min_time, max_time, compaction: Compaction::default() })?;
        Ok(())
    }

    fn chunks(&self, series: &Series, start_ms: u64, end_ms: u64) -> Result<Vec<(i64, i64, Vec<u8>)>> {
        let mut chunks = Vec::new();
        let rounds = (start_ms - self.start_ms) / self.step_ms..(end_ms - self.start_ms) / self.step_ms;
        let (mut state, mut bytes, mut min_time) = (XorState::default(), Vec::new(), 0);
        for round in rounds {
            let time = i64::try_from(self.time_ms(round))?;
            if u64::from(state.n) == SAMPLES_PER_CHUNK {
                chunks.push((min_time, state.last_t, std::mem::take(&mut bytes)));
                state = XorState::default();
            }
            if state.n == 0 {
                min_time = time;
            }
            state.append(&mut bytes, time, series.value(round, self.step_ms));
        }
        if state.n > 0 {
            chunks.push((min_time, state.last_t, bytes));
        }
        Ok(chunks)
    }

    fn time_ms(&self, round: u64) -> u64 {
        self.start_ms + PHASE_MS + round * self.step_ms
    }

    /// Writes the same samples as VictoriaMetrics imports them: a line of JSON per series, each with all values and times.
    /// A line is handed over by a single call.
    /// # Errors
    /// When `out` refuses.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let mut times = String::new();
        for round in 0..self.n_rounds() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(times, "{}{}", if round == 0 { "" } else { "," }, self.time_ms(round));
        }
        let mut line = String::new();
        for one in cluster::series(self.n_pods) {
            line.clear();
            let _ = write!(line, "{{\"metric\":{},\"values\":", one.json());
            for round in 0..self.n_rounds() {
                let opener = if round == 0 { '[' } else { ',' };
                let _ = write!(line, "{opener}{}", one.value(round, self.step_ms));
            }
            let _ = writeln!(line, "],\"timestamps\":[{times}]}}");
            out.write_all(line.as_bytes())?;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benches::blocks;

    const DATA: ClusterData = ClusterData {
        n_pods: 2,
        start_ms: 0,
        end_ms: 4 * 3_600_000,
        step_ms: 60_000,
        block_ms: 2 * 3_600_000,
    };

    #[test]
    fn blocks_and_lines_hold_the_same_samples() {
        let folder = tempfile::tempdir().unwrap();
        DATA.write_blocks(folder.path()).unwrap();
        let made = blocks::list(folder.path()).unwrap();
        assert_eq!((made.names.len(), made.n_samples), (2, DATA.n_samples()));
        let mut lines = Vec::new();
        DATA.write_json(&mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().count() as u64, DATA.n_series());
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let (values, times) =
                (line["values"].as_array().unwrap(), line["timestamps"].as_array().unwrap());
            assert_eq!((values.len(), times.len()), (240, 240));
            assert_eq!((times[0].as_u64(), times[239].as_u64()), (Some(7_000), Some(7_000 + 239 * 60_000)));
        }
    }

    #[test]
    fn a_change_of_times_or_series_changes_the_fingerprint() {
        let other = [ClusterData { n_pods: 3, ..DATA }, ClusterData { start_ms: 7_200_000, ..DATA }];
        assert_eq!(DATA.fingerprint(), { DATA }.fingerprint());
        assert!(other.iter().all(|other| other.fingerprint() != DATA.fingerprint()));
    }
}
