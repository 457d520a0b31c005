//! The read path: matchers to series, series to columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::RwLockReadGuard;
use roaring::RoaringBitmap;
use wf_model::{Labels, TimeRange};
use wf_series::{LabelColumn, LabelQuery, SampleColumns, SelectError, SelectRequest, Selection};

use super::Head;
use super::chunk_list::ChunkPlace;
use super::deletion::Intervals;
use super::late::LateSeries;
use super::pins::Pin;
use super::series::NO_TIME;
use super::shard::shard_of;
use crate::FastMap;
use crate::chunk::{self, Encoding};
use crate::head_chunks::ChunkRef;
use crate::index::Index;
use crate::index::label_sets::Place;
use crate::index::matching::select_ids;
use crate::index::symbols::SymbolTable;
use crate::merge::{CodedSelection, SymbolText, VisitLabels};

/// Series whose labels are read before somebody who waits to create one may go first.
const SERIES_PER_LOCK: usize = 1024;

/// What a request selected, and up to where it may look.
struct HeadSelection {
    head: Arc<Head>,
    /// Keeps what was selected from being truncated.
    pin: Arc<Pin>,
    series: Vec<Selected>,
    /// By position: what few series have.
    extras: FastMap<u32, Extras>,
    /// The newest batch that was visible when the selection was made.
    visible_seq: u64,
}

/// Late samples and deletions of a series, as they were when it was selected.
struct Extras {
    late: Option<Arc<LateSeries>>,
    deleted: Option<Arc<Intervals>>,
}

/// What a look at the series found.
struct Visible {
    series: Vec<Selected>,
    extras: FastMap<u32, Extras>,
    visible_seq: u64,
}

#[derive(Clone, Copy)]
struct Selected {
    id: u32,
    /// The newest sample visible when the selection was made. Series only grow at this end, so it is the snapshot.
    visible_max: i64,
}

/// A full chunk to decode.
enum FullChunk {
    File(ChunkRef),
    Memory(Encoding, Arc<[u8]>),
}

impl Head {
    pub(crate) fn select(self: &Arc<Self>, request: &SelectRequest<'_>) -> Arc<dyn CodedSelection> {
        // The pin comes first: from here on nothing that is found below can go.
        let pin = self.pins.pin();
        let index = self.index.read();
        let ids = select_ids(&index, request.matchers);
        let Visible { series, extras, visible_seq } = self.visible(&ids, request.range, &pin);
        drop(index);
        Arc::new(HeadSelection { head: Arc::clone(self), pin, series, extras, visible_seq })
    }

    /// Returns the series that have a visible sample inside `range`, or chunks around it.
    fn visible(&self, ids: &RoaringBitmap, range: TimeRange, pin: &Pin) -> Visible {
        // All shards at once: as long as they are held no batch can touch a series twice, so each series still knows
        // what it was before the batches that are not visible now.
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.read()).collect();
        let visible_seq = self.visible_seq();
        let start_ms = range.start_ms.max(pin.min_time);
        let mut selected = Vec::with_capacity(usize::try_from(ids.len()).unwrap_or(0));
        let mut extras = FastMap::default();
        for id in ids {
            let shard = &shards[shard_of(id)];
            let series = shard.series(id);
            let visible_max = series.visible_max_time(visible_seq);
            let is_in_order =
                visible_max != NO_TIME && visible_max >= start_ms && series.min_time() <= range.end_ms;
            let late = shard.late.get(id).filter(|late| late.span().is_some_and(|span| span.overlaps(range)));
            if !is_in_order && late.is_none() {
                continue;
            }
            let deleted = shard.deleted.get(id);
            if late.is_some() || deleted.is_some() {
                let position = u32::try_from(selected.len()).expect("ids of series have 32 bits");
                extras.insert(position, Extras { late: late.cloned(), deleted: deleted.cloned() });
            }
            selected.push(Selected { id, visible_max });
        }
        Visible { series: selected, extras, visible_seq }
    }

    pub(crate) fn label_names(&self, query: &LabelQuery<'_>) -> Vec<String> {
        let index = self.index.read();
        let mut names = BTreeSet::new();
        match self.queried_ids(&index, query) {
            None => names.extend(index.postings.names().map(|(name, _)| name)),
            Some(ids) => {
                let has_any = |name_ids: &RoaringBitmap| !name_ids.is_disjoint(&ids);
                names.extend(
                    index.postings.names().filter(|(_, name)| has_any(name.has())).map(|(name, _)| name),
                );
            }
        }
        let mut names: Vec<String> =
            names.into_iter().map(|name| index.symbols.get(name).to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Returns the series that a label query is about; `None` stands for all of them.
    pub(super) fn queried_ids(&self, index: &Index, query: &LabelQuery<'_>) -> Option<RoaringBitmap> {
        let covers_head = !self.has_late_samples()
            && query.range.start_ms <= self.min_time()
            && query.range.end_ms >= self.max_time();
        if query.matcher_sets.is_empty() && covers_head {
            return None;
        }
        let mut ids = RoaringBitmap::new();
        query.matcher_sets.iter().for_each(|set| ids |= select_ids(index, set));
        if query.matcher_sets.is_empty() {
            ids = index.postings.all().clone();
        }
        let pin = self.pins.pin();
        Some(self.visible(&ids, query.range, &pin).series.into_iter().map(|selected| selected.id).collect())
    }
}

impl Selection for HeadSelection {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        let index = self.head.index.read();
        match self.series.get(idx) {
            Some(selected) if self.head.pins.is_readable(&self.pin) => index.labels(selected.id),
            _ => Labels::empty(),
        }
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        out.clear();
        let Some(selected) = self.series.get(idx) else { return Ok(()) };
        self.read_in_order(*selected, range, out)?;
        let Some(extras) = u32::try_from(idx).ok().and_then(|idx| self.extras.get(&idx)) else {
            return Ok(());
        };
        if let Some(late) = &extras.late {
            let in_order = std::mem::take(out);
            *out = self.head.with_late(in_order, late, range, self.visible_seq)?;
        }
        if let Some(deleted) = &extras.deleted {
            deleted.apply(out);
        }
        Ok(())
    }

    fn read_newest(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        let newest = self.series.get(idx).and_then(|selected| {
            let shard = self.head.shards[shard_of(selected.id)].read();
            let is_plain = !u32::try_from(idx).is_ok_and(|idx| self.extras.contains_key(&idx));
            let newest =
                shard.series(selected.id).newest_float().filter(|(time, _)| *time == selected.visible_max);
            newest.filter(|_| is_plain && self.head.pins.is_readable(&self.pin))
        });
        match newest {
            Some((time_ms, value))
                if (range.start_ms.max(self.pin.min_time)..=range.end_ms).contains(&time_ms) =>
            {
                out.clear();
                out.push(time_ms, value);
                Ok(())
            }
            _ => self.read(idx, range, out),
        }
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let index = self.head.index.read();
        let absent = || LabelColumn { codes: vec![0; self.series.len()], values: vec!["".into()] };
        let Some(name) = index.symbols.find(name).filter(|_| self.head.pins.is_readable(&self.pin)) else {
            return if self.series.is_empty() { LabelColumn::default() } else { absent() };
        };
        let mut column = LabelColumn { codes: Vec::with_capacity(self.series.len()), values: Vec::new() };
        let mut code_of: FastMap<u32, u32> = FastMap::default();
        let mut place_in: FastMap<u32, Place> = FastMap::default();
        for selected in &self.series {
            let set = index.label_set(selected.id);
            let place = *place_in.entry(set.shape()).or_insert_with(|| index.label_sets.place(set, name));
            let value = index.label_sets.value_at(set, place);
            let code = *code_of.entry(value).or_insert_with(|| {
                column.values.push(index.symbols.get(value).into());
                u32::try_from(column.values.len() - 1).expect("there are fewer values than series")
            });
            column.codes.push(code);
        }
        column
    }
}

impl HeadSelection {
    /// Adds the samples in order of a series to `out`.
    fn read_in_order(
        &self,
        selected: Selected,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> Result<(), SelectError> {
        let range = TimeRange {
            start_ms: range.start_ms.max(self.pin.min_time),
            end_ms: range.end_ms.min(selected.visible_max),
        };
        if range.start_ms > range.end_ms {
            return Ok(());
        }
        let (full, open) = {
            let shard = self.head.shards[shard_of(selected.id)].read();
            if !self.head.pins.is_readable(&self.pin) {
                let reason = "the query ran longer than old data is kept for it; repeat it";
                return Err(SelectError::Storage(reason.to_owned()));
            }
            let series = shard.series(selected.id);
            let wanted = series.full_chunks().iter().filter(|(span, _)| span.overlaps(range));
            let located = wanted.filter_map(|(_, place)| match place {
                ChunkPlace::File(chunk) => Some(FullChunk::File(chunk)),
                ChunkPlace::Pending(slot) => {
                    shard.pending_chunk(slot).map(|(encoding, bytes)| FullChunk::Memory(encoding, bytes))
                }
            });
            let full: Vec<FullChunk> = located.collect();
            let is_wanted = series.open_start().is_some_and(|start| start <= range.end_ms);
            (full, is_wanted.then(|| series.open_view()))
        };
        for chunk in full {
            match chunk {
                FullChunk::File(chunk) => {
                    let bytes = self.head.chunk_files.chunk(chunk).map_err(storage_error)?;
                    chunk::decode(bytes.encoding, &bytes, range, out).map_err(storage_error)?;
                }
                FullChunk::Memory(encoding, bytes) => {
                    chunk::decode(encoding, &bytes, range, out).map_err(storage_error)?;
                }
            }
        }
        open.map_or(Ok(()), |open| open.decode(range, out)).map_err(storage_error)
    }
}

impl CodedSelection for HeadSelection {
    fn visit_labels(&self, visit: &mut VisitLabels<'_>) {
        let mut index = self.head.index.read();
        let mut labels = Vec::new();
        for selected in self.series.chunks(SERIES_PER_LOCK) {
            let is_readable = self.head.pins.is_readable(&self.pin);
            for series in selected {
                labels.clear();
                if is_readable {
                    labels.extend(index.label_sets.pairs(index.label_set(series.id)));
                }
                visit(&labels, &index.symbols);
            }
            RwLockReadGuard::bump(&mut index);
        }
    }

    fn read_behind(
        &self,
        idx: usize,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> Result<bool, SelectError> {
        let has_extras = u32::try_from(idx).is_ok_and(|idx| self.extras.contains_key(&idx));
        match self.series.get(idx) {
            Some(selected) if !has_extras => self.read_in_order(*selected, range, out).map(|()| true),
            _ => Ok(false),
        }
    }
}

impl SymbolText for SymbolTable {
    fn text(&self, code: u32) -> &str {
        self.get(code)
    }
}

pub(super) fn storage_error(error: impl std::fmt::Display) -> SelectError {
    SelectError::Storage(error.to_string())
}
