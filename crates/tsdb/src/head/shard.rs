//! A sixteenth of the series, behind one lock that a batch takes once.

use std::sync::Arc;

use wf_model::TimeRange;
use wf_series::{HistogramValue, SampleColumns};

use super::chunk_list::{ChunkPlace, ChunkSpan};
use super::deletion::DeletedTable;
use super::late::LateTable;
use super::series::{ChunkRules, CutChunk, SavedChunk, SavedSeries, Series};
use crate::chunk::{self, Encoding};
use crate::encoding::{Cursor, DecodeError, put_uvarint, put_varint};
use crate::head_chunks::ChunkRef;
use crate::index::slabs::Slabs;

/// Number of shards; the shard of a series is its id modulo this.
pub(crate) const SHARDS: usize = 16;
const SHARDS_LOG2: u32 = 4;

/// What restoring needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Samples before are in blocks, ms.
    pub(crate) min_valid: i64,
    pub(crate) rules: ChunkRules,
}

/// A full chunk on its way to a file.
#[derive(Clone, Debug)]
pub(crate) struct PendingChunk {
    pub(crate) id: u32,
    pub(crate) slot: u32,
    pub(crate) span: ChunkSpan,
    pub(crate) encoding: Encoding,
    pub(crate) data: Arc<[u8]>,
}

/// The samples of one shard's series.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    series: Slabs<Series>,
    pending: Vec<Option<PendingChunk>>,
    free_slots: Vec<u32>,
    pending_bytes: usize,
    pub(crate) late: LateTable,
    pub(crate) deleted: DeletedTable,
    /// Chunks begun, those found in files included.
    pub(crate) chunks_created: u64,
    /// Chunks whose span the list of their series cannot hold. Their samples stay in the log.
    pub(crate) chunks_refused: u64,
}

/// Returns the shard of a series.
#[inline]
pub(crate) fn shard_of(id: u32) -> usize {
    id as usize & (SHARDS - 1)
}

impl Shard {
    #[inline]
    pub(crate) fn series(&self, id: u32) -> &Series {
        self.series.get(id >> SHARDS_LOG2)
    }

    #[inline]
    pub(crate) fn series_mut(&mut self, id: u32) -> &mut Series {
        self.series.entry(id >> SHARDS_LOG2)
    }

    /// Fetches what the next floats of these series change, all at the same time; see
    /// [`OpenChunk::touch`](super::open_chunk::OpenChunk::touch).
    #[inline]
    pub(crate) fn touch(&self, ids: impl Iterator<Item = u32>) {
        std::hint::black_box(ids.fold(0, |sum: u64, id| sum.wrapping_add(self.series(id).touch())));
    }

    /// Returns the batch that last appended to a series, in order or late.
    pub(crate) fn commit_seq(&self, id: u32) -> u64 {
        let late = self.late.get(id).map_or(0, |late| late.commit_seq());
        self.series(id).commit_seq().max(late)
    }

    /// Makes room for a series.
    pub(crate) fn add(&mut self, id: u32) {
        self.series_mut(id);
    }

    /// Iterates over all ids of the shard, those of no series included; `shard_idx` is the shard's own.
    pub(crate) fn ids(&self, shard_idx: usize) -> impl Iterator<Item = u32> + use<> {
        let low_bits = u32::try_from(shard_idx).expect("there are 16 shards");
        (0..self.series.n_items()).map(move |local| local << SHARDS_LOG2 | low_bits)
    }

    /// Appends a sample judged in order; a chunk it makes full waits for its file.
    #[inline]
    pub(crate) fn append(&mut self, id: u32, time_ms: i64, value: f64, seq: u64, rules: ChunkRules) {
        self.append_with(id, time_ms, |series| series.append(time_ms, value, seq, rules));
    }

    /// As [`Shard::append`], with a start timestamp.
    pub(crate) fn append_started(
        &mut self,
        id: u32,
        (time_ms, start_time_ms): (i64, i64),
        value: f64,
        seq: u64,
        rules: ChunkRules,
    ) {
        self.append_with(id, time_ms, |series| {
            series.append_started(time_ms, start_time_ms, value, seq, rules)
        });
    }

    /// As [`Shard::append`], for a valid native histogram.
    pub(crate) fn append_histogram(
        &mut self,
        id: u32,
        (time_ms, start_time_ms): (i64, i64),
        value: &HistogramValue,
        seq: u64,
        rules: ChunkRules,
    ) {
        self.append_with(id, time_ms, |series| {
            series.append_histogram(time_ms, start_time_ms, value, seq, rules)
        });
    }

    #[inline]
    fn append_with(&mut self, id: u32, time_ms: i64, append: impl FnOnce(&mut Series) -> Option<CutChunk>) {
        let series = self.series_mut(id);
        let cut = append(series);
        let is_new_chunk = series.open_start() == Some(time_ms);
        self.chunks_created += u64::from(is_new_chunk);
        if let Some(chunk) = cut {
            self.keep(id, chunk);
        }
    }

    /// Closes the open chunk of a series; it waits for its file. Returns whether there was one.
    pub(crate) fn cut(&mut self, id: u32, rules: ChunkRules) -> bool {
        let cut = self.series_mut(id).cut(rules);
        let was_open = cut.is_some();
        cut.into_iter().for_each(|chunk| self.keep(id, chunk));
        was_open
    }

    /// Adds chunks of a series that were found in files at start, and sorts them. Returns how many of them overlap others.
    pub(crate) fn restore(
        &mut self,
        id: u32,
        found: &mut [(ChunkSpan, ChunkRef)],
        rules: ChunkRules,
    ) -> usize {
        if found.is_empty() {
            return 0;
        }
        // Samples of an earlier series with these labels, which came from the log, may be older than the chunks.
        self.cut(id, rules);
        let n_found = found.len();
        let n_refused = self.series_mut(id).restore_chunks(found);
        self.chunks_created += (n_found - n_refused) as u64;
        n_refused
    }

    /// Appends to a snapshot what it keeps of a series: closed chunks that are not in a file yet, and the open one.
    pub(crate) fn save(&self, id: u32, out: &mut Vec<u8>) {
        let series = self.series(id);
        let pending = || {
            series.full_chunks().iter().filter_map(|(span, place)| match place {
                ChunkPlace::Pending(slot) => Some((span, self.pending.get(slot as usize)?.as_ref()?)),
                ChunkPlace::File(_) => None,
            })
        };
        put_uvarint(out, pending().count() as u64);
        for (span, chunk) in pending() {
            put_varint(out, span.min_time);
            put_varint(out, span.max_time);
            out.push(chunk.encoding.number());
            put_uvarint(out, chunk.data.len() as u64);
            out.extend_from_slice(&chunk.data);
        }
        series.save(out);
    }

    /// Restores a series that has no samples yet from the chunks found in files and what [`Shard::save`] wrote; what
    /// ends before `min_valid` is left out. Returns how many chunks were refused.
    /// # Errors
    /// When the bytes are not what it wrote, or the chunks in files are of other histograms than the saved ones.
    pub(crate) fn restore_saved(
        &mut self,
        id: u32,
        found: &mut [(ChunkSpan, ChunkRef)],
        saved: &[u8],
        limits: Limits,
    ) -> Result<usize, DecodeError> {
        self.add(id);
        let n_refused = self.restore(id, found, limits.rules);
        let mut cursor = Cursor::new(saved);
        for _ in 0..cursor.uvarint()? {
            let span = ChunkSpan { min_time: cursor.varint()?, max_time: cursor.varint()? };
            let encoding = Encoding::from_number(cursor.u8()?).ok_or(DecodeError::OutOfRange)?;
            let data = cursor.uvarint_bytes()?;
            if span.max_time >= limits.min_valid {
                self.restore_closed(id, CutChunk { span, encoding, data: data.to_vec() }, limits)?;
            }
        }
        let Some(saved) = SavedSeries::load(&mut cursor)? else { return Ok(n_refused) };
        if saved.max_time() < limits.min_valid {
            return Ok(n_refused);
        }
        if let SavedChunk::Closed(encoding, data) = saved.chunk() {
            let span = ChunkSpan { min_time: saved.open_start(), max_time: saved.max_time() };
            self.restore_closed(id, CutChunk { span, encoding: *encoding, data: data.clone() }, limits)?;
        }
        let missing = self.series_mut(id).restore_saved(saved);
        self.chunks_created += u64::from(self.series(id).open_start().is_some());
        self.append_newer(id, &missing, limits);
        Ok(n_refused)
    }

    /// Adds a closed chunk, or what the chunks in files lack of it.
    fn restore_closed(&mut self, id: u32, chunk: CutChunk, limits: Limits) -> Result<(), DecodeError> {
        let newest = self.series(id).full_chunks().last_time();
        if newest.is_some_and(|newest| chunk.span.max_time <= newest) {
            return Ok(());
        }
        if newest.is_none_or(|newest| newest < chunk.span.min_time) {
            self.chunks_created += 1;
            self.keep(id, chunk);
            return Ok(());
        }
        // In files it was cut in another way.
        if chunk.encoding != Encoding::Xor {
            return Err(DecodeError::OutOfRange);
        }
        let mut samples = SampleColumns::default();
        chunk::decode(chunk.encoding, &chunk.data, TimeRange::ALL, &mut samples)
            .map_err(|_| DecodeError::OutOfRange)?;
        self.append_newer(id, &samples, limits);
        self.cut(id, limits.rules);
        Ok(())
    }

    fn append_newer(&mut self, id: u32, samples: &SampleColumns, limits: Limits) {
        for (time, value) in samples.times_ms.iter().zip(&samples.values) {
            if *time > self.series(id).max_time() {
                self.append(id, *time, *value, 0, limits.rules);
            }
        }
    }

    fn keep(&mut self, id: u32, chunk: CutChunk) {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.pending.push(None);
            u32::try_from(self.pending.len() - 1).expect("pending chunks fit memory")
        });
        if !self.series_mut(id).full_chunks_mut().push_pending(chunk.span, slot) {
            self.free_slots.push(slot);
            self.chunks_refused += 1;
            return;
        }
        self.pending_bytes += chunk.data.len();
        let CutChunk { span, encoding, data } = chunk;
        self.pending[slot as usize] = Some(PendingChunk { id, slot, span, encoding, data: data.into() });
    }

    /// Returns the chunks that wait for their file; the bytes are shared, not copied.
    pub(crate) fn pending_chunks(&self) -> Vec<PendingChunk> {
        self.pending.iter().flatten().cloned().collect()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(crate) fn pending_chunk(&self, slot: u32) -> Option<(Encoding, Arc<[u8]>)> {
        self.pending.get(slot as usize)?.as_ref().map(|chunk| (chunk.encoding, Arc::clone(&chunk.data)))
    }

    /// Records that a waiting chunk is in its file now.
    pub(crate) fn settle(&mut self, chunk: &PendingChunk, file_ref: ChunkRef) {
        self.series_mut(chunk.id).full_chunks_mut().settle(chunk.slot, file_ref);
        self.release(chunk.slot);
    }

    /// Forgets a series; its id may name another one from now on.
    pub(crate) fn remove(&mut self, id: u32) {
        self.late.remove(id);
        self.deleted.remove(id);
        self.remove_in_order(id);
    }

    /// Forgets the samples in order of a series.
    pub(crate) fn remove_in_order(&mut self, id: u32) {
        let removed = std::mem::take(self.series_mut(id));
        for (_, place) in removed.full_chunks().iter() {
            if let ChunkPlace::Pending(slot) = place {
                self.release(slot);
            }
        }
    }

    fn release(&mut self, slot: u32) {
        if let Some(chunk) = self.pending.get_mut(slot as usize).and_then(Option::take) {
            self.pending_bytes -= chunk.data.len();
            self.free_slots.push(slot);
        }
        if self.pending_bytes == 0 && self.free_slots.len() == self.pending.len() {
            // Series that began together are cut together: the room for that is given back.
            self.pending = Vec::new();
            self.free_slots = Vec::new();
        }
    }

    /// Returns bytes of memory that do not hang on a single series.
    pub(crate) fn own_bytes(&self) -> usize {
        self.series.bytes()
    }

    /// Returns bytes of full chunks on their way to files, late samples and deleted intervals.
    pub(crate) fn side_tables_bytes(&self) -> usize {
        let pending_bytes = self.pending_bytes + self.pending.capacity() * size_of::<Option<PendingChunk>>();
        pending_bytes + self.late.heap_bytes() + self.deleted.heap_bytes()
    }
}
