//! From metric families to what a person wants to see.

use std::collections::BTreeMap;
use std::time::Instant;

use wf_exposition::{Metric, MetricFamily, MetricValue};

/// Numbers of one look.
#[derive(Debug)]
pub(super) struct Sample {
    at: Instant,
    name: String,
    load: [f64; 3],
    /// Seconds of all CPUs: all of them, idle, waiting for disks.
    cpu: [f64; 3],
    n_cpus: usize,
    memory: [f64; 2],
    swap: [f64; 2],
    /// Counts by device.
    disks: BTreeMap<String, [f64; 3]>,
    networks: BTreeMap<String, [f64; 2]>,
    mounts: BTreeMap<String, [f64; 2]>,
    /// CPU seconds and bytes by group.
    containers: BTreeMap<(String, String), [f64; 2]>,
}

/// A row of a table: its name and numbers.
pub(super) type Row<const N: usize> = (String, [f64; N]);

/// What happened between two looks; rates are per second.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) name: String,
    pub(super) load: [f64; 3],
    pub(super) n_cpus: usize,
    /// Shares of all CPUs: busy, waiting for disks.
    pub(super) cpu: [f64; 2],
    /// Used and all bytes.
    pub(super) memory: [f64; 2],
    pub(super) swap: [f64; 2],
    /// Bytes read, bytes written, share of time busy.
    pub(super) disks: Vec<Row<3>>,
    /// Bytes received, bytes sent.
    pub(super) networks: Vec<Row<2>>,
    /// Used and all bytes.
    pub(super) mounts: Vec<Row<2>>,
    /// CPUs in use, bytes of memory; the busiest first.
    pub(super) containers: Vec<Row<2>>,
}

fn number(metric: &Metric) -> f64 {
    match metric.value {
        MetricValue::Number(value) => value,
        _ => 0.0,
    }
}

fn label<'a>(metric: &'a Metric, wanted: &str) -> &'a str {
    metric.labels.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
}

impl Sample {
    /// Reads the families of both exporters.
    pub(super) fn new(at: Instant, families: &[MetricFamily]) -> Self {
        let of = |name: &str| {
            let family = families.iter().find(|family| family.name == name);
            family.map(|family| family.metrics.as_slice()).unwrap_or_default()
        };
        let one = |name: &str| of(name).first().map_or(0.0, number);
        let mut sample = Self {
            at,
            name: of("node_uname_info")
                .first()
                .map(|metric| label(metric, "nodename").to_owned())
                .unwrap_or_default(),
            load: ["node_load1", "node_load5", "node_load15"].map(one),
            cpu: [0.0; 3],
            n_cpus: 0,
            memory: bytes(one("node_memory_MemTotal_bytes"), one("node_memory_MemAvailable_bytes")),
            swap: bytes(one("node_memory_SwapTotal_bytes"), one("node_memory_SwapFree_bytes")),
            disks: by(of("node_disk_read_bytes_total"), "device", 0),
            networks: by(of("node_network_receive_bytes_total"), "device", 0),
            mounts: by(of("node_filesystem_size_bytes"), "mountpoint", 1),
            containers: BTreeMap::new(),
        };
        for metric in of("node_cpu_seconds_total") {
            let [all, idle, waiting] = &mut sample.cpu;
            *all += number(metric);
            match label(metric, "mode") {
                "idle" => {
                    *idle += number(metric);
                    sample.n_cpus += 1;
                }
                "iowait" => *waiting += number(metric),
                _ => {}
            }
        }
        put(&mut sample.disks, of("node_disk_written_bytes_total"), "device", 1);
        put(&mut sample.disks, of("node_disk_io_time_seconds_total"), "device", 2);
        put(&mut sample.networks, of("node_network_transmit_bytes_total"), "device", 1);
        sample.networks.remove("lo");
        put(&mut sample.mounts, of("node_filesystem_avail_bytes"), "mountpoint", 0);
        for (name, column) in
            [("container_cpu_usage_seconds_total", 0), ("container_memory_working_set_bytes", 1)]
        {
            for metric in of(name).iter().filter(|metric| !is_slice(label(metric, "id"))) {
                let key = (label(metric, "id").to_owned(), shown(metric));
                let row = sample.containers.entry(key).or_default();
                if let Some(cell) = row.get_mut(column) {
                    *cell = number(metric);
                }
            }
        }
        sample
    }
}

/// Used and all.
fn bytes(all: f64, free: f64) -> [f64; 2] {
    [all - free, all]
}

/// Groups that only hold others.
fn is_slice(id: &str) -> bool {
    id == "/" || id.ends_with(".slice")
}

/// `namespace/pod/container` as far as known, else the runtime's name, else the path.
fn shown(metric: &Metric) -> String {
    let parts = ["namespace", "pod", "container"].map(|name| label(metric, name));
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match (parts.is_empty(), label(metric, "name")) {
        (false, _) => parts.join("/"),
        (true, "") => label(metric, "id").to_owned(),
        (true, name) => name.to_owned(),
    }
}

fn by<const N: usize>(metrics: &[Metric], key: &str, column: usize) -> BTreeMap<String, [f64; N]> {
    let mut rows = BTreeMap::new();
    for metric in metrics {
        let row: &mut [f64; N] = rows.entry(label(metric, key).to_owned()).or_insert([0.0; N]);
        if let Some(cell) = row.get_mut(column) {
            *cell = number(metric);
        }
    }
    rows
}

fn put<const N: usize>(rows: &mut BTreeMap<String, [f64; N]>, metrics: &[Metric], key: &str, column: usize) {
    for metric in metrics {
        let cell = rows.get_mut(label(metric, key)).and_then(|row| row.get_mut(column));
        if let Some(cell) = cell {
            *cell = number(metric);
        }
    }
}

impl Usage {
    /// Compares two looks. What is new, or was reset in between, has no rate yet.
    pub(super) fn between(before: &Sample, now: &Sample) -> Self {
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let rate = |now: f64, before: f64| {
            if seconds > 0.0 && now >= before { (now - before) / seconds } else { 0.0 }
        };
        let [all, idle, waiting] = std::array::from_fn(|idx| now.cpu[idx] - before.cpu[idx]);
        let share = |part: f64| if all > 0.0 { (part / all).clamp(0.0, 1.0) } else { 0.0 };
        let mut containers: Vec<Row<2>> = now
            .containers
            .iter()
            .map(|(key, [cpu, memory])| {
                let before = before.containers.get(key).map_or(*cpu, |[cpu, _]| *cpu);
                (key.1.clone(), [rate(*cpu, before), *memory])
            })
            .collect();
        containers.sort_by(|(_, a), (_, b)| b[0].total_cmp(&a[0]).then(b[1].total_cmp(&a[1])));
        Self {
            name: now.name.clone(),
            load: now.load,
            n_cpus: now.n_cpus,
            cpu: [share(all - idle - waiting), share(waiting)],
            memory: now.memory,
            swap: now.swap,
            disks: rates(&before.disks, &now.disks, rate),
            networks: rates(&before.networks, &now.networks, rate),
            mounts: now.mounts.iter().map(|(name, [free, all])| (name.clone(), [all - free, *all])).collect(),
            containers,
        }
    }
}

fn rates<const N: usize>(
    before: &BTreeMap<String, [f64; N]>,
    now: &BTreeMap<String, [f64; N]>,
    rate: impl Fn(f64, f64) -> f64,
) -> Vec<Row<N>> {
    let row = |(name, now): (&String, &[f64; N])| {
        let before = before.get(name).unwrap_or(now);
        (name.clone(), std::array::from_fn(|idx| rate(now[idx], before[idx])))
    };
    now.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wf_model::MetricType::Gauge;

    use super::*;

    fn family(name: &'static str, rows: &[(&[(&'static str, &str)], f64)]) -> MetricFamily {
        let mut family = MetricFamily::new(name, "", Gauge);
        for (labels, value) in rows {
            family.push(labels, *value);
        }
        family
    }

    fn look(at: Instant, cpu: f64, read: f64) -> Sample {
        let mode = |mode| [("cpu", "0"), ("mode", mode)];
        let c = [("container", "app"), ("id", "/x"), ("namespace", "shop"), ("pod", "web")];
        let families = [
            family("node_cpu_seconds_total", &[(&mode("idle"), 10.0), (&mode("user"), cpu)]),
            family("node_disk_read_bytes_total", &[(&[("device", "sda")], read)]),
            family("node_memory_MemTotal_bytes", &[(&[], 100.0)]),
            family("node_memory_MemAvailable_bytes", &[(&[], 40.0)]),
            family("container_cpu_usage_seconds_total", &[(&c, cpu), (&[("id", "/")], 9.0)]),
            family("container_memory_working_set_bytes", &[(&c, 7.0)]),
        ];
        Sample::new(at, &families)
    }

    #[test]
    fn rates_are_between_two_looks() {
        let start = Instant::now();
        let usage =
            Usage::between(&look(start, 1.0, 100.0), &look(start + Duration::from_secs(2), 2.0, 300.0));
        assert_eq!((usage.cpu, usage.n_cpus, usage.memory), ([1.0, 0.0], 1, [60.0, 100.0]));
        assert_eq!(usage.disks, [("sda".to_owned(), [100.0, 0.0, 0.0])]);
        assert_eq!(usage.containers, [("shop/web/app".to_owned(), [0.5, 7.0])]);
    }

    #[test]
    fn a_reset_has_no_rate() {
        let start = Instant::now();
        let usage = Usage::between(&look(start, 5.0, 100.0), &look(start + Duration::from_secs(2), 1.0, 3.0));
        assert_eq!(usage.disks, [("sda".to_owned(), [0.0; 3])]);
        assert_eq!(usage.containers, [("shop/web/app".to_owned(), [0.0, 7.0])]);
    }
}
