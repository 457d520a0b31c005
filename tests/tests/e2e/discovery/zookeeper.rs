//! Discovery against Debian's ZooKeeper, beside prometheus as another client of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wf_e2e::process::{PATIENCE, eventually, free_port};
use wf_e2e::skip::{peer, skip};

use super::servers::{Peer, root_of, waits_for};
use super::{comparable, job, same_as_prometheus, start};
use crate::setup::Site;

/// A client that writes: enough of the protocol to make, change and delete nodes. Each change is a session of its own: one that
/// is not kept up ends while others are waited for.
struct Writer {
    port: u16,
}

impl Writer {
    /// Returns a connection with a session. A server that has just begun to listen takes greetings that it never answers:
    /// each is waited for shortly, and another one sent.
    fn session(&self) -> TcpStream {
        let mut session = None;
        let is_there = eventually(PATIENCE, || {
            session = self.greet();
            session.is_some()
        });
        assert!(is_there, "ZooKeeper answers no greeting");
        session.unwrap()
    }

    fn greet(&self) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut hello = vec![0; 12];
        hello.extend(10_000_i32.to_be_bytes());
        hello.extend([0; 8]);
        hello.extend(16_i32.to_be_bytes());
        hello.extend([0; 16]);
        send(&mut stream, &hello)?;
        receive(&mut stream)?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(stream)
    }

    fn create(&self, path: &str, data: &str) {
        let mut body = text(path);
        body.extend(text(data));
        // Everybody may do everything, and the node stays.
        body.extend(1_i32.to_be_bytes());
        body.extend(31_i32.to_be_bytes());
        body.extend(text("world"));
        body.extend(text("anyone"));
        body.extend(0_i32.to_be_bytes());
        self.ask(1, &body);
    }

    fn delete(&self, path: &str) {
        let mut body = text(path);
        body.extend((-1_i32).to_be_bytes());
        self.ask(2, &body);
    }

    fn set(&self, path: &str, data: &str) {
        let mut body = text(path);
        body.extend(text(data));
        body.extend((-1_i32).to_be_bytes());
        self.ask(5, &body);
    }

    fn ask(&self, operation: i32, body: &[u8]) {
        let mut stream = self.session();
        let mut request = Vec::from(1_i32.to_be_bytes());
        request.extend(operation.to_be_bytes());
        request.extend(body);
        send(&mut stream, &request).unwrap();
        let answer = receive(&mut stream).unwrap();
        assert_eq!(answer[12..16], [0; 4], "operation {operation} was refused");
    }
}

fn send(stream: &mut TcpStream, record: &[u8]) -> Option<()> {
    let mut framed = Vec::from(i32::try_from(record.len()).ok()?.to_be_bytes());
    framed.extend(record);
    stream.write_all(&framed).ok()
}

fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut record = vec![0; usize::try_from(i32::from_be_bytes(length)).ok()?];
    stream.read_exact(&mut record).ok()?;
    Some(record)
}

fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::from(i32::try_from(text.len()).unwrap().to_be_bytes());
    out.extend(text.as_bytes());
    out
}

fn zookeeper(site: &Site) -> Option<(Peer, u16)> {
    let jars = root_of(&peer("prometheus")?).join("usr/share/java");
    if !jars.join("zookeeper.jar").exists() || !Path::new("/usr/bin/java").exists() {
        skip(
            "peers",
            "Debian's zookeeper is not unpacked, or there is no /usr/bin/java: run `cargo xtask peers`",
        );
        return None;
    }
    let port = free_port().unwrap();
    let log = site.path("zookeeper.log");
    let classes = format!("{0}/zookeeper.jar:{0}/zookeeper-jute.jar:{0}/*", jars.display());
    let peer = Peer::start(
        Command::new("/usr/bin/java")
            .args(["-Xmx128m", "-Dzookeeper.admin.enableServer=false", "-cp", &classes])
            .arg("org.apache.zookeeper.server.ZooKeeperServerMain")
            .arg(port.to_string())
            .arg(site.path("zookeeper")),
        &log,
    );
    waits_for(port, &log);
    Some((peer, port))
}

#[test]
fn zookeeper_members_are_those_of_prometheus_and_followed() {
    let site = Site::new();
    let Some((_zookeeper, port)) = zookeeper(&site) else { return };
    let writer = Writer { port };
    writer.create("/sets", "");
    writer.create("/sets/a", "");
    writer.create(
        "/sets/a/member_1",
        r#"{"serviceEndpoint":{"host":"10.0.0.1","port":80},"additionalEndpoints":{"http-admin":{"host":"10.0.0.1","port":81}},"status":"ALIVE","shard":3}"#,
    );
    writer.create("/sets/a/member_2", r#"{"serviceEndpoint":{"host":"10.0.0.2","port":80},"status":"DEAD"}"#);
    writer.create("/nerve", "");
    writer.create("/nerve/one", r#"{"host":"10.1.0.1","port":99,"name":"web"}"#);
    let server = format!("127.0.0.1:{port}");
    same_as_prometheus(
        &job(&format!("  serverset_sd_configs: [{{servers: ['{server}'], paths: [/sets]}}]\n")),
        2,
    );
    same_as_prometheus(
        &job(&format!("  nerve_sd_configs: [{{servers: ['{server}'], paths: [/nerve]}}]\n")),
        1,
    );

    let ours = Site::new();
    let text = job(&format!("  serverset_sd_configs: [{{servers: ['{server}'], paths: [/sets, /later]}}]\n"));
    let Some(ours) = start(&ours, &text, &[]) else { return };
    let has = |want: &[&str]| {
        let found = || -> Vec<String> {
            comparable(&ours.base).iter().map(|labels| labels["__meta_serverset_path"].clone()).collect()
        };
        let is_there = eventually(PATIENCE, || {
            let mut found = found();
            found.sort();
            found == want
        });
        assert!(is_there, "want {want:?}, got {:?}\n{}", found(), ours.log_text());
    };
    has(&["/sets/a/member_1", "/sets/a/member_2"]);
    writer.create("/later", "");
    writer.create("/later/member_9", r#"{"serviceEndpoint":{"host":"10.0.0.9","port":1}}"#);
    has(&["/later/member_9", "/sets/a/member_1", "/sets/a/member_2"]);
    writer.delete("/sets/a/member_1");
    writer.set("/sets/a/member_2", r#"{"serviceEndpoint":{"host":"10.0.0.7","port":80}}"#);
    has(&["/later/member_9", "/sets/a/member_2"]);
    assert!(eventually(PATIENCE, || {
        comparable(&ours.base).iter().any(|labels| labels["__address__"] == "10.0.0.7:80")
    }));
}
