//! How fast the machine is just now: a fixed amount of arithmetic, timed beside each run.

use std::hint::black_box;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::sim::mixed;

/// Steps of the loop: a tenth of a second or so.
const N_STEPS: u64 = 50_000_000;

/// What the loop took. Runs are comparable when their `cpu_s` are alike; `wall_s` above it is time that others had the core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// CPU time; grows when the core is slow (frequency, a busy sibling thread).
    pub cpu_s: f64,
    /// Elapsed time.
    pub wall_s: f64,
}

/// Runs the loop once.
pub fn run() -> Calibration {
    let own_cpu_s = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let (started, cpu_before_s) = (Instant::now(), own_cpu_s());
    let mut state = black_box(1_u64);
    for _ in 0..N_STEPS {
        state = mixed(state);
    }
    black_box(state);
    Calibration { cpu_s: own_cpu_s() - cpu_before_s, wall_s: started.elapsed().as_secs_f64() }
}
