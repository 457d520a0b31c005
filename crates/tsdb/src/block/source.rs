//! A block as queries see it.

mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use wf_model::{Labels, Matcher, TimeRange};
use wf_series::{
    LabelColumn, LabelQuery, SampleColumns, SelectError, SelectRequest, Selection, SeriesSource,
};

use super::index_reader::{FoundSeries, Symbols};
use super::matching::select_ids;
use super::series_entry::{ChunkMeta, SeriesEntry};
use super::tombstones::{Interval, Tombstones};
use super::{Block, BlockError};
use crate::FastMap;
use crate::chunk;
use crate::merge::{CodedSelection, SymbolText, VisitLabels, merge_values};

/// Answers queries from one block.
#[derive(Clone, Debug)]
pub struct BlockSource(pub Arc<Block>);

/// What a request selected from a block.
struct BlockSelection {
    block: Arc<Block>,
    tombstones: Arc<Tombstones>,
    series: Vec<FoundSeries>,
    /// What was asked for.
    range: TimeRange,
}

impl BlockSource {
    /// Returns the series that satisfy the matchers and may have a sample in the range.
    fn find(
        &self,
        request: &SelectRequest<'_>,
        tombstones: &Tombstones,
    ) -> Result<Vec<FoundSeries>, BlockError> {
        let block = &self.0;
        if !block.span().overlaps(&request.range) {
            return Ok(Vec::new());
        }
        let ids = select_ids(block.index(), request.matchers)?;
        let symbols = block.symbols()?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let deleted = tombstones.of(u64::from(id));
            let is_wanted = |chunk: &ChunkMeta| may_have_samples(chunk, request.range, deleted);
            found.extend(block.index().find_series(&symbols, id, is_wanted)?);
        }
        Ok(found)
    }

    /// Returns the series that a label query is about; `None` stands for all of them.
    fn queried_ids(&self, query: &LabelQuery<'_>) -> Result<Option<Vec<u32>>, BlockError> {
        if !self.0.span().overlaps(&query.range) {
            return Ok(Some(Vec::new()));
        }
        if query.matcher_sets.is_empty() {
            return Ok(None);
        }
        let tombstones = self.0.tombstones();
        let mut ids = Vec::new();
        for matchers in query.matcher_sets {
            let found = self.find(&SelectRequest { matchers, range: query.range }, &tombstones)?;
            ids.extend(found.into_iter().map(|series| series.id));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    fn names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, BlockError> {
        let index = self.0.index();
        let Some(ids) = self.queried_ids(query)? else {
            let (table, bytes) = index.postings_table()?;
            return Ok(table.names(bytes).map(|(name, _)| name.to_owned()).collect());
        };
        let symbols = index.symbols()?;
        let mut names = BTreeSet::new();
        let mut entry = SeriesEntry::default();
        for id in ids {
            index.read_series_with(&symbols, u64::from(id), &mut entry)?;
            names.extend(entry.labels.iter().map(|(name, _)| *name));
        }
        // Ordinals ascend as the names do.
        names.into_iter().map(|name| symbols.get(name).map(str::to_owned)).collect()
    }
}

impl BlockSource {
    /// Returns the ids of the series that satisfy all matchers, whenever they have samples.
    pub(crate) fn matching_ids(&self, matchers: &[Matcher]) -> Result<Vec<u32>, BlockError> {
        select_ids(self.0.index(), matchers)
    }

    /// As [`SeriesSource::select`], for a merge with other sources.
    pub(crate) fn select_coded(
        &self,
        request: &SelectRequest<'_>,
    ) -> Result<Arc<dyn CodedSelection>, SelectError> {
        let tombstones = self.0.tombstones();
        let series = self.find(request, &tombstones).map_err(|error| storage_error(&error))?;
        let (block, range) = (Arc::clone(&self.0), request.range);
        Ok(Arc::new(BlockSelection { block, tombstones, series, range }))
    }
}

impl SeriesSource for BlockSource {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        Ok(self.select_coded(request)?)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.names(query).map_err(|error| storage_error(&error))
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        merge_values(vec![Box::new(self.values(name, query)?)])?.collect()
    }
}

impl BlockSelection {
    fn entry(&self, idx: usize) -> Result<Option<SeriesEntry>, BlockError> {
        let Some(found) = self.series.get(idx) else { return Ok(None) };
        let mut entry = SeriesEntry::default();
        self.block.read_series(u64::from(found.id), &mut entry)?;
        Ok(Some(entry))
    }

    /// Appends the samples of a series inside `range`. Chunks before those that were asked for are looked at only for a reader
    /// who goes back further.
    fn read_found(
        &self,
        found: FoundSeries,
        range: TimeRange,
        deleted: &[Interval],
        out: &mut SampleColumns,
    ) -> Result<(), SelectError> {
        let index = self.block.index();
        let read = if range.start_ms < self.range.start_ms {
            read_chunks(&self.block, index.chunks_of(found), range, deleted, out)
        } else {
            read_chunks(&self.block, index.wanted_chunks_of(found), range, deleted, out)
        };
        read.map_err(|error| storage_error(&error))
    }

    fn value_codes(&self, name: &str) -> Result<LabelColumn, BlockError> {
        let symbols = self.block.symbols()?;
        let name = symbols.find(name);
        let mut column = LabelColumn { codes: Vec::with_capacity(self.series.len()), values: Vec::new() };
        let mut code_of: FastMap<Option<u32>, u32> = FastMap::default();
        // Neighbours in the order of labels often share a value.
        let mut last: Option<(Option<u32>, u32)> = None;
        for found in &self.series {
            let value = name.and_then(|name| self.block.index().value_of(&symbols, *found, name));
            let known = last.filter(|(of, _)| *of == value).map(|(_, code)| code);
            let code = match known.or_else(|| code_of.get(&value).copied()) {
                Some(code) => code,
                None => {
                    column.values.push(value.map_or(Ok(""), |value| symbols.get(value))?.into());
                    let code = u32::try_from(column.values.len() - 1).unwrap_or(u32::MAX);
                    code_of.insert(value, code);
                    code
                }
            };
            last = Some((value, code));
            column.codes.push(code);
        }
        Ok(column)
    }
}

impl CodedSelection for BlockSelection {
    fn visit_labels(&self, visit: &mut VisitLabels<'_>) {
        // They were read when the selection was made.
        let Ok(symbols) = self.block.symbols() else { return };
        let mut labels = Vec::new();
        for found in &self.series {
            labels.clear();
            self.block.index().labels_of(&symbols, *found, |name, value| labels.push((name, value)));
            visit(&labels, &symbols);
        }
    }

    fn read_behind(
        &self,
        idx: usize,
        range: TimeRange,
        out: &mut SampleColumns,
    ) -> Result<bool, SelectError> {
        let Some(found) = self.series.get(idx) else { return Ok(true) };
        let deleted = self.tombstones.of(u64::from(found.id));
        if deleted.iter().any(|span| span.overlaps(&range)) {
            return Ok(false);
        }
        self.read_found(*found, range, deleted, out)?;
        Ok(true)
    }
}

impl SymbolText for Symbols<'_> {
    fn text(&self, code: u32) -> &str {
        self.get(code).unwrap_or("")
    }
}

impl Selection for BlockSelection {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        // The entry was read before, when it was selected: only a disk that changes its mind can fail here.
        let labels =
            self.entry(idx).and_then(|entry| entry.map(|entry| self.block.labels(&entry)).transpose());
        labels.ok().flatten().unwrap_or_default()
    }

    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        out.clear();
        let Some(found) = self.series.get(idx) else { return Ok(()) };
        let deleted = self.tombstones.of(u64::from(found.id));
        self.read_found(*found, range, deleted, out)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        let all_absent = || LabelColumn { codes: vec![0; self.series.len()], values: vec!["".into()] };
        self.value_codes(name).unwrap_or_else(|_| all_absent())
    }
}

/// Decodes the samples of a series inside `range` that are not deleted, and appends them to `out`.
/// # Errors
/// [`BlockError::Damaged`]; what was decoded before stays.
pub fn read_samples(
    block: &Block,
    entry: &SeriesEntry,
    range: TimeRange,
    deleted: &[Interval],
    out: &mut SampleColumns,
) -> Result<(), BlockError> {
    read_chunks(block, entry.chunks.iter().copied().map(Ok), range, deleted, out)
}

fn read_chunks(
    block: &Block,
    chunks: impl Iterator<Item = Result<ChunkMeta, BlockError>>,
    range: TimeRange,
    deleted: &[Interval],
    out: &mut SampleColumns,
) -> Result<(), BlockError> {
    for meta in chunks {
        let meta = meta?;
        if meta.min_time > range.end_ms {
            break;
        }
        if !may_have_samples(&meta, range, deleted) {
            continue;
        }
        let (encoding, data) = block.chunk(meta.chunk_ref)?;
        let n_before = out.len();
        chunk::decode(encoding, data, range, out)
            .map_err(|error| block.chunk_files().damaged(meta.chunk_ref, &error.to_string()))?;
        let is_behind = n_before == 0 || out.times_ms.get(n_before - 1) < out.times_ms.get(n_before);
        if out.len() > n_before && !is_behind {
            return Err(block.chunk_files().damaged(meta.chunk_ref, "the chunk overlaps the one before"));
        }
    }
    if deleted.iter().any(|span| span.overlaps(&range)) {
        remove(out, deleted);
    }
    Ok(())
}

fn may_have_samples(chunk: &ChunkMeta, range: TimeRange, deleted: &[Interval]) -> bool {
    let is_gone = |span: &Interval| span.start_ms <= chunk.min_time && chunk.max_time <= span.end_ms;
    chunk.span().overlaps(&range) && !deleted.iter().any(is_gone)
}

/// Drops samples inside `deleted`, which is ascending.
fn remove(columns: &mut SampleColumns, deleted: &[Interval]) {
    let mut kept = SampleColumns::default();
    let mut histograms = std::mem::take(&mut columns.histograms).into_iter().peekable();
    for (idx, (time_ms, value)) in columns.times_ms.iter().zip(&columns.values).enumerate() {
        let histogram = histograms.next_if(|(position, _)| *position == idx);
        let next = deleted.partition_point(|span| span.end_ms < *time_ms);
        if deleted.get(next).is_some_and(|span| span.start_ms <= *time_ms) {
            continue;
        }
        if let Some((_, histogram)) = histogram {
            kept.histograms.push((kept.len(), histogram));
        }
        kept.push(*time_ms, *value);
        kept.start_times_ms.extend(columns.start_times_ms.get(idx));
    }
    *columns = kept;
}

fn storage_error(error: &BlockError) -> SelectError {
    SelectError::Storage(crate::head::Chain(error).to_string())
}

#[cfg(test)]
mod tests;
