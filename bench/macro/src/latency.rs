//! What a query costs a server: latency, CPU, memory.

use anyhow::{Context, Result};

use crate::meter;
use crate::servers::{QueryRange, Server};
use crate::stats::quantile;

/// Cost of one query, asked again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Latency {
    /// Half of the answers came sooner.
    pub p50_s: f64,
    /// All but one of a hundred came sooner.
    pub p99_s: f64,
    /// The server's CPU time per query; ticks are 10 ms, so ask often.
    pub cpu_s: f64,
    /// How much the server's resident memory rose above what it was before the first query, at its highest.
    pub extra_peak_bytes: f64,
    /// The last answer: whoever compares servers compares their answers too.
    pub body: String,
}

/// Asks `n_warm` times, then `n` times (at least once) that count, one after another.
/// # Errors
/// When the query fails or the server ends.
pub fn measure(server: &mut Server, expr: &str, range: QueryRange, n_warm: u32, n: u32) -> Result<Latency> {
    for _ in 0..n_warm {
        server.query(expr, range)?;
    }
    meter::reset_peak(server.id())?;
    let before = server.usage()?;
    let (mut latencies_s, mut body) = (Vec::new(), String::new());
    for _ in 0..n.max(1) {
        let (elapsed, answer) = server.query(expr, range)?;
        latencies_s.push(elapsed.as_secs_f64());
        body = answer;
    }
    let after = server.usage()?;
    let at = |q| quantile(&latencies_s, q).context("at least one query was asked");
    Ok(Latency {
        p50_s: at(0.5)?,
        p99_s: at(0.99)?,
        cpu_s: (after.cpu_s - before.cpu_s) / latencies_s.len() as f64,
        extra_peak_bytes: after.rss_peak_bytes.saturating_sub(before.rss_bytes) as f64,
        body,
    })
}
