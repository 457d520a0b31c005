//! A token bucket over all requests of a listener.

use std::time::Instant;

use parking_lot::Mutex;

use super::RateLimit;

/// When the bucket was last full, as seen by the requests taken since.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// The instant at which the bucket is full again; `None` while nothing was taken.
    full_at: Mutex<Option<Instant>>,
}

impl Bucket {
    /// Takes a request; returns whether there was one to take.
    pub(super) fn take(&self, limit: RateLimit) -> bool {
        self.take_at(limit, Instant::now())
    }

    fn take_at(&self, limit: RateLimit, now: Instant) -> bool {
        let mut full_at = self.full_at.lock();
        let next = full_at.map_or(now, |at| at.max(now)) + limit.interval;
        let is_there = next.duration_since(now) <= limit.interval.saturating_mul(limit.burst);
        if is_there {
            *full_at = Some(next);
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_one_an_interval() {
        let limit = RateLimit { interval: Duration::from_secs(1), burst: 3 };
        let (bucket, start) = (Bucket::default(), Instant::now());
        let n_taken = (0..10).filter(|_| bucket.take_at(limit, start)).count();
        assert_eq!(n_taken, 3);
        let second = start + Duration::from_secs(1);
        assert!(bucket.take_at(limit, second));
        assert!(!bucket.take_at(limit, second));
        let later = start + Duration::from_secs(60);
        assert_eq!((0..10).filter(|_| bucket.take_at(limit, later)).count(), 3);
    }

    #[test]
    fn without_a_burst_nothing_goes_through() {
        let limit = RateLimit { interval: Duration::from_secs(1), burst: 0 };
        assert!(!Bucket::default().take_at(limit, Instant::now()));
    }
}
