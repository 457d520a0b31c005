//! Postings lists as they lie on the disk: ascending series ids, 32 bits big-endian, never copied as a whole.

use roaring::RoaringBitmap;

/// Ids of the series with one label pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Postings<'a> {
    /// Four bytes an id.
    bytes: &'a [u8],
}

/// Below this length ids are put into a bitmap one by one.
const FEW: usize = 16;

impl<'a> Postings<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    #[inline]
    pub(crate) fn get(&self, idx: usize) -> Option<u32> {
        let at = idx.checked_mul(4)?;
        self.bytes.get(at..)?.first_chunk().map(|id| u32::from_be_bytes(*id))
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.bytes.as_chunks::<4>().0.iter().map(|id| u32::from_be_bytes(*id))
    }

    /// Returns the first index from `start` on whose id is `wanted` or larger.
    #[inline]
    fn seek(&self, start: usize, wanted: u32) -> usize {
        let is_before = |idx: usize| self.get(idx).is_some_and(|id| id < wanted);
        if !is_before(start) {
            return start;
        }
        // Doubling steps, then halving them: the cost follows the distance, not the length of the list.
        let (mut low, mut step) = (start, 1);
        while is_before(low.saturating_add(step)) {
            low += step;
            step *= 2;
        }
        let (mut low, mut high) = (low + 1, (low + step).min(self.len()));
        while low < high {
            let middle = low + (high - low) / 2;
            if is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Drops the candidates that are not in the list.
    pub(crate) fn intersect(&self, candidates: &mut Vec<u32>) {
        let mut at = 0;
        candidates.retain(|id| {
            at = self.seek(at, *id);
            self.get(at) == Some(*id)
        });
    }

    /// Drops the candidates that are in the list.
    pub(crate) fn subtract(&self, candidates: &mut Vec<u32>) {
        let mut at = 0;
        candidates.retain(|id| {
            at = self.seek(at, *id);
            self.get(at) != Some(*id)
        });
    }

    pub(crate) fn add_to(&self, union: &mut RoaringBitmap) {
        if self.len() >= FEW
            && let Ok(bitmap) = RoaringBitmap::from_sorted_iter(self.iter())
        {
            *union |= bitmap;
        } else {
            union.extend(self.iter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(ids: &[u32]) -> Vec<u8> {
        ids.iter().flat_map(|id| id.to_be_bytes()).collect()
    }

    proptest! {
        #[test]
        fn set_operations_are_those_of_sets(
            a in prop::collection::btree_set(0..300_u32, 0..200),
            b in prop::collection::btree_set(0..300_u32, 0..60),
        ) {
            let (ids, candidates): (Vec<u32>, Vec<u32>) = (a.iter().copied().collect(), b.iter().copied().collect());
            let bytes = list(&ids);
            let postings = Postings::new(&bytes);
            let mut kept = candidates.clone();
            postings.intersect(&mut kept);
            prop_assert_eq!(kept, a.intersection(&b).copied().collect::<Vec<_>>());
            let mut kept = candidates;
            postings.subtract(&mut kept);
            prop_assert_eq!(kept, b.difference(&a).copied().collect::<Vec<_>>());
            let mut union: RoaringBitmap = b.iter().copied().collect();
            postings.add_to(&mut union);
            prop_assert_eq!(union.iter().collect::<Vec<_>>(), a.union(&b).copied().collect::<Vec<_>>());
        }

        #[test]
        fn unsorted_lists_do_no_harm(ids: Vec<u32>, mut candidates: Vec<u32>) {
            let bytes = list(&ids);
            let postings = Postings::new(&bytes);
            postings.intersect(&mut candidates.clone());
            postings.subtract(&mut candidates);
            postings.add_to(&mut RoaringBitmap::new());
        }
    }
}
