//! What is given up while memory is scarce, before the kernel takes what it wants.
//!
//! First what only saves time: kept results are forgotten and compaction waits. When that did not help within the time
//! over which the kernel averages, queries run one at a time. Samples and rules are never given up.
//!
//! # Source
//! `spec/performance-design.md` §14; `Documentation/accounting/psi.rst` of Linux.

use wf_httpkit::Registry;
use wf_httpkit::metrics::{Counter, Gauge};

/// How the machine says that memory is scarce, and when that is believed.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPressure {
    /// Returns in which share of the last ten seconds some task waited for memory, percent; `None` where nobody says.
    pub percent: fn() -> Option<f64>,
    /// Beyond this share something is given up, percent.
    pub threshold_percent: f64,
}

/// Time after which more is given up, ms: that over which the share is an average.
const PATIENCE_MS: i64 = 10_000;

/// What is given up; each includes the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Relief {
    /// Nothing.
    #[default]
    None,
    /// Kept results are forgotten, blocks are not compacted.
    Spare,
    /// Queries run one at a time.
    Queries,
}

/// Decides what to give up, from one reading to the next.
#[derive(Debug, Default)]
struct Decision {
    relief: Relief,
    /// When the pressure began, ms.
    since_ms: i64,
}

impl Decision {
    /// Takes a reading. What was given up comes back once the pressure is below half the threshold, so that nothing
    /// flickers.
    fn observe(&mut self, percent: f64, threshold_percent: f64, now_ms: i64) -> Relief {
        if percent <= threshold_percent / 2.0 {
            self.relief = Relief::None;
        } else if percent > threshold_percent && self.relief == Relief::None {
            (self.relief, self.since_ms) = (Relief::Spare, now_ms);
        } else if percent > threshold_percent && now_ms.saturating_sub(self.since_ms) >= PATIENCE_MS {
            self.relief = Relief::Queries;
        }
        self.relief
    }
}

/// Looks at the pressure about once a second, and tells of it.
#[derive(Debug)]
pub(crate) struct PressureWatch {
    source: MemoryPressure,
    decision: Decision,
    ratio: Gauge,
    spared: Counter,
    queued: Counter,
}

impl PressureWatch {
    /// Returns `None` where nobody says how scarce memory is.
    pub(crate) fn new(source: Option<MemoryPressure>, registry: &Registry) -> Option<Self> {
        let source = source.filter(|source| (source.percent)().is_some())?;
        let reliefs = registry.counter_vec(
            "watchfire_memory_pressure_reliefs_total",
            "Times that something was given up because memory was scarce.",
            ["action"],
        );
        Some(Self {
            source,
            decision: Decision::default(),
            ratio: registry.gauge(
                "watchfire_memory_pressure_ratio",
                "Share of the last ten seconds in which some task here waited for memory.",
            ),
            spared: reliefs.with(&["caches_and_compaction"]),
            queued: reliefs.with(&["queries"]),
        })
    }

    /// Reads the pressure; returns what to give up now, and whether that is something else than before.
    pub(crate) fn look(&mut self, now_ms: i64) -> (Relief, bool) {
        let before = self.decision.relief;
        // A file that is gone says nothing: nothing is given up for it.
        let percent = (self.source.percent)().unwrap_or(0.0);
        self.ratio.set(percent / 100.0);
        let relief = self.decision.observe(percent, self.source.threshold_percent, now_ms);
        if relief > before {
            let count = if relief == Relief::Queries { &self.queued } else { &self.spared };
            count.add(1);
        }
        (relief, relief != before)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn more_is_given_up_when_less_did_not_help() {
        let mut decision = Decision::default();
        let mut check = |now_ms, percent, want| {
            assert_eq!(decision.observe(percent, 10.0, now_ms), want, "{now_ms} {percent}");
        };
        check(0, 10.0, Relief::None);
        check(1_000, 10.1, Relief::Spare);
        check(10_999, 90.0, Relief::Spare);
        check(11_000, 10.1, Relief::Queries);
        // Between half and whole everything stays as it is.
        check(12_000, 5.1, Relief::Queries);
        check(13_000, 5.0, Relief::None);
        check(14_000, 9.0, Relief::None);
        check(15_000, 50.0, Relief::Spare);
        check(26_000, 9.0, Relief::Spare);
    }

    #[test]
    fn a_clock_set_back_gives_nothing_up_early() {
        let mut decision = Decision::default();
        decision.observe(50.0, 10.0, 100_000);
        assert_eq!(decision.observe(50.0, 10.0, 0), Relief::Spare);
    }

    #[test]
    fn reliefs_are_counted_once_each() {
        static PERCENT: AtomicU64 = AtomicU64::new(0);
        let source = MemoryPressure {
            percent: || Some(PERCENT.load(Ordering::Relaxed) as f64),
            threshold_percent: 10.0,
        };
        let registry = Registry::new();
        let mut watch = PressureWatch::new(Some(source), &registry).unwrap();
        assert_eq!(watch.look(0), (Relief::None, false));
        PERCENT.store(40, Ordering::Relaxed);
        assert_eq!(watch.look(1_000), (Relief::Spare, true));
        assert_eq!(watch.look(2_000), (Relief::Spare, false));
        assert_eq!(watch.look(11_000), (Relief::Queries, true));
        PERCENT.store(0, Ordering::Relaxed);
        assert_eq!(watch.look(12_000), (Relief::None, true));
        assert_eq!((watch.spared.get(), watch.queued.get()), (1.0, 1.0));
    }

    #[test]
    fn without_a_reading_there_is_nothing_to_watch() {
        let silent = MemoryPressure { percent: || None, threshold_percent: 10.0 };
        assert!(PressureWatch::new(Some(silent), &Registry::new()).is_none());
        assert!(PressureWatch::new(None, &Registry::new()).is_none());
    }
}
