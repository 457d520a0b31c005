//! The page for the public fixtures equals the one their authors expect, for the collectors that exist here.

use std::time::Duration;

use wf_exposition::text::write_page;
use wf_node_exporter::{Command, Config, NodeExporter, Selection};

use crate::support::{Page, conformance, name_of, unpack};

/// Families that these collectors own, by prefix, and those below them that belong to others.
const OURS: &[&str] = &[
    "node_bonding_",
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cooling_",
    "node_cpu_",
    "node_disk_",
    "node_dmi_",
    "node_entropy_",
    "node_filefd_",
    "node_forks_total",
    "node_intr_total",
    "node_kernel_hung_",
    "node_load",
    "node_md_",
    "node_memory_",
    "node_netstat_",
    "node_network_",
    "node_nf_conntrack_",
    "node_os_",
    "node_pressure_",
    "node_procs_",
    "node_schedstat_",
    "node_sockstat_",
    "node_softirqs_total",
    "node_softnet_",
    "node_thermal_",
    "node_time_clocksource_",
    "node_udp_queues",
    "node_vmstat_",
];
const NOT_OURS: &[&str] = &["node_cpu_vulnerabilities_", "node_memory_numa_"];

fn is_compared(name: &str) -> bool {
    let is_live = name.ends_with("_bytes_total") || name.ends_with("_packets_total");
    OURS.iter().any(|prefix| name.starts_with(prefix))
        && !NOT_OURS.iter().any(|prefix| name.starts_with(prefix))
        && !(name.starts_with("node_network_") && is_live)
}

fn page_of_fixtures(fixtures: &std::path::Path, unpacked: &std::path::Path) -> Page {
    unpack(&fixtures.join("sys.ttar"), unpacked);
    unpack(&fixtures.join("udev.ttar"), unpacked);
    let flag = |name: &str, path: std::path::PathBuf| format!("--path.{name}={}", path.display());
    let flags = [
        flag("procfs", fixtures.join("proc")),
        flag("sysfs", unpacked.join("sys")),
        flag("rootfs", fixtures.to_owned()),
        flag("udev.data", unpacked.join("udev/data")),
        "--no-collector.filesystem".to_owned(),
        "--no-collector.uname".to_owned(),
        "--collector.cpu.info".to_owned(),
        "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$".to_owned(),
        "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$".to_owned(),
        "--collector.netclass.ignore-invalid-speed".to_owned(),
        "--collector.netclass.ignored-devices=(dmz|int)".to_owned(),
        "--collector.netdev.device-include=lo".to_owned(),
        "--collector.stat.softirq".to_owned(),
    ];
    let Command::Run(config) = Config::from_flags(&flags).unwrap() else { unreachable!("flags ask to run") };
    let exporter = NodeExporter::new(*config).unwrap();
    let mut page = String::new();
    write_page(&mut page, &exporter.gather_blocking(&Selection::All, Duration::from_secs(30)));
    Page::parse(&page)
}

#[test]
fn the_fixtures_give_the_expected_page() {
    let Some(fixtures) = conformance("node-exporter") else { return };
    let unpacked = tempfile::tempdir().unwrap();
    let got = page_of_fixtures(&fixtures, unpacked.path());
    let want = Page::parse(&std::fs::read_to_string(fixtures.join("e2e-output.txt")).unwrap());
    let mut complaints = Vec::new();
    let mut n_compared = 0;
    for (series, value) in want.samples.iter().filter(|(series, _)| is_compared(name_of(series))) {
        n_compared += 1;
        // Counts of the loopback device are this machine's.
        let is_live = series.contains("device=\"lo\"");
        match got.samples.get(series) {
            None => complaints.push(format!("missing {series} {value}")),
            Some(have) if have.to_bits() != value.to_bits() && !is_live => {
                complaints.push(format!("{series} is {have}, not {value}"));
            }
            Some(_) => {}
        }
    }
    for series in got.samples.keys().filter(|series| is_compared(name_of(series))) {
        if !want.samples.contains_key(series) {
            complaints.push(format!("surplus {series}"));
        }
    }
    for (name, kind) in want.types.iter().filter(|(name, _)| is_compared(name)) {
        if got.types.get(name) != Some(kind) {
            complaints.push(format!("{name} is {:?}, not {kind}", got.types.get(name)));
        }
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    assert!(n_compared > 400, "only {n_compared} series were compared");
    for (series, value) in
        got.samples.iter().filter(|(series, _)| series.starts_with("node_scrape_collector_success"))
    {
        assert_eq!((series, *value), (series, 1.0));
    }
}
