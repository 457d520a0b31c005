//! Discovery against the real servers of Debian: etcd, dnsmasq, ZooKeeper.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use wf_e2e::http;
use wf_e2e::process::{PATIENCE, Server, eventually, free_port};
use wf_e2e::skip::{binary, peer, skip};

use super::{Labels, job, start, targets};
use crate::setup::Site;

/// A peer's process; killed by its id when dropped.
pub(super) struct Peer(Child);

impl Peer {
    pub(super) fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn waits_for(port: u16, log: &Path) {
    let is_up = eventually(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(is_up, "{}", fs::read_to_string(log).unwrap_or_default());
}

/// Returns the folder that peers are unpacked in, by one of its programs.
pub(super) fn root_of(program: &Path) -> PathBuf {
    program.ancestors().nth(3).unwrap().to_owned()
}

/// Returns a program of `usr/sbin`, or skips.
fn daemon(program: &str) -> Option<PathBuf> {
    let path = root_of(&peer("prometheus")?).join("usr/sbin").join(program);
    if !path.exists() {
        skip("peers", &format!("Debian's {program} is not unpacked: run `cargo xtask peers`"));
        return None;
    }
    Some(path)
}

fn finds(server: &Server, want: &[(&str, &str)]) -> Vec<Labels> {
    let found = || -> Vec<Labels> { targets(&server.base).into_iter().collect() };
    let expected = |found: &[Labels]| {
        let mut pairs: Vec<(String, String)> = found
            .iter()
            .map(|labels| (labels["__address__"].clone(), labels.get("a").cloned().unwrap_or_default()))
            .collect();
        pairs.sort();
        let mut want: Vec<(String, String)> =
            want.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        want.sort();
        pairs == want
    };
    let is_there = eventually(PATIENCE, || expected(&found()));
    assert!(is_there, "want {want:?}, got {:#?}\n{}", found(), server.log_text());
    found()
}

#[test]
fn etcd_keys_are_targets_as_they_come_and_go() {
    let Some(etcd) = peer("etcd") else { return };
    let site = Site::new();
    let (client, member) = (free_port().unwrap(), free_port().unwrap());
    let url = format!("http://127.0.0.1:{client}");
    let peers = format!("http://127.0.0.1:{member}");
    let log = site.path("etcd.log");
    let _etcd = Peer::start(
        Command::new(etcd)
            .arg(format!("--data-dir={}", site.path("etcd").display()))
            .arg(format!("--listen-client-urls={url}"))
            .arg(format!("--advertise-client-urls={url}"))
            .arg(format!("--listen-peer-urls={peers}"))
            .arg(format!("--initial-advertise-peer-urls={peers}"))
            .arg(format!("--initial-cluster=default={peers}")),
        &log,
    );
    waits_for(client, &log);
    let encode = |text: &str| base64(text.as_bytes());
    let put = |key: &str, value: &str| {
        let body = format!(r#"{{"key":"{}","value":"{}"}}"#, encode(key), encode(value));
        let is_put = eventually(PATIENCE, || {
            http::post(&format!("{url}/v3/kv/put"), body.as_bytes(), &[])
                .is_ok_and(|answer| answer.status == 200)
        });
        assert!(is_put, "{}", fs::read_to_string(&log).unwrap());
    };
    put("/sd/web", r#"[{"targets":["10.0.0.1:80"],"labels":{"a":"x"}}]"#);
    put("/other", r#"[{"targets":["10.0.0.9:80"]}]"#);
    // The refresh is far away: only the watch can tell.
    let text =
        job(&format!("  etcd_sd_configs: [{{endpoints: ['{url}'], prefix: /sd/, refresh_interval: 1h}}]\n"));
    let Some(server) = start(&site, &text, &[]) else { return };
    let found = finds(&server, &[("10.0.0.1:80", "x")]);
    assert_eq!(found[0]["__meta_etcd_key"], "/sd/web");
    put("/sd/web2", r#"[{"targets":["10.0.0.2:80"]}]"#);
    finds(&server, &[("10.0.0.1:80", "x"), ("10.0.0.2:80", "")]);
    put("/sd/web", "broken");
    put("/sd/web2", r#"[{"targets":["10.0.0.3:80"]}]"#);
    finds(&server, &[("10.0.0.1:80", "x"), ("10.0.0.3:80", "")]);
    let gone = format!(r#"{{"key":"{}"}}"#, encode("/sd/web"));
    http::post(&format!("{url}/v3/kv/deleterange"), gone.as_bytes(), &[]).unwrap();
    finds(&server, &[("10.0.0.3:80", "")]);
}

/// Base64 by hand: the tests need it once.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for idx in 0..4 {
            let is_padding = idx > chunk.len();
            let sextet = usize::try_from(all >> (18 - 6 * idx) & 63).unwrap();
            out.push(if is_padding { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    out
}

/// Returns dnsmasq on a port of loopback that reads no configuration and knows nothing yet.
fn quiet_dnsmasq(program: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", root_of(program).join("usr/lib/x86_64-linux-gnu")).args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--log-facility=-",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--conf-file=/dev/null",
        "--user=",
        "--group=",
        "--pid-file=",
    ]);
    command.arg(format!("--port={port}"));
    command
}

#[test]
fn dnsmasq_records_of_every_type_are_targets() {
    let Some(dnsmasq) = daemon("dnsmasq") else { return };
    let site = Site::new();
    let (port, zone_port) = (free_port().unwrap(), free_port().unwrap());
    let (log, zone_log) = (site.path("dnsmasq.log"), site.path("zone.log"));
    // Servers of a zone are told by who is one of them. It refuses other names, as the first server refuses its zone.
    let mut zone = quiet_dnsmasq(&dnsmasq, zone_port);
    zone.args(["--auth-server=ns1.zone.test,127.0.0.1", "--auth-sec-servers=ns2.zone.test"]);
    let _zone = Peer::start(zone.args(["--auth-zone=zone.test", "--auth-soa=1"]), &zone_log);
    waits_for(zone_port, &zone_log);
    let mut command = quiet_dnsmasq(&dnsmasq, port);
    command.args([
        "--local=/sd.test/",
        "--auth-ttl=1",
        "--address=/a.sd.test/10.0.0.1",
        "--address=/a.sd.test/fc00::1",
        "--srv-host=_web._tcp.sd.test,w1.sd.test,8080,1",
        "--srv-host=_web._tcp.sd.test,w2.sd.test,8081,1",
        "--mx-host=sd.test,mx.sd.test,10",
    ]);
    // More records than one datagram takes: the answer comes over TCP.
    for number in 0..300 {
        command.arg(format!("--srv-host=_many._tcp.sd.test,target-{number}.sd.test,{},1", 10_000 + number));
    }
    let _dnsmasq = Peer::start(&mut command, &log);
    waits_for(port, &log);
    let servers = format!("nameserver [127.0.0.1]:{port}\nnameserver [127.0.0.1]:{zone_port}\n");
    fs::write(site.path("resolv.conf"), servers + "search sd.test\n").unwrap();
    fs::write(
        site.path("prometheus.yml"),
        job(
            "  dns_sd_configs:\n  - {names: [a, gone.sd.test], type: A, port: 1}\n  - {names: [a.sd.test], type: AAAA, port: 2}\n  - {names: [_web._tcp.sd.test]}\n  - {names: [sd.test], type: MX, port: 25}\n  - {names: [zone.test], type: NS, port: 53}\n",
        ) + "- job_name: many\n  dns_sd_configs: [{names: [_many._tcp]}]\n",
    )
    .unwrap();
    let Some(binary) = binary() else { return };
    // The server's environment is the test's: only a shell of its own can name another file.
    let arguments = site.server_arguments().join(" ");
    let script = format!(
        "WATCHFIRE_RESOLV_CONF={} exec {} {arguments}",
        site.path("resolv.conf").display(),
        binary.display()
    );
    let web = site.listen().rsplit(':').next().unwrap().parse().unwrap();
    let server = Server::start(Path::new("/bin/sh"), &["-c", &script], web, &site.path("log")).unwrap();
    let is_there = eventually(PATIENCE, || targets(&server.base).len() == 307);
    let found = targets(&server.base);
    assert!(is_there, "{} targets\n{}", found.len(), server.log_text());
    let of = |address: &str| {
        found.iter().find(|labels| labels["__address__"] == address).unwrap_or_else(|| panic!("{address}"))
    };
    assert_eq!(of("10.0.0.1:1")["__meta_dns_name"], "a");
    assert_eq!(of("[fc00::1]:2")["__meta_dns_name"], "a.sd.test");
    assert_eq!(of("w2.sd.test:8081")["__meta_dns_srv_record_target"], "w2.sd.test.");
    assert_eq!(of("w2.sd.test:8081")["__meta_dns_srv_record_port"], "8081");
    assert_eq!(of("mx.sd.test:25")["__meta_dns_mx_record_target"], "mx.sd.test.");
    assert_eq!(of("ns1.zone.test:53")["__meta_dns_ns_record_target"], "ns1.zone.test.");
    assert_eq!(of("ns2.zone.test:53")["__meta_dns_name"], "zone.test");
    assert_eq!(of("target-299.sd.test:10299")["job"], "many");
}
