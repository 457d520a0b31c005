//! A denser writer of plain XOR chunks, for samples that are all known.
//!
//! The format lets the writer choose, at each changed value, between the current window of value bits and a new one.
//! Who appends sample by sample cannot know what comes: it keeps a window as long as it fits, however wide it is. Here
//! the cheapest sequence of windows is found by dynamic programming. Every reader of plain XOR reads the result.
//!
//! Only non-zero XORs take part: an unchanged value is one bit whatever the window. A run of them under one window
//! costs `13 + width` bits for the first and `2 + width` for each other, where the window spans the bits of all.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a codec narrows on purpose, each time after a range check"
)]

use crate::chunk::bits::push_bits;
use crate::chunk::xor::push_dod;
use crate::encoding::{put_uvarint, put_varint};

/// Bits of `11`, five of leading zeros, six of length.
const NEW_WINDOW_BITS: u32 = 13;
/// Bits of `10`.
const SAME_WINDOW_BITS: u32 = 2;
/// Five bits hold the leading zeros.
const LEADING_MAX: u32 = 31;

/// Which bits of a value are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    leading: u32,
    trailing: u32,
}

impl Window {
    /// The narrowest that holds a non-zero XOR.
    fn of(xor: u64) -> Self {
        Self { leading: xor.leading_zeros().min(LEADING_MAX), trailing: xor.trailing_zeros() }
    }

    fn union(self, other: Self) -> Self {
        Self { leading: self.leading.min(other.leading), trailing: self.trailing.min(other.trailing) }
    }

    fn width(self) -> u32 {
        64 - self.leading - self.trailing
    }

    /// Bits of `n` values under this window, its own announcement included.
    fn cost(self, n: u32) -> u32 {
        NEW_WINDOW_BITS + self.width() + (n - 1) * (SAME_WINDOW_BITS + self.width())
    }
}

/// The cheapest way to write a prefix of the changes.
#[derive(Clone, Copy, Debug)]
struct Best {
    bits: u32,
    /// First change under the last window.
    start: u32,
    window: Window,
}

/// Encoder with its buffers; reused from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct DenseXor {
    changes: Vec<u64>,
    best: Vec<Best>,
    /// Position among the changes at which a window starts, and the window.
    starts: Vec<(u32, Window)>,
}

impl DenseXor {
    /// Appends one chunk with these samples to `out`; times strictly ascending, at most 65,535 of them.
    /// # Complexity
    /// Time linear in practice, quadratic in the number of changed values at worst.
    pub(crate) fn encode(&mut self, times: &[i64], values: &[f64], out: &mut Vec<u8>) {
        debug_assert!(times.len() == values.len() && times.len() <= usize::from(u16::MAX));
        let (Some(first_time), Some(first_value)) = (times.first(), values.first()) else { return };
        self.plan(values);
        out.extend_from_slice(&(times.len() as u16).to_be_bytes());
        put_varint(out, *first_time);
        out.extend_from_slice(&first_value.to_bits().to_be_bytes());
        let (mut free, mut last_dt) = (0, 0);
        let mut windows = self.starts.iter().copied().peekable();
        let (mut n_changes, mut window) = (0, Window { leading: 0, trailing: 0 });
        for (at, (pair, value)) in times.windows(2).zip(values.windows(2)).enumerate() {
            let dt = pair[1].wrapping_sub(pair[0]);
            if at == 0 {
                put_uvarint(out, dt as u64);
            } else {
                push_dod(out, &mut free, dt.wrapping_sub(last_dt));
            }
            last_dt = dt;
            let xor = value[0].to_bits() ^ value[1].to_bits();
            if xor == 0 {
                push_bits(out, &mut free, 0, 1);
                continue;
            }
            match windows.next_if(|(start, _)| *start == n_changes) {
                Some((_, next)) => {
                    window = next;
                    let n_bits = u64::from(window.width() & 63);
                    push_bits(out, &mut free, 0b11 << 11 | u64::from(window.leading) << 6 | n_bits, 13);
                }
                None => push_bits(out, &mut free, 0b10, 2),
            }
            push_bits(out, &mut free, xor >> window.trailing, window.width());
            n_changes += 1;
        }
    }

    /// Finds the cheapest windows.
    ///
    /// `C(i)`, the cost when the last window starts at change `i`, is `best(i)` plus the cost of that window. For every
    /// `k < i` holds `C(k) ≥ C(i) − 13`, as the window from `k` could be announced once more at `i`: so the search to
    /// the left ends at the first `i` that is 13 bits worse than the best so far.
    fn plan(&mut self, values: &[f64]) {
        self.changes.clear();
        let xors = values.windows(2).map(|pair| pair[0].to_bits() ^ pair[1].to_bits());
        self.changes.extend(xors.filter(|xor| *xor != 0));
        self.best.clear();
        for end in 1..=self.changes.len() {
            let newest = Window::of(self.changes[end - 1]);
            let mut best = self.extend_last(end, newest);
            let mut window = newest;
            for start in (0..end).rev() {
                window = window.union(Window::of(self.changes[start]));
                let bits = self.bits_before(start) + window.cost((end - start) as u32);
                if bits < best.bits {
                    best = Best { bits, start: start as u32, window };
                } else if bits >= best.bits.saturating_add(NEW_WINDOW_BITS) {
                    break;
                }
            }
            self.best.push(best);
        }
        self.starts.clear();
        let mut end = self.changes.len();
        while let Some(best) = end.checked_sub(1).and_then(|last| self.best.get(last)) {
            self.starts.push((best.start, best.window));
            end = best.start as usize;
        }
        self.starts.reverse();
    }

    /// Keeps the last window of the solution before, widened: mostly the best, so that the search ends early.
    fn extend_last(&self, end: usize, newest: Window) -> Best {
        let Some(last) = end.checked_sub(2).and_then(|at| self.best.get(at)) else {
            return Best { bits: newest.cost(1), start: 0, window: newest };
        };
        let window = last.window.union(newest);
        let bits = self.bits_before(last.start as usize) + window.cost(end as u32 - last.start);
        Best { bits, start: last.start, window }
    }

    fn bits_before(&self, start: usize) -> u32 {
        start.checked_sub(1).and_then(|at| self.best.get(at)).map_or(0, |best| best.bits)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wf_model::TimeRange;
    use wf_series::SampleColumns;

    use super::*;
    use crate::chunk::{XorState, xor};

    fn plain(times: &[i64], values: &[f64]) -> Vec<u8> {
        let (mut bytes, mut state) = (Vec::new(), XorState::default());
        times.iter().zip(values).for_each(|(time, value)| state.append(&mut bytes, *time, *value));
        bytes
    }

    fn check(times: &[i64], values: &[f64]) -> (usize, usize) {
        let mut dense = Vec::new();
        DenseXor::default().encode(times, values, &mut dense);
        let mut out = SampleColumns::default();
        xor::decode(&dense, TimeRange::ALL, &mut out).unwrap();
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!((out.times_ms.as_slice(), bits(&out.values)), (times, bits(values)));
        (dense.len(), plain(times, values).len())
    }

    #[test]
    fn one_wide_value_does_not_widen_the_rest() {
        let times: Vec<i64> = (0..200).map(|n| n * 15_000).collect();
        let values: Vec<f64> =
            (0..200).map(|n| if n == 3 { 0.1 } else { f64::from(n % 8) + 1024.0 }).collect();
        let (dense, plain) = check(&times, &values);
        assert!(dense * 3 < plain, "{dense} {plain}");
    }

    /// The cheapest cost by trying every start of the last window.
    fn cheapest(changes: &[u64]) -> u32 {
        let mut best = vec![0];
        for end in 1..=changes.len() {
            let costs = (0..end).map(|start| {
                let window =
                    changes[start..end].iter().map(|x| Window::of(*x)).reduce(Window::union).unwrap();
                best[start] + window.cost((end - start) as u32)
            });
            best.push(costs.min().unwrap());
        }
        best[changes.len()]
    }

    proptest! {
        /// Every sample comes back; no sequence of windows is cheaper; never larger than the plain writer's.
        #[test]
        fn dense_chunks_are_exact_and_cheapest(
            start in -1_000_000i64..2_000_000_000_000,
            steps in prop::collection::vec((1i64..1_000_000, prop_oneof![
                4 => (0u64..50).prop_map(|n| (n as f64 * 0.25).to_bits()),
                2 => (0u64..1000).prop_map(|n| (n as f64 * 0.01).to_bits()),
                1 => any::<u64>(),
            ]), 1..120),
        ) {
            let mut time = start;
            let (mut times, mut values) = (Vec::new(), Vec::new());
            for (step, bits) in steps {
                time += step;
                times.push(time);
                values.push(f64::from_bits(bits));
            }
            let (dense, plain) = check(&times, &values);
            prop_assert!(dense <= plain);
            let mut encoder = DenseXor::default();
            encoder.plan(&values);
            prop_assert_eq!(encoder.best.last().map_or(0, |best| best.bits), cheapest(&encoder.changes));
        }
    }
}
