//! What a newcomer sees: `watchfire up`, and this machine's CPUs within seconds, for little memory and CPU.

use std::time::{Duration, Instant};

use wf_e2e::process::{PATIENCE, eventually};
use wf_e2e::skip::binary;
use wf_e2e::{figure, http, meter};

use crate::setup::Site;

#[test]
fn up_shows_this_machines_cpus_within_seconds() {
    let Some(binary) = binary() else { return };
    let (site, started) = (Site::new(), Instant::now());
    let server = site.up(&binary);
    // Not how many of them this process may use.
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let is_cpu = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
    let n_cpus = stat.lines().filter(is_cpu).count().to_string();
    let expr = "count(count by (cpu) (rate(node_cpu_seconds_total[1m])))";
    let seen = || http::query(&server.base, expr, None).unwrap_or_default();
    let shown = eventually(PATIENCE, || {
        seen().first().is_some_and(|sample| sample["value"][1].as_str() == Some(n_cpus.as_str()))
    });
    assert!(shown, "want {n_cpus} CPUs, have {:?}\n{}", seen(), server.log_text());
    figure("seconds from start to the rate of every CPU", format!("{:.1}", started.elapsed().as_secs_f64()));
    let page = http::get(&server.base).unwrap();
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>"), "the first page is HTML: {}", page.body);
    assert!(
        server.log_text().contains(&server.base),
        "the log names the address to open:\n{}",
        server.log_text()
    );
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_second_start_finds_the_data_and_is_quick() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    let first = site.up(&binary);
    let count = |base: &str| -> f64 {
        let found = http::query(base, "count_over_time(up{job=\"node\"}[1h])", None).unwrap_or_default();
        found.first().and_then(|sample| sample["value"][1].as_str()?.parse().ok()).unwrap_or(0.0)
    };
    assert!(eventually(PATIENCE, || count(&first.base) >= 2.0), "{}", first.log_text());
    let before = count(&first.base);
    assert!(first.stop().unwrap().success());
    let started = Instant::now();
    let second = site.up(&binary);
    figure("seconds of a second start", format!("{:.2}", started.elapsed().as_secs_f64()));
    assert!(count(&second.base) >= before, "samples of the first run are there");
}

#[test]
fn up_is_small() {
    let Some(binary) = binary() else { return };
    let site = Site::new();
    let server = site.up(&binary);
    let window = Duration::from_secs(if std::env::var_os("WF_SOAK").is_some() { 300 } else { 20 });
    // Start-up is not what runs all day: measure after the first scrapes.
    std::thread::sleep(Duration::from_secs(6));
    let before = meter::cpu_time(server.id()).unwrap();
    std::thread::sleep(window);
    let used = meter::cpu_time(server.id()).unwrap().saturating_sub(before);
    let resident = meter::resident_bytes(server.id()).unwrap();
    figure("resident MiB of up", resident / 1_048_576);
    figure(
        "percent of a core used by up",
        format!("{:.2}", 100.0 * used.as_secs_f64() / window.as_secs_f64()),
    );
    assert!(resident <= 60 * 1_048_576, "{} MiB resident, at most 60", resident / 1_048_576);
    let size = std::fs::metadata(&binary).unwrap().len();
    figure("MB of the release binary", format!("{:.1}", size as f64 / 1e6));
}
