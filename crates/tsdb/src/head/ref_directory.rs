//! From series references, which only grow, to local ids, which are dense and used again.

use crate::FastMap;

const PAGE_REFS_LOG2: u32 = 12;
const PAGE_REFS: usize = 1 << PAGE_REFS_LOG2;
const NONE: u32 = u32::MAX;

/// Pages of ids by reference: 4 B a series, one lookup of the page for each run of neighbours.
#[derive(Debug, Default)]
pub(crate) struct RefDirectory {
    pages: FastMap<u64, Page>,
}

#[derive(Debug)]
struct Page {
    ids: Box<[u32]>,
    n_used: usize,
}

/// Keeps the page of the last reference at hand: the references of one batch are mostly neighbours.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    directory: &'a RefDirectory,
    page_no: u64,
    page: &'a [u32],
}

impl Finder<'_> {
    /// Returns the id of a series, if it is in the head.
    #[inline]
    pub(crate) fn find(&mut self, series_ref: u64) -> Option<u32> {
        let page_no = series_ref >> PAGE_REFS_LOG2;
        if page_no != self.page_no {
            self.page_no = page_no;
            self.page = self.directory.pages.get(&page_no).map_or(&[], |page| &page.ids);
        }
        self.page.get(slot(series_ref)).copied().filter(|id| *id != NONE)
    }
}

impl RefDirectory {
    pub(crate) fn finder(&self) -> Finder<'_> {
        Finder { directory: self, page_no: u64::MAX, page: &[] }
    }

    pub(crate) fn find(&self, series_ref: u64) -> Option<u32> {
        self.finder().find(series_ref)
    }

    pub(crate) fn insert(&mut self, series_ref: u64, id: u32) {
        let page = self
            .pages
            .entry(series_ref >> PAGE_REFS_LOG2)
            .or_insert_with(|| Page { ids: vec![NONE; PAGE_REFS].into(), n_used: 0 });
        let entry = &mut page.ids[slot(series_ref)];
        page.n_used += usize::from(*entry == NONE);
        *entry = id;
    }

    /// Iterates over all references and their ids, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.pages.keys().flat_map(|page_no| self.page(*page_no))
    }

    /// Returns the numbers of the pages there are.
    pub(crate) fn page_numbers(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }

    /// Iterates over the references of a page and their ids.
    pub(crate) fn page(&self, page_no: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        let refs = (page_no << PAGE_REFS_LOG2)..;
        let ids = self.pages.get(&page_no).map_or(&[][..], |page| &page.ids);
        refs.zip(ids.iter().copied()).filter(|(_, id)| *id != NONE)
    }

    /// Forgets a reference.
    pub(crate) fn remove(&mut self, series_ref: u64) {
        let page_no = series_ref >> PAGE_REFS_LOG2;
        let Some(page) = self.pages.get_mut(&page_no) else { return };
        let entry = &mut page.ids[slot(series_ref)];
        if *entry != NONE {
            *entry = NONE;
            page.n_used -= 1;
        }
        if page.n_used == 0 {
            self.pages.remove(&page_no);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
fn slot(series_ref: u64) -> usize {
    series_ref as usize & (PAGE_REFS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_far_apart_are_found_and_forgotten() {
        let mut directory = RefDirectory::default();
        let refs = [1, 2, 4095, 4096, 1 << 39, u64::MAX];
        for (id, series_ref) in (0..).zip(refs) {
            directory.insert(series_ref, id);
        }
        assert_eq!(refs.map(|r| directory.find(r)), [Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]);
        refs[3..].iter().for_each(|series_ref| directory.remove(*series_ref));
        directory.remove(7);
        assert_eq!((directory.find(4096), directory.find(2), directory.pages.len()), (None, Some(1), 1));
    }
}
