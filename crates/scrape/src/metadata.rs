//! What a target's pages declare about metric families: type, help and unit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wf_model::{Metadata, MetricType};
use wf_series::SeriesRef;

/// Scrapes for which a family is remembered after it vanished.
const KEPT_SCRAPES: u32 = 10;

/// What one target's families may occupy; declarations beyond it are not remembered.
const BYTES_MAX: usize = 4 << 20;
/// What a family occupies besides its texts.
const FAMILY_BYTES: usize = 128;

/// Metadata of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyMetadata {
    /// Name as declared.
    pub name: Arc<str>,
    /// What is declared.
    pub metadata: Metadata,
}

#[derive(Debug)]
struct Family {
    family: FamilyMetadata,
    seen: u32,
    /// Series that storage knows these declarations of.
    told: HashSet<SeriesRef, foldhash::fast::RandomState>,
}

/// The families of one target, as of its last scrapes.
#[derive(Debug, Default)]
pub(crate) struct MetadataCache {
    /// A place keeps its family while any slot may refer to it.
    families: Vec<Option<Family>>,
    free: Vec<u32>,
    by_name: HashMap<Arc<str>, u32, foldhash::fast::RandomState>,
    n_bytes: usize,
    epoch: u32,
    is_changed: bool,
}

/// One thing declared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Declaration<'a> {
    Help(&'a str),
    Type(MetricType),
    Unit(&'a str),
}

impl MetadataCache {
    /// Begins a scrape.
    pub(crate) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Notes a declaration; returns the place of its family, or nothing if there is no room for it.
    pub(crate) fn declare(&mut self, name: &str, declaration: Declaration<'_>) -> Option<u32> {
        let place = self.place_of(name)?;
        let known = self.families.get_mut(place as usize)?.as_mut()?;
        known.seen = self.epoch;
        let metadata = &mut known.family.metadata;
        let (text, new) = match declaration {
            Declaration::Type(kind) => {
                if std::mem::replace(&mut metadata.kind, kind) != kind {
                    self.is_changed = true;
                    known.told.clear();
                }
                return Some(place);
            }
            Declaration::Help(new) => (&mut metadata.help, new),
            Declaration::Unit(new) => (&mut metadata.unit, new),
        };
        if text == new {
            return Some(place);
        }
        let n_bytes = self.n_bytes - text.len() + new.len();
        if n_bytes > BYTES_MAX {
            return None;
        }
        new.clone_into(text);
        known.told.clear();
        (self.n_bytes, self.is_changed) = (n_bytes, true);
        Some(place)
    }

    /// Returns what is declared of the family at `place`, unless this was asked for `series` since it changed.
    pub(crate) fn news_for(&mut self, place: u32, series: SeriesRef) -> Option<Metadata> {
        let known = self.families.get_mut(place as usize)?.as_mut()?;
        known.told.insert(series).then(|| known.family.metadata.clone())
    }

    /// Notes that a family was declared as it was before.
    #[inline]
    pub(crate) fn touch(&mut self, place: u32) {
        if let Some(Some(known)) = self.families.get_mut(place as usize) {
            known.seen = self.epoch;
        }
    }

    /// Ends a successful scrape: forgets families that vanished [`KEPT_SCRAPES`] ago. No slot refers to them any more.
    pub(crate) fn settle(&mut self) {
        for (place, entry) in (0_u32..).zip(&mut self.families) {
            let is_old = |known: &mut Family| self.epoch.wrapping_sub(known.seen) > KEPT_SCRAPES;
            if let Some(old) = entry.take_if(is_old) {
                self.by_name.remove(&old.family.name);
                self.free.push(place);
                self.n_bytes -= old.n_bytes();
                self.is_changed = true;
            }
        }
    }

    /// Returns all families sorted by name if anything changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<FamilyMetadata>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut all: Vec<_> = self.families.iter().flatten().map(|known| known.family.clone()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Some(all)
    }

    fn place_of(&mut self, name: &str) -> Option<u32> {
        if let Some(place) = self.by_name.get(name) {
            return Some(*place);
        }
        let n_bytes = self.n_bytes + FAMILY_BYTES + name.len();
        if n_bytes > BYTES_MAX {
            return None;
        }
        self.n_bytes = n_bytes;
        let name: Arc<str> = name.into();
        let family = FamilyMetadata { name: Arc::clone(&name), metadata: Metadata::default() };
        let entry = Some(Family { family, seen: self.epoch, told: HashSet::default() });
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.families.push(None);
                u32::try_from(self.families.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(free) = self.families.get_mut(place as usize) {
            *free = entry;
        }
        self.by_name.insert(name, place);
        self.is_changed = true;
        Some(place)
    }
}

impl Family {
    fn n_bytes(&self) -> usize {
        let FamilyMetadata { name, metadata } = &self.family;
        FAMILY_BYTES + name.len() + metadata.help.len() + metadata.unit.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_published_when_changed_and_forgotten_ten_scrapes_after_they_vanished() {
        let mut cache = MetadataCache::default();
        cache.begin();
        cache.declare("b", Declaration::Help("text"));
        let place = cache.declare("b", Declaration::Type(MetricType::Counter)).unwrap();
        cache.declare("a_s", Declaration::Unit("s"));
        cache.settle();
        let families = cache.take_changed().unwrap();
        assert_eq!(families.iter().map(|f| &*f.name).collect::<Vec<_>>(), ["a_s", "b"]);
        let want = Metadata { kind: MetricType::Counter, help: "text".into(), unit: String::new() };
        assert_eq!(families[1].metadata, want);
        for _ in 0..10 {
            cache.begin();
            cache.touch(place);
            cache.settle();
            assert!(cache.take_changed().is_none());
        }
        cache.begin();
        cache.touch(place);
        cache.settle();
        assert_eq!(cache.take_changed().unwrap().len(), 1);
        assert_eq!(cache.declare("new", Declaration::Help("")), Some(1), "the free place is used again");
    }

    #[test]
    fn a_flood_of_declarations_is_not_remembered() {
        let mut cache = MetadataCache::default();
        cache.begin();
        let text = "x".repeat(1 << 20);
        let kept =
            (0..8).filter(|idx| cache.declare(&idx.to_string(), Declaration::Help(&text)).is_some()).count();
        assert_eq!(kept, 3);
        assert!((0..100_000).any(|idx| cache.declare(&format!("m{idx}"), Declaration::Help("")).is_none()));
        for _ in 0..11 {
            cache.begin();
            cache.settle();
        }
        assert_eq!(cache.n_bytes, 0);
    }
}
