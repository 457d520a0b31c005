//! The page for the public fixtures equals the one their authors expect, in every name, label, type and value.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use wf_exposition::text::write_page;
use wf_node_exporter::{Command, Config, NodeExporter, Selection};

use crate::support::{Page, conformance, name_of, say, unpack};

/// Collectors that run although they are not on by default, as the fixtures' README tells.
const SWITCHED_ON: &[&str] = &[
    "buddyinfo",
    "cgroups",
    "cpu_vulnerabilities",
    "drbd",
    "interrupts",
    "ksmd",
    "lnstat",
    "meminfo_numa",
    "mountstats",
    "pcidevice",
    "processes",
    "qdisc",
    "slabinfo",
    "softirqs",
    "sysctl",
    "wifi",
    "xfrm",
    "zoneinfo",
];
const SWITCHED_OFF: &[&str] = &["selinux", "filesystem", "timex", "uname"];

/// Families that depend on the machine or the moment; the README's list.
fn is_compared(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "go_",
        "promhttp_",
        "node_exporter_build_info",
        "node_scrape_collector_duration_seconds",
        "process_",
        "node_textfile_mtime_seconds",
        "node_time_zone",
        "node_time_seconds",
    ];
    let is_traffic = ["receive_bytes", "receive_packets", "transmit_bytes", "transmit_packets"]
        .iter()
        .any(|kind| name == format!("node_network_{kind}_total"));
    !PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_traffic
}

/// Copies a tree that may be read-only; `self`, a link in the kernel's, is a file in the recorded one.
fn copy_proc(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_proc(&entry.path(), &target);
        } else if entry.file_name() == "self" {
            symlink(fs::read_to_string(entry.path()).unwrap().trim(), target).unwrap();
        } else {
            fs::write(target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn page_of(flags: &[String]) -> String {
    let Command::Run(config) = Config::from_flags(flags).unwrap() else { unreachable!("flags ask to run") };
    let exporter = NodeExporter::new(*config).unwrap();
    let mut page = String::new();
    write_page(&mut page, &exporter.gather_blocking(&Selection::All, Duration::from_secs(60)));
    page
}

fn page_of_fixtures(fixtures: &Path, unpacked: &Path) -> Page {
    unpack(&fixtures.join("sys.ttar"), unpacked);
    unpack(&fixtures.join("udev.ttar"), unpacked);
    copy_proc(&fixtures.join("proc"), &unpacked.join("proc"));
    let flag = |name: &str, path: std::path::PathBuf| format!("--{name}={}", path.display());
    let mut flags = vec![
        flag("path.procfs", unpacked.join("proc")),
        flag("path.sysfs", unpacked.join("sys")),
        flag("path.rootfs", fixtures.to_owned()),
        flag("path.udev.data", unpacked.join("udev/data")),
        flag("collector.qdisc.fixtures", fixtures.join("qdisc/")),
        flag("collector.textfile.directory", fixtures.join("textfile/two_metric_files/")),
        flag("collector.wifi.fixtures", fixtures.join("wifi")),
    ];
    let others = [
        "--collector.arp.device-exclude=nope",
        "--no-collector.arp.netlink",
        "--collector.bcache.priorityStats",
        "--collector.cpu.info",
        "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
        "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
        "--collector.hwmon.chip-include=(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)",
        "--collector.netclass.ignore-invalid-speed",
        "--collector.netclass.ignored-devices=(dmz|int)",
        "--collector.netdev.device-include=lo",
        "--collector.qdisc.device-include=(wlan0|eth0)",
        "--collector.stat.softirq",
        "--collector.sysctl.include-info=kernel.seccomp.actions_avail",
        "--collector.sysctl.include=fs.file-nr",
        "--collector.sysctl.include=fs.file-nr:total,current,max",
        "--collector.sysctl.include=kernel.threads-max",
    ];
    flags.extend(others.map(str::to_owned));
    flags.extend(SWITCHED_ON.iter().map(|name| format!("--collector.{name}")));
    flags.extend(SWITCHED_OFF.iter().map(|name| format!("--no-collector.{name}")));
    // Labels with paths were recorded in the project's own tree.
    let here = |path: &Path| path.display().to_string();
    let page = page_of(&flags).replace(&here(unpacked), "collector/fixtures");
    Page::parse(&page.replace(&here(fixtures), "collector/fixtures"))
}

fn differences(got: &Page, want: &Page) -> Vec<String> {
    let mut complaints = Vec::new();
    for (series, value) in want.samples.iter().filter(|(series, _)| is_compared(name_of(series))) {
        // Errors of the loopback device are this machine's.
        let is_live = series.starts_with("node_network_") && series.contains("device=\"lo\"");
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
    complaints
}

#[test]
fn the_fixtures_give_the_expected_page() {
    let Some(fixtures) = conformance("node-exporter") else { return };
    let unpacked = tempfile::tempdir().unwrap();
    let got = page_of_fixtures(&fixtures, unpacked.path());
    let want = Page::parse(&fs::read_to_string(fixtures.join("e2e-output.txt")).unwrap());
    let complaints = differences(&got, &want);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    let n_compared = want.samples.keys().filter(|series| is_compared(name_of(series))).count();
    assert!(n_compared > 3000, "only {n_compared} series were compared");
}

#[test]
fn files_of_metrics_give_the_expected_pages() {
    let Some(fixtures) = conformance("node-exporter") else { return };
    let dir = fixtures.join("textfile");
    let mut n_cases = 0;
    for entry in fs::read_dir(&dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(case) = name.strip_suffix(".out") else { continue };
        if case != "nonexistent_path" && !dir.join(case).is_dir() {
            say(&format!("SKIPPED: conformance: the input of textfile case {case} is not among the data"));
            continue;
        }
        let flags = [
            "--collector.disable-defaults".to_owned(),
            "--collector.textfile".to_owned(),
            format!("--collector.textfile.directory={}", dir.join(case).display()),
        ];
        let got = page_of(&flags).replace(&dir.display().to_string(), "fixtures/textfile");
        let want = fs::read_to_string(entry.path()).unwrap();
        // Help of our own metrics is not part of the promise; times are those of the checkout.
        let lines = |page: &str| -> Vec<String> {
            let is_help_of_ours = |line: &&str| !line.starts_with("# HELP node_textfile_");
            let lines = page.lines().filter(is_help_of_ours).filter(|line| !line.contains("node_scrape_"));
            let strip = |line: &str| match line.strip_prefix("node_textfile_mtime_seconds") {
                Some(rest) => rest.rsplit_once(' ').map_or(line, |(series, _)| series).to_owned(),
                None => line.to_owned(),
            };
            let mut lines: Vec<_> = lines.map(strip).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines(&got), lines(&want), "{case}");
        n_cases += 1;
    }
    assert!(n_cases >= 8, "only {n_cases} cases");
}
