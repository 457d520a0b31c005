//! Interned strings: each distinct label name or value once, named by a dense `u32`.
//!
//! Bytes live in slabs of 1 MiB instead of one allocation each; 12 B per string besides its bytes and its slot in the
//! lookup table. Ids stay what they are while a string lives; ids of dropped strings are given out again.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

const SLAB_BYTES: usize = 1 << 20;

/// Id of the empty string, which stands for an absent label.
pub(crate) const EMPTY: u32 = 0;

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    slab: u32,
    start: u32,
    len: u32,
}

/// The strings and the way back from a string to its id.
#[derive(Debug)]
pub(crate) struct SymbolTable {
    hasher: RandomState,
    slabs: Vec<String>,
    spans: Vec<Span>,
    ids: HashTable<u32>,
    free: Vec<u32>,
    /// Which are in use, while that is found out.
    noted: Option<Vec<bool>>,
    /// Bytes of strings that are still interned.
    live_bytes: usize,
    /// Bytes in slabs, dropped strings included.
    stored_bytes: usize,
}

impl SymbolTable {
    pub(crate) fn new() -> Self {
        let mut table = Self {
            hasher: RandomState::default(),
            slabs: Vec::new(),
            spans: Vec::new(),
            ids: HashTable::new(),
            free: Vec::new(),
            noted: None,
            live_bytes: 0,
            stored_bytes: 0,
        };
        let empty = table.intern("");
        debug_assert_eq!(empty, EMPTY);
        table
    }

    /// Returns the string named `id`; `""` for an id that was never given out.
    pub(crate) fn get(&self, id: u32) -> &str {
        let Some(span) = self.spans.get(id as usize) else { return "" };
        let start = span.start as usize;
        self.slabs
            .get(span.slab as usize)
            .and_then(|slab| slab.get(start..start + span.len as usize))
            .unwrap_or("")
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(text), |id| self.get(*id) == text).copied()
    }

    pub(crate) fn intern(&mut self, text: &str) -> u32 {
        let id = self.find_or_add(text);
        self.note(id);
        id
    }

    /// From now on notes which strings are in use: those interned, and those told to [`SymbolTable::note`].
    pub(crate) fn begin_noting(&mut self) {
        self.noted = Some(vec![false; self.spans.len()]);
    }

    /// Notes that a string is in use.
    #[inline]
    pub(crate) fn note(&mut self, id: u32) {
        if let Some(noted) = &mut self.noted {
            let at = id as usize;
            noted.resize(noted.len().max(at + 1), false);
            noted[at] = true;
        }
    }

    fn find_or_add(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        if let Some(id) = self.ids.find(hash, |id| self.get(*id) == text) {
            return *id;
        }
        let span = self.store(text);
        let id = match self.free.pop() {
            Some(id) => {
                self.spans[id as usize] = span;
                id
            }
            None => {
                self.spans.push(span);
                u32::try_from(self.spans.len() - 1).expect("4 billion strings do not fit the memory bound")
            }
        };
        self.live_bytes += text.len();
        let Self { hasher, slabs, spans, ids, .. } = self;
        ids.insert_unique(hash, id, |id| hasher.hash_one(resolve(slabs, spans, *id)));
        id
    }

    /// Drops every string that is not noted, and rewrites the slabs when more than a quarter is dead.
    pub(crate) fn retain_noted(&mut self) {
        let Some(noted) = self.noted.take() else { return };
        let Self { slabs, spans, ids, free, live_bytes, .. } = self;
        ids.retain(|id| {
            let keep = *id == EMPTY || noted.get(*id as usize).copied().unwrap_or(false);
            if !keep {
                *live_bytes -= resolve(slabs, spans, *id).len();
                free.push(*id);
            }
            keep
        });
        if (self.stored_bytes - self.live_bytes) * 4 > self.stored_bytes {
            self.rewrite();
        }
        if self.ids.len() < self.ids.capacity() / 4 {
            self.ids.shrink_to_fit(|id| self.hasher.hash_one(resolve(&self.slabs, &self.spans, *id)));
        }
    }

    /// Returns the number of strings, the empty one not counted.
    pub(crate) fn len(&self) -> usize {
        self.ids.len() - 1
    }

    /// Returns one more than the highest id ever given out.
    pub(crate) fn n_ids(&self) -> usize {
        self.spans.len()
    }

    /// Returns the bytes of memory: slabs, spans and lookup table.
    pub(crate) fn bytes(&self) -> usize {
        self.stored_bytes + self.spans.capacity() * size_of::<Span>() + self.ids.capacity() * 5
    }

    fn store(&mut self, text: &str) -> Span {
        let fits = self.slabs.last().is_some_and(|slab| slab.len() + text.len() <= slab.capacity());
        if !fits {
            // The first slab starts small: a database of one host needs 100 kB in all.
            let capacity = if self.slabs.is_empty() { SLAB_BYTES / 16 } else { SLAB_BYTES };
            self.slabs.push(String::with_capacity(capacity.max(text.len())));
        }
        let slab_idx = self.slabs.len() - 1;
        let slab = &mut self.slabs[slab_idx];
        let start = slab.len();
        slab.push_str(text);
        self.stored_bytes += text.len();
        let fit = "a slab is 1 MiB, a label set below 4 GiB";
        Span {
            slab: u32::try_from(slab_idx).expect(fit),
            start: u32::try_from(start).expect(fit),
            len: u32::try_from(text.len()).expect(fit),
        }
    }

    fn rewrite(&mut self) {
        let old_slabs = std::mem::take(&mut self.slabs);
        let old_spans = self.spans.clone();
        self.stored_bytes = 0;
        let mut live: Vec<u32> = self.ids.iter().copied().collect();
        live.sort_unstable();
        for id in live {
            let span = self.store(resolve(&old_slabs, &old_spans, id));
            self.spans[id as usize] = span;
        }
    }
}

fn resolve<'a>(slabs: &'a [String], spans: &[Span], id: u32) -> &'a str {
    let Some(span) = spans.get(id as usize) else { return "" };
    let start = span.start as usize;
    slabs.get(span.slab as usize).and_then(|slab| slab.get(start..start + span.len as usize)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_keeps_its_id_while_it_lives() {
        let mut table = SymbolTable::new();
        let ids: Vec<u32> = (0..100_000).map(|n| table.intern(&format!("value-{n}"))).collect();
        assert_eq!(table.intern("value-7"), ids[7]);
        table.begin_noting();
        ids.iter().step_by(3).for_each(|id| table.note(*id));
        table.retain_noted();
        assert_eq!(table.get(ids[99_999]), "value-99999");
        assert_eq!((table.find("value-3"), table.find("value-4")), (Some(ids[3]), None));
        assert!(table.stored_bytes < 600_000, "dead bytes are given back: {}", table.stored_bytes);
        let reused = table.intern("new");
        assert!(ids.contains(&reused), "ids are given out again");
        assert_eq!((table.get(reused), table.find("")), ("new", Some(EMPTY)));
    }

    #[test]
    fn a_string_larger_than_a_slab_is_kept() {
        let mut table = SymbolTable::new();
        let long = "x".repeat(3 << 20);
        let id = table.intern(&long);
        assert_eq!(table.get(id), long);
        assert_eq!(table.get(table.find("").unwrap()), "");
    }
}
