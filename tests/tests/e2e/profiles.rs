//! Profiles of ourselves are read by Go's own reader of profiles, the one in Debian's promtool.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use wf_e2e::skip::{binary, peer};
use wf_e2e::target::Target;

use crate::setup::Site;

/// What promtool fetches, without the seconds.
const FETCHED: [&str; 7] = ["profile", "block", "goroutine", "heap", "mutex", "threadcreate", "trace"];

/// Gets a body as bytes.
fn get(address: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    (head, answer.split_off(end + 4))
}

/// Serves bodies by the path that is asked for, whatever its parameters.
fn serve(bodies: HashMap<String, Vec<u8>>) -> Target {
    Target::asked(move |path, stream| {
        let path = path.split('?').next().unwrap_or("");
        let (status, body) = bodies.get(path).map_or(("404 Not Found", &[][..]), |body| ("200 OK", body));
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(body)
    })
    .unwrap()
}

#[test]
fn the_originals_promtool_reads_every_profile() {
    let (Some(binary), Some(promtool)) = (binary(), peer("promtool")) else { return };
    let promtool = fs::canonicalize(promtool).unwrap();
    let site = Site::new();
    site.configure("1s", &[("self", site.listen())]);
    let server = site.server(&binary);
    let mut bodies = HashMap::new();
    for name in FETCHED {
        // promtool asks for half a minute: here a second must do.
        let (head, body) = get(&site.listen(), &format!("/debug/pprof/{name}?seconds=1"));
        assert!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        bodies.insert(format!("/debug/pprof/{name}"), body);
    }
    drop(server);
    let served = serve(bodies);
    let output = Command::new(promtool)
        .args(["debug", "pprof", &format!("http://{}", served.address)])
        .current_dir(site.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
    let packed = Command::new("tar").arg("tzf").arg(site.path("debug.tar.gz")).output().unwrap();
    let packed = String::from_utf8(packed.stdout).unwrap();
    for name in ["cpu.pb", "block.pb", "goroutine.pb", "heap.pb", "mutex.pb", "threadcreate.pb", "trace.pb"] {
        assert!(packed.lines().any(|line| line == name), "{name} is not in {packed}");
    }
}
