//! What cAdvisor shows when asked to.

use std::collections::BTreeMap;

use super::{Page, Rows};
use crate::host::Machine;
use crate::perf::Reading;
use crate::standalone::TCP_STATES;
use crate::sys::Count;

pub(super) fn push(rows: &mut Rows<'_>, has_cpus: bool) {
    let extra = &rows.group.extra;
    if let Some([run_ns, waited_ns, n_runs]) = extra.scheduled {
        let mut counter = |name, help, value| rows.counter(name, help, &[], value);
        counter("container_cpu_schedstat_run_seconds_total", "Time on a CPU.", run_ns as f64 / 1e9);
        counter(
            "container_cpu_schedstat_runqueue_seconds_total",
            "Time waiting for a CPU.",
            waited_ns as f64 / 1e9,
        );
        counter("container_cpu_schedstat_run_periods_total", "Times on a CPU.", n_runs as f64);
    }
    for pages in &extra.huge_pages {
        let own = [("pagesize", pages.size.as_str())];
        rows.counter("container_hugetlb_failcnt", "Times the limit was hit.", &own, pages.n_failed as f64);
        rows.gauge("container_hugetlb_usage_bytes", "Huge pages in use.", &own, pages.bytes as f64);
        rows.gauge(
            "container_hugetlb_max_usage_bytes",
            "Most huge pages so far.",
            &own,
            pages.bytes_max as f64,
        );
    }
    for pages in &extra.numa {
        let scope = if pages.is_hierarchy { "hierarchy" } else { "container" };
        let own = [("node", pages.node.as_str()), ("scope", scope), ("type", &pages.kind)];
        rows.gauge("container_memory_numa_pages", "Pages by NUMA node.", &own, pages.pages as f64);
    }
    if let Some(migrate) = extra.migrate {
        rows.gauge("container_memory_migrate", "Whether memory follows to other nodes.", &[], migrate as f64);
    }
    if let Some(bytes) = extra.referenced {
        rows.gauge("container_referenced_bytes", "Memory used lately.", &[], bytes as f64);
    }
    push_sockets(rows);
    push_perf(rows, has_cpus);
    push_caches(rows);
}

/// Perf events of each CPU where that was asked for; else their sums, with the smallest ratio.
fn push_perf(rows: &mut Rows<'_>, has_cpus: bool) {
    let mut events: BTreeMap<(&str, String), Count> = BTreeMap::new();
    for Reading { event, cpu, count } in &rows.group.extra.perf {
        let cpu = if has_cpus { cpu.to_string() } else { String::new() };
        let sum = events.entry((event, cpu)).or_insert(Count { events: 0.0, ratio: f64::INFINITY });
        sum.events += count.events;
        sum.ratio = sum.ratio.min(count.ratio);
    }
    for ((event, cpu), count) in events {
        let own = [("cpu", cpu.as_str()), ("event", event)];
        let help = "Perf events; what was missed is extrapolated.";
        rows.counter("container_perf_events_total", help, &own, count.events);
        let help = "Part of the time in which events were counted.";
        rows.gauge("container_perf_events_scaling_ratio", help, &own, count.ratio);
    }
}

/// What resctrl counted.
fn push_caches(rows: &mut Rows<'_>) {
    for domain in &rows.group.extra.caches {
        let own = [("node_id", domain.node.as_str())];
        let all = [
            (domain.total, "container_memory_bandwidth_bytes", "Bytes to and from memory."),
            (domain.local, "container_memory_bandwidth_local_bytes", "Bytes to and from memory of the node."),
            (domain.occupancy, "container_llc_occupancy_bytes", "Bytes of the last cache in use."),
        ];
        for (value, name, help) in all {
            if let Some(value) = value {
                rows.gauge(name, help, &own, value as f64);
            }
        }
    }
}

/// Gauges, though their names end in `_total`: as cAdvisor has them.
fn push_sockets(rows: &mut Rows<'_>) {
    let extra = &rows.group.extra;
    for (file, counts) in &extra.sockets.tcp {
        let name = match *file {
            "tcp" => "container_network_tcp_usage_total",
            _ => "container_network_tcp6_usage_total",
        };
        for (state, count) in TCP_STATES.iter().zip(counts) {
            rows.gauge(name, "TCP sockets by state.", &[("tcp_state", state)], *count as f64);
        }
    }
    for (file, counts) in &extra.sockets.udp {
        let name = match *file {
            "udp" => "container_network_udp_usage_total",
            _ => "container_network_udp6_usage_total",
        };
        for (state, count) in ["listen", "rxqueued", "txqueued", "dropped"].iter().zip(counts) {
            rows.gauge(name, "UDP sockets, queues and drops.", &[("udp_state", state)], *count as f64);
        }
    }
    for (state, count) in &extra.tcp_counts {
        let name = "container_network_advance_tcp_stats_total";
        rows.gauge(name, "Counts of the TCP protocol.", &[("tcp_state", state)], *count);
    }
}

/// Topology of the machine.
pub(super) fn push_topology(page: &mut Page, machine: &Machine) {
    let topology = &machine.topology;
    for cache in &topology.caches {
        let own = [
            ("core_id", cache.core.as_str()),
            ("level", &cache.level),
            ("node_id", &cache.node),
            ("type", &cache.kind),
        ];
        let help = "Bytes of CPU caches.";
        super::machine::add(
            page,
            machine,
            ("machine_cpu_cache_capacity_bytes", help),
            &own,
            cache.bytes as f64,
        );
    }
    for thread in &topology.threads {
        let own = [("core_id", thread.core.as_str()), ("node_id", &thread.node), ("thread_id", &thread.id)];
        let help = "Threads of the thread's core.";
        super::machine::add(
            page,
            machine,
            ("machine_thread_siblings_count", help),
            &own,
            thread.siblings as f64,
        );
    }
    for node in &topology.nodes {
        let own = [("node_id", node.id.as_str())];
        let help = "Memory of the node.";
        super::machine::add(
            page,
            machine,
            ("machine_node_memory_capacity_bytes", help),
            &own,
            node.memory as f64,
        );
        for (size, count) in &node.huge_pages {
            let own = [("node_id", node.id.as_str()), ("page_size", size)];
            let help = "Huge pages of the node by their size in KiB.";
            super::machine::add(page, machine, ("machine_node_hugepages_count", help), &own, *count as f64);
        }
        for (target, distance) in &node.distances {
            let own = [("node_id", node.id.as_str()), ("target_node_id", target)];
            let help = "Distance to another node; 10 is none.";
            super::machine::add(page, machine, ("machine_node_distance", help), &own, *distance as f64);
        }
    }
}
