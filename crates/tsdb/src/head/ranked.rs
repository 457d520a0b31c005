//! Series of the head in the order of a block: by labels, with their symbols numbered in byte order.
//!
//! Symbols are sorted once; after that comparing two series is comparing numbers. Series are first sorted by their
//! first label, mostly the metric name, then each group of equal ones by the rest: only one group's labels are in memory
//! at a time. The index is locked for a thousand series at a time, and copies of the strings are sorted without it.
//!
//! Whoever ranks makes sure that none of the series is dropped meanwhile: only upkeep drops series.

use std::ops::Range;

use parking_lot::RwLockReadGuard;

use super::Head;
use crate::index::Index;

/// Series read before somebody who waits to create one may go first.
const SERIES_PER_LOCK: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ranked {
    /// Series in label order.
    pub(crate) ids: Vec<u32>,
    /// Rank of each symbol by its id in the head; only those that the series use.
    rank_of: Vec<u32>,
    text: String,
    /// Ascending.
    symbols: Vec<Range<u32>>,
}

/// Why series cannot be ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label names and values of the head exceed 4 GiB, the most that a block can hold")]
pub(crate) struct TooManySymbols;

impl Ranked {
    /// Iterates over the label names and values in byte order.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().map(|span| self.text.get(span.start as usize..span.end as usize).unwrap_or(""))
    }

    /// Replaces `out` by the labels of a series, as ranks of name and value.
    pub(crate) fn labels(&self, index: &Index, id: u32, out: &mut Vec<(u32, u32)>) {
        out.clear();
        let rank = |symbol: u32| self.rank_of.get(symbol as usize).copied().unwrap_or(0);
        let pairs = index.label_sets.pairs(index.label_set(id));
        out.extend(pairs.map(|(name, value)| (rank(name), rank(value))));
    }
}

impl Head {
    /// Replaces `out` by the labels of a series, as ranks.
    pub(crate) fn ranked_labels(&self, ranked: &Ranked, id: u32, out: &mut Vec<(u32, u32)>) {
        ranked.labels(&self.index.read(), id, out);
    }

    /// Ranks series; see the module.
    /// # Complexity
    /// O(n log n) in series and symbols; 16 B a series, 20 B and its text a symbol.
    pub(crate) fn rank(&self, ids: Vec<u32>) -> Result<Ranked, TooManySymbols> {
        let mut ranked = self.rank_symbols(&ids)?;
        let mut keyed = Vec::with_capacity(ids.len());
        let mut labels = Vec::new();
        self.with_index(&ids, |index, id| {
            ranked.labels(index, id, &mut labels);
            let (name, value) = labels.first().copied().unwrap_or_default();
            keyed.push((u64::from(name) << 32 | u64::from(value), id));
        });
        drop(ids);
        keyed.sort_unstable();
        let mut ids: Vec<u32> = Vec::with_capacity(keyed.len());
        for group in keyed.chunk_by(|a, b| a.0 == b.0) {
            let start = ids.len();
            ids.extend(group.iter().map(|(_, id)| *id));
            self.sort_group(&ranked, &mut ids[start..]);
        }
        ranked.ids = ids;
        Ok(ranked)
    }

    /// Numbers the symbols that the series use.
    fn rank_symbols(&self, ids: &[u32]) -> Result<Ranked, TooManySymbols> {
        let mut is_used = vec![false; self.index.read().symbols.n_ids()];
        self.with_index(ids, |index, id| {
            for (name, value) in index.label_sets.pairs(index.label_set(id)) {
                is_used[name as usize] = true;
                is_used[value as usize] = true;
            }
        });
        let used = is_used.iter().enumerate().filter(|(_, is_used)| **is_used);
        let used: Vec<u32> = used.filter_map(|(symbol, _)| u32::try_from(symbol).ok()).collect();
        let mut text = String::new();
        let mut spans = Vec::with_capacity(used.len());
        self.with_index(&used, |index, symbol| {
            let start = text.len();
            text.push_str(index.symbols.get(symbol));
            spans.push((start, text.len(), symbol));
        });
        if u32::try_from(text.len()).is_err() {
            return Err(TooManySymbols);
        }
        let bytes = text.as_bytes();
        let of = |span: &(usize, usize, u32)| bytes.get(span.0..span.1).unwrap_or_default();
        spans.sort_unstable_by(|a, b| of(a).cmp(of(b)));
        let mut rank_of = vec![0; is_used.len()];
        let fits = |at: usize| u32::try_from(at).map_err(|_| TooManySymbols);
        let mut symbols = Vec::with_capacity(spans.len());
        for (rank, (start, end, symbol)) in spans.into_iter().enumerate() {
            rank_of[symbol as usize] = fits(rank)?;
            symbols.push(fits(start)?..fits(end)?);
        }
        Ok(Ranked { ids: Vec::new(), rank_of, text, symbols })
    }

    /// Sorts series by their labels.
    fn sort_group(&self, ranked: &Ranked, ids: &mut [u32]) {
        if ids.len() < 2 {
            return;
        }
        let mut ranks: Vec<(u32, u32)> = Vec::new();
        let mut spans: Vec<(Range<usize>, u32)> = Vec::with_capacity(ids.len());
        let mut labels = Vec::new();
        self.with_index(ids, |index, id| {
            ranked.labels(index, id, &mut labels);
            let start = ranks.len();
            ranks.extend_from_slice(&labels);
            spans.push((start..ranks.len(), id));
        });
        let of = |span: &Range<usize>| ranks.get(span.clone()).unwrap_or_default();
        spans.sort_unstable_by(|(a, _), (b, _)| of(a).cmp(of(b)));
        for (slot, (_, id)) in ids.iter_mut().zip(spans) {
            *slot = id;
        }
    }

    /// Calls `visit` for each id (or symbol) with the index, which is unlocked from time to time.
    fn with_index(&self, ids: &[u32], mut visit: impl FnMut(&Index, u32)) {
        let mut index = self.index.read();
        for some in ids.chunks(SERIES_PER_LOCK) {
            some.iter().for_each(|id| visit(&index, *id));
            RwLockReadGuard::bump(&mut index);
        }
    }
}
