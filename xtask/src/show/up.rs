//! Issue 2: `make up` watches this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Line;
use super::clone::Clone;

/// Largest shipped binary, UI included.
const MAX_BINARY_BYTES: u64 = 40_000_000;

pub(super) fn show() -> Result<Vec<Line>> {
    let clone = Clone::fresh()?;
    let suite = clone.suite()?;
    let logs = clone.logs()?;
    let (dist_passed, _) = clone.time("cargo", &["xtask", "dist"])?;
    let size = fs::metadata(clone.folder.join("target/dist/watchfire")).map_or(0, |metadata| metadata.len());
    let size_figure = format!("MB of the shipped binary with UI: {:.1}", size as f64 / 1e6);
    let mut small = logs.line(
        "up uses at most 60 MiB and 1 % of a core at a 5 s interval; the binary has at most 40 MB",
        &["up_is_small"],
        &["resident MiB of up", "percent of a core used by up"],
    );
    let percent: f64 =
        small.figures.last().and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap_or(100.0);
    small.figures.push(size_figure);
    if percent > 1.0 || !dist_passed || size > MAX_BINARY_BYTES {
        small.verdict = super::Verdict::Fail;
    }
    Ok(vec![
        make_up(&clone)?,
        logs.line(
            "the browser shows the Host page with moving charts; journeys in both themes and languages",
            &["a_person_can_use_every_page"],
            &[],
        ),
        small,
        logs.line(
            "promtool tsdb dump and prometheus 2.42 read the WAL that we wrote and give the same answers",
            &["prometheus_reads_our_write_ahead_log"],
            &[
                "samples that promtool dumps from our data directory",
                "queries answered alike by prometheus 2.42 on our directory",
            ],
        ),
        logs.line(
            "kill -9 at random under load, ten rounds, with a ledger",
            &["kill_nine_loses_nothing_that_a_query_returned"],
            &["kill -9 rounds", "acknowledged samples checked after the kills"],
        ),
        logs.line(
            "every conformance script is run; a deliberately wrong one fails",
            &["every_conformance_script_is_run", "a_wrong_script_fails_with_file_and_line"],
            &["conformance scripts run", "conformance evaluations passed"],
        ),
        suite,
        screenshots(&clone.folder.join("target/screenshots")),
    ])
}

/// Runs `make up` in the clone and asks for the rate of every CPU.
fn make_up(clone: &Clone) -> Result<Line> {
    let what = "make up on a clean clone returns this host's CPUs within 20 s of start";
    let (port, exporter) = (free_port()?, free_port()?);
    let arguments = format!("ARGS=--listen 127.0.0.1:{port} --exporter-listen 127.0.0.1:{exporter}");
    // Its own process group: make, cargo and the server end together.
    let mut child =
        clone.command("make").args(["up", &arguments]).process_group(0).spawn().context("start make up")?;
    let answer = cpus_within(port, Duration::from_secs(600));
    end_group(&mut child)?;
    Ok(match answer {
        Some((n_cpus, seconds)) => {
            let figures = vec![format!("CPUs: {n_cpus}, seconds after the API answered first: {seconds:.1}")];
            Line::new(what, seconds <= 20.0, figures)
        }
        None => Line::new(what, false, vec!["no answer".to_owned()]),
    })
}

fn cpus_within(port: u16, deadline: Duration) -> Option<(String, f64)> {
    let query = "/api/v1/query?query=count(count%20by(cpu)(rate(node_cpu_seconds_total%5B1m%5D)))";
    let started = Instant::now();
    let mut first_answer = None;
    while started.elapsed() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        let Ok(body) = get(port, query) else { continue };
        let seconds = first_answer.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
        let value = body.rsplit("\"value\":[").next().unwrap_or("").split('"').nth(1);
        if let (true, Some(value)) = (body.contains("\"value\":["), value) {
            return Some((value.to_owned(), seconds));
        }
    }
    None
}

fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn end_group(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    crate::command::run(Path::new("."), "kill", &["-TERM", "--", &group], &[])?;
    child.wait().context("wait for make up")?;
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("bind a free port")?.local_addr()?.port())
}

/// Both themes and both languages were photographed; people look at them.
fn screenshots(folder: &Path) -> Line {
    let names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".png"))
        .collect();
    let covers = |part: &str| names.iter().any(|name| name.contains(part));
    let all = ["light", "dark", "en", "ko", "host", "query", "targets"].iter().all(|part| covers(part));
    Line::new("screenshots in both themes and languages", all, vec![format!("pictures: {}", names.len())])
}
