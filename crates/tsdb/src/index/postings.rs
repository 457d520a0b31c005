//! Which series carry which label pair: sets of dense ids, by name and value.

mod bulk;

use roaring::RoaringBitmap;

use super::symbols::SymbolTable;
use crate::FastMap;

pub(crate) use self::bulk::BulkPostings;

type FastSet = hashbrown::HashSet<u32, foldhash::fast::RandomState>;

/// Up to six ids inline, then a bitmap: most pairs of a high-cardinality label have one series.
const INLINE_IDS: usize = 6;

/// A set of series ids.
#[derive(Clone, Debug)]
pub(crate) enum IdSet {
    Few { len: u8, ids: [u32; INLINE_IDS] },
    Many(Box<RoaringBitmap>),
}

impl Default for IdSet {
    fn default() -> Self {
        Self::Few { len: 0, ids: [0; INLINE_IDS] }
    }
}

impl IdSet {
    fn insert(&mut self, id: u32) {
        match self {
            Self::Few { len, ids } if usize::from(*len) < INLINE_IDS => {
                ids[usize::from(*len)] = id;
                *len += 1;
            }
            Self::Few { ids, .. } => {
                let mut bitmap: RoaringBitmap = ids.iter().copied().collect();
                bitmap.insert(id);
                *self = Self::Many(Box::new(bitmap));
            }
            Self::Many(bitmap) => {
                bitmap.insert(id);
            }
        }
    }

    fn remove(&mut self, id: u32) {
        match self {
            Self::Few { len, ids } => {
                let n_ids = usize::from(*len);
                if let Some(at) = ids[..n_ids].iter().position(|known| *known == id) {
                    ids.copy_within(at + 1..n_ids, at);
                    *len -= 1;
                }
            }
            Self::Many(bitmap) => {
                bitmap.remove(id);
                if bitmap.len() <= INLINE_IDS as u64 {
                    let rest: Vec<u32> = bitmap.iter().collect();
                    *self = Self::default();
                    rest.into_iter().for_each(|id| self.insert(id));
                }
            }
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Few { len, .. } => u64::from(*len),
            Self::Many(bitmap) => bitmap.len(),
        }
    }

    pub(crate) fn to_bitmap(&self) -> RoaringBitmap {
        match self {
            Self::Few { len, ids } => ids[..usize::from(*len)].iter().copied().collect(),
            Self::Many(bitmap) => (**bitmap).clone(),
        }
    }

    pub(crate) fn add_to(&self, target: &mut RoaringBitmap) {
        match self {
            Self::Few { len, ids } => target.extend(ids[..usize::from(*len)].iter().copied()),
            Self::Many(bitmap) => *target |= &**bitmap,
        }
    }

    pub(crate) fn intersect_into(&self, target: &mut RoaringBitmap) {
        match self {
            Self::Few { len, ids } => {
                *target =
                    ids[..usize::from(*len)].iter().copied().filter(|id| target.contains(*id)).collect();
            }
            Self::Many(bitmap) => *target &= &**bitmap,
        }
    }
}

/// All values of one label name.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    /// Series that have the label.
    has: RoaringBitmap,
    by_value: FastMap<u32, IdSet>,
    /// Value ids in the byte order of their strings, without those in `tail`.
    sorted: Vec<u32>,
    /// Values that came since `sorted` was last merged.
    tail: Vec<u32>,
    /// Values in `sorted` or `tail` that no series has any more.
    vacant: FastSet,
}

impl NameIndex {
    pub(crate) fn has(&self) -> &RoaringBitmap {
        &self.has
    }

    pub(crate) fn get(&self, value: u32) -> Option<&IdSet> {
        self.by_value.get(&value)
    }

    pub(crate) fn n_values(&self) -> usize {
        self.by_value.len()
    }

    /// Iterates over all values, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u32, &IdSet)> + '_ {
        let in_order = self.sorted.iter().chain(&self.tail);
        in_order.filter_map(|value| self.by_value.get(value).map(|ids| (*value, ids)))
    }

    /// Returns the values that start with `prefix`, in no particular order.
    pub(crate) fn values_with_prefix(&self, prefix: &str, symbols: &SymbolTable) -> Vec<u32> {
        let start = self.sorted.partition_point(|value| symbols.get(*value) < prefix);
        let has_prefix = |value: &&u32| symbols.get(**value).starts_with(prefix);
        let in_order = self.sorted.get(start..).unwrap_or(&[]).iter().take_while(has_prefix);
        let all = in_order.chain(self.tail.iter().filter(has_prefix)).copied();
        all.filter(|value| !self.vacant.contains(value)).collect()
    }

    fn insert(&mut self, value: u32, id: u32, symbols: &SymbolTable) {
        self.has.insert(id);
        self.by_value
            .entry(value)
            .or_insert_with(|| {
                if !self.vacant.remove(&value) {
                    self.tail.push(value);
                }
                IdSet::default()
            })
            .insert(id);
        if self.tail.len() > 64 && self.tail.len() * 16 > self.sorted.len() {
            self.sort(symbols);
        }
    }

    /// Moves the tail to where it belongs.
    fn sort(&mut self, symbols: &SymbolTable) {
        self.tail.sort_unstable_by(|a, b| symbols.get(*a).cmp(symbols.get(*b)));
        if self.sorted.is_empty() {
            self.sorted = std::mem::take(&mut self.tail);
            return;
        }
        self.sorted.append(&mut self.tail);
        // Two runs in order: a stable sort merges them.
        self.sorted.sort_by(|a, b| symbols.get(*a).cmp(symbols.get(*b)));
    }

    fn remove(&mut self, id: u32, value: u32) {
        let Some(ids) = self.by_value.get_mut(&value) else { return };
        ids.remove(id);
        if ids.len() == 0 {
            self.by_value.remove(&value);
            self.vacant.insert(value);
        }
    }

    /// Forgets values that no series has, and writes bitmaps with run containers where that is smaller.
    fn tidy(&mut self) {
        let vacant = std::mem::take(&mut self.vacant);
        if !vacant.is_empty() {
            self.sorted.retain(|value| !vacant.contains(value));
            self.tail.retain(|value| !vacant.contains(value));
        }
        if self.by_value.len() < self.by_value.capacity() / 4 {
            self.by_value.shrink_to_fit();
        }
        self.has.optimize();
        for ids in self.by_value.values_mut() {
            if let IdSet::Many(bitmap) = ids {
                bitmap.optimize();
            }
        }
    }
}

/// The inverted index of the head.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    all: RoaringBitmap,
    names: FastMap<u32, NameIndex>,
}

impl Postings {
    pub(crate) fn all(&self) -> &RoaringBitmap {
        &self.all
    }

    pub(crate) fn name(&self, name: u32) -> Option<&NameIndex> {
        self.names.get(&name)
    }

    /// Iterates over the label names, in no particular order.
    pub(crate) fn names(&self) -> impl Iterator<Item = (u32, &NameIndex)> + '_ {
        self.names.iter().map(|(name, index)| (*name, index))
    }

    pub(crate) fn insert(&mut self, id: u32, pairs: &[(u32, u32)], symbols: &SymbolTable) {
        self.all.insert(id);
        for (name, value) in pairs {
            self.names.entry(*name).or_default().insert(*value, id, symbols);
        }
    }

    /// Removes a series from those that have a label.
    pub(crate) fn remove(&mut self, id: u32, name: u32, value: u32) {
        if let Some(index) = self.names.get_mut(&name) {
            index.remove(id, value);
        }
    }

    /// Removes series that have no label left.
    pub(crate) fn remove_ids(&mut self, dead: &RoaringBitmap) {
        self.all -= dead;
        self.names.retain(|_, index| {
            index.has -= dead;
            !index.has.is_empty()
        });
    }

    /// Gives back what removed series leave of a name, and notes the strings that are in use.
    pub(crate) fn tidy(&mut self, name: u32, symbols: &mut SymbolTable) {
        self.all.optimize();
        let Some(index) = self.names.get_mut(&name) else { return };
        index.tidy();
        symbols.note(name);
        index.by_value.keys().for_each(|value| symbols.note(*value));
    }

    /// Rewrites bitmaps with run containers where that is smaller: labels constant within a target become one run.
    pub(crate) fn optimize(&mut self) {
        self.all.optimize();
        self.names.values_mut().for_each(NameIndex::tidy);
    }

    pub(crate) fn n_pairs(&self) -> usize {
        self.names.values().map(NameIndex::n_values).sum()
    }
}
