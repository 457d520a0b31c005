//! Which series carry which label pair: sets of dense ids, by name and value.

use roaring::RoaringBitmap;

use super::symbols::SymbolTable;
use crate::FastMap;

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

    fn remove_all(&mut self, dead: &RoaringBitmap) {
        let alive: Vec<u32> = match self {
            Self::Few { len, ids } => {
                ids[..usize::from(*len)].iter().copied().filter(|id| !dead.contains(*id)).collect()
            }
            Self::Many(bitmap) => {
                **bitmap -= dead;
                if bitmap.len() > INLINE_IDS as u64 {
                    return;
                }
                bitmap.iter().collect()
            }
        };
        *self = Self::default();
        alive.into_iter().for_each(|id| self.insert(id));
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
        in_order.chain(self.tail.iter().filter(has_prefix)).copied().collect()
    }

    fn insert(&mut self, value: u32, id: u32, symbols: &SymbolTable) {
        self.has.insert(id);
        self.by_value
            .entry(value)
            .or_insert_with(|| {
                self.tail.push(value);
                IdSet::default()
            })
            .insert(id);
        if self.tail.len() > 64 && self.tail.len() * 16 > self.sorted.len() {
            self.sorted.append(&mut self.tail);
            self.sorted.sort_unstable_by(|a, b| symbols.get(*a).cmp(symbols.get(*b)));
        }
    }

    fn remove_all(&mut self, dead: &RoaringBitmap) {
        self.has -= dead;
        self.by_value.retain(|_, ids| {
            ids.remove_all(dead);
            ids.len() > 0
        });
        self.by_value.shrink_to_fit();
        let by_value = &self.by_value;
        self.sorted.retain(|value| by_value.contains_key(value));
        self.tail.retain(|value| by_value.contains_key(value));
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

    pub(crate) fn remove_all(&mut self, dead: &RoaringBitmap) {
        self.all -= dead;
        self.names.retain(|_, index| {
            index.remove_all(dead);
            !index.has.is_empty()
        });
    }

    /// Rewrites bitmaps with run containers where that is smaller: labels constant within a target become one run.
    pub(crate) fn optimize(&mut self) {
        self.all.optimize();
        self.names.values_mut().for_each(|index| {
            index.has.optimize();
            index.by_value.values_mut().for_each(|ids| {
                if let IdSet::Many(bitmap) = ids {
                    bitmap.optimize();
                }
            });
        });
    }

    pub(crate) fn n_pairs(&self) -> usize {
        self.names.values().map(NameIndex::n_values).sum()
    }
}
