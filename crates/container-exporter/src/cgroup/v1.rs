//! A hierarchy for each controller.
//!
//! # Source
//! Linux `Documentation/admin-guide/cgroup-v1/`; `spec/exporters-linux.md` B4, B5.

use std::collections::BTreeMap;
use std::path::Path;

use super::stats::{BlockIo, Cpu, Memory, Pressure, Process, Scheduler, Stats};
use super::{Controllers, below};
use crate::files::{field, number, text};

/// `cpuacct.stat` counts in these.
const TICK_SECONDS: f64 = 0.01;

/// Reads one group in all hierarchies.
pub(super) fn read(controllers: &Controllers, group: &str) -> Option<Stats> {
    let Controllers { cpu, cpuacct, memory, blkio, pids } = controllers;
    let dir = |root: &Option<std::path::PathBuf>| {
        root.as_ref().map(|root| below(root, group)).filter(|dir| dir.is_dir())
    };
    let (cpu, cpuacct, memory, blkio, pids) = (dir(cpu), dir(cpuacct), dir(memory), dir(blkio), dir(pids));
    if [&cpu, &cpuacct, &memory, &blkio, &pids].into_iter().all(Option::is_none) {
        return None;
    }
    Some(Stats {
        cpu: read_cpu(cpu.as_deref(), cpuacct.as_deref()),
        memory: memory.as_deref().and_then(read_memory),
        io: blkio.as_deref().map(read_io).unwrap_or_default(),
        process: pids.as_deref().and_then(|dir| {
            Some(Process {
                threads: number(&dir.join("pids.current"))?,
                threads_max: number(&dir.join("pids.max")).unwrap_or(u64::MAX),
            })
        }),
        pressure: Pressure::default(),
    })
}

fn read_cpu(cpu: Option<&Path>, cpuacct: Option<&Path>) -> Option<Cpu> {
    let account = |name: &str| cpuacct.and_then(|dir| text(&dir.join(name)));
    let usage_ns = account("cpuacct.usage").and_then(|text| text.trim().parse::<u64>().ok());
    let ticks = account("cpuacct.stat").unwrap_or_default();
    let stat = cpu.and_then(|dir| text(&dir.join("cpu.stat")));
    if usage_ns.is_none() && stat.is_none() {
        return None;
    }
    let limit = |name: &str| cpu.and_then(|dir| text(&dir.join(name)));
    let stat = stat.unwrap_or_default();
    let count = |key: &str| field(&stat, key).unwrap_or(0);
    let seconds = |key: &str| field(&ticks, key).unwrap_or(0) as f64 * TICK_SECONDS;
    let parsed = |name: &str| limit(name).and_then(|text| text.trim().parse::<u64>().ok());
    Some(Cpu {
        usage: usage_ns.unwrap_or(0) as f64 / 1e9,
        user: seconds("user"),
        system: seconds("system"),
        periods: count("nr_periods"),
        throttled_periods: count("nr_throttled"),
        throttled: count("throttled_time") as f64 / 1e9,
        burst_periods: count("nr_bursts"),
        burst: 0.0,
        // −1, which is no limit, does not parse.
        quota_us: parsed("cpu.cfs_quota_us"),
        period_us: parsed("cpu.cfs_period_us"),
        shares: parsed("cpu.shares"),
    })
}

fn read_memory(dir: &Path) -> Option<Memory> {
    let file = |name: &str| number(&dir.join(name));
    let usage = file("memory.usage_in_bytes")?;
    let stat = text(&dir.join("memory.stat")).unwrap_or_default();
    // Without a hierarchy there are no totals.
    let of = |key: &str| field(&stat, &format!("total_{key}")).or_else(|| field(&stat, key)).unwrap_or(0);
    let limits = file("memory.limit_in_bytes").map(|limit| {
        let swap = file("memory.memsw.limit_in_bytes").unwrap_or(0);
        (limit, swap, file("memory.soft_limit_in_bytes").unwrap_or(0))
    });
    Some(Memory {
        usage,
        max_usage: file("memory.max_usage_in_bytes").unwrap_or(0),
        working_set: usage.saturating_sub(of("inactive_file")),
        rss: of("rss"),
        cache: of("cache"),
        swap: of("swap"),
        mapped_file: of("mapped_file"),
        kernel: file("memory.kmem.usage_in_bytes").unwrap_or(0),
        failcnt: file("memory.failcnt").unwrap_or(0),
        active_file: of("active_file"),
        inactive_file: of("inactive_file"),
        faults: of("pgfault"),
        major_faults: of("pgmajfault"),
        limits,
        ..Memory::default()
    })
}

/// Files of one group of counters: bytes, requests, and the prefix of what only schedulers count.
const IO_FILES: [(&str, &str, Option<&str>); 4] = [
    ("blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive", Some("blkio.bfq.")),
    ("blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive", Some("blkio.")),
    ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive", None),
    ("blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced", None),
];

type Rows = Vec<((u32, u32), String, u64)>;

/// The first group of files that has rows is the one in use.
fn read_io(dir: &Path) -> BlockIo {
    let mut devices = BlockIo::new();
    for (bytes, requests, scheduler) in IO_FILES {
        let (bytes, requests) = (rows(&dir.join(bytes)), rows(&dir.join(requests)));
        if bytes.is_empty() && requests.is_empty() {
            continue;
        }
        for (device, operation, value) in bytes {
            let entry = devices.entry(device).or_default();
            match operation.as_str() {
                "Read" => entry.read_bytes = value,
                "Write" => entry.written_bytes = value,
                _ => {}
            }
            entry.operations.insert(operation, value);
        }
        for (device, operation, value) in requests {
            let entry = devices.entry(device).or_default();
            match operation.as_str() {
                "Read" => entry.reads = value,
                "Write" => entry.writes = value,
                _ => {}
            }
        }
        if let Some(prefix) = scheduler {
            read_scheduler(dir, prefix, &mut devices);
        }
        break;
    }
    devices
}

fn read_scheduler(dir: &Path, prefix: &str, devices: &mut BlockIo) {
    let file = |name: &str| rows(&dir.join(format!("{prefix}{name}_recursive")));
    let mut found = BTreeMap::<(u32, u32), Scheduler>::new();
    let mut take = |rows: Rows, set: fn(&mut Scheduler, &str, u64)| {
        for (device, operation, value) in rows {
            set(found.entry(device).or_default(), &operation, value);
        }
    };
    // Sectors are not split by operation.
    take(file("sectors"), |scheduler, operation, value| match operation {
        "Write" => scheduler.sectors.1 = value,
        _ => scheduler.sectors.0 = value,
    });
    take(file("io_merged"), |scheduler, operation, value| pair(&mut scheduler.merged, operation, value));
    take(file("io_service_time"), |scheduler, operation, value| {
        pair(&mut scheduler.service_ns, operation, value);
    });
    take(file("io_queued"), |scheduler, operation, value| {
        if operation == "Total" {
            scheduler.queued = value;
        }
    });
    for (device, scheduler) in found {
        devices.entry(device).or_default().scheduler = Some(scheduler);
    }
}

fn pair(pair: &mut (u64, u64), operation: &str, value: u64) {
    match operation {
        "Read" => pair.0 = value,
        "Write" => pair.1 = value,
        _ => {}
    }
}

/// `8:0 Read 4096`; sectors come without the word. The last line is a total of all devices.
fn rows(path: &Path) -> Rows {
    let text = text(path).unwrap_or_default();
    let row = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        match words[..] {
            [device, operation, value] => {
                Some((super::v2::device(device)?, operation.to_owned(), value.parse().ok()?))
            }
            [device, value] => Some((super::v2::device(device)?, String::new(), value.parse().ok()?)),
            _ => None,
        }
    };
    text.lines().filter_map(row).collect()
}
