//! Whatever the original exposes on this machine by default is exposed by us too.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use wf_exposition::text::write_page;
use wf_node_exporter::{Command, Config, NodeExporter, Selection};

use crate::support::{Page, skip};

/// Series whose labels change from moment to moment, speeds that are not known, which the original shows as the largest
/// number over netlink, and memory fields that newer versions of it no longer expose.
const TOLERATED: &[&str] = &[
    "node_scrape_",
    "node_exporter_build_info",
    "node_network_speed_bytes",
    "node_memory_Balloon_bytes",
    "node_memory_FileHugePages_bytes",
    "node_memory_FilePmdMapped_bytes",
    "node_memory_Hugetlb_bytes",
    "node_memory_KReclaimable_bytes",
    "node_memory_SecPageTables_bytes",
];

/// Debian's program where `cargo xtask peers` unpacks it, or says loudly that it is not there.
fn peer() -> Option<PathBuf> {
    let unpacked = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers");
    let folder = std::env::var_os("WF_PEERS").map_or_else(|| PathBuf::from(unpacked), PathBuf::from);
    let path = folder.join("usr/bin/prometheus-node-exporter");
    if path.is_file() {
        return Some(path);
    }
    skip("peers", "Debian's prometheus-node-exporter is not unpacked: run `cargo xtask peers`");
    None
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fetch(address: &str, deadline: Instant) -> String {
    loop {
        let request = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
        let attempt = TcpStream::connect(address).and_then(|mut tcp| {
            tcp.write_all(request.as_bytes())?;
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).map(|_| answer)
        });
        match attempt {
            Ok(answer) => return answer.split_once("\r\n\r\n").unwrap().1.to_owned(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    }
}

/// Asserts that the page of `config` has all that Debian's exporter shows with `flags`.
fn compare(config: Config, flags: &[String], series_min: usize) {
    let Some(binary) = peer() else { return };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let exporter = NodeExporter::new(config).unwrap();
    let mut process = Process::new(binary);
    process.arg(format!("--web.listen-address={address}")).args(flags);
    process.stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running(process.spawn().unwrap());
    let theirs = Page::parse(&fetch(&address, Instant::now() + Duration::from_secs(60)));
    let mut page = String::new();
    write_page(&mut page, &exporter.gather_blocking(&Selection::All, Duration::from_secs(20)));
    let ours = Page::parse(&page);
    let is_compared =
        |name: &&str| name.starts_with("node_") && !TOLERATED.iter().any(|prefix| name.starts_with(prefix));
    let missing: Vec<_> =
        theirs.families().difference(&ours.families()).copied().filter(|name| is_compared(name)).collect();
    assert!(missing.is_empty(), "families missing: {missing:?}");
    for (name, kind) in theirs.types.iter().filter(|(name, _)| is_compared(&name.as_str())) {
        assert_eq!(ours.types.get(name), Some(kind), "type of {name}");
    }
    let have: BTreeSet<_> = ours.samples.keys().map(|series| comparable(series)).collect();
    let series = theirs.samples.keys().filter(|series| is_compared(&series.as_str()));
    let missing: Vec<_> = series.filter(|series| !have.contains(&comparable(series))).collect();
    assert!(missing.is_empty(), "series missing: {missing:#?}");
    assert!(theirs.samples.len() > series_min, "only {} series were compared", theirs.samples.len());
}

#[test]
fn nothing_of_the_original_is_missing() {
    let config = Config::default();
    // Newer versions of the original leave out more by default.
    let flags = [
        format!("--collector.diskstats.device-exclude={}", config.diskstats_exclude),
        format!("--collector.filesystem.fs-types-exclude={}", config.filesystem.fs_types_exclude),
        format!("--collector.filesystem.mount-points-exclude={}", config.filesystem.mount_points_exclude),
    ];
    compare(config, &flags, 50);
}

/// Devices of this machine as netlink and their drivers tell them, without the other collectors.
#[test]
fn nothing_of_the_original_is_missing_over_netlink() {
    let flags = [
        "--collector.disable-defaults",
        "--collector.netclass",
        "--collector.netclass.netlink",
        "--collector.netclass_rtnl.with-stats",
        "--collector.ethtool",
    ];
    let Command::Run(config) = Config::from_flags(&flags).unwrap() else { unreachable!("flags ask to run") };
    compare(*config, &flags.map(str::to_owned), 30);
}

/// A series without the labels that newer versions added.
fn comparable(series: &str) -> String {
    let added = [
        "adminstate=\"down\",",
        "adminstate=\"up\",",
        "device_error=\"\",",
        "rotational=\"0\",",
        "rotational=\"1\",",
    ];
    added.iter().fold(series.to_owned(), |series, label| series.replace(label, ""))
}
