//! From what was seen to metric families.
//!
//! # Source
//! `spec/exporters-linux.md` B1, B2, B4, B5.

mod cpu;
mod disk;
mod machine;
mod memory;
mod standalone;

use std::borrow::Cow;
use std::collections::BTreeMap;

use wf_exposition::{Metric, MetricFamily, MetricValue};
use wf_model::MetricType;

use crate::config::Config;
use crate::exporter::{Group, Snapshot};
use crate::host::Machine;

/// Limits above this are none: the kernel writes the largest number of pages, or `max`.
const UNLIMITED: u64 = 1 << 62;

/// Makes all families.
pub(crate) fn families(config: &Config, machine: &Machine, snapshot: &Snapshot) -> Vec<MetricFamily> {
    let mut page = Page { taken_ms: snapshot.taken_ms, families: BTreeMap::new() };
    machine::push(&mut page, machine, snapshot);
    standalone::push_topology(&mut page, machine);
    for group in &snapshot.groups {
        let mut rows = Rows { page: &mut page, group };
        push_spec(&mut rows, machine);
        if config.has("cpu") {
            cpu::push(&mut rows);
        }
        if config.has("cpuLoad") {
            cpu::push_load(&mut rows);
        }
        if config.has("memory") {
            memory::push(&mut rows, snapshot.swap_used);
        }
        if config.has("network") {
            push_network(&mut rows);
        }
        if config.has("process") {
            push_processes(&mut rows);
        }
        if config.has("oom_event") {
            let help = "Kills for lack of memory.";
            rows.counter("container_oom_events_total", help, &[], group.oom_kills as f64);
        }
        if config.has("pressure") {
            push_pressure(&mut rows);
        }
        standalone::push(&mut rows, config.has("percpu"));
        disk::push(&mut rows, config, snapshot);
    }
    page.families.into_values().collect()
}

/// Families under construction.
struct Page {
    taken_ms: i64,
    families: BTreeMap<&'static str, MetricFamily>,
}

type Labels<'a> = &'a [(&'static str, &'a str)];

impl Page {
    fn add(
        &mut self,
        kind: MetricType,
        (name, help): (&'static str, &'static str),
        labels: Vec<(Cow<'static, str>, String)>,
        value: f64,
        timestamp_ms: Option<i64>,
    ) {
        let family = self.families.entry(name).or_insert_with(|| MetricFamily::new(name, help, kind));
        let mut labels = labels;
        labels.sort_unstable();
        family.metrics.push(Metric {
            labels: labels.into(),
            value: MetricValue::Number(value),
            timestamp_ms,
        });
    }
}

/// Adds samples of one group.
struct Rows<'a> {
    page: &'a mut Page,
    group: &'a Group,
}

impl Rows<'_> {
    fn labels(&self, own: Labels<'_>) -> Vec<(Cow<'static, str>, String)> {
        let names = &self.group.names;
        let common = [
            ("container", &names.container),
            ("id", &self.group.id),
            ("image", &names.image),
            ("name", &names.name),
            ("namespace", &names.namespace),
            ("pod", &names.pod),
        ];
        let common = common.into_iter().map(|(name, value)| (Cow::Borrowed(name), value.clone()));
        let common = common.chain(names.shown.iter().cloned());
        common.chain(own.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned()))).collect()
    }

    fn counter(&mut self, name: &'static str, help: &'static str, own: Labels<'_>, value: f64) {
        let (labels, taken) = (self.labels(own), self.page.taken_ms);
        self.page.add(MetricType::Counter, (name, help), labels, value, Some(taken));
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, own: Labels<'_>, value: f64) {
        let (labels, taken) = (self.labels(own), self.page.taken_ms);
        self.page.add(MetricType::Gauge, (name, help), labels, value, Some(taken));
    }

    /// What describes a container has no time of its own.
    fn spec(&mut self, name: &'static str, help: &'static str, value: f64) {
        let labels = self.labels(&[]);
        self.page.add(MetricType::Gauge, (name, help), labels, value, None);
    }
}

/// No limit shows as 0.
fn limit(value: u64) -> f64 {
    if value > UNLIMITED { 0.0 } else { value as f64 }
}

fn push_spec(rows: &mut Rows<'_>, machine: &Machine) {
    let group = rows.group;
    rows.spec("container_start_time_seconds", "Start of the container since the epoch.", group.started);
    rows.spec("container_creation_time_seconds", "Creation of the container since the epoch.", group.created);
    let seen = (rows.page.taken_ms / 1000) as f64;
    rows.gauge("container_last_seen", "When the container was last seen by the exporter.", &[], seen);
    rows.gauge("container_health_state", "1 healthy, 0 not, -1 without a check.", &[], -1.0);
    if let Some(cpu) = &group.stats.cpu {
        if let Some(period) = cpu.period_us {
            rows.spec("container_spec_cpu_period", "CPU period of the container.", period as f64);
        }
        if let Some(quota) = cpu.quota_us.filter(|quota| *quota != 0) {
            rows.spec("container_spec_cpu_quota", "CPU quota of the container.", quota as f64);
        }
        if let Some(shares) = cpu.shares {
            rows.spec("container_spec_cpu_shares", "CPU share of the container.", shares as f64);
        }
    }
    let limits = group.stats.memory.as_ref().and_then(|memory| memory.limits);
    let limits = if group.id == "/" { Some((machine.memory, machine.swap, 0)) } else { limits };
    if let Some((memory, swap, reservation)) = limits {
        rows.spec("container_spec_memory_limit_bytes", "Memory limit of the container.", limit(memory));
        rows.spec("container_spec_memory_swap_limit_bytes", "Swap limit of the container.", limit(swap));
        let help = "Memory reservation of the container.";
        rows.spec("container_spec_memory_reservation_limit_bytes", help, limit(reservation));
    }
}

const RECEIVED: [&str; 4] = [
    "container_network_receive_bytes_total",
    "container_network_receive_packets_total",
    "container_network_receive_errors_total",
    "container_network_receive_packets_dropped_total",
];
const TRANSMITTED: [&str; 4] = [
    "container_network_transmit_bytes_total",
    "container_network_transmit_packets_total",
    "container_network_transmit_errors_total",
    "container_network_transmit_packets_dropped_total",
];

fn push_network(rows: &mut Rows<'_>) {
    for interface in &rows.group.network {
        let own = [("interface", interface.name.as_str())];
        let received = RECEIVED.into_iter().zip(interface.received);
        for (name, value) in received.chain(TRANSMITTED.into_iter().zip(interface.transmitted)) {
            rows.counter(name, "Network statistic of the container.", &own, value as f64);
        }
    }
}

fn push_processes(rows: &mut Rows<'_>) {
    if let Some(process) = rows.group.stats.process {
        rows.gauge("container_threads", "Threads of the container.", &[], process.threads as f64);
        rows.gauge("container_threads_max", "Limit of threads; 0 is none.", &[], limit(process.threads_max));
    }
    let Some(open) = rows.group.open else { return };
    rows.gauge("container_processes", "Processes of the container.", &[], open.processes as f64);
    rows.gauge("container_file_descriptors", "Open files of the container.", &[], open.files as f64);
    rows.gauge("container_sockets", "Open sockets of the container.", &[], open.sockets as f64);
    if let Some(value) = open.limit {
        let own = [("ulimit", "max_open_files")];
        rows.gauge("container_ulimits_soft", "Soft limits of the first process; -1 is none.", &own, value);
    }
}

fn push_pressure(rows: &mut Rows<'_>) {
    let pressure = rows.group.stats.pressure;
    let all = [
        (
            pressure.cpu,
            "container_pressure_cpu_waiting_seconds_total",
            "container_pressure_cpu_stalled_seconds_total",
        ),
        (
            pressure.memory,
            "container_pressure_memory_waiting_seconds_total",
            "container_pressure_memory_stalled_seconds_total",
        ),
        (
            pressure.io,
            "container_pressure_io_waiting_seconds_total",
            "container_pressure_io_stalled_seconds_total",
        ),
    ];
    for ((some, full), waiting, stalled) in all {
        rows.counter(waiting, "Time in which some task waited.", &[], some);
        rows.counter(stalled, "Time in which all tasks waited.", &[], full);
    }
}
