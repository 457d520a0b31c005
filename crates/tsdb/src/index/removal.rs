//! Series leave the index in slices, so that nobody waits for all of them.
//!
//! [`Index::remove`] takes a few series out of sight: no labels and no label pair lead to them. [`tidy`] then gives back
//! what nobody uses any more, a label name at a time: values without series, label sets, strings, and at last the ids.
//! Series may come in between; what they use is noted while it is found out what is in use.

use parking_lot::RwLock;
use roaring::RoaringBitmap;

use super::{Identity, Index};

/// Series whose label sets are looked at before others may go on.
const SERIES_PER_LOCK: u32 = 1 << 14;

impl Index {
    /// Removes series. Their ids stay taken until [`tidy`].
    /// # Complexity
    /// Linear in the labels of these series.
    pub(crate) fn remove(&mut self, dead: &RoaringBitmap) {
        for id in dead {
            let Identity { hash, labels, series_ref } = *self.identities.get(id);
            if series_ref == 0 {
                continue;
            }
            if let Ok(entry) = self.by_labels.find_entry(hash.spread(), |other| *other == id) {
                entry.remove();
            }
            for (name, value) in self.label_sets.pairs(labels) {
                self.postings.remove(id, name, value);
            }
            self.label_sets.remove(labels);
            self.identities.set(id, Identity::default());
            self.removed.push(id);
        }
        self.postings.remove_ids(dead);
        self.pairs.clear();
    }
}

/// Gives back what removed series used, and their ids.
pub(crate) fn tidy(index: &RwLock<Index>) {
    let names: Vec<u32> = {
        let mut index = index.write();
        index.pairs.clear();
        index.symbols.begin_noting();
        index.label_sets.begin_noting();
        index.postings.names().map(|(name, _)| name).collect()
    };
    for name in names {
        let mut index = index.write();
        let Index { postings, symbols, .. } = &mut *index;
        postings.tidy(name, symbols);
    }
    let mut start: u32 = 0;
    loop {
        let mut index = index.write();
        let Index { identities, label_sets, .. } = &mut *index;
        // What comes after the last one is noted as it comes.
        let end = start.saturating_add(SERIES_PER_LOCK).min(identities.n_items());
        let sets = (start..end).map(|id| identities.get(id));
        sets.filter(|identity| identity.series_ref != 0)
            .for_each(|identity| label_sets.note(identity.labels));
        if start == end {
            break;
        }
        start = end;
    }
    let mut index = index.write();
    index.symbols.retain_noted();
    index.label_sets.retain_noted();
    // Low ids first, so that the index stays dense.
    let removed = std::mem::take(&mut index.removed);
    index.free_ids.extend(removed);
    index.free_ids.sort_unstable_by(|a, b| b.cmp(a));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wf_model::Labels;

    use super::*;

    fn labels(n: u32) -> Labels {
        Labels::from_pairs([
            ("__name__", format!("m{}", n % 7)),
            ("id", format!("{}", n / 3)),
            ("job", format!("j{}", n % 50)),
        ])
    }

    proptest! {
        /// After removals and additions in any order the index is what the remaining series make.
        #[test]
        fn what_remains_is_found_and_what_went_is_not(
            rounds in prop::collection::vec((prop::collection::btree_set(0u32..300, 0..80), any::<bool>()), 1..8),
        ) {
            let index = RwLock::new(Index::new());
            let mut alive = std::collections::BTreeSet::new();
            let mut next_ref = 1;
            for (numbers, is_tidied) in rounds {
                let (gone, new): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|n| alive.contains(*n));
                let ids: RoaringBitmap =
                    gone.iter().map(|n| index.read().find(&labels(*n)).unwrap().0).collect();
                index.write().remove(&ids);
                gone.iter().for_each(|n| {
                    alive.remove(n);
                });
                for n in new {
                    index.write().insert(&labels(n), next_ref);
                    next_ref += 1;
                    alive.insert(n);
                }
                if is_tidied {
                    tidy(&index);
                }
                let index = index.read();
                prop_assert_eq!(index.n_series(), alive.len());
                prop_assert_eq!(index.postings.all().len(), alive.len() as u64);
                let mut want = Index::new();
                alive.iter().for_each(|n| {
                    want.insert(&labels(*n), 1);
                });
                prop_assert_eq!(index.postings.n_pairs(), want.postings.n_pairs());
                for n in &alive {
                    let (id, _) = index.find(&labels(*n)).unwrap();
                    prop_assert_eq!(index.labels(id), labels(*n));
                }
                for (name, values) in want.postings.names() {
                    let name = index.symbols.find(want.symbols.get(name)).unwrap();
                    let found = index.postings.name(name).unwrap();
                    prop_assert_eq!(found.values().count(), values.n_values());
                    prop_assert_eq!(found.has().len(), values.has().len());
                    let texts = |index: &Index, values: Vec<u32>| {
                        let texts: std::collections::BTreeSet<String> =
                            values.iter().map(|value| index.symbols.get(*value).to_owned()).collect();
                        texts.into_iter().filter(|text| text.starts_with("j1")).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(
                        texts(&index, found.values_with_prefix("j1", &index.symbols)),
                        texts(&want, values.values_with_prefix("j1", &want.symbols))
                    );
                }
                if is_tidied {
                    prop_assert_eq!(index.symbols.len(), want.symbols.len());
                }
            }
        }
    }
}
