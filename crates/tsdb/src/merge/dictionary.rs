//! Texts and label sets that several sources have in common, as codes.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::SymbolText;
use crate::FastMap;

/// Runs of values, each stored once and named by its position.
#[derive(Debug)]
struct Runs<T> {
    hasher: RandomState,
    items: Vec<T>,
    ends: Vec<usize>,
    ids: HashTable<u32>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), items: Vec::new(), ends: Vec::new(), ids: HashTable::new() }
    }
}

impl<T: Copy + Eq + std::hash::Hash> Runs<T> {
    /// Returns the id of `run`; the flag tells whether it is new.
    fn intern(&mut self, run: &[T]) -> (u32, bool) {
        let Self { hasher, items, ends, ids } = self;
        let hash = hasher.hash_one(run);
        if let Some(id) = ids.find(hash, |id| slice(items, ends, *id) == run) {
            return (*id, false);
        }
        items.extend_from_slice(run);
        ends.push(items.len());
        let id = u32::try_from(ends.len() - 1).expect("4 billion label sets do not fit memory");
        ids.insert_unique(hash, id, |id| hasher.hash_one(slice(items, ends, *id)));
        (id, true)
    }
}

fn slice<'a, T>(items: &'a [T], ends: &[usize], id: u32) -> &'a [T] {
    let id = id as usize;
    let start = id.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let end = ends.get(id).copied().unwrap_or(start);
    items.get(start..end).unwrap_or_default()
}

/// The texts and label sets seen so far.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    texts: Runs<u8>,
    sets: Runs<(u32, u32)>,
}

/// What one source's codes mean in the dictionary.
#[derive(Debug, Default)]
pub(super) struct Translation {
    codes: FastMap<u32, u32>,
    /// The last label set, before and after: neighbours share most labels.
    last: Vec<(u32, u32)>,
    last_translated: Vec<(u32, u32)>,
}

impl Dictionary {
    /// Returns the position of a label set among all distinct ones; the flag tells whether it is new.
    pub(super) fn set(
        &mut self,
        of: &mut Translation,
        labels: &[(u32, u32)],
        symbols: &dyn SymbolText,
    ) -> (u32, bool) {
        for (at, (name, value)) in labels.iter().enumerate() {
            // Neighbours share most labels, be they before or behind the one in which they differ.
            let translated = match (of.last.get(at), of.last_translated.get(at)) {
                (Some(last), Some(known)) if last == &(*name, *value) => *known,
                (Some(last), Some(known)) if last.0 == *name => {
                    (known.0, self.code(&mut of.codes, *value, symbols))
                }
                _ => (self.code(&mut of.codes, *name, symbols), self.code(&mut of.codes, *value, symbols)),
            };
            match of.last_translated.get_mut(at) {
                Some(slot) => *slot = translated,
                None => of.last_translated.push(translated),
            }
        }
        of.last_translated.truncate(labels.len());
        of.last.clear();
        of.last.extend_from_slice(labels);
        self.sets.intern(&of.last_translated)
    }

    fn code(&mut self, codes: &mut FastMap<u32, u32>, code: u32, symbols: &dyn SymbolText) -> u32 {
        *codes.entry(code).or_insert_with(|| self.texts.intern(symbols.text(code).as_bytes()).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Texts(&'static [&'static str]);

    impl SymbolText for Texts {
        fn text(&self, code: u32) -> &str {
            self.0.get(code as usize).copied().unwrap_or("")
        }
    }

    #[test]
    fn equal_sets_of_two_sources_are_one() {
        let a = Texts(&["", "job", "a", "b", "instance"]);
        let b = Texts(&["b", "a", "job"]);
        let (mut dictionary, mut of_a, mut of_b) =
            (Dictionary::default(), Translation::default(), Translation::default());
        assert_eq!(dictionary.set(&mut of_a, &[(1, 2)], &a), (0, true));
        assert_eq!(dictionary.set(&mut of_a, &[(1, 3)], &a), (1, true));
        assert_eq!(dictionary.set(&mut of_a, &[(4, 3), (1, 3)], &a), (2, true));
        assert_eq!(dictionary.set(&mut of_a, &[(4, 3)], &a), (3, true));
        assert_eq!(dictionary.set(&mut of_a, &[], &a), (4, true));
        assert_eq!(dictionary.set(&mut of_b, &[(2, 0)], &b), (1, false));
        assert_eq!(dictionary.set(&mut of_b, &[(2, 1)], &b), (0, false));
        assert_eq!(dictionary.set(&mut of_b, &[(1, 2)], &b), (5, true));
        assert_eq!(dictionary.set(&mut of_b, &[], &b), (4, false));
    }
}
