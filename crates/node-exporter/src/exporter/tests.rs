//! What a scrape promises, whatever the host looks like.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use wf_exposition::text::write_page;

use super::*;
use crate::context::Paths;

/// A host made of these files, with all collectors on.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Self { dir };
        for (path, content) in files {
            host.write(path, content);
        }
        host
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn exporter(&self) -> NodeExporter {
        let below = |name: &str| self.dir.path().join(name);
        let paths =
            Paths { proc: below("proc"), sys: below("sys"), root: below(""), udev_data: below("udev") };
        NodeExporter::new(Config { paths, ..Config::default() }).unwrap()
    }
}

fn page(exporter: &NodeExporter, names: &[&'static str]) -> String {
    let selection = Selection::Only(names.iter().copied().collect());
    let families = finish(exporter.gather_blocking(&selection, Duration::from_secs(60)));
    let mut page = String::new();
    write_page(&mut page, &families);
    page.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

fn success(exporter: &NodeExporter, name: &'static str) -> bool {
    page(exporter, &[name]).contains(&format!("node_scrape_collector_success{{collector=\"{name}\"}} 1"))
}

#[test]
fn an_empty_host_fails_collectors_and_nothing_else() {
    let exporter = Host::new(&[]).exporter();
    for name in ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "pressure", "stat", "vmstat"] {
        assert!(!success(&exporter, name), "{name}");
    }
    for name in ["netdev", "time", "uname"] {
        assert!(success(&exporter, name), "{name}");
    }
}

#[test]
fn garbage_fails_collectors_without_a_panic() {
    let garbage =
        "\u{0}\u{fffd} cpu0 x - : 1 2 = \n\n99999999999999999999999 99 a\ncpu0\nMemTotal: x kB\nsoftirq";
    let files =
        ["stat", "loadavg", "meminfo", "diskstats", "vmstat", "1/mountinfo", "pressure/cpu", "cpuinfo"];
    let files: Vec<_> = files.iter().map(|name| (format!("proc/{name}"), garbage)).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let exporter = Host::new(&files).exporter();
    for slot in &exporter.inner.slots {
        let text = page(&exporter, &[slot.name]);
        assert!(text.contains("node_scrape_collector_success"), "{text}");
    }
}

#[test]
fn samples_before_an_error_are_kept() {
    let host = Host::new(&[("proc/meminfo", "MemTotal: 2 kB\nMemFree: 1 MB\nBuffers: 3 kB\n")]);
    let exporter = host.exporter();
    let text = page(&exporter, &["meminfo"]);
    assert!(text.contains("node_memory_MemTotal_bytes 2048\n") && !text.contains("Buffers"), "{text}");
    assert!(!success(&exporter, "meminfo"));
}

#[test]
fn disks_are_filtered_and_short_lines_understood() {
    let line = "   8       0 sda 1 2 3 104 5 6 7 8 9 10 11\n   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n";
    let host = Host::new(&[("proc/diskstats", line), ("udev/b8:0", "E:ID_MODEL=M\\x20\nE:ID_ATA=1\n")]);
    let text = page(&host.exporter(), &["diskstats"]);
    assert!(text.contains("node_disk_read_bytes_total{device=\"sda\"} 1536\n"), "{text}");
    assert!(
        text.contains("node_disk_read_time_seconds_total{device=\"sda\"} 0.10400000000000001\n"),
        "{text}"
    );
    assert!(
        text.contains("model=\"M\\\\x20\"") && !text.contains("sda1") && !text.contains("discard"),
        "{text}"
    );
}

#[test]
fn file_systems_are_stripped_of_the_root_and_shown_once() {
    let host = Host::new(&[]);
    let root = host.dir.path().display().to_string();
    let line = |mount: &str, kind: &str| format!("1 1 8:1 / {root}{mount} rw,ro - {kind} /dev/sda1 rw\n");
    let mounts = [
        line("", "ext4"),
        line("", "ext4"),
        line("/gone", "xfs"),
        line("/proc/x", "xfs"),
        line("/t", "proc"),
    ];
    host.write("proc/self/mountinfo", &mounts.concat());
    let text = page(&host.exporter(), &["filesystem"]);
    let labels = "device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/\"";
    assert!(text.contains(&format!("node_filesystem_readonly{{{labels}}} 1\n")), "{text}");
    assert!(text.contains(&format!("node_filesystem_purgeable_bytes{{{labels}}} 0\n")), "{text}");
    assert_eq!(text.matches("node_filesystem_size_bytes").count(), 1, "{text}");
    let gone = "device_error=\"no such file or directory\",fstype=\"xfs\",mountpoint=\"/gone\"";
    assert!(
        text.contains(&format!("node_filesystem_device_error{{device=\"/dev/sda1\",{gone}}} 1\n")),
        "{text}"
    );
    assert!(!text.contains("/proc/x") && !text.contains("fstype=\"proc\""), "{text}");
}

#[test]
fn series_are_sorted_by_label_values() {
    let lines: String = (0..12).map(|cpu| format!("cpu{cpu} 1 0 0 0 0 0 0 0 0 0\n")).collect();
    let text = page(&Host::new(&[("proc/stat", &lines)]).exporter(), &["cpu"]);
    let user: Vec<_> = text.lines().filter(|line| line.contains("mode=\"user\"} 0.01")).collect();
    assert_eq!(user.len(), 12);
    assert!(user.is_sorted(), "{user:?}");
}

#[test]
fn every_scrape_reads_anew() {
    let host = Host::new(&[("proc/stat", "cpu0 100 0 0 0\nctxt 5\n")]);
    let exporter = host.exporter();
    let seen = |user: &str, switches: &str| {
        let text = page(&exporter, &["cpu", "stat"]);
        let line = format!("node_cpu_seconds_total{{cpu=\"0\",mode=\"user\"}} {user}\n");
        assert!(text.contains(&line) && text.contains(&format!("switches_total {switches}\n")), "{text}");
    };
    seen("1", "5");
    host.write("proc/stat", "cpu0 300 0 0 0\nctxt 6\n");
    seen("3", "6");
}

/// Hangs until its sender is dropped.
struct Hanging {
    gate: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Collector for Hanging {
    fn collect(&self, _: &mut Context, _: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let _ = self.gate.lock().unwrap().recv();
        Ok(())
    }
}

fn with_hanging(host: &Host, timeout: Duration) -> (NodeExporter, SyncSender<()>) {
    let (release, gate) = sync_channel(0);
    let mut exporter = host.exporter();
    let inner = Arc::get_mut(&mut exporter.inner).unwrap();
    inner.config.collector_timeout = timeout;
    let collector = Arc::new(Hanging { gate: Mutex::new(gate) });
    let slot = Slot {
        name: "hanging",
        collector,
        left_behind: Mutex::default(),
        has_failed: AtomicBool::new(false),
    };
    inner.slots.insert(0, Arc::new(slot));
    (exporter, release)
}

#[test]
fn a_hanging_collector_costs_only_itself_and_recovers() {
    let host = Host::new(&[("proc/loadavg", "0.21 0.37 0.39 1/719 19737\n")]);
    let want = ["node_load15 0.39", "node_scrape_collector_success{collector=\"hanging\"} 0"];
    // On a busy machine the quick one is late as well: then both get longer.
    let told = [30, 300, 3_000, 30_000].into_iter().find_map(|timeout_ms| {
        let (exporter, release) = with_hanging(&host, Duration::from_millis(timeout_ms));
        let page = || page(&exporter, &["hanging", "loadavg"]);
        let is_told = (0..2).map(|_| page()).all(|text| want.iter().all(|line| text.contains(line)));
        is_told.then_some((exporter, release))
    });
    let (exporter, release) = told.expect("the other collector pays too");
    drop(release);
    let deadline = Instant::now() + Duration::from_secs(60);
    while exporter.inner.slots[0].is_hanging() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(success(&exporter, "hanging"));
}

#[test]
fn this_machine_is_measured() {
    if !Path::new("/proc/stat").exists() {
        return;
    }
    let exporter = NodeExporter::new(Config::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let families = runtime.block_on(exporter.gather(Duration::from_secs(30)));
    assert!(families.is_sorted_by(|a, b| a.name < b.name));
    for name in
        ["node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_exporter_build_info", "go_info"]
    {
        assert!(families.iter().any(|family| family.name == name), "{name}");
    }
}

#[test]
fn files_of_metrics_are_found_by_pattern_and_padded() {
    let host = Host::new(&[
        (
            "a_extra/m.prom",
            "# TYPE h histogram\nh_bucket{le=\"1\",x=\"y\"} 1\nh_bucket{le=\"+Inf\",x=\"y\"} 2\nh_sum{x=\"y\"} 3\nh_count{x=\"y\"} 2\nh_sum 5\nh_count 6\n",
        ),
        ("b_extra/m.prom", "# HELP h Other.\n# TYPE h histogram\nh_sum 0\nh_count 0\n"),
        ("b_extra/n.prom", "when 1 1700000000000\n"),
        ("other/m.prom", "unseen 1\n"),
    ]);
    let pattern = host.dir.path().join("*_extra").display().to_string();
    let config = Config { textfile_directories: vec![pattern], ..Config::default() };
    let text = page(&NodeExporter::new(config).unwrap(), &["textfile"]);
    assert!(
        text.contains("h_bucket{x=\"y\",le=\"+Inf\"} 2\n") && text.contains("h_count{x=\"\"} 6\n"),
        "{text}"
    );
    assert!(text.contains("h_count 0\n"), "of a file of its own: {text}");
    assert!(text.contains("node_textfile_scrape_error 1\n") && !text.contains("unseen"), "{text}");
    assert_eq!(text.matches("node_textfile_mtime_seconds").count(), 2, "{text}");
}
