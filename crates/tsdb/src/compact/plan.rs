//! Which blocks to compact next: a pure decision over their metadata.
//!
//! In this order, see `spec/prometheus-core.md` §7.9:
//! 1. the first run of blocks that overlap in time;
//! 2. without the newest block, for each range above the smallest, the first group of blocks inside one aligned window
//!    that fills the window, or behind which nothing can come any more;
//! 3. a large block of which more than 5 % of the series are tombstoned, or a small one that is all tombstones.
//!
//! Blocks of stale series and of selected series hold parts of a time range on purpose: each class is planned by itself.

/// What keeps blocks of different origin apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// All series of a time range: the head, out-of-order samples, backfills.
    #[default]
    Whole,
    /// Series that went stale and were cut early.
    Stale,
    /// Series somebody selected.
    Selected,
}

/// What the planner looks at. Times in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// First sample, or start of the window.
    pub min_time: i64,
    /// Exclusive.
    pub max_time: i64,
    /// Series of the block.
    pub n_series: u64,
    /// Tombstones of the block.
    pub n_tombstones: u64,
    /// An earlier compaction with it failed.
    pub failed: bool,
    /// Its origin.
    pub class: Class,
}

/// Factor from one range to the next.
const RANGE_STEP: i64 = 3;
/// Most ranges Prometheus makes.
const RANGES_MAX: usize = 10;
/// Tombstones per series above which a block is written anew.
const TOMBSTONES_MAX: f64 = 0.05;

/// Returns the lengths that blocks are compacted to, ascending: `smallest_ms`, three times that, and so on up to
/// `largest_ms`. The smallest is always there.
pub fn ranges(smallest_ms: i64, largest_ms: i64) -> Vec<i64> {
    let longer = std::iter::successors(Some(smallest_ms), |range| range.checked_mul(RANGE_STEP));
    let fitting = longer.take(RANGES_MAX).take_while(|range| *range == smallest_ms || *range <= largest_ms);
    fitting.collect()
}

/// Returns the positions of the blocks to compact together; none when nothing is due.
/// # Complexity
/// O(n log n) in the blocks.
pub fn plan(blocks: &[Candidate], ranges: &[i64]) -> Vec<usize> {
    for class in [Class::Whole, Class::Stale, Class::Selected] {
        let mut positions: Vec<usize> = (0..blocks.len()).filter(|at| blocks[*at].class == class).collect();
        positions.sort_by_key(|at| (blocks[*at].min_time, blocks[*at].max_time));
        let in_order: Vec<Candidate> = positions.iter().map(|at| blocks[*at]).collect();
        let chosen = plan_class(&in_order, ranges);
        if !chosen.is_empty() {
            return chosen.into_iter().map(|at| positions[at]).collect();
        }
    }
    Vec::new()
}

/// As [`plan`], for blocks of one class sorted by their start.
fn plan_class(blocks: &[Candidate], ranges: &[i64]) -> Vec<usize> {
    let overlapping = first_overlap(blocks);
    if !overlapping.is_empty() {
        return overlapping;
    }
    // The newest block may still get neighbours.
    let Some((_, older)) = blocks.split_last() else { return Vec::new() };
    let group = first_group(older, ranges);
    if group.is_empty() { most_tombstoned(older, ranges).into_iter().collect() } else { group }
}

fn first_overlap(blocks: &[Candidate]) -> Vec<usize> {
    let mut run = Vec::new();
    let mut reached = i64::MIN;
    for (at, block) in blocks.iter().enumerate() {
        // A run that failed before is not tried for ever; the blocks behind it have their turn.
        if at > 0 && block.min_time < reached {
            if run.is_empty() {
                run.push(at - 1);
            }
            run.push(at);
        } else if run.len() > 1 && !run.iter().any(|at| blocks[*at].failed) {
            return run;
        } else {
            run.clear();
        }
        reached = reached.max(block.max_time);
    }
    if run.iter().any(|at| blocks[*at].failed) { Vec::new() } else { run }
}

fn first_group(blocks: &[Candidate], ranges: &[i64]) -> Vec<usize> {
    let Some(newest) = blocks.last() else { return Vec::new() };
    for range in ranges.iter().skip(1) {
        for group in windows(blocks, *range) {
            let members = &blocks[group.clone()];
            let (Some(first), Some(last)) = (members.first(), members.last()) else { continue };
            let is_full = last.max_time.saturating_sub(first.min_time) == *range;
            let is_settled = last.max_time <= newest.min_time;
            if members.len() > 1 && (is_full || is_settled) && !members.iter().any(|block| block.failed) {
                return group.collect();
            }
        }
    }
    Vec::new()
}

/// Groups neighbours that lie wholly inside one window aligned to `range`; blocks that fit none are passed over.
fn windows(blocks: &[Candidate], range: i64) -> Vec<std::ops::Range<usize>> {
    let mut groups = Vec::new();
    let mut at = 0;
    while let Some(first) = blocks.get(at) {
        let start = first.min_time.div_euclid(range).saturating_mul(range);
        let end = start.saturating_add(range);
        let rest = blocks[at..].iter();
        let n_inside = rest.take_while(|block| block.min_time >= start && block.max_time <= end).count();
        if n_inside > 0 {
            groups.push(at..at + n_inside);
        }
        at += n_inside.max(1);
    }
    groups
}

fn most_tombstoned(blocks: &[Candidate], ranges: &[i64]) -> Option<usize> {
    let large = ranges.get(ranges.len() / 2).copied()?;
    for (at, block) in blocks.iter().enumerate().rev() {
        let is_all_gone = block.n_tombstones > 0 && block.n_tombstones >= block.n_series;
        if block.max_time.saturating_sub(block.min_time) < large {
            return is_all_gone.then_some(at);
        }
        if block.n_tombstones as f64 / (block.n_series as f64 + 1.0) > TOMBSTONES_MAX {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGES: [i64; 4] = [20, 60, 180, 540];
    const NONE: [usize; 0] = [];

    fn block(min_time: i64, max_time: i64) -> Candidate {
        Candidate { min_time, max_time, n_series: 10, ..Candidate::default() }
    }

    fn check(spans: &[(i64, i64)], want: &[usize]) {
        let blocks: Vec<Candidate> = spans.iter().map(|(min, max)| block(*min, *max)).collect();
        assert_eq!(plan(&blocks, &RANGES), want, "{spans:?}");
    }

    #[test]
    fn ranges_grow_by_three_up_to_the_cap() {
        const H: i64 = 3_600_000;
        assert_eq!(ranges(2 * H, 744 * H), [2, 6, 18, 54, 162, 486].map(|n| n * H));
        assert_eq!(ranges(2 * H, 36 * H), [2, 6, 18].map(|n| n * H));
        assert_eq!(ranges(2 * H, H), [2 * H]);
        assert_eq!(ranges(i64::MAX / 2, i64::MAX), [i64::MAX / 2]);
    }

    #[test]
    fn nothing_is_due_for_few_blocks() {
        check(&[], &[]);
        check(&[(0, 20)], &[]);
        check(&[(0, 20), (20, 40)], &[]);
        // Full, but the newest is left out.
        check(&[(0, 20), (20, 40), (40, 60)], &[]);
    }

    #[test]
    fn a_full_window_is_compacted_once_there_is_a_newer_block() {
        check(&[(0, 20), (20, 40), (40, 60), (60, 80)], &[0, 1, 2]);
        check(&[(60, 80), (40, 60), (20, 40), (0, 20)], &[3, 2, 1]);
    }

    #[test]
    fn a_window_with_a_gap_is_compacted_once_nothing_can_come() {
        check(&[(0, 20), (20, 40), (60, 80)], &[]);
        check(&[(0, 20), (40, 60), (60, 80)], &[0, 1]);
        check(&[(0, 20), (20, 40), (60, 80), (80, 100)], &[0, 1]);
    }

    #[test]
    fn smaller_ranges_go_first_and_larger_follow() {
        check(&[(0, 60), (60, 120), (120, 180), (180, 200), (200, 220), (220, 240), (240, 260)], &[3, 4, 5]);
        check(&[(0, 60), (60, 120), (120, 180), (180, 240), (240, 260)], &[0, 1, 2]);
    }

    #[test]
    fn blocks_that_fit_no_window_are_passed_over() {
        check(&[(10, 30), (30, 50), (50, 70), (70, 90), (90, 110)], &[0, 1]);
        check(&[(50, 70), (70, 90), (110, 130), (170, 190)], &[]);
        check(&[(-60, -40), (-40, -20), (-20, 0), (0, 20)], &[0, 1, 2]);
    }

    #[test]
    fn the_first_overlapping_run_beats_everything() {
        check(&[(0, 20), (19, 40), (40, 60)], &[0, 1]);
        check(&[(0, 20), (20, 40), (30, 50), (45, 60), (60, 80), (60, 80)], &[1, 2, 3]);
        check(&[(0, 20), (20, 40), (20, 40)], &[1, 2]);
        check(&[(0, 100), (10, 20), (30, 40), (100, 120)], &[0, 1, 2]);
    }

    #[test]
    fn groups_that_failed_are_skipped() {
        let mut blocks: Vec<Candidate> = (0..7).map(|n| block(n * 20, n * 20 + 20)).collect();
        blocks[1].failed = true;
        assert_eq!(plan(&blocks, &RANGES), [3, 4, 5]);
        let mut overlapping = [block(0, 20), block(10, 20), block(20, 40), block(30, 40)];
        overlapping[0].failed = true;
        assert_eq!(plan(&overlapping, &RANGES), [2, 3]);
    }

    #[test]
    fn blocks_with_many_tombstones_are_written_anew() {
        let with = |min, max, n_tombstones| Candidate { n_tombstones, ..block(min, max) };
        assert_eq!(plan(&[with(0, 540, 3), block(540, 560)], &RANGES), [0]);
        assert_eq!(plan(&[with(0, 540, 0), block(540, 560)], &RANGES), NONE);
        // The middle of four ranges is 180: smaller blocks wait until all is gone.
        assert_eq!(plan(&[with(0, 60, 9), block(540, 560)], &RANGES), NONE);
        assert_eq!(plan(&[with(0, 60, 10), block(540, 560)], &RANGES), [0]);
        assert_eq!(plan(&[with(0, 540, 3), with(540, 600, 0), block(1080, 1100)], &RANGES), NONE);
        assert_eq!(plan(&[with(0, 540, 3)], &RANGES), NONE, "the newest block is left out");
    }

    #[test]
    fn classes_do_not_mix() {
        let stale = |min, max| Candidate { class: Class::Stale, ..block(min, max) };
        assert_eq!(plan(&[block(0, 20), stale(0, 20), block(20, 40), stale(20, 40)], &RANGES), NONE);
        assert_eq!(plan(&[block(0, 20), stale(0, 20), stale(10, 40)], &RANGES), [1, 2]);
    }
}
