//! Interned label sets: shape, group and own values.
//!
//! Series of one target repeat their label names (the *shape*) and the labels that name the target (the *group*); both
//! are stored once. What remains of ten labels is two ids and three to five value ids.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::FastMap;

use super::symbols::{EMPTY, SymbolTable};

/// Labels that usually are constant within a target. Only a hint: any label may be in a group or not.
const GROUP_NAMES: [&str; 16] = [
    "instance",
    "job",
    "namespace",
    "node",
    "cluster",
    "endpoint",
    "service",
    "region",
    "zone",
    "environment",
    "env",
    "datacenter",
    "host",
    "prometheus",
    "tenant",
    "team",
];

/// Own values live in chunks of this many ids, so that growth copies nothing.
const CHUNK_VALUES_LOG2: u32 = 14;
const CHUNK_VALUES: usize = 1 << CHUNK_VALUES_LOG2;

/// Names one interned label set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSetRef {
    shape: u32,
    group: u32,
    own: u32,
}

impl LabelSetRef {
    /// Returns the id of its shape: sets of one shape keep a label in the same place.
    pub(crate) fn shape(self) -> u32 {
        self.shape
    }
}

/// Where a shape keeps the value of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Absent,
    Group(u32),
    Own(u32),
}

/// The label sets of all series.
#[derive(Debug, Default)]
pub(crate) struct LabelSets {
    /// Name ids, in the byte order of the names; the top bit marks a label of the group.
    shapes: Tuples,
    groups: Tuples,
    own: OwnValues,
    newest: Newest,
}

/// The set that was stored last: the next one mostly shares shape and group with it.
#[derive(Debug, Default)]
struct Newest {
    /// `None` when there is none, or it may be gone.
    ids: Option<(u32, u32)>,
    /// Its shape, as stored.
    shape: Vec<u32>,
    group: Vec<u32>,
    /// Room for the own values of a set.
    own: Vec<u32>,
}

const IN_GROUP: u32 = 1 << 31;

impl LabelSets {
    /// Stores a set of `(name, value)` ids sorted by name; the caller makes sure that it is not stored yet.
    pub(crate) fn insert(&mut self, pairs: &[(u32, u32)], symbols: &SymbolTable) -> LabelSetRef {
        let Self { shapes, groups, own, newest } = self;
        let known = newest.ids.filter(|_| {
            newest.shape.iter().map(|name| name & !IN_GROUP).eq(pairs.iter().map(|(name, _)| *name))
        });
        let shape = known.map_or_else(
            || {
                newest.shape.clear();
                newest.shape.extend(pairs.iter().map(|(name, _)| marked(*name, symbols)));
                shapes.intern(&newest.shape)
            },
            |(shape, _)| shape,
        );
        newest.own.clear();
        let mut is_same_group = known.is_some();
        let mut n_group = 0;
        for (name, (_, value)) in newest.shape.iter().zip(pairs) {
            if name & IN_GROUP == 0 {
                newest.own.push(*value);
                continue;
            }
            if newest.group.get(n_group) != Some(value) {
                newest.group.truncate(n_group);
                newest.group.push(*value);
                is_same_group = false;
            }
            n_group += 1;
        }
        newest.group.truncate(n_group);
        let group =
            known.filter(|_| is_same_group).map_or_else(|| groups.intern(&newest.group), |(_, id)| id);
        newest.ids = Some((shape, group));
        LabelSetRef { shape, group, own: own.store(&newest.own) }
    }

    /// Frees the own values of a set; shape and group go with [`LabelSets::retain_noted`].
    pub(crate) fn remove(&mut self, set: LabelSetRef) {
        let n_own = self.shapes.get(set.shape).iter().filter(|name| **name & IN_GROUP == 0).count();
        self.own.free(set.own, n_own);
    }

    /// Iterates over the `(name, value)` ids of a set in name order.
    pub(crate) fn pairs(&self, set: LabelSetRef) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut group = self.groups.get(set.group).iter();
        let mut own = self.own.from(set.own).iter();
        self.shapes.get(set.shape).iter().map(move |name| {
            let values = if name & IN_GROUP != 0 { &mut group } else { &mut own };
            (name & !IN_GROUP, values.next().copied().unwrap_or(EMPTY))
        })
    }

    /// Returns where sets of the shape of `set` keep label `name`.
    pub(crate) fn place(&self, set: LabelSetRef, name: u32) -> Place {
        let (mut in_group, mut own) = (0, 0);
        for entry in self.shapes.get(set.shape) {
            let is_group = entry & IN_GROUP != 0;
            if entry & !IN_GROUP == name {
                return if is_group { Place::Group(in_group) } else { Place::Own(own) };
            }
            *if is_group { &mut in_group } else { &mut own } += 1;
        }
        Place::Absent
    }

    /// Returns the value id at a place, [`EMPTY`] if there is none.
    pub(crate) fn value_at(&self, set: LabelSetRef, place: Place) -> u32 {
        let value = match place {
            Place::Absent => None,
            Place::Group(at) => self.groups.get(set.group).get(at as usize),
            Place::Own(at) => self.own.from(set.own).get(at as usize),
        };
        value.copied().unwrap_or(EMPTY)
    }

    /// From now on notes which shapes and groups are in use: those of sets that come in, and those told to
    /// [`LabelSets::note`].
    pub(crate) fn begin_noting(&mut self) {
        // The next set is looked up, and so noted.
        self.newest.ids = None;
        self.shapes.noted = Some(vec![false; self.shapes.tuples.len()]);
        self.groups.noted = Some(vec![false; self.groups.tuples.len()]);
    }

    /// Notes that a set is in use.
    pub(crate) fn note(&mut self, set: LabelSetRef) {
        self.shapes.note(set.shape);
        self.groups.note(set.group);
    }

    /// Drops shapes and groups that are not noted.
    pub(crate) fn retain_noted(&mut self) {
        self.newest.ids = None;
        self.shapes.retain_noted();
        self.groups.retain_noted();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.own.chunks.len() * CHUNK_VALUES * 4 + self.shapes.bytes() + self.groups.bytes()
    }
}

/// Returns the entry of a shape for a name.
fn marked(name: u32, symbols: &SymbolTable) -> u32 {
    if GROUP_NAMES.contains(&symbols.get(name)) { name | IN_GROUP } else { name }
}

/// Distinct lists of ids, each stored once.
#[derive(Debug, Default)]
struct Tuples {
    hasher: RandomState,
    tuples: Vec<Box<[u32]>>,
    ids: HashTable<u32>,
    free: Vec<u32>,
    /// Which are in use, while that is found out.
    noted: Option<Vec<bool>>,
}

impl Tuples {
    fn get(&self, id: u32) -> &[u32] {
        self.tuples.get(id as usize).map_or(&[], |tuple| tuple)
    }

    fn intern(&mut self, tuple: &[u32]) -> u32 {
        let id = self.find_or_add(tuple);
        self.note(id);
        id
    }

    fn find_or_add(&mut self, tuple: &[u32]) -> u32 {
        let Self { hasher, tuples, ids, free, .. } = self;
        let hash = hasher.hash_one(tuple);
        if let Some(id) = ids.find(hash, |id| *tuples[*id as usize] == *tuple) {
            return *id;
        }
        let id = match free.pop() {
            Some(id) => {
                tuples[id as usize] = tuple.into();
                id
            }
            None => {
                tuples.push(tuple.into());
                u32::try_from(tuples.len() - 1).expect("there are fewer tuples than series")
            }
        };
        ids.insert_unique(hash, id, |id| hasher.hash_one(&*tuples[*id as usize]));
        id
    }

    fn note(&mut self, id: u32) {
        if let Some(noted) = &mut self.noted {
            let at = id as usize;
            noted.resize(noted.len().max(at + 1), false);
            noted[at] = true;
        }
    }

    fn retain_noted(&mut self) {
        let Some(noted) = self.noted.take() else { return };
        let Self { tuples, ids, free, .. } = self;
        ids.retain(|id| {
            let keep = noted.get(*id as usize).copied().unwrap_or(false);
            if !keep {
                tuples[*id as usize] = Box::default();
                free.push(*id);
            }
            keep
        });
    }

    fn bytes(&self) -> usize {
        self.tuples.capacity() * 16 + self.tuples.iter().map(|tuple| tuple.len() * 4 + 16).sum::<usize>()
    }
}

/// Runs of value ids. A freed run is given to the next set of the same length.
#[derive(Debug, Default)]
struct OwnValues {
    chunks: Vec<Vec<u32>>,
    free: FastMap<usize, Vec<u32>>,
}

impl OwnValues {
    /// Returns the ids from a place on; the shape knows how many belong to the set.
    fn from(&self, place: u32) -> &[u32] {
        let chunk = self.chunks.get((place >> CHUNK_VALUES_LOG2) as usize);
        chunk.and_then(|chunk| chunk.get(place as usize & (CHUNK_VALUES - 1)..)).unwrap_or(&[])
    }

    fn store(&mut self, values: &[u32]) -> u32 {
        if let Some(place) = self.free.get_mut(&values.len()).and_then(Vec::pop) {
            let start = place as usize & (CHUNK_VALUES - 1);
            let chunk = &mut self.chunks[(place >> CHUNK_VALUES_LOG2) as usize];
            chunk[start..start + values.len()].copy_from_slice(values);
            return place;
        }
        // A place must be below the chunk's size, also the place of an empty run.
        let fits = self.chunks.last().is_some_and(|chunk| chunk.len() + values.len() < chunk.capacity());
        if !fits {
            self.chunks.push(Vec::with_capacity(CHUNK_VALUES.max(values.len() + 1)));
        }
        let chunk_idx = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_idx];
        let start = chunk.len();
        chunk.extend_from_slice(values);
        u32::try_from((chunk_idx << CHUNK_VALUES_LOG2) | start)
            .expect("the series bound keeps values below 4 billion")
    }

    fn free(&mut self, place: u32, n_values: usize) {
        if n_values > 0 {
            self.free.entry(n_values).or_default().push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(symbols: &mut SymbolTable, pairs: &[(&str, &str)]) -> Vec<(u32, u32)> {
        pairs.iter().map(|(name, value)| (symbols.intern(name), symbols.intern(value))).collect()
    }

    #[test]
    fn group_and_own_values_interleave_in_name_order() {
        let (mut symbols, mut sets) = (SymbolTable::new(), LabelSets::default());
        let pairs = ids(
            &mut symbols,
            &[("__name__", "m"), ("cpu", "0"), ("instance", "a"), ("job", "n"), ("z", "1")],
        );
        let set = sets.insert(&pairs, &symbols);
        assert_eq!(sets.pairs(set).collect::<Vec<_>>(), pairs);
        assert_eq!(sets.place(set, pairs[2].0), Place::Group(0));
        assert_eq!(sets.value_at(set, sets.place(set, pairs[4].0)), pairs[4].1);
        let absent = symbols.intern("absent");
        assert_eq!(sets.value_at(set, sets.place(set, absent)), EMPTY);
        let no_own = ids(&mut symbols, &[("instance", "a"), ("job", "n")]);
        let set = sets.insert(&no_own, &symbols);
        assert_eq!(sets.pairs(set).collect::<Vec<_>>(), no_own);
    }

    #[test]
    fn memory_of_removed_sets_is_used_again() {
        let (mut symbols, mut sets) = (SymbolTable::new(), LabelSets::default());
        for round in 0..10 {
            let stored: Vec<(LabelSetRef, Vec<(u32, u32)>)> = (0..40_000)
                .map(|n| {
                    let value = format!("{}", n + round);
                    let pairs = ids(&mut symbols, &[("__name__", "m"), ("id", &value), ("job", "j")]);
                    (sets.insert(&pairs, &symbols), pairs)
                })
                .collect();
            assert!(stored.iter().all(|(set, pairs)| sets.pairs(*set).eq(pairs.iter().copied())));
            stored.iter().for_each(|(set, _)| sets.remove(*set));
            sets.begin_noting();
            sets.retain_noted();
        }
        assert!(sets.bytes() < 500_000, "{}", sets.bytes());
    }
}
