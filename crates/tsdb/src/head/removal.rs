//! Series leave the head a few at a time: a batch or a query waits for hundreds of them, not for all.

use roaring::RoaringBitmap;
use wf_series::AppendError;

use super::Head;
use super::shard::{Shard, shard_of};
use crate::FastMap;
use crate::index::removal;

/// Series that are dropped before others may go on.
const SERIES_PER_LOCK: usize = 256;

impl Head {
    /// Drops those of `doomed` of which `is_dead` is still true when their turn comes; `announce` hears their references
    /// before. Returns how many went, and the error of `announce` that ended it.
    pub(super) fn drop_series(
        &self,
        doomed: &RoaringBitmap,
        is_dead: &dyn Fn(&Shard, u32) -> bool,
        announce: &mut dyn FnMut(&[u64]) -> Result<(), AppendError>,
    ) -> (u64, Result<(), AppendError>) {
        if doomed.is_empty() {
            return (0, Ok(()));
        }
        let refs_of = self.references(doomed);
        let mut gone: FastMap<u64, ()> = FastMap::default();
        let (mut n_dropped, mut outcome) = (0, Ok(()));
        let ids: Vec<u32> = doomed.iter().collect();
        for ids in ids.chunks(SERIES_PER_LOCK) {
            // Nobody appends meanwhile, so what is dead stays dead.
            let mut commit = self.commit.lock();
            let is_dead = |id: &&u32| is_dead(&self.shards[shard_of(**id)].read(), **id);
            let dead: RoaringBitmap = ids.iter().filter(is_dead).copied().collect();
            let refs: Vec<u64> = dead.iter().filter_map(|id| refs_of.get(&id)).flatten().copied().collect();
            outcome = announce(&refs);
            if outcome.is_err() {
                break;
            }
            let mut index = self.index.write();
            for id in &dead {
                self.shards[shard_of(id)].write().remove(id);
            }
            index.remove(&dead);
            refs.iter().for_each(|series_ref| commit.refs.remove(*series_ref));
            drop((index, commit));
            gone.extend(refs.into_iter().map(|series_ref| (series_ref, ())));
            n_dropped += dead.len();
        }
        removal::tidy(&self.index);
        self.metadata.retain(|series_ref| !gone.contains_key(&series_ref));
        (n_dropped, outcome)
    }

    /// Returns all references of each of these series.
    fn references(&self, ids: &RoaringBitmap) -> FastMap<u32, Vec<u64>> {
        let mut refs_of: FastMap<u32, Vec<u64>> = FastMap::default();
        let pages = self.commit.lock().refs.page_numbers();
        for page in pages {
            let commit = self.commit.lock();
            for (series_ref, id) in commit.refs.page(page) {
                if ids.contains(id) {
                    refs_of.entry(id).or_default().push(series_ref);
                }
            }
        }
        refs_of
    }
}

impl Shard {
    /// Returns whether a series has no samples in the head.
    pub(super) fn is_without_data(&self, id: u32) -> bool {
        self.series(id).n_chunks() == 0 && self.late.get(id).is_none()
    }
}
