//! Who the series are: symbols, label sets, the map from labels to series, postings.
//!
//! Local ids are dense `u32`s in creation order, so that the series of one target are neighbours and its labels become
//! runs in the postings. An id is given out again only after its series was dropped and no selection can name it.

pub(crate) mod label_sets;
pub(crate) mod matching;
pub(crate) mod postings;
pub(crate) mod removal;
pub(crate) mod slabs;
pub(crate) mod symbols;

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use wf_model::Labels;

use self::label_sets::{LabelSetRef, LabelSets};
use self::postings::{BulkPostings, Postings};
use self::slabs::Slabs;
use self::symbols::{EMPTY, SymbolTable};

/// Half of the hash of a label set: the other half, with what aligns it, would be 8 B a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LabelsHash(u32);

impl LabelsHash {
    fn of(hash: u64) -> Self {
        Self((hash >> 32) as u32)
    }

    /// Returns 64 bits to find it by in a table, which looks at the lowest and at the highest ones.
    fn spread(self) -> u64 {
        u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// What identifies one series.
#[derive(Clone, Copy, Debug, Default)]
struct Identity {
    hash: LabelsHash,
    /// 0 while the id is free.
    series_ref: u64,
    labels: LabelSetRef,
}

/// The series of the head, without their samples.
#[derive(Debug)]
pub(crate) struct Index {
    /// Keyed by a seed of this process: label values come from outside.
    hasher: RandomState,
    pub(crate) symbols: SymbolTable,
    pub(crate) label_sets: LabelSets,
    pub(crate) postings: Postings,
    identities: Slabs<Identity>,
    by_labels: HashTable<u32>,
    free_ids: Vec<u32>,
    /// Ids of removed series, not free before everything is tidied up.
    removed: Vec<u32>,
    /// Labels of the series added last.
    pairs: Vec<(u32, u32)>,
}

/// Many series on their way to an empty index, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    postings: BulkPostings,
    text: String,
    ends: Vec<u32>,
}

impl Bulk {
    /// Returns the hash that [`Labels`] with these pairs have, without building them.
    fn hash(&mut self, hasher: &RandomState, pairs: &[(u32, u32)], symbols: &SymbolTable) -> LabelsHash {
        let Self { text, ends, .. } = self;
        text.clear();
        ends.clear();
        for symbol in pairs.iter().flat_map(|(name, value)| [*name, *value]) {
            text.push_str(symbols.get(symbol));
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        let mut state = hasher.build_hasher();
        ends.as_slice().hash(&mut state);
        text.as_str().hash(&mut state);
        LabelsHash::of(state.finish())
    }
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            symbols: SymbolTable::new(),
            label_sets: LabelSets::default(),
            postings: Postings::default(),
            identities: Slabs::default(),
            by_labels: HashTable::new(),
            free_ids: Vec::new(),
            removed: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Returns id and reference of the series with these labels.
    pub(crate) fn find(&self, labels: &Labels) -> Option<(u32, u64)> {
        let hash = LabelsHash::of(self.hasher.hash_one(labels));
        let id = self.by_labels.find(hash.spread(), |id| self.is_series(*id, hash, labels))?;
        Some((*id, self.identities.get(*id).series_ref))
    }

    /// Adds a series that is not there yet, and returns its id.
    pub(crate) fn insert(&mut self, labels: &Labels, series_ref: u64) -> u32 {
        debug_assert!(self.find(labels).is_none(), "{labels} is there already");
        let hash = LabelsHash::of(self.hasher.hash_one(labels));
        let mut pairs = std::mem::take(&mut self.pairs);
        self.intern(labels, &mut pairs);
        let id = self.insert_identity(hash, &pairs, series_ref);
        self.postings.insert(id, &pairs, &self.symbols);
        self.pairs = pairs;
        id
    }

    /// Adds a series that is not there yet, its labels interned and sorted by name; returns its id. Nothing may be
    /// selected before [`Index::finish_bulk`].
    pub(crate) fn insert_bulk(&mut self, bulk: &mut Bulk, pairs: &[(u32, u32)], series_ref: u64) -> u32 {
        let hash = bulk.hash(&self.hasher, pairs, &self.symbols);
        let id = self.insert_identity(hash, pairs, series_ref);
        bulk.postings.insert(id, pairs);
        id
    }

    /// Ends adding many series to an index that was empty.
    pub(crate) fn finish_bulk(&mut self, bulk: Bulk) {
        self.postings = bulk.postings.finish(&self.symbols);
    }

    /// Gives a series an id under which its labels are found.
    fn insert_identity(&mut self, hash: LabelsHash, pairs: &[(u32, u32)], series_ref: u64) -> u32 {
        let identity = Identity { hash, series_ref, labels: self.label_sets.insert(pairs, &self.symbols) };
        let id = self.free_ids.pop().unwrap_or_else(|| self.identities.n_items());
        self.identities.set(id, identity);
        self.by_labels.insert_unique(hash.spread(), id, |id| self.identities.get(*id).hash.spread());
        id
    }

    /// Turns labels into ids. `pairs` holds those of the series before: neighbours share most labels, and comparing two
    /// strings is cheaper than looking one up.
    fn intern(&mut self, labels: &Labels, pairs: &mut Vec<(u32, u32)>) {
        pairs.resize(labels.len(), (EMPTY, EMPTY));
        for ((name, value), pair) in labels.iter().zip(pairs) {
            if self.symbols.get(pair.0) != name {
                pair.0 = self.symbols.intern(name);
            }
            if self.symbols.get(pair.1) != value {
                pair.1 = self.symbols.intern(value);
            }
        }
    }

    pub(crate) fn labels(&self, id: u32) -> Labels {
        let pairs = self.label_sets.pairs(self.identities.get(id).labels);
        Labels::from_sorted(pairs.map(|(name, value)| (self.symbols.get(name), self.symbols.get(value))))
    }

    pub(crate) fn label_set(&self, id: u32) -> LabelSetRef {
        self.identities.get(id).labels
    }

    /// Gives a series another reference from now on.
    pub(crate) fn set_series_ref(&mut self, id: u32, series_ref: u64) {
        let identity = self.identities.get(id);
        self.identities.set(id, Identity { series_ref, ..*identity });
    }

    /// Returns the reference of a series, 0 if the id is free.
    pub(crate) fn series_ref(&self, id: u32) -> u64 {
        self.identities.get(id).series_ref
    }

    pub(crate) fn n_series(&self) -> usize {
        self.by_labels.len()
    }

    /// Estimates the memory of everything here, bytes. Postings are estimated at their design budget of 8 B a series
    /// and 48 B a label pair: measuring them means walking them.
    pub(crate) fn bytes(&self) -> usize {
        let n_pairs = self.postings.n_pairs();
        self.symbols.bytes()
            + self.label_sets.bytes()
            + self.identities.bytes()
            + self.by_labels.capacity() * 5
            + self.n_series() * 8
            + n_pairs * 48
    }

    fn is_series(&self, id: u32, hash: LabelsHash, labels: &Labels) -> bool {
        let identity = self.identities.get(id);
        identity.hash == hash && {
            let mut wanted = labels.iter();
            let mut pairs = self.label_sets.pairs(identity.labels);
            let all_equal = pairs.by_ref().all(|(name, value)| {
                wanted.next() == Some((self.symbols.get(name), self.symbols.get(value)))
            });
            all_equal && wanted.next().is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An index made at once answers as one made series by series.
        #[test]
        fn series_added_at_once_are_found_as_those_added_one_by_one(
            series in prop::collection::btree_set(prop::collection::btree_map("[a-e]", "[x-z]{1,2}", 1..5), 1..200),
        ) {
            let mut single = Index::new();
            let mut index = Index::new();
            let mut bulk = Bulk::default();
            let all: Vec<Labels> = series.iter().map(Labels::from_pairs).collect();
            for (series_ref, labels) in (1..).zip(&all) {
                single.insert(labels, series_ref);
                let mut intern = |text| index.symbols.intern(text);
                let pairs: Vec<(u32, u32)> = labels.iter().map(|(n, v)| (intern(n), intern(v))).collect();
                index.insert_bulk(&mut bulk, &pairs, series_ref);
            }
            index.finish_bulk(bulk);
            for labels in &all {
                prop_assert_eq!(index.find(labels), single.find(labels));
            }
            prop_assert_eq!(index.postings.all(), single.postings.all());
            prop_assert_eq!(index.postings.n_pairs(), single.postings.n_pairs());
            for (name, want) in single.postings.names() {
                let got = index.symbols.find(single.symbols.get(name)).and_then(|name| index.postings.name(name));
                let got = got.unwrap();
                prop_assert_eq!(got.has(), want.has());
                for (value, ids) in want.values() {
                    let value = index.symbols.find(single.symbols.get(value)).unwrap();
                    prop_assert_eq!(got.get(value).unwrap().to_bitmap(), ids.to_bitmap());
                }
                let mut prefixed = got.values_with_prefix("y", &index.symbols);
                prefixed.retain(|value| !index.symbols.get(*value).starts_with('y'));
                prop_assert!(prefixed.is_empty());
                prop_assert_eq!(got.values().count(), want.n_values());
            }
        }
    }
}
