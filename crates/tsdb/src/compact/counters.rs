//! What compaction and retention count; [`crate::CompactionStats`] says what each means.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A count that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sum and number of some durations.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    micros: Count,
    n: Count,
}

impl Durations {
    pub(crate) fn add_since(&self, started: Instant) {
        self.micros.add(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.n.add(1);
    }

    /// Returns the sum, seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.micros.get() as f64 / 1e6
    }

    pub(crate) fn n(&self) -> u64 {
        self.n.get()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) compactions: Count,
    pub(crate) compactions_failed: Count,
    pub(crate) compactions_triggered: Count,
    pub(crate) vertical_compactions: Count,
    pub(crate) compaction_time: Durations,
    pub(crate) tombstone_cleanup_time: Durations,
    pub(crate) time_retentions: Count,
    pub(crate) size_retentions: Count,
    pub(crate) reloads: Count,
    pub(crate) reloads_failed: Count,
    /// Chunks written by compaction, and their samples, bytes and milliseconds.
    pub(crate) chunks: Count,
    pub(crate) chunk_samples: Count,
    pub(crate) chunk_bytes: Count,
    pub(crate) chunk_range_ms: Count,
}
