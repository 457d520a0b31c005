//! `timex`: how well the clock is kept.

use wf_exposition::MetricFamily;

use crate::collector::{CollectError, Collector, push_counter, push_gauge};
use crate::context::Context;
use crate::sys;

/// The clock is not synchronised.
const TIME_ERROR: i32 = 5;
/// Offsets are in nanoseconds, not microseconds.
const STA_NANO: i32 = 0x2000;
/// Frequencies are in millionths with 16 bits after the point.
const PPM_16: f64 = 1_000_000.0 * 65_536.0;
const MICRO: f64 = 1_000_000.0;

/// The collector.
#[derive(Debug)]
pub struct Timex;

impl Collector for Timex {
    fn collect(&self, _ctx: &mut Context, out: &mut Vec<MetricFamily>) -> Result<(), CollectError> {
        let clock = match sys::clock() {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(CollectError::NoData {
                    why: "asking for the clock's state is not allowed".to_owned(),
                });
            }
            clock => clock.map_err(|source| CollectError::Read { path: "adjtimex".to_owned(), source })?,
        };
        let divisor = if clock.status & STA_NANO == 0 { MICRO } else { 1_000_000_000.0 };
        let is_synchronised = f64::from(u8::from(clock.state != TIME_ERROR));
        let mut push = |name, help, value| push_gauge(out, name, help, value);
        push("node_timex_sync_status", "Whether the clock is synchronised.", is_synchronised);
        push("node_timex_offset_seconds", "Offset from the reference clock.", clock.offset / divisor);
        push("node_timex_maxerror_seconds", "Largest error.", clock.max_error / MICRO);
        push("node_timex_estimated_error_seconds", "Estimated error.", clock.estimated_error / MICRO);
        push("node_timex_tick_seconds", "Seconds between ticks.", clock.tick / MICRO);
        let ratio = 1.0 + clock.frequency / PPM_16;
        push("node_timex_frequency_adjustment_ratio", "Adjustment of the clock's frequency.", ratio);
        push("node_timex_status", "Bits of the clock's status.", f64::from(clock.status));
        push("node_timex_loop_time_constant", "Time constant of the phase-locked loop.", clock.constant);
        push("node_timex_tai_offset_seconds", "Offset of TAI.", f64::from(clock.tai));
        push("node_timex_pps_frequency_hertz", "Frequency of pulses.", clock.pps_frequency / PPM_16);
        push("node_timex_pps_stability_hertz", "Stability of pulses.", clock.pps_stability / PPM_16);
        push("node_timex_pps_jitter_seconds", "Jitter of pulses.", clock.pps_jitter / divisor);
        push("node_timex_pps_shift_seconds", "Interval between pulses.", f64::from(clock.pps_shift));
        let mut push = |name, value| push_counter(out, name, "Count of the pulse discipline.", value);
        push("node_timex_pps_jitter_total", clock.pps_jitter_count);
        push("node_timex_pps_calibration_total", clock.pps_calibrations);
        push("node_timex_pps_error_total", clock.pps_errors);
        push("node_timex_pps_stability_exceeded_total", clock.pps_stability_exceeded);
        Ok(())
    }
}
