//! When a group is evaluated: on a grid of its own, late ticks skip, and a clock that is set does not confuse it. Pure.
//!
//! The monotonic clock decides when it is time; the time of day only names the slot. Where the two part by more than
//! [`STEP_MIN_MS`], somebody set the clock or the machine slept, and the tick says by how much.

/// A smaller difference between the clocks is drift or adjustment.
pub const STEP_MIN_MS: i64 = 1_000;

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time of day, ms since the epoch.
    pub wall_ms: i64,
    /// Monotonic, ms since anything.
    pub mono_ms: i64,
}

impl Now {
    fn lead_ms(self) -> i64 {
        self.wall_ms.saturating_sub(self.mono_ms)
    }
}

/// An evaluation is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The slot: the time of the evaluation, ms.
    pub at_ms: i64,
    /// Slots that passed unused since the last one.
    pub n_missed: u64,
    /// By how much the time of day was set since the last tick, ms.
    pub step_ms: i64,
}

/// The grid of one group.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval_ms: i64,
    phase_ms: i64,
    lead_ms: i64,
    last_ms: i64,
    due_mono_ms: i64,
}

impl Schedule {
    /// Starts a grid of `interval_ms`, shifted by a hash of `identity` so that groups do not all run at once.
    pub fn new(interval_ms: i64, identity: &str, now: Now) -> Self {
        let interval_ms = interval_ms.max(1);
        let hash = i64::try_from(fnv1a(identity) >> 1).unwrap_or(0);
        let mut this = Self {
            interval_ms,
            phase_ms: hash.rem_euclid(interval_ms),
            lead_ms: now.lead_ms(),
            last_ms: 0,
            due_mono_ms: now.mono_ms,
        };
        let floor_ms = this.floor(now.wall_ms);
        let first_ms = if floor_ms == now.wall_ms { floor_ms } else { floor_ms + interval_ms };
        this.last_ms = first_ms - interval_ms;
        this.wait_for(first_ms, now);
        this
    }

    /// Returns how long nothing is due, ms.
    pub fn wait_ms(&self, now: Now) -> i64 {
        self.due_mono_ms.saturating_sub(now.mono_ms).max(0)
    }

    /// Returns the slot that is due, if one is.
    pub fn tick(&mut self, now: Now) -> Option<Tick> {
        let late_ms = now.mono_ms.checked_sub(self.due_mono_ms).filter(|late_ms| *late_ms >= 0)?;
        let step_ms = now.lead_ms().saturating_sub(self.lead_ms);
        let n_missed = late_ms / self.interval_ms;
        let expected_ms = self.last_ms.saturating_add((n_missed + 1).saturating_mul(self.interval_ms));
        let (at_ms, step_ms) = if step_ms.abs() < STEP_MIN_MS {
            (expected_ms, 0)
        } else {
            let at_ms = self.floor(now.wall_ms);
            if at_ms <= self.last_ms && self.last_ms - at_ms < self.interval_ms {
                // Set back by less than a slot: this slot had its evaluation already.
                self.wait_for(self.last_ms + self.interval_ms, now);
                return None;
            }
            (at_ms, step_ms)
        };
        self.last_ms = at_ms;
        self.lead_ms = now.lead_ms();
        self.wait_for(at_ms + self.interval_ms, now);
        Some(Tick { at_ms, n_missed: u64::try_from(n_missed).unwrap_or(0), step_ms })
    }

    fn wait_for(&mut self, slot_ms: i64, now: Now) {
        self.due_mono_ms = now.mono_ms.saturating_add(slot_ms.saturating_sub(now.wall_ms).max(0));
    }

    fn floor(&self, wall_ms: i64) -> i64 {
        wall_ms.saturating_sub((wall_ms - self.phase_ms).rem_euclid(self.interval_ms))
    }
}

/// FNV-1a: the grid of a group stays where it is over restarts and versions.
fn fnv1a(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL_MS: i64 = 15_000;
    const HOUR_MS: i64 = 3_600_000;

    fn at(wall_ms: i64) -> Now {
        Now { wall_ms, mono_ms: wall_ms }
    }

    /// A schedule after its first tick, and that tick.
    fn started() -> (Schedule, i64) {
        let mut schedule = Schedule::new(INTERVAL_MS, "f;g", at(1_000_000_000));
        let first_ms = 1_000_000_000 + schedule.wait_ms(at(1_000_000_000));
        let tick = schedule.tick(at(first_ms)).unwrap();
        assert_eq!(tick, Tick { at_ms: first_ms, n_missed: 0, step_ms: 0 });
        (schedule, first_ms)
    }

    #[test]
    fn slots_are_one_interval_apart_and_the_same_after_a_restart() {
        let (mut schedule, first_ms) = started();
        assert_eq!(schedule.tick(at(first_ms + INTERVAL_MS - 1)), None);
        assert_eq!(schedule.tick(at(first_ms + INTERVAL_MS + 40)).unwrap().at_ms, first_ms + INTERVAL_MS);
        let again = Schedule::new(INTERVAL_MS, "f;g", at(first_ms + 1));
        assert_eq!(again.wait_ms(at(first_ms + 1)), INTERVAL_MS - 1);
    }

    #[test]
    fn a_late_tick_skips_what_it_missed() {
        let (mut schedule, first_ms) = started();
        let tick = schedule.tick(at(first_ms + 3 * INTERVAL_MS + 7)).unwrap();
        assert_eq!(tick, Tick { at_ms: first_ms + 3 * INTERVAL_MS, n_missed: 2, step_ms: 0 });
    }

    #[test]
    fn a_clock_set_forward_or_back_is_followed_and_told() {
        for step_ms in [HOUR_MS, -HOUR_MS] {
            let (mut schedule, first_ms) = started();
            let mono_ms = first_ms + INTERVAL_MS;
            let now = Now { wall_ms: mono_ms + step_ms, mono_ms };
            let tick = schedule.tick(now).unwrap();
            assert_eq!((tick.n_missed, tick.step_ms), (0, step_ms));
            assert!((tick.at_ms - now.wall_ms).abs() < INTERVAL_MS, "{tick:?}");
            let next = Now { wall_ms: now.wall_ms + INTERVAL_MS, mono_ms: mono_ms + INTERVAL_MS };
            let next = schedule.tick(next).unwrap();
            assert_eq!((next.at_ms - tick.at_ms, next.step_ms), (INTERVAL_MS, 0));
        }
    }

    #[test]
    fn a_clock_set_back_a_little_never_gives_a_slot_twice() {
        let (mut schedule, first_ms) = started();
        let now = Now { wall_ms: first_ms + INTERVAL_MS - 5_000, mono_ms: first_ms + INTERVAL_MS };
        assert_eq!(schedule.tick(now), None);
        assert_eq!(schedule.wait_ms(now), 5_000);
        let now = Now { wall_ms: first_ms + INTERVAL_MS, mono_ms: first_ms + INTERVAL_MS + 5_000 };
        assert_eq!(
            schedule.tick(now),
            Some(Tick { at_ms: first_ms + INTERVAL_MS, n_missed: 0, step_ms: -5_000 })
        );
    }
}
