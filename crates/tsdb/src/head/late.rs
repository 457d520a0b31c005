//! Late samples of one series: those that came after newer ones, inside the out-of-order window.
//!
//! A series without late samples has no entry here and costs nothing. One with late samples keeps the newest some
//! thirty in memory, sorted, and the others in head-chunk files, in chunks that may overlap each other and those in
//! order. Readers merge; of several samples of one time stamp the one that was stored first counts.
//!
//! # Invariants
//! - Samples of one batch only are invisible at a time: a batch waits until the one before is visible.
//! - A series is changed by copy on write: what a selection took along stays as it was.
//! # Reading order: this file, `commit`, `read`, `cut`, `open`.
//! Source: `spec/prometheus-core.md` §7.7 (b), §7.9.

pub(crate) mod columns;
pub(crate) mod commit;
pub(crate) mod cut;
mod in_blocks;
mod open;
mod read;

use std::mem::discriminant;
use std::sync::Arc;

use wf_model::{FloatHistogram, TimeRange};
use wf_series::{HistogramValue, SampleColumns};

use super::chunk_list::ChunkSpan;
use super::open_histogram::{AIM_BYTES, OpenHistogram};
use crate::FastMap;
use crate::chunk::xor2::Xor2Encoder;
use crate::chunk::{Encoding, XorState};
use crate::head_chunks::ChunkRef;

/// So many samples in memory are worth a chunk.
pub(crate) const OPEN_SAMPLES: usize = 32;

/// One batch can bring thousands of late samples; a chunk of them holds at most this many.
const CHUNK_SAMPLES_MAX: usize = 120;

/// A chunk of late samples, in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LateChunk {
    pub(crate) span: ChunkSpan,
    pub(crate) chunk: ChunkRef,
}

/// A chunk on its way to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedChunk {
    pub(crate) span: ChunkSpan,
    pub(crate) encoding: Encoding,
    pub(crate) data: Vec<u8>,
}

/// A value in memory.
#[derive(Clone, Debug)]
pub(crate) enum LateValue {
    /// By its bits.
    Float(u64),
    Histogram(HistogramValue),
}

impl LateValue {
    /// Returns about how many bytes are on the heap.
    fn heap_bytes(&self) -> usize {
        let n_buckets = match self {
            Self::Float(_) => return 0,
            Self::Histogram(HistogramValue::Integer(h)) => h.positive_deltas.len() + h.negative_deltas.len(),
            Self::Histogram(HistogramValue::Float(h)) => h.positive_buckets.len() + h.negative_buckets.len(),
        };
        size_of::<FloatHistogram>() + n_buckets * 16
    }
}

/// A sample in memory.
#[derive(Clone, Debug)]
pub(crate) struct LateSample {
    pub(crate) time_ms: i64,
    /// 0 where unknown.
    pub(crate) start_time_ms: i64,
    pub(crate) value: LateValue,
}

impl LateSample {
    /// Makes a float sample.
    pub(crate) fn float(time_ms: i64, start_time_ms: i64, value: f64) -> Self {
        Self { time_ms, start_time_ms, value: LateValue::Float(value.to_bits()) }
    }
}

/// The late samples of one series.
#[derive(Clone, Debug, Default)]
pub(crate) struct LateSeries {
    /// In the order in which they were written.
    full: Vec<LateChunk>,
    /// Samples in memory that every reader may see, ascending.
    settled: Vec<LateSample>,
    /// Samples of batch `commit_seq`, ascending.
    fresh: Vec<LateSample>,
    /// The batch that last added a sample.
    commit_seq: u64,
}

impl LateSeries {
    /// Adds a sample of batch `seq`. Returns `false`, and drops it, when there is one of that time in memory.
    pub(crate) fn insert(&mut self, sample: LateSample, seq: u64) -> bool {
        if self.commit_seq != seq {
            self.settle();
            self.commit_seq = seq;
        }
        if position(&self.settled, sample.time_ms).is_ok() {
            return false;
        }
        match position(&self.fresh, sample.time_ms) {
            Ok(_) => false,
            Err(at) => {
                self.fresh.insert(at, sample);
                true
            }
        }
    }

    /// Merges the samples of the newest batch, which is visible by now, with the others.
    fn settle(&mut self) {
        if self.settled.is_empty() {
            std::mem::swap(&mut self.settled, &mut self.fresh);
        } else if !self.fresh.is_empty() {
            self.settled.append(&mut self.fresh);
            self.settled.sort_unstable_by_key(|sample| sample.time_ms);
        }
    }

    /// Returns the batch that last added a sample: while it is not visible, no other may add one.
    pub(crate) fn commit_seq(&self) -> u64 {
        self.commit_seq
    }

    /// Returns the number of samples in memory.
    pub(crate) fn n_open(&self) -> usize {
        self.settled.len() + self.fresh.len()
    }

    /// Returns the samples in memory as chunks, in time order.
    pub(crate) fn encode_open(&self) -> Vec<EncodedChunk> {
        let mut all = [self.settled.as_slice(), &self.fresh].concat();
        all.sort_unstable_by_key(|sample| sample.time_ms);
        let mut chunks = Vec::new();
        for run in all.chunk_by(|a, b| discriminant(&a.value) == discriminant(&b.value)) {
            for samples in run.chunks(CHUNK_SAMPLES_MAX) {
                encode(samples, &mut chunks);
            }
        }
        chunks
    }

    /// Replaces the samples in memory by the chunks that hold them now.
    pub(crate) fn close_open(&mut self, chunks: impl IntoIterator<Item = LateChunk>) {
        self.full.extend(chunks);
        self.settled = Vec::new();
        self.fresh = Vec::new();
    }

    /// Forgets the samples in memory: chunks hold them.
    pub(crate) fn clear_open(&mut self) {
        self.close_open([]);
    }

    /// Adds a chunk that was found in a file.
    pub(crate) fn restore(&mut self, chunk: LateChunk) {
        let at = self.full.partition_point(|known| known.chunk < chunk.chunk);
        self.full.insert(at, chunk);
    }

    pub(crate) fn full_chunks(&self) -> &[LateChunk] {
        &self.full
    }

    /// Forgets the chunks up to and including `last`, which are in a block now. Returns how many.
    pub(crate) fn forget_through(&mut self, last: ChunkRef) -> usize {
        let n_before = self.full.len();
        self.full.retain(|chunk| chunk.chunk > last);
        self.full.shrink_to_fit();
        n_before - self.full.len()
    }

    /// Forgets the chunks that `is_done` says are in blocks. Returns how many.
    fn forget_done(&mut self, is_done: impl Fn(ChunkRef) -> bool) -> usize {
        let n_before = self.full.len();
        self.full.retain(|chunk| !is_done(chunk.chunk));
        n_before - self.full.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.full.is_empty() && self.n_open() == 0
    }

    /// Returns the oldest and the newest time stamp, of samples that are not visible yet too.
    pub(crate) fn span(&self) -> Option<ChunkSpan> {
        let open = [&self.settled, &self.fresh];
        let open = open.into_iter().filter_map(|samples| {
            Some(ChunkSpan { min_time: samples.first()?.time_ms, max_time: samples.last()?.time_ms })
        });
        open.chain(self.full.iter().map(|chunk| chunk.span)).reduce(|a, b| ChunkSpan {
            min_time: a.min_time.min(b.min_time),
            max_time: a.max_time.max(b.max_time),
        })
    }

    /// Adds the samples in memory that a reader of batches up to `visible_seq` may see, inside `range`.
    pub(crate) fn read_open(&self, range: TimeRange, visible_seq: u64, out: &mut SampleColumns) {
        let fresh = if self.commit_seq <= visible_seq { self.fresh.as_slice() } else { &[] };
        let mut all = [self.settled.as_slice(), fresh].concat();
        all.sort_unstable_by_key(|sample| sample.time_ms);
        let is_started = all.iter().any(|sample| sample.start_time_ms != 0);
        for LateSample { time_ms, start_time_ms, value } in
            all.into_iter().filter(|sample| range.contains(sample.time_ms))
        {
            match value {
                LateValue::Float(bits) => out.push(time_ms, f64::from_bits(bits)),
                LateValue::Histogram(value) => out.push_histogram(time_ms, value.to_float()),
            }
            if is_started {
                out.start_times_ms.push(start_time_ms);
            }
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let values: usize =
            self.settled.iter().chain(&self.fresh).map(|sample| sample.value.heap_bytes()).sum();
        self.full.capacity() * size_of::<LateChunk>()
            + (self.settled.capacity() + self.fresh.capacity()) * size_of::<LateSample>()
            + values
    }
}

fn position(samples: &[LateSample], time_ms: i64) -> Result<usize, usize> {
    samples.binary_search_by_key(&time_ms, |sample| sample.time_ms)
}

/// Encodes samples, all floats or all histograms, into one chunk or more.
fn encode(samples: &[LateSample], chunks: &mut Vec<EncodedChunk>) {
    let is_started = samples.iter().any(|sample| sample.start_time_ms != 0);
    let mut floats = Floats::new(is_started);
    let mut open: Option<(i64, i64, OpenHistogram)> = None;
    for LateSample { time_ms, start_time_ms, value } in samples {
        match value {
            LateValue::Float(bits) => floats.push(*time_ms, *start_time_ms, f64::from_bits(*bits)),
            LateValue::Histogram(value) => {
                if let Some((_, newest, chunk)) = &mut open {
                    let is_full = chunk.bytes().len() >= AIM_BYTES;
                    if chunk.push(*time_ms, *start_time_ms, value, is_full).is_ok() {
                        *newest = *time_ms;
                        continue;
                    }
                }
                // Nothing is known about a reset between this sample and the one that happens to be before it.
                let start = is_started.then_some(*start_time_ms);
                let begun = (*time_ms, *time_ms, OpenHistogram::begin(None, *time_ms, start, value));
                chunks.extend(open.replace(begun).map(finish_histograms));
            }
        }
    }
    chunks.extend(open.map(finish_histograms));
    chunks.extend(floats.finish());
}

/// A chunk of floats; only one with start timestamps needs the encoding that Debian's Prometheus cannot read.
enum Floats {
    Plain(XorState, Vec<u8>, ChunkSpan),
    Started(Option<(Xor2Encoder, ChunkSpan)>),
}

impl Floats {
    fn new(is_started: bool) -> Self {
        if is_started {
            return Self::Started(None);
        }
        Self::Plain(XorState::default(), Vec::new(), ChunkSpan { min_time: 0, max_time: 0 })
    }

    fn push(&mut self, time_ms: i64, start_time_ms: i64, value: f64) {
        match self {
            Self::Plain(state, data, span) => {
                if state.n == 0 {
                    span.min_time = time_ms;
                }
                span.max_time = time_ms;
                state.append(data, time_ms, value);
            }
            Self::Started(Some((chunk, span))) => {
                chunk.push(time_ms, start_time_ms, value);
                span.max_time = time_ms;
            }
            Self::Started(none) => {
                let span = ChunkSpan { min_time: time_ms, max_time: time_ms };
                *none = Some((Xor2Encoder::begin(time_ms, start_time_ms, value), span));
            }
        }
    }

    fn finish(self) -> Option<EncodedChunk> {
        match self {
            Self::Plain(state, data, span) => {
                (state.n > 0).then_some(EncodedChunk { span, encoding: Encoding::Xor, data })
            }
            Self::Started(chunk) => chunk.map(|(chunk, span)| EncodedChunk {
                span,
                encoding: Encoding::Xor2,
                data: chunk.into_bytes(),
            }),
        }
    }
}

fn finish_histograms((min_time, max_time, chunk): (i64, i64, OpenHistogram)) -> EncodedChunk {
    let encoding = chunk.encoding();
    EncodedChunk { span: ChunkSpan { min_time, max_time }, encoding, data: chunk.into_bytes() }
}

/// The series of one shard that have late samples.
#[derive(Debug, Default)]
pub(crate) struct LateTable {
    series: FastMap<u32, Arc<LateSeries>>,
}

/// What an entry takes besides its own heap, bytes.
const ENTRY_BYTES: usize = size_of::<(u32, Arc<LateSeries>)>() + size_of::<LateSeries>() + 24;

impl LateTable {
    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Arc<LateSeries>> {
        self.series.get(&id)
    }

    /// Returns a series to be changed, adding it if need be.
    pub(crate) fn entry(&mut self, id: u32) -> &mut LateSeries {
        Arc::make_mut(self.series.entry(id).or_default())
    }

    /// Returns the ids of all series with late samples, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.series.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<LateSeries>)> {
        self.series.iter().map(|(id, series)| (*id, series))
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.series.remove(&id);
        if self.series.is_empty() {
            self.series = FastMap::default();
        }
    }

    /// Forgets chunks of a series that are in blocks now, see [`LateSeries::forget_through`]. Returns how many.
    pub(crate) fn forget_through(&mut self, id: u32, last: ChunkRef) -> usize {
        let Some(series) = self.series.get_mut(&id) else { return 0 };
        let series = Arc::make_mut(series);
        let n_forgotten = series.forget_through(last);
        if series.is_empty() {
            self.remove(id);
        }
        n_forgotten
    }

    /// Forgets chunks of all series, see [`LateSeries::forget_done`]. Returns how many.
    fn forget_done(&mut self, is_done: impl Fn(ChunkRef) -> bool) -> usize {
        let mut n_forgotten = 0;
        self.series.retain(|_, series| {
            if series.full.iter().any(|chunk| is_done(chunk.chunk)) {
                n_forgotten += Arc::make_mut(series).forget_done(&is_done);
            }
            !series.is_empty()
        });
        n_forgotten
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let own: usize = self.series.values().map(|series| series.heap_bytes()).sum();
        own + self.series.capacity() * ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::xor;

    fn read(series: &LateSeries, visible_seq: u64) -> Vec<(i64, f64)> {
        let mut out = SampleColumns::default();
        series.read_open(TimeRange::ALL, visible_seq, &mut out);
        out.times_ms.into_iter().zip(out.values).collect()
    }

    #[test]
    fn samples_are_read_in_order_and_the_first_of_a_time_stays() {
        let mut series = LateSeries::default();
        for (time, value, seq) in [(30, 3.0, 1), (10, 1.0, 1), (20, 2.0, 2), (5, 0.5, 3)] {
            assert!(series.insert(LateSample::float(time, 0, value), seq));
        }
        assert!(
            !series.insert(LateSample::float(20, 0, 9.0), 3)
                && !series.insert(LateSample::float(5, 0, 9.0), 3)
        );
        assert_eq!(read(&series, 3), [(5, 0.5), (10, 1.0), (20, 2.0), (30, 3.0)]);
        assert_eq!(series.span(), Some(ChunkSpan { min_time: 5, max_time: 30 }));
    }

    #[test]
    fn readers_do_not_see_the_batch_that_is_not_written_yet() {
        let mut series = LateSeries::default();
        series.insert(LateSample::float(30, 0, 3.0), 1);
        series.insert(LateSample::float(10, 0, 1.0), 2);
        assert_eq!((read(&series, 1), read(&series, 2)), (vec![(30, 3.0)], vec![(10, 1.0), (30, 3.0)]));
    }

    #[test]
    fn closing_turns_many_samples_into_several_chunks() {
        let mut series = LateSeries::default();
        for time in (0..250).rev() {
            series.insert(LateSample::float(time, 0, time as f64), 1);
        }
        let chunks = series.encode_open();
        assert_eq!(chunks.len(), 3);
        let mut out = SampleColumns::default();
        for chunk in &chunks {
            xor::decode(&chunk.data, TimeRange::ALL, &mut out).unwrap();
        }
        assert!(out.times_ms.into_iter().eq(0..250));
        assert_eq!(chunks[2].span, ChunkSpan { min_time: 240, max_time: 249 });
        let placed = chunks
            .iter()
            .zip(8..)
            .map(|(chunk, place)| LateChunk { span: chunk.span, chunk: ChunkRef(place) });
        series.close_open(placed);
        assert_eq!((series.n_open(), series.full_chunks().len(), series.is_empty()), (0, 3, false));
        assert_eq!((series.forget_through(ChunkRef(9)), series.full_chunks().len()), (2, 1));
    }

    #[test]
    fn what_a_selection_took_along_stays_as_it_was() {
        let mut table = LateTable::default();
        table.entry(7).insert(LateSample::float(10, 0, 0.0), 1);
        let taken = Arc::clone(table.get(7).unwrap());
        table.entry(7).insert(LateSample::float(5, 0, 0.0), 2);
        assert_eq!((taken.n_open(), table.get(7).unwrap().n_open()), (1, 2));
        table.entry(7).clear_open();
        table.forget_through(7, ChunkRef(u64::MAX));
        assert!(table.is_empty() && table.heap_bytes() == 0);
    }
}
