//! A cluster's series as blocks, made by our block writer: hours or weeks in seconds, the same bytes for whoever reads blocks.
//!
//! A pod has 20 series: CPU, its request, memory seen twice, network, disk, throttling twice, a histogram of 12 bounds.
//! Values depend on series and time alone; half of the gauges stand still, counters grow and restart now and then.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use wf_tsdb::block::{BlockWriter, Compaction, MetaDraft, OutChunk, Ulid};
use wf_tsdb::chunk::Encoding;
use wf_tsdb::chunk::xor::XorState;
use wf_tsdb::disk::os_disk;

use super::mixed2;

/// Series of one pod.
pub const SERIES_PER_POD: u64 = 20;

const SAMPLES_PER_CHUNK: u64 = 120;
const BOUNDS: [&str; 12] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

/// How much, and when.
#[derive(Clone, Copy, Debug)]
pub struct ClusterData {
    /// Pods, each of [`SERIES_PER_POD`] series.
    pub n_pods: u64,
    /// First sample, ms; a multiple of the block's length.
    pub start_ms: u64,
    /// No sample at or after this time, ms.
    pub end_ms: u64,
    /// Between samples, ms.
    pub step_ms: u64,
    /// Length of a block, ms.
    pub block_ms: u64,
}

/// A series: its labels by name, and what its values do.
struct Series {
    labels: Vec<(&'static str, String)>,
    id: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Grows by up to this many hundredths a second.
    Counter(u64),
    /// Grows by a share of what its histogram counts, by bound.
    Bucket(u64),
    Gauge,
    Constant,
}

impl ClusterData {
    /// Returns the number of samples.
    pub fn n_samples(&self) -> u64 {
        self.n_pods * SERIES_PER_POD * ((self.end_ms - self.start_ms) / self.step_ms)
    }

    /// Writes all blocks into `data`.
    /// # Errors
    /// When the disk refuses.
    pub fn write_blocks(&self, data: &Path) -> Result<()> {
        std::fs::create_dir_all(data).context("create the data folder")?;
        let mut series = self.series();
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
            let time = i64::try_from(self.start_ms + round * self.step_ms)?;
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

    /// Writes the same samples as text lines with times in milliseconds, a round after the other.
    /// # Errors
    /// When `out` refuses.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let series = self.series();
        let heads: Vec<String> = series.iter().map(Series::text).collect();
        let mut page = String::new();
        for round in 0..(self.end_ms - self.start_ms) / self.step_ms {
            page.clear();
            for (one, head) in series.iter().zip(&heads) {
                let time = self.start_ms + round * self.step_ms;
                // Writing to a string cannot fail.
                let _ = writeln!(page, "{head} {} {time}", one.value(round, self.step_ms));
            }
            out.write_all(page.as_bytes())?;
        }
        out.flush()
    }

    fn series(&self) -> Vec<Series> {
        let mut all = Vec::new();
        for pod in 0..self.n_pods {
            let id = pod * SERIES_PER_POD;
            let own = [
                ("container_cpu_usage_seconds_total", "", Kind::Counter(100)),
                ("kube_pod_container_resource_requests", "", Kind::Constant),
                ("container_memory_working_set_bytes", "kubelet-a", Kind::Gauge),
                ("container_memory_working_set_bytes", "kubelet-b", Kind::Gauge),
                ("container_network_receive_bytes_total", "", Kind::Counter(100_000)),
                ("container_fs_reads_total", "", Kind::Counter(2_000)),
                ("container_cpu_cfs_throttled_periods_total", "", Kind::Counter(100)),
                ("container_cpu_cfs_periods_total", "", Kind::Counter(1_000)),
            ];
            for (place, (name, service, kind)) in (0..).zip(own) {
                all.push(Series { labels: labels(name, service, "", pod), id: id + place, kind });
            }
            for (place, bound) in (0..).zip(BOUNDS) {
                let labels = labels("http_request_duration_seconds_bucket", "", bound, pod);
                all.push(Series { labels, id, kind: Kind::Bucket(place) });
            }
        }
        all
    }
}

fn labels(name: &str, service: &str, le: &str, pod: u64) -> Vec<(&'static str, String)> {
    let device = ["sda", "sdb", "nvme0n1", "dm-0"][usize::try_from(pod % 4).unwrap_or(0)];
    let is_disk = name == "container_fs_reads_total";
    let mut labels = vec![
        ("__name__", name.to_owned()),
        ("container", format!("app-{}", pod % 7)),
        ("device", if is_disk { device.to_owned() } else { String::new() }),
        ("instance", format!("10.1.{}.{}:10250", pod / 30 / 250, pod / 30 % 250)),
        ("job", "cadvisor".to_owned()),
        ("le", le.to_owned()),
        ("namespace", format!("team-{:02}", pod % 40)),
        ("pod", format!("app-{}-7d9f8b6c5d-{pod:05}", pod % 7)),
        ("service", service.to_owned()),
    ];
    labels.retain(|(_, value)| !value.is_empty());
    labels
}

impl Series {
    fn value(&self, round: u64, step_ms: u64) -> f64 {
        let noise = |spread: u64| mixed2(self.id, round) % spread.max(1);
        match self.kind {
            Kind::Constant => 0.25 * (1 + self.id % 4) as f64,
            Kind::Gauge if self.id % 40 < 20 => (50 << 20) as f64 + (self.id % 977) as f64 * 4096.0,
            Kind::Gauge => ((80 << 20) + noise(4_096) * 4_096) as f64,
            Kind::Counter(per_second) => {
                let per_round = (1 + mixed2(self.id, 7) % per_second) * step_ms / 1_000;
                // A restart every few days at most, at a round of its own.
                let since = (round + mixed2(self.id, 3) % 20_000) % 20_000;
                (since * per_round + noise(per_round)) as f64 / 100.0
            }
            Kind::Bucket(place) => {
                let seen = round * (1 + self.id % 50) + noise(1 + self.id % 50);
                (seen * (place + 1) / BOUNDS.len() as u64) as f64
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (idx, (name, value)) in self.labels.iter().enumerate() {
            // Values need no escapes.
            let _ = match idx {
                0 => write!(text, "{value}{{"),
                _ => write!(text, "{name}=\"{value}\","),
            };
        }
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benches::blocks;

    #[test]
    fn blocks_and_text_hold_the_same_samples() {
        let hour_ms = 3_600_000;
        let data = ClusterData {
            n_pods: 2,
            start_ms: 0,
            end_ms: 4 * hour_ms,
            step_ms: 60_000,
            block_ms: 2 * hour_ms,
        };
        let folder = tempfile::tempdir().unwrap();
        data.write_blocks(folder.path()).unwrap();
        let made = blocks::list(folder.path()).unwrap();
        assert_eq!((made.names.len(), made.n_samples), (2, data.n_samples()));
        let mut text = Vec::new();
        data.write_text(&mut text).unwrap();
        let lines = String::from_utf8(text).unwrap();
        assert_eq!(lines.lines().count() as u64, data.n_samples());
        assert!(
            lines.starts_with("container_cpu_usage_seconds_total{container=\"app-0\","),
            "{}",
            lines.lines().next().unwrap_or_default()
        );
    }
}
