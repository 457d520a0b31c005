//! Postings of many series at once: neighbours share most of their labels, so runs of ids are collected, not ids.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::{INLINE_IDS, IdSet, NameIndex, Postings};
use crate::index::symbols::SymbolTable;

/// Postings that are being built, of series that come in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct BulkPostings {
    all: Run,
    ids: RoaringBitmap,
    /// By name: where in `names` it is, plus 1.
    slots: Vec<u32>,
    names: Vec<BulkName>,
}

/// Ids from `start` to before `end`.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    start: u32,
    end: u32,
}

#[derive(Debug)]
struct BulkName {
    name: u32,
    index: NameIndex,
    has: Run,
    /// The newest value, and who has it since it was the newest.
    value: u32,
    with_value: Run,
}

impl Run {
    /// Adds the next id; returns the run so far, if the id does not belong to it.
    #[inline]
    fn push(&mut self, id: u32) -> Option<Range<u32>> {
        if self.end == id && self.start < self.end {
            self.end = id + 1;
            return None;
        }
        std::mem::replace(self, Self { start: id, end: id + 1 }).ids()
    }

    fn ids(self) -> Option<Range<u32>> {
        (self.start < self.end).then_some(self.start..self.end)
    }
}

impl BulkPostings {
    /// Adds a series, whose id is above those of all others.
    #[inline]
    pub(crate) fn insert(&mut self, id: u32, pairs: &[(u32, u32)]) {
        if let Some(ids) = self.all.push(id) {
            self.ids.insert_range(ids);
        }
        for (name, value) in pairs {
            let at = self.slot(*name);
            let name = &mut self.names[at];
            if let Some(ids) = name.has.push(id) {
                name.index.has.insert_range(ids);
            }
            if name.value != *value {
                name.end_value();
                name.value = *value;
            }
            if let Some(ids) = name.with_value.push(id) {
                name.index.add(*value, ids);
            }
        }
    }

    /// Returns where a name is.
    #[inline]
    fn slot(&mut self, name: u32) -> usize {
        match self.slots.get(name as usize) {
            Some(slot) if *slot > 0 => *slot as usize - 1,
            _ => self.add_name(name),
        }
    }

    #[cold]
    fn add_name(&mut self, name: u32) -> usize {
        if self.slots.len() <= name as usize {
            self.slots.resize(name as usize + 1, 0);
        }
        let index = NameIndex::default();
        self.names.push(BulkName { name, index, has: Run::default(), value: 0, with_value: Run::default() });
        self.slots[name as usize] =
            u32::try_from(self.names.len()).expect("names are symbols, numbered by u32");
        self.names.len() - 1
    }

    /// Ends all runs, and puts the values in order.
    pub(crate) fn finish(mut self, symbols: &SymbolTable) -> Postings {
        if let Some(ids) = self.all.ids() {
            self.ids.insert_range(ids);
        }
        let mut postings = Postings { all: self.ids, names: Default::default() };
        for mut name in self.names {
            name.end_value();
            if let Some(ids) = name.has.ids() {
                name.index.has.insert_range(ids);
            }
            name.index.sort(symbols);
            postings.names.insert(name.name, name.index);
        }
        postings
    }
}

impl BulkName {
    fn end_value(&mut self) {
        if let Some(ids) = std::mem::take(&mut self.with_value).ids() {
            self.index.add(self.value, ids);
        }
    }
}

impl NameIndex {
    /// Adds series to a value; their ids are above those it has.
    fn add(&mut self, value: u32, ids: Range<u32>) {
        let tail = &mut self.tail;
        let set = self.by_value.entry(value).or_insert_with(|| {
            tail.push(value);
            IdSet::default()
        });
        set.add(ids);
    }
}

impl IdSet {
    fn add(&mut self, new: Range<u32>) {
        match self {
            Self::Few { len, .. } if usize::from(*len) + new.len() <= INLINE_IDS => {
                new.for_each(|id| self.insert(id));
            }
            Self::Few { len, ids } => {
                let mut bitmap: RoaringBitmap = ids[..usize::from(*len)].iter().copied().collect();
                bitmap.insert_range(new);
                *self = Self::Many(Box::new(bitmap));
            }
            Self::Many(bitmap) if new.len() == 1 => {
                // Behind all others; should it not be, it is put where it belongs.
                if bitmap.try_push(new.start).is_err() {
                    bitmap.insert(new.start);
                }
            }
            Self::Many(bitmap) => {
                bitmap.insert_range(new);
            }
        }
    }
}
