//! What a request costs a server: latency, CPU, memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::meter;
use crate::servers::Server;
use crate::stats::quantile;

/// Cost of one request, made again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// How many answers count.
    pub n: usize,
    /// Half of the answers came sooner.
    pub p50_s: f64,
    /// All but one of a hundred came sooner.
    pub p99_s: f64,
    /// The server's CPU time per request, whatever else it did meanwhile included.
    pub cpu_s: f64,
    /// How much the server's resident memory rose above what it was before, at its highest.
    pub extra_peak_bytes: f64,
    /// The most that was resident meanwhile.
    pub peak_bytes: f64,
    /// The last answer: whoever compares servers compares their answers too.
    pub body: String,
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// A request is made again until this much time has gone.
    pub within: Duration,
    /// And not more often than this.
    pub n_max: usize,
    /// But at least so often, unless a single answer takes longer: one of a few milliseconds is mostly chance.
    pub n_min: usize,
}

/// Asks once to warm up, then again and again. When one answer takes longer than the effort allows, the first counts and
/// stays the only one.
/// # Errors
/// When the request fails or the server ends.
pub fn measure(
    server: &mut Server,
    effort: Effort,
    ask: impl Fn(&Server) -> Result<(Duration, String)>,
) -> Result<Latency> {
    let first = series_of(server, Effort { n_max: 1, n_min: 1, ..effort }, &ask)?;
    if first.p50_s > effort.within.as_secs_f64() {
        return Ok(first);
    }
    let rest = series_of(server, effort, &ask)?;
    // What was made once and kept is memory of the first.
    Ok(Latency { extra_peak_bytes: first.extra_peak_bytes.max(rest.extra_peak_bytes), ..rest })
}

fn series_of(
    server: &mut Server,
    effort: Effort,
    ask: impl Fn(&Server) -> Result<(Duration, String)>,
) -> Result<Latency> {
    meter::reset_peak(server.id())?;
    let (before, cpu_before_s) = (server.usage()?, meter::cpu_fine_s(server.id())?);
    let started = Instant::now();
    let (mut latencies_s, mut body) = (Vec::new(), String::new());
    let goes_on = |n: usize| n < effort.n_min.max(1) || n < effort.n_max && started.elapsed() < effort.within;
    while goes_on(latencies_s.len()) {
        let (elapsed, answer) = ask(server)?;
        latencies_s.push(elapsed.as_secs_f64());
        body = answer;
    }
    let (after, cpu_after_s) = (server.usage()?, meter::cpu_fine_s(server.id())?);
    // Threads that ended in between took their fine clocks with them; ticks of 10 ms know of them.
    let (fine_s, in_ticks_s) = (cpu_after_s - cpu_before_s, after.cpu_s - before.cpu_s);
    let cpu_s = if fine_s < in_ticks_s - 1.5 * meter::TICK_S { in_ticks_s } else { fine_s };
    let at = |q| quantile(&latencies_s, q).context("at least one request was made");
    Ok(Latency {
        n: latencies_s.len(),
        p50_s: at(0.5)?,
        p99_s: at(0.99)?,
        cpu_s: cpu_s / latencies_s.len() as f64,
        extra_peak_bytes: after.rss_peak_bytes.saturating_sub(before.rss_bytes) as f64,
        peak_bytes: after.rss_peak_bytes as f64,
        body,
    })
}
