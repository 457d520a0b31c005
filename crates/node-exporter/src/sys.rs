//! System calls that no crate wraps: the only unsafe code here.
#![expect(unsafe_code, reason = "adjtimex(2), SIOCETHTOOL and perf_event_open(2) have no safe wrapper")]

pub(crate) mod ethtool;
pub(crate) mod perf;

use std::io;

/// State of the kernel's clock, as adjtimex(2) tells it; units are the call's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What the call returned: 5 is not synchronised.
    pub(crate) state: i32,
    pub(crate) status: i32,
    pub(crate) offset: f64,
    pub(crate) frequency: f64,
    pub(crate) max_error: f64,
    pub(crate) estimated_error: f64,
    pub(crate) constant: f64,
    pub(crate) tick: f64,
    pub(crate) tai: i32,
    pub(crate) pps_frequency: f64,
    pub(crate) pps_jitter: f64,
    pub(crate) pps_shift: i32,
    pub(crate) pps_stability: f64,
    pub(crate) pps_jitter_count: f64,
    pub(crate) pps_calibrations: f64,
    pub(crate) pps_errors: f64,
    pub(crate) pps_stability_exceeded: f64,
}

/// Reads the state of the clock; changes nothing.
/// # Errors
/// Those of adjtimex(2).
pub(crate) fn clock() -> io::Result<Clock> {
    // SAFETY: `timex` is plain numbers, for which all zeros is a value; `modes` 0 asks for no change.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live struct of the type that the call fills.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Clock {
        state,
        status: timex.status,
        offset: timex.offset as f64,
        frequency: timex.freq as f64,
        max_error: timex.maxerror as f64,
        estimated_error: timex.esterror as f64,
        constant: timex.constant as f64,
        tick: timex.tick as f64,
        tai: timex.tai,
        pps_frequency: timex.ppsfreq as f64,
        pps_jitter: timex.jitter as f64,
        pps_shift: timex.shift,
        pps_stability: timex.stabil as f64,
        pps_jitter_count: timex.jitcnt as f64,
        pps_calibrations: timex.calcnt as f64,
        pps_errors: timex.errcnt as f64,
        pps_stability_exceeded: timex.stbcnt as f64,
    })
}
