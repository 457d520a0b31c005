//! The memory of the process, divided: who may use how much, and when to make room.
//!
//! The program tells how much memory there is; this module says what each part may take of it. The head keeps to its
//! share by refusing new series, never samples of known ones.
//!
//! # Source
//! `spec/performance-design.md` §14.

/// The memory that the process may use, bytes: three quarters of what there is, so that the rest is left for what nobody
/// counts (stacks, buffers of the kernel, pages the allocator keeps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    total_bytes: u64,
}

impl Budget {
    /// Divides a machine, or a container, that has `available_bytes`: the smaller of its memory and its limit.
    pub const fn of_machine(available_bytes: u64) -> Self {
        Self { total_bytes: available_bytes / 100 * 75 }
    }

    /// Returns all that the process may use, bytes.
    pub const fn total_bytes(self) -> u64 {
        self.total_bytes
    }

    /// Returns what the head may use, bytes: 60 %. Beyond it new series are refused.
    pub const fn head_bytes(self) -> u64 {
        self.total_bytes / 100 * 60
    }

    /// Returns what all queries together may use, bytes: 25 %.
    pub const fn queries_bytes(self) -> u64 {
        self.total_bytes / 100 * 25
    }

    /// Returns what one query may use, bytes: a quarter of the queries' share.
    pub const fn query_bytes(self) -> u64 {
        self.queries_bytes() / 4
    }

    /// Returns what is left for caches, bytes. They are the first to give way.
    pub const fn caches_bytes(self) -> u64 {
        self.total_bytes - self.head_bytes() - self.queries_bytes()
    }
}

/// What the head uses, bytes, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadMemory {
    /// Series, their open chunks and lists of chunks, labels and postings: as of the last walk over all series, every
    /// ten seconds.
    pub series_bytes: u64,
    /// Series that came since that walk, at what one is expected to cost.
    pub new_series_bytes: u64,
    /// Full chunks that are not in files yet, out-of-order samples, deleted intervals and exemplars.
    pub side_tables_bytes: u64,
    /// Buffers of the logs and of the head-chunk files, and the batch being appended.
    pub buffers_bytes: u64,
}

impl HeadMemory {
    /// Returns the sum of all parts.
    pub fn total_bytes(self) -> u64 {
        let Self { series_bytes, new_series_bytes, side_tables_bytes, buffers_bytes } = self;
        series_bytes + new_series_bytes + side_tables_bytes + buffers_bytes
    }
}

/// From this share of its limit on the head asks for stale series to be cut early, percent.
const CROWDED_PERCENT: u64 = 80;
/// Cutting stale series early pays when they are at least this share of all, percent.
const STALE_PERCENT: u64 = 10;

/// Decides whether series whose last sample is a stale marker should go to a block now, and not when their time comes:
/// the head is crowded, and they are many.
pub fn is_stale_cut_due(memory_bytes: u64, limit_bytes: u64, n_stale: u64, n_series: u64) -> bool {
    let is_crowded = memory_bytes >= limit_bytes / 100 * CROWDED_PERCENT;
    is_crowded && n_stale > 0 && n_stale >= n_series / 100 * STALE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_parts_make_up_the_whole() {
        for available in [0, 1, GIB / 2, 2 * GIB + 12_345, u64::MAX] {
            let budget = Budget::of_machine(available);
            assert!(budget.total_bytes() <= available);
            let parts = budget.head_bytes() + budget.queries_bytes() + budget.caches_bytes();
            assert_eq!(parts, budget.total_bytes());
            assert!(budget.query_bytes() * 4 <= budget.queries_bytes());
        }
    }

    /// 350 B a series is the budget of `spec/performance-design.md` §0; twice that would still fit.
    #[test]
    fn a_million_series_fit_the_share_of_the_head_on_two_gibibytes() {
        let head_bytes = Budget::of_machine(2 * GIB).head_bytes();
        assert!(head_bytes > 1_000_000 * 2 * 350, "{head_bytes}");
    }

    #[test]
    fn stale_series_are_cut_early_when_they_are_many_and_room_is_scarce() {
        let check = |memory, n_stale, want| {
            assert_eq!(is_stale_cut_due(memory, 1000, n_stale, 500), want, "{memory} {n_stale}");
        };
        check(799, 500, false);
        check(800, 49, false);
        check(800, 50, true);
        check(2000, 500, true);
        assert!(!is_stale_cut_due(10, 0, 0, 0));
    }
}
