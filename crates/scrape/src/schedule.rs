//! When a target is scraped: on a grid of its own, spread over the interval by a hash.
//!
//! The grid stands in time of day, so that a target keeps its place over restarts and replicas can differ by their
//! seed. Each wait is computed anew from the clock: a slow scrape skips ticks instead of bursting, and a clock that
//! is set right moves the next tick only.

use std::time::Duration;

/// The ticks of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval_ns: i64,
    offset_ns: i64,
}

/// One tick, as met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Grid time that was meant, ns since the epoch.
    pub(crate) intended_ns: i64,
    /// Timestamp of all samples of the scrape, ms since the epoch.
    pub(crate) time_ms: i64,
}

impl Schedule {
    /// Spreads by `hash` over `interval`.
    pub(crate) fn new(interval: Duration, hash: u64) -> Self {
        let interval_ns = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX).max(1_000_000);
        // Whole milliseconds, so that an aligned timestamp is the grid time exactly.
        let interval_ms = interval_ns.unsigned_abs() / 1_000_000;
        let offset_ms = i64::try_from(hash % interval_ms).unwrap_or(0);
        Self { interval_ns, offset_ns: offset_ms * 1_000_000 }
    }

    /// Returns the tick that a wake-up at `now_ns` serves: the nearest grid time. The timestamp is that grid time if it
    /// is within 2 ms and 1 % of the interval (jitter of timers costs 200 bytes a chunk), else the true time.
    pub(crate) fn tick_at(&self, now_ns: i64) -> Tick {
        let intended_ns = self.floor(now_ns.saturating_add(self.interval_ns / 2));
        let tolerance_ns = (self.interval_ns / 100).min(2_000_000);
        let is_close = (now_ns - intended_ns).abs() <= tolerance_ns;
        Tick { intended_ns, time_ms: if is_close { intended_ns } else { now_ns }.div_euclid(1_000_000) }
    }

    /// Returns how long to wait from `now_ns` for the next grid time; a tick that was served already (a timer may fire
    /// a little early) is not served again.
    pub(crate) fn wait_from(&self, now_ns: i64, served: Option<Tick>) -> Duration {
        let mut next = self.floor(now_ns) + self.interval_ns;
        if served.is_some_and(|tick| tick.intended_ns == next) {
            next += self.interval_ns;
        }
        Duration::from_nanos(u64::try_from(next - now_ns).unwrap_or(0))
    }

    /// Returns the time between two ticks.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_ns.unsigned_abs())
    }

    /// Returns the last grid time up to `time_ns`.
    fn floor(&self, time_ns: i64) -> i64 {
        time_ns - (time_ns - self.offset_ns).rem_euclid(self.interval_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const NOW: i64 = 1_700_000_000_000 * MS;

    #[test]
    fn targets_spread_evenly_over_the_interval() {
        let interval = Duration::from_secs(15);
        let mut per_second = [0; 15];
        for id in 0..15_000_u64 {
            let schedule = Schedule::new(interval, xxhash_rust::xxh3::xxh3_64(&id.to_le_bytes()));
            let wait = schedule.wait_from(NOW, None);
            assert!(!wait.is_zero() && wait <= interval);
            per_second[usize::try_from((wait - Duration::from_nanos(1)).as_secs()).unwrap()] += 1;
        }
        assert!(per_second.iter().all(|n| (850..1150).contains(n)), "{per_second:?}");
    }

    #[test]
    fn a_timestamp_is_the_intended_tick_when_close_to_it() {
        let schedule = Schedule::new(Duration::from_secs(5), 0);
        let check = |late_ns: i64, want_ms: i64| {
            assert_eq!(schedule.tick_at(NOW + late_ns).time_ms, NOW / MS + want_ms, "{late_ns}");
        };
        check(0, 0);
        check(1_900_000, 0);
        check(-900_000, 0);
        check(2_100_000, 2);
        check(-2_100_000, -3);
        check(1_000 * MS, 1_000);
        let fast = Schedule::new(Duration::from_millis(50), 0);
        assert_eq!(
            fast.tick_at(NOW + 600_000).time_ms,
            NOW / MS,
            "1 % of 50 ms is 0.5 ms; 0.6 ms still floors to 0"
        );
        assert_eq!(fast.tick_at(NOW + 1_100_000).time_ms, NOW / MS + 1);
    }

    #[test]
    fn missed_ticks_are_skipped_and_no_tick_is_served_twice() {
        let schedule = Schedule::new(Duration::from_secs(5), 0);
        let wait_ms = |now, served| schedule.wait_from(now, served).as_millis();
        assert_eq!(wait_ms(NOW, Some(schedule.tick_at(NOW))), 5_000);
        assert_eq!(wait_ms(NOW + 12_000 * MS, Some(schedule.tick_at(NOW))), 3_000);
        let early = schedule.tick_at(NOW - MS);
        assert_eq!(early.intended_ns, NOW);
        assert_eq!(wait_ms(NOW - MS, Some(early)), 5_001);
        assert_eq!(
            wait_ms(NOW - 3_600_000 * MS, Some(schedule.tick_at(NOW))),
            5_000,
            "a clock set back does not stall"
        );
    }
}
