//! A growing array in pages: growth never copies what is there, and wastes at most one page.

const PAGE_ITEMS_LOG2: u32 = 12;
const PAGE_ITEMS: usize = 1 << PAGE_ITEMS_LOG2;

/// Items by dense `u32` index. What was never set is the default value.
#[derive(Debug, Default)]
pub(crate) struct Slabs<T> {
    pages: Vec<Vec<T>>,
    n_items: u32,
    default: T,
}

impl<T: Default> Slabs<T> {
    #[inline]
    pub(crate) fn get(&self, idx: u32) -> &T {
        let page = self.pages.get((idx >> PAGE_ITEMS_LOG2) as usize);
        page.and_then(|page| page.get(idx as usize & (PAGE_ITEMS - 1))).unwrap_or(&self.default)
    }

    /// Returns item `idx` for writing, growing the array up to it.
    #[inline]
    pub(crate) fn entry(&mut self, idx: u32) -> &mut T {
        if idx >= self.n_items {
            self.grow_to(idx);
        }
        &mut self.pages[(idx >> PAGE_ITEMS_LOG2) as usize][idx as usize & (PAGE_ITEMS - 1)]
    }

    pub(crate) fn set(&mut self, idx: u32, item: T) {
        *self.entry(idx) = item;
    }

    /// Returns one more than the highest index set.
    pub(crate) fn n_items(&self) -> u32 {
        self.n_items
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pages.iter().map(|page| page.capacity() * size_of::<T>()).sum()
    }

    fn grow_to(&mut self, idx: u32) {
        let n_wanted = idx as usize + 1;
        let n_pages = n_wanted.div_ceil(PAGE_ITEMS);
        while self.pages.len() < n_pages {
            if let Some(last) = self.pages.last_mut() {
                last.resize_with(PAGE_ITEMS, T::default);
            }
            // The first page starts small: a database of one host has 1,000 series over 16 shards.
            let capacity = if self.pages.is_empty() { 64 } else { PAGE_ITEMS };
            self.pages.push(Vec::with_capacity(capacity));
        }
        let in_last = n_wanted - (n_pages - 1) * PAGE_ITEMS;
        self.pages[n_pages - 1].resize_with(in_last, T::default);
        self.n_items = idx + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_where_they_were_put() {
        let mut slabs = Slabs::<u64>::default();
        for idx in 0..10_000u32 {
            slabs.set(idx * 3, u64::from(idx) + 1);
        }
        assert!((0..10_000u32).all(|idx| *slabs.get(idx * 3) == u64::from(idx) + 1));
        assert_eq!((*slabs.get(1), *slabs.get(1 << 30), slabs.n_items()), (0, 0, 29_998));
    }
}
