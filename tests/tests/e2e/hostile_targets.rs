//! Targets that hang, lie or flood: each is down with its reason, the others stay on time, memory stays bounded.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use wf_e2e::process::eventually;
use wf_e2e::skip::binary;
use wf_e2e::target::Target;
use wf_e2e::{figure, http, meter};

use crate::setup::Site;

#[test]
fn each_bad_target_is_down_with_its_reason_and_the_good_one_is_up() {
    let Some(binary) = binary() else { return };
    let targets = [
        ("good", "", Target::page(|number| format!("fine {number}\n")).unwrap()),
        (
            "error",
            "500",
            Target::raw(|_, stream| stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))
                .unwrap(),
        ),
        ("garbage", "line 1", Target::page(|_| "\u{1}\u{2}}{ not metrics\n".to_owned()).unwrap()),
        (
            "hang",
            "deadline",
            Target::raw(|_, _| {
                std::thread::sleep(Duration::from_secs(5));
                Ok(())
            })
            .unwrap(),
        ),
        ("endless", "", Target::raw(endless).unwrap()),
        ("bomb", "", Target::raw(bomb).unwrap()),
    ];
    let site = Site::new();
    let jobs: Vec<_> = targets.iter().map(|(job, _, target)| (*job, target.address.to_string())).collect();
    site.configure("1s", &jobs);
    let server = site.server(&binary);
    let states = || -> Vec<Value> {
        let body = http::get(&format!("{}/api/v1/targets", server.base)).unwrap().json().unwrap();
        body["data"]["activeTargets"].as_array().cloned().unwrap_or_default()
    };
    let known = |state: &Value| state["health"] != "unknown";
    assert!(
        eventually(Duration::from_secs(20), || states().len() == targets.len() && states().iter().all(known))
    );
    // A few more rounds: memory must not grow with them.
    std::thread::sleep(Duration::from_secs(5));
    for state in states() {
        let job = state["labels"]["job"].as_str().unwrap();
        let (_, reason, _) = targets.iter().find(|(name, _, _)| *name == job).unwrap();
        let error = state["lastError"].as_str().unwrap();
        assert_eq!(state["health"] == "up", job == "good", "{job}: {state}");
        assert!(error.contains(reason) && error.is_empty() == (job == "good"), "{job}: {error}");
    }
    let count = http::query(&server.base, "count_over_time(fine[20s])", None).unwrap();
    let n_scrapes: f64 = count[0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!(n_scrapes >= 4.0, "the good target was scraped {n_scrapes} times only");
    let resident = meter::resident_bytes(server.id()).unwrap();
    figure("resident MiB with hostile targets", resident / 1_048_576);
    // Two bodies of the largest size may be in memory at once, each half as large again while its buffer grows, beside what
    // the server needs itself.
    let bound = (2 * 192 + 100) * 1_048_576;
    assert!(resident < bound, "{} MiB resident", resident / 1_048_576);
}

/// A body without end, as fast as it is read.
fn endless(_: u64, stream: &mut std::net::TcpStream) -> std::io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\r\n",
    )?;
    let chunk = "padding 1\n".repeat(6_000);
    loop {
        stream.write_all(chunk.as_bytes())?;
    }
}

/// 1 GiB of zeros in a megabyte of gzip.
fn bomb(_: u64, stream: &mut std::net::TcpStream) -> std::io::Result<()> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b'#'; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros)?;
    }
    let body = encoder.finish()?;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Encoding: gzip\r\n";
    write!(stream, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
