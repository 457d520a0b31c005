//! How long to wait before telling readers: not at all while little happens, five seconds while everything moves.

use std::time::{Duration, Instant};

/// Longest wait.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// First wait: groups that are found together are told together.
const WAIT_MIN: Duration = Duration::from_millis(20);

/// Decides how long updates are held back. The clock is the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Debounce {
    wait: Duration,
    last: Option<Instant>,
}

impl Default for Debounce {
    fn default() -> Self {
        Self { wait: WAIT_MIN, last: None }
    }
}

impl Debounce {
    /// Returns how long to hold back an update that came at `now`. Each one soon after the last doubles the wait.
    pub fn wait(&mut self, now: Instant) -> Duration {
        let is_quiet = self.last.is_none_or(|last| now.saturating_duration_since(last) >= WAIT_MAX);
        self.wait = if is_quiet { WAIT_MIN } else { (self.wait * 4).min(WAIT_MAX) };
        self.last = Some(now + self.wait);
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_while_updates_keep_coming_and_shrink_when_they_stop() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..6 {
            let wait = debounce.wait(now);
            waits.push(wait.as_millis());
            now += wait;
        }
        assert_eq!(waits, [20, 80, 320, 1280, 5000, 5000]);
        assert_eq!(debounce.wait(now + WAIT_MAX), WAIT_MIN);
    }
}
