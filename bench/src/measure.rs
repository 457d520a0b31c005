//! Runs prepared work: once inside [`counted`] for callgrind, or many times against the clock.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;

use crate::path::{Path, Work};

/// Rounds before the first that counts: caches of ours (slots, buffers, lazily built tables) are warm by then.
const N_WARM_ROUNDS: u32 = 2;

/// Measurements of which the fastest is taken: others use the machine too.
const N_TIMES: u32 = 7;

/// Does the work of `path` inside [`counted`]; returns how many units it was.
pub(crate) fn count(path: &Path) -> Result<u64> {
    let mut work = warm(path)?;
    counted(&mut work, path.n_rounds)?;
    Ok(work.n_units as u64 * u64::from(path.n_rounds))
}

/// Returns the nanoseconds of one unit in the fastest of some measurements.
pub(crate) fn time_ns(path: &Path) -> Result<f64> {
    let mut work = warm(path)?;
    let mut best_ns = f64::MAX;
    for _ in 0..N_TIMES {
        let started = Instant::now();
        counted(&mut work, path.n_rounds)?;
        best_ns = best_ns.min(started.elapsed().as_secs_f64() * 1e9);
    }
    Ok(best_ns / (work.n_units as f64 * f64::from(path.n_rounds)))
}

fn warm(path: &Path) -> Result<Work> {
    let mut work = (path.prepare)()?;
    for _ in 0..N_WARM_ROUNDS {
        (work.round)()?;
    }
    Ok(work)
}

/// Callgrind counts from the entry of this function to its end, on its thread alone (`--toggle-collect`).
#[inline(never)]
fn counted(work: &mut Work, n_rounds: u32) -> Result<()> {
    for _ in 0..black_box(n_rounds) {
        (work.round)()?;
    }
    Ok(())
}
