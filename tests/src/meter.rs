//! What a process uses, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Returns the resident memory of a process, bytes.
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read process status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).context("no VmRSS value")?.parse()?;
    Ok(kib * 1024)
}

/// Returns the CPU time a process used so far, user and system together.
/// # Errors
/// When the process is gone.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read process stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |idx: usize| -> Result<u64> { Ok(fields.get(idx).context("short stat")?.parse()?) };
    // Fields 14 and 15 of proc(5), counted after the command; a tick is 10 ms on Linux.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
