//! Who the series are: symbols, label sets, the map from labels to series, postings.
//!
//! Local ids are dense `u32`s in creation order, so that the series of one target are neighbours and its labels become
//! runs in the postings. An id is given out again only after its series was dropped and no selection can name it.

pub(crate) mod label_sets;
pub(crate) mod matching;
pub(crate) mod postings;
pub(crate) mod slabs;
pub(crate) mod symbols;

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use roaring::RoaringBitmap;
use wf_model::Labels;

use self::label_sets::{LabelSetRef, LabelSets};
use self::postings::Postings;
use self::slabs::Slabs;
use self::symbols::{EMPTY, SymbolTable};

/// What identifies one series.
#[derive(Clone, Copy, Debug, Default)]
struct Identity {
    hash: u64,
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
    /// Labels of the series added last.
    pairs: Vec<(u32, u32)>,
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
            pairs: Vec::new(),
        }
    }

    /// Returns id and reference of the series with these labels.
    pub(crate) fn find(&self, labels: &Labels) -> Option<(u32, u64)> {
        let hash = self.hasher.hash_one(labels);
        let id = self.by_labels.find(hash, |id| self.is_series(*id, hash, labels))?;
        Some((*id, self.identities.get(*id).series_ref))
    }

    /// Adds a series that is not there yet, and returns its id.
    pub(crate) fn insert(&mut self, labels: &Labels, series_ref: u64) -> u32 {
        debug_assert!(self.find(labels).is_none(), "{labels} is there already");
        let hash = self.hasher.hash_one(labels);
        let mut pairs = std::mem::take(&mut self.pairs);
        self.intern(labels, &mut pairs);
        let id = self.insert_hashed(hash, &pairs, series_ref);
        self.pairs = pairs;
        id
    }

    /// Adds a series that is not there yet, its labels interned and sorted by name; returns its id.
    pub(crate) fn insert_interned(&mut self, pairs: &[(u32, u32)], series_ref: u64) -> u32 {
        let texts = pairs.iter().map(|(name, value)| (self.symbols.get(*name), self.symbols.get(*value)));
        let hash = self.hasher.hash_one(Labels::from_sorted(texts));
        self.insert_hashed(hash, pairs, series_ref)
    }

    fn insert_hashed(&mut self, hash: u64, pairs: &[(u32, u32)], series_ref: u64) -> u32 {
        let identity = Identity { hash, series_ref, labels: self.label_sets.insert(pairs, &self.symbols) };
        let id = self.free_ids.pop().unwrap_or_else(|| self.identities.n_items());
        self.identities.set(id, identity);
        self.postings.insert(id, pairs, &self.symbols);
        self.by_labels.insert_unique(hash, id, |id| self.identities.get(*id).hash);
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

    /// Drops series, their symbols and their postings.
    /// # Complexity
    /// Linear in all that remains: called once per truncation.
    pub(crate) fn remove_all(&mut self, dead: &RoaringBitmap) {
        self.by_labels.retain(|id| !dead.contains(*id));
        self.postings.remove_all(dead);
        for id in dead {
            self.label_sets.remove(self.identities.get(id).labels);
            self.identities.set(id, Identity::default());
        }
        // Low ids first, so that the index stays dense.
        self.free_ids.extend(dead);
        self.free_ids.sort_unstable_by(|a, b| b.cmp(a));
        let identities = &self.identities;
        self.label_sets.retain(self.postings.all().iter().map(|id| identities.get(id).labels));
        let mut is_live = vec![false; self.symbols.n_ids()];
        for (name, index) in self.postings.names() {
            is_live[name as usize] = true;
            index.values().for_each(|(value, _)| is_live[value as usize] = true);
        }
        self.pairs.clear();
        self.symbols.retain(|id| is_live.get(id as usize).copied().unwrap_or(false));
        self.postings.optimize();
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

    fn is_series(&self, id: u32, hash: u64, labels: &Labels) -> bool {
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
