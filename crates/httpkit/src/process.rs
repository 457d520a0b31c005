//! Numbers about this process, under the names every Prometheus program uses.
//!
//! # Source
//! `spec/prometheus-core.md` §10, `spec/exporters-linux.md` A1. On systems without `/proc` only `go_info` and
//! `go_goroutines` are exposed.

use std::fs::{self, File};
use std::io::Read;

use rustix::process::{Resource, getrlimit};
use wf_exposition::MetricFamily;
use wf_model::MetricType::{Counter, Gauge};

use crate::metrics::Registry;

/// A file of the kernel's is seldom longer.
const FILE_BYTES: usize = 8 << 10;

/// The table of ten thousand network devices is shorter.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Version facts for `<program>_build_info`. Set by the binary from its build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// Version, such as `0.1.0`.
    pub version: String,
    /// Commit.
    pub revision: String,
    /// Branch.
    pub branch: String,
}

impl BuildInfo {
    /// Returns what compiled this crate when nothing better is known.
    pub fn unknown() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "unknown".to_owned(),
            branch: "unknown".to_owned(),
        }
    }
}

/// What stands in the `goversion` label: dashboards show it, and it must not be empty.
pub const GO_VERSION_STAND_IN: &str = "rust";

/// Registers `<program>_build_info{version,revision,branch,goversion,goos,goarch,tags}` with the value 1.
pub fn register_build_info(registry: &Registry, program: &str, build: &BuildInfo) {
    let name = format!("{program}_build_info");
    let build = build.clone();
    registry.collect(move |families| {
        let help = "A metric with a constant value of 1 labelled by what was built.";
        let mut family = MetricFamily::new(name.clone(), help, Gauge);
        let labels = [
            ("branch", build.branch.as_str()),
            ("goarch", goarch()),
            ("goos", std::env::consts::OS),
            ("goversion", GO_VERSION_STAND_IN),
            ("revision", build.revision.as_str()),
            ("tags", ""),
            ("version", build.version.as_str()),
        ];
        family.push(&labels, 1.0);
        families.push(family);
    });
}

/// Go's name of this machine's architecture.
fn goarch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Registers `process_*` and the `go_*` stand-ins.
pub fn register(registry: &Registry) {
    let boot_time_seconds = boot_time_seconds();
    registry.collect(move |families| {
        push_runtime(families);
        push_process(families, boot_time_seconds);
    });
}

fn push_runtime(families: &mut Vec<MetricFamily>) {
    let mut info = MetricFamily::new("go_info", "Stand-in: this program is not written in Go.", Gauge);
    info.push(&[("version", GO_VERSION_STAND_IN)], 1.0);
    families.push(info);
    let n_tasks =
        tokio::runtime::Handle::try_current().map_or(0, |handle| handle.metrics().num_alive_tasks());
    let mut tasks = MetricFamily::new("go_goroutines", "Tasks of the asynchronous runtime.", Gauge);
    tasks.push(&[], n_tasks as f64);
    families.push(tasks);
}

fn push_process(families: &mut Vec<MetricFamily>, boot_time_seconds: Option<f64>) {
    let mut push = |name: &'static str, help: &'static str, kind, value: Option<f64>| {
        if let Some(value) = value {
            let mut family = MetricFamily::new(name, help, kind);
            family.push(&[], value);
            families.push(family);
        }
    };
    let mut buffer = Vec::with_capacity(FILE_BYTES);
    let stat = StatFields::parse(read("/proc/self/stat", &mut buffer));
    push("process_cpu_seconds_total", "User and system CPU time spent.", Counter, stat.cpu_seconds());
    let started = stat.start_after_boot_seconds().zip(boot_time_seconds).map(|(start, boot)| start + boot);
    push("process_start_time_seconds", "Start time since the Unix epoch.", Gauge, started);
    push("go_threads", "Threads of the operating system.", Gauge, stat.number(20));
    push("process_resident_memory_bytes", "Resident memory size.", Gauge, stat.resident_bytes());
    push("process_virtual_memory_bytes", "Virtual memory size.", Gauge, stat.number(23));
    let limit = |resource| Some(soft_limit(resource));
    push("process_virtual_memory_max_bytes", "Limit of virtual memory.", Gauge, limit(Resource::As));
    push("process_max_fds", "Limit of open file descriptors.", Gauge, limit(Resource::Nofile));
    push("process_open_fds", "Open file descriptors.", Gauge, open_fds());
    let (received, transmitted) = network_bytes(read("/proc/self/net/dev", &mut buffer));
    let help = "Bytes received by the network namespace.";
    push("process_network_receive_bytes_total", help, Counter, received);
    let help = "Bytes sent by the network namespace.";
    push("process_network_transmit_bytes_total", help, Counter, transmitted);
}

/// `/proc/self/stat` after the command name, which may itself hold spaces and parentheses.
struct StatFields<'a>(Vec<&'a str>);

impl<'a> StatFields<'a> {
    fn parse(stat: &'a str) -> Self {
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        Self(after_name.split_ascii_whitespace().collect())
    }

    /// Field of clock ticks, as seconds. User space ticks are always 1/100 s.
    fn seconds(&self, number: usize) -> Option<f64> {
        Some(self.number(number)? / 100.0)
    }

    /// Field by its number in proc(5).
    fn number(&self, number: usize) -> Option<f64> {
        self.0.get(number.checked_sub(3)?)?.parse().ok()
    }

    fn cpu_seconds(&self) -> Option<f64> {
        Some(self.seconds(14)? + self.seconds(15)?)
    }

    fn start_after_boot_seconds(&self) -> Option<f64> {
        self.seconds(22)
    }

    fn resident_bytes(&self) -> Option<f64> {
        Some(self.number(24)? * rustix::param::page_size() as f64)
    }
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse().ok())
}

/// Reads a file of the kernel's into `buffer`: empty when it cannot be read. Its size is not asked for, since such files say 0.
fn read<'a>(path: &str, buffer: &'a mut Vec<u8>) -> &'a str {
    buffer.clear();
    let is_read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(buffer)).is_ok();
    if is_read { str::from_utf8(buffer).unwrap_or_default() } else { "" }
}

/// The soft limit; without one, as the Go client, the largest u64.
fn soft_limit(resource: Resource) -> f64 {
    getrlimit(resource).current.unwrap_or(u64::MAX) as f64
}

/// Counts `/proc/self/fd`. Since Linux 6.2 its size says so; before, entries are counted, without the descriptor that
/// the count itself opens.
fn open_fds() -> Option<f64> {
    const FOLDER: &str = "/proc/self/fd";
    let n_open = fs::metadata(FOLDER).map_or(0, |metadata| metadata.len());
    if n_open > 0 {
        return Some(n_open as f64);
    }
    let n_entries = fs::read_dir(FOLDER).ok()?.count();
    Some(n_entries.saturating_sub(1) as f64)
}

fn network_bytes(network: &str) -> (Option<f64>, Option<f64>) {
    let mut totals = None;
    for line in network.lines() {
        let Some((_, columns)) = line.split_once(':') else { continue };
        let mut columns = columns.split_ascii_whitespace().map(|text| text.parse::<f64>().unwrap_or(0.0));
        let (received, transmitted) = (columns.next().unwrap_or(0.0), columns.nth(7).unwrap_or(0.0));
        let (all_received, all_transmitted) = totals.unwrap_or((0.0, 0.0));
        totals = Some((all_received + received, all_transmitted + transmitted));
    }
    (totals.map(|(received, _)| received), totals.map(|(_, transmitted)| transmitted))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_the_usual_numbers() {
        let registry = Registry::new();
        register(&registry);
        register_build_info(&registry, "prometheus", &BuildInfo::unknown());
        let names: Vec<_> = registry.gather().into_iter().map(|family| family.name.into_owned()).collect();
        for name in [
            "go_goroutines",
            "go_info",
            "process_cpu_seconds_total",
            "process_max_fds",
            "process_open_fds",
            "process_resident_memory_bytes",
            "process_start_time_seconds",
            "process_virtual_memory_bytes",
            "prometheus_build_info",
        ] {
            assert!(names.iter().any(|have| have == name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn a_process_name_with_parentheses_does_not_shift_fields() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4 1 0 0 0 250 50 0 0 20 0 1 0 12345 1 2";
        let fields = StatFields::parse(stat);
        assert_eq!((fields.cpu_seconds(), fields.start_after_boot_seconds()), (Some(3.0), Some(123.45)));
    }
}
