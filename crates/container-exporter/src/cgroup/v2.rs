//! The unified hierarchy.
//!
//! # Source
//! Linux `Documentation/admin-guide/cgroup-v2.rst`; `spec/exporters-linux.md` B4, B5.

use std::path::Path;

use super::stats::{BlockIo, Cpu, Memory, Pressure, Process, Stats};
use crate::files::{field, number, text};

/// Shares of a weight, as the kubelet converts them: 1..10000 to 2..262144.
fn shares(weight: u64) -> u64 {
    2 + weight.saturating_sub(1).saturating_mul(262_142) / 9999
}

/// Reads one directory.
pub(super) fn read(dir: &Path, is_root: bool) -> Option<Stats> {
    if !dir.is_dir() {
        return None;
    }
    Some(Stats {
        cpu: text(&dir.join("cpu.stat")).map(|stat| cpu(dir, &stat)),
        memory: memory(dir, is_root),
        io: text(&dir.join("io.stat")).map(|stat| io(&stat)).unwrap_or_default(),
        process: number(&dir.join("pids.current")).map(|threads| Process {
            threads,
            threads_max: number(&dir.join("pids.max")).unwrap_or(u64::MAX),
        }),
        pressure: Pressure {
            cpu: pressure(&dir.join("cpu.pressure")),
            memory: pressure(&dir.join("memory.pressure")),
            io: pressure(&dir.join("io.pressure")),
        },
    })
}

fn cpu(dir: &Path, stat: &str) -> Cpu {
    let count = |key: &str| field(stat, key).unwrap_or(0);
    let seconds = |key: &str| count(key) as f64 / 1e6;
    // `max 100000`
    let max = text(&dir.join("cpu.max")).unwrap_or_default();
    let mut words = max.split_ascii_whitespace();
    Cpu {
        usage: seconds("usage_usec"),
        user: seconds("user_usec"),
        system: seconds("system_usec"),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled: seconds("throttled_usec"),
        burst_periods: count("nr_bursts"),
        burst: seconds("burst_usec"),
        quota_us: words.next().and_then(|quota| quota.parse().ok()),
        period_us: words.next().and_then(|period| period.parse().ok()),
        shares: number(&dir.join("cpu.weight")).map(shares),
    }
}

fn memory(dir: &Path, is_root: bool) -> Option<Memory> {
    let stat = text(&dir.join("memory.stat"))?;
    let of = |key: &str| field(&stat, key).unwrap_or(0);
    let events = text(&dir.join("memory.events")).unwrap_or_default();
    let file = |name: &str| number(&dir.join(name));
    // The root has no such file: what is charged to nobody else.
    let usage = match file("memory.current") {
        Some(usage) => usage,
        None if is_root => of("anon").saturating_add(of("file")),
        None => return None,
    };
    let limits = file("memory.max")
        .map(|limit| (limit, file("memory.swap.max").unwrap_or(u64::MAX), file("memory.min").unwrap_or(0)));
    Some(Memory {
        usage,
        max_usage: file("memory.peak").unwrap_or(0),
        working_set: usage.saturating_sub(of("inactive_file")),
        rss: of("anon"),
        cache: of("file"),
        swap: file("memory.swap.current").unwrap_or(0),
        mapped_file: of("file_mapped"),
        kernel: 0,
        failcnt: 0,
        active_file: of("active_file"),
        inactive_file: of("inactive_file"),
        faults: of("pgfault"),
        major_faults: of("pgmajfault"),
        events_high: field(&events, "high").unwrap_or(0),
        events_max: field(&events, "max").unwrap_or(0),
        file_dirty: of("file_dirty"),
        file_writeback: of("file_writeback"),
        scanned: of("pgscan"),
        stolen: of("pgsteal"),
        refault_file: of("workingset_refault_file"),
        refault_anon: of("workingset_refault_anon"),
        limits,
    })
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=5`
fn io(stat: &str) -> BlockIo {
    let mut devices = BlockIo::new();
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(device) = words.next().and_then(device) else { continue };
        let entry = devices.entry(device).or_default();
        let mut costs = [None; 4];
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            match key {
                "rbytes" => entry.read_bytes = value,
                "wbytes" => entry.written_bytes = value,
                "rios" => entry.reads = value,
                "wios" => entry.writes = value,
                "cost.usage" => costs[0] = Some(value),
                "cost.wait" => costs[1] = Some(value),
                "cost.indebt" => costs[2] = Some(value),
                "cost.indelay" => costs[3] = Some(value),
                _ => {}
            }
        }
        entry.operations.insert("Read".to_owned(), entry.read_bytes);
        entry.operations.insert("Write".to_owned(), entry.written_bytes);
        if costs.iter().any(Option::is_some) {
            entry.costs = Some(costs.map(|cost| cost.unwrap_or(0)));
        }
    }
    devices
}

/// `8:16` as numbers.
pub(super) fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`, the same for `full`; microseconds.
fn pressure(path: &Path) -> (f64, f64) {
    let text = text(path).unwrap_or_default();
    let total = |kind: &str| {
        let line = text.lines().find(|line| line.starts_with(kind))?;
        line.split_ascii_whitespace().find_map(|word| word.strip_prefix("total="))?.parse::<u64>().ok()
    };
    let seconds = |kind: &str| total(kind).unwrap_or(0) as f64 / 1e6;
    (seconds("some"), seconds("full"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_shares() {
        assert_eq!([shares(1), shares(100), shares(10_000)], [2, 2597, 262_144]);
    }

    #[test]
    fn devices_and_costs_are_read() {
        let io = io("8:0 rbytes=1 wbytes=2 rios=3 wios=4 cost.usage=7\nnonsense\n253:1 rbytes=x\n");
        let sda = io.get(&(8, 0)).unwrap();
        assert_eq!((sda.reads, sda.writes, sda.read_bytes, sda.written_bytes), (3, 4, 1, 2));
        assert_eq!((sda.costs, io.len()), (Some([7, 0, 0, 0]), 2));
    }
}
