//! The samples of one series: an open chunk, and where the full ones are.

mod saved;

use wf_series::HistogramValue;

use super::chunk_list::{ChunkList, ChunkSpan};
use super::open_chunk::{OpenChunk, OpenView};
use super::open_histogram::{OpenHistogram, stale_marker};
use crate::TsdbOptions;
use crate::chunk::{Encoding, ResetFlag};
use crate::head_chunks::ChunkRef;

pub(crate) use saved::{SavedChunk, SavedSeries};

/// A full chunk aims at this many samples. Below, headers dominate; above, reading one sample decodes too much.
const SAMPLES_PER_CHUNK: u16 = 120;

/// The time stamp of a series without samples.
pub(crate) const NO_TIME: i64 = i64::MIN;

/// One series of the head. Kept by value in the slabs of its shard: no lock and no allocation of its own until it has
/// a changing open chunk or a full one.
#[derive(Debug)]
pub(crate) struct Series {
    /// Newest sample, ms; [`NO_TIME`] before the first.
    max_time: i64,
    /// Newest sample before batch `commit_seq`: what readers see who must not see that batch.
    max_time_before: i64,
    /// The batch that last appended.
    commit_seq: u64,
    /// Bits of the newest value.
    last_value: u64,
    /// First sample of the open chunk, or, without one, of the series.
    open_start: i64,
    /// A sample at or after this time starts a new chunk.
    next_cut: i64,
    open: OpenChunk,
    full: ChunkList,
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleKind {
    Float,
    /// A native histogram with integer counts.
    Histogram,
    /// A native histogram with float counts.
    FloatHistogram,
}

/// How chunks are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkRules {
    /// Chunks never cross a multiple of this, ms.
    pub(crate) range_ms: i64,
    /// Encoding of floats.
    pub(crate) floats: Encoding,
    /// Whether start timestamps are kept.
    pub(crate) keeps_starts: bool,
}

impl ChunkRules {
    pub(crate) fn new(options: &TsdbOptions) -> Self {
        let floats = if options.xor2 { Encoding::Xor2 } else { Encoding::Xor };
        Self { range_ms: options.chunk_range_ms, floats, keeps_starts: options.start_timestamps }
    }
}

/// What to do with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    InOrder,
    /// The newest sample once more, bit by bit.
    Repeated,
    Duplicate,
    OutOfOrder,
}

/// A chunk that is full: encoded, not yet in a file.
#[derive(Debug)]
pub(crate) struct CutChunk {
    pub(crate) span: ChunkSpan,
    pub(crate) encoding: Encoding,
    pub(crate) data: Vec<u8>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            max_time: NO_TIME,
            max_time_before: NO_TIME,
            commit_seq: 0,
            last_value: 0,
            open_start: NO_TIME,
            next_cut: NO_TIME,
            open: OpenChunk::default(),
            full: ChunkList::default(),
        }
    }
}

impl Series {
    /// Judges a sample that is not older than storage accepts at all.
    pub(crate) fn judge(&self, time_ms: i64, value: f64) -> Verdict {
        if time_ms > self.max_time {
            Verdict::InOrder
        } else if time_ms < self.max_time {
            Verdict::OutOfOrder
        } else if value.to_bits() == self.last_value && self.is_float_repeated(value) {
            Verdict::Repeated
        } else {
            Verdict::Duplicate
        }
    }

    /// Whether a float with the bits of the newest value is the newest sample: it may be the sum of a histogram. The
    /// marker of staleness is one for both.
    fn is_float_repeated(&self, value: f64) -> bool {
        wf_model::is_stale_nan(value) || self.open.newest_kind() == SampleKind::Float
    }

    /// Judges a native histogram that is not older than storage accepts at all.
    pub(crate) fn judge_histogram(&self, time_ms: i64, value: &HistogramValue) -> Verdict {
        if time_ms > self.max_time {
            return Verdict::InOrder;
        }
        if time_ms < self.max_time {
            return Verdict::OutOfOrder;
        }
        let is_repeated = match &self.open {
            OpenChunk::Histogram(open) => open.is_newest(value),
            // The chunk is closed: its sum stands for it.
            OpenChunk::Empty(kind) => *kind == kind_of(value) && self.last_value == value.sum().to_bits(),
            OpenChunk::Line { .. } | OpenChunk::Bits(_) | OpenChunk::Bits2(_) => false,
        };
        if is_repeated { Verdict::Repeated } else { Verdict::Duplicate }
    }

    /// Sets the kind of the newest sample, when the chunk that holds it was found in a file; `chunk_max_time` is its end.
    pub(crate) fn set_newest_kind(&mut self, chunk_max_time: i64, kind: SampleKind) {
        if self.open.n_samples() == 0 && chunk_max_time == self.max_time {
            self.open = OpenChunk::Empty(kind);
        }
    }

    /// Sets the value of the newest sample, when the chunk that holds it was found in a file.
    pub(crate) fn set_last_value(&mut self, value: f64) {
        if self.open.n_samples() == 0 {
            self.last_value = value.to_bits();
        }
    }

    /// Returns the batch that last appended: while it is not visible, no other may append.
    pub(crate) fn commit_seq(&self) -> u64 {
        self.commit_seq
    }

    /// Fetches what the next float changes; see [`OpenChunk::touch`].
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        self.open.touch()
    }

    /// Appends a float that was judged in order, on behalf of batch `seq`. Returns the chunk that had to be cut.
    #[inline]
    pub(crate) fn append(
        &mut self,
        time_ms: i64,
        value: f64,
        seq: u64,
        rules: ChunkRules,
    ) -> Option<CutChunk> {
        self.enter(seq);
        let mut cut = None;
        if self.must_cut(time_ms) {
            match self.stale_marker(value) {
                Some(marker) => return self.append_histogram(time_ms, 0, &marker, seq, rules),
                None => cut = self.cut(rules),
            }
        }
        if self.open.n_samples() == 0 {
            if let Some(marker) = self.stale_marker(value) {
                return self.append_histogram(time_ms, 0, &marker, seq, rules);
            }
            self.begin(time_ms, rules);
        }
        let last = (self.max_time, self.last_value);
        self.open.push(time_ms, value.to_bits(), last, self.open_start, rules.floats);
        self.max_time = time_ms;
        self.last_value = value.to_bits();
        cut
    }

    /// As [`Series::append`], with a start timestamp, if such are kept.
    pub(crate) fn append_started(
        &mut self,
        time_ms: i64,
        start_time_ms: i64,
        value: f64,
        seq: u64,
        rules: ChunkRules,
    ) -> Option<CutChunk> {
        if start_time_ms == 0 || !rules.keeps_starts || self.stale_marker(value).is_some() {
            return self.append(time_ms, value, seq, rules);
        }
        self.enter(seq);
        let cut = if self.must_cut(time_ms) { self.cut(rules) } else { None };
        if self.open.n_samples() == 0 {
            self.begin(time_ms, rules);
        }
        let last = (self.max_time, self.last_value);
        self.open.push_started(time_ms, start_time_ms, value.to_bits(), last, self.open_start);
        self.max_time = time_ms;
        self.last_value = value.to_bits();
        cut
    }

    /// Appends a valid native histogram that was judged in order, on behalf of batch `seq`. Returns the chunk that had to
    /// be cut.
    pub(crate) fn append_histogram(
        &mut self,
        time_ms: i64,
        start_time_ms: i64,
        value: &HistogramValue,
        seq: u64,
        rules: ChunkRules,
    ) -> Option<CutChunk> {
        self.enter(seq);
        let placed = match &mut self.open {
            OpenChunk::Histogram(open) => {
                let range_end = range_end(self.open_start, rules.range_ms);
                if let Some(ratio) = open.take_estimate() {
                    self.next_cut = estimated_end(self.open_start, self.max_time, self.next_cut, ratio);
                }
                let is_full = open.is_cut_due(time_ms, self.next_cut, range_end);
                open.push(time_ms, start_time_ms, value, is_full)
            }
            OpenChunk::Empty(_) | OpenChunk::Line { .. } | OpenChunk::Bits(_) | OpenChunk::Bits2(_) => {
                Err(None)
            }
        };
        let cut = match placed {
            Ok(()) => None,
            Err(flag) => self.begin_histogram(flag, time_ms, start_time_ms, value, rules),
        };
        self.max_time = time_ms;
        self.last_value = value.sum().to_bits();
        cut
    }

    fn begin_histogram(
        &mut self,
        flag: Option<ResetFlag>,
        time_ms: i64,
        start_time_ms: i64,
        value: &HistogramValue,
        rules: ChunkRules,
    ) -> Option<CutChunk> {
        let cut = self.cut(rules);
        self.begin(time_ms, rules);
        let start = rules.keeps_starts.then_some(start_time_ms);
        self.open = OpenChunk::Histogram(Box::new(OpenHistogram::begin(flag, time_ms, start, value)));
        cut
    }

    /// Returns the marker of staleness to store instead of `value`, if that is one and the newest sample is a histogram.
    /// # Source
    /// `spec/prometheus-core.md` §1.2.
    #[inline]
    fn stale_marker(&self, value: f64) -> Option<HistogramValue> {
        if wf_model::is_stale_nan(value) { stale_marker(self.open.newest_kind()) } else { None }
    }

    /// Notes that batch `seq` appends.
    #[inline]
    fn enter(&mut self, seq: u64) {
        if self.commit_seq != seq {
            self.commit_seq = seq;
            self.max_time_before = self.max_time;
        }
    }

    /// Sets the frame of a chunk that begins.
    fn begin(&mut self, time_ms: i64, rules: ChunkRules) {
        self.open_start = time_ms;
        self.next_cut = range_end(time_ms, rules.range_ms);
    }

    /// Closes the open chunk, if it has a sample.
    pub(crate) fn cut(&mut self, rules: ChunkRules) -> Option<CutChunk> {
        let kind = self.open.newest_kind();
        let open = std::mem::replace(&mut self.open, OpenChunk::Empty(kind));
        let (encoding, data) = open.into_encoded(self.open_start, self.last_value, rules.floats)?;
        let span = ChunkSpan { min_time: self.open_start, max_time: self.max_time };
        Some(CutChunk { span, encoding, data })
    }

    /// Decides whether the open chunk ends before a float at `time_ms`; after a quarter of the samples it estimates
    /// where chunks of equal length should end so that the last one reaches the boundary.
    ///
    /// # Source
    /// `spec/prometheus-core.md` §7.7.
    #[inline]
    fn must_cut(&mut self, time_ms: i64) -> bool {
        let n_samples = self.open.n_floats();
        if n_samples == SAMPLES_PER_CHUNK / 4 {
            self.next_cut = estimated_end(self.open_start, self.max_time, self.next_cut, 4.0);
        }
        n_samples > 0
            && (time_ms >= self.next_cut || n_samples >= 2 * SAMPLES_PER_CHUNK || self.open.is_large())
    }

    /// Returns the newest sample visible to a reader of batches up to `visible_seq`, [`NO_TIME`] if there is none.
    pub(crate) fn visible_max_time(&self, visible_seq: u64) -> i64 {
        if self.commit_seq <= visible_seq { self.max_time } else { self.max_time_before }
    }

    pub(crate) fn max_time(&self) -> i64 {
        self.max_time
    }

    /// Returns the newest sample if it is a float of the open chunk.
    pub(crate) fn newest_float(&self) -> Option<(i64, f64)> {
        // Of a closed chunk that was found in a file the value may not be known yet.
        let is_float = self.open.n_samples() > 0 && self.open.newest_kind() == SampleKind::Float;
        is_float.then(|| (self.max_time, f64::from_bits(self.last_value)))
    }

    /// Returns the oldest sample, [`NO_TIME`] without any.
    pub(crate) fn min_time(&self) -> i64 {
        self.full.first_time().unwrap_or(if self.open.n_samples() > 0 { self.open_start } else { NO_TIME })
    }

    /// Returns the start of the open chunk, if there is one.
    pub(crate) fn open_start(&self) -> Option<i64> {
        (self.open.n_samples() > 0).then_some(self.open_start)
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.max_time != NO_TIME && self.last_value == wf_model::sample::STALE_NAN_BITS
    }

    pub(crate) fn full_chunks(&self) -> &ChunkList {
        &self.full
    }

    pub(crate) fn full_chunks_mut(&mut self) -> &mut ChunkList {
        &mut self.full
    }

    /// Returns what a reader needs of the open chunk; cheap, so that the shard's lock is held shortly.
    pub(crate) fn open_view(&self) -> OpenView {
        self.open.view(self.open_start, self.last_value)
    }

    /// Returns a copy of the open chunk as it would go to a file now.
    pub(crate) fn open_encoded(&self) -> Option<(crate::chunk::Encoding, Vec<u8>)> {
        self.open.to_encoded(self.open_start, self.last_value)
    }

    pub(crate) fn n_chunks(&self) -> usize {
        self.full.len() + usize::from(self.open.n_samples() > 0)
    }

    /// Returns bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.open.heap_bytes() + self.full.heap_bytes()
    }

    /// Adds chunks found in head-chunk files at start; the open chunk must be closed. Returns how many overlap others.
    pub(crate) fn restore_chunks(&mut self, found: &mut [(ChunkSpan, ChunkRef)]) -> usize {
        debug_assert!(self.open.n_samples() == 0, "an open chunk has to stay the newest");
        let n_refused = self.full.merge(found);
        if let Some(newest) = self.full.last_time().filter(|newest| *newest > self.max_time) {
            self.max_time = newest;
            // Not known before the log or the chunk is read, see `set_last_value`.
            self.last_value = 0;
            self.open = OpenChunk::default();
        }
        n_refused
    }
}

/// Returns the end of the aligned range that holds `time_ms`.
fn range_end(time_ms: i64, chunk_range_ms: i64) -> i64 {
    (time_ms / chunk_range_ms).saturating_mul(chunk_range_ms).saturating_add(chunk_range_ms)
}

/// Returns what kind a histogram is.
fn kind_of(value: &HistogramValue) -> SampleKind {
    match value {
        HistogramValue::Integer(_) => SampleKind::Histogram,
        HistogramValue::Float(_) => SampleKind::FloatHistogram,
    }
}

/// Returns where a chunk that spans `start..=newest`, and is full when it is `ratio` times as long, should end, at most
/// `boundary`.
fn estimated_end(start: i64, newest: i64, boundary: i64, ratio: f64) -> i64 {
    let to_boundary = boundary.saturating_sub(start) as f64;
    let n_chunks = to_boundary / (newest.saturating_sub(start).saturating_add(1) as f64 * ratio);
    if n_chunks <= 1.0 {
        return boundary;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the result lies between start and boundary")]
    let end = (start as f64 + to_boundary / n_chunks.floor()) as i64;
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const RULES: ChunkRules = ChunkRules { range_ms: 2 * HOUR, floats: Encoding::Xor, keeps_starts: false };

    fn spans(times: impl Iterator<Item = i64>, value: impl Fn(i64) -> f64) -> Vec<(i64, i64)> {
        let mut series = Series::default();
        let mut cut: Vec<CutChunk> = times.filter_map(|t| series.append(t, value(t), 1, RULES)).collect();
        cut.extend(series.cut(RULES));
        cut.iter().map(|chunk| (chunk.span.min_time, chunk.span.max_time)).collect()
    }

    #[test]
    fn a_series_takes_72_bytes_whatever_others_hold() {
        // One more field here is 8 MB at a million series: histograms and start timestamps live behind a pointer.
        assert_eq!((size_of::<Series>(), size_of::<OpenChunk>()), (72, 16));
    }

    #[test]
    fn histogram_chunks_are_cut_by_bytes_but_not_below_ten_samples() {
        let wide = |n: u64| {
            let deltas: Vec<i64> = (0..400)
                .map(|at| if at % 2 == 0 { (n * 97 % 89) as i64 + 1 } else { -((n * 97 % 89) as i64) })
                .collect();
            let (mut bucket, mut count) = (0_i64, 0_u64);
            for delta in &deltas {
                bucket += delta;
                count += bucket.cast_unsigned();
            }
            HistogramValue::Integer(std::sync::Arc::new(wf_model::Histogram {
                counter_reset_hint: wf_model::histogram::CounterResetHint::Gauge,
                count,
                positive_spans: vec![wf_model::histogram::Span { offset: 0, length: 400 }],
                positive_deltas: deltas,
                ..Default::default()
            }))
        };
        let mut series = Series::default();
        let mut n_samples = Vec::new();
        for n in 0..100 {
            let before = series.open.n_samples();
            if let Some(cut) = series.append_histogram(n as i64 * 15_000, 0, &wide(n), 1, RULES) {
                assert_eq!(cut.encoding, Encoding::Histogram);
                n_samples.push(before);
            }
        }
        assert!(n_samples.len() > 5 && n_samples.iter().all(|n| *n == 10), "{n_samples:?}");
    }

    #[test]
    fn chunks_of_a_steady_series_divide_the_two_hours_evenly() {
        let every_15s = (0..480).map(|n| n * 15_000);
        assert_eq!(spans(every_15s.clone(), |_| 1.0), spans(every_15s.clone(), |t| t as f64 * 0.1));
        let got = spans(every_15s, |_| 1.0);
        assert_eq!(got.len(), 4, "{got:?}");
        assert_eq!(got[0], (0, 119 * 15_000));
        assert_eq!(got[3], (360 * 15_000, 479 * 15_000));
    }

    #[test]
    fn a_chunk_never_crosses_the_boundary() {
        let got = spans((0..10).map(|n| HOUR + n * 600_000), |_| 1.0);
        assert_eq!(got, [(HOUR, 2 * HOUR - 600_000), (2 * HOUR, HOUR + 9 * 600_000)]);
    }

    #[test]
    fn samples_that_come_faster_than_estimated_are_cut_at_twice_the_target() {
        let slow_then_fast = (0..30).map(|n| n * 60_000).chain((1..500).map(|n| 29 * 60_000 + n));
        let got = spans(slow_then_fast, |_| 1.0);
        assert_eq!(got[0], (0, 29 * 60_000 + 210), "240 samples");
    }

    #[test]
    fn a_chunk_that_does_not_compress_is_cut_by_bytes() {
        let noise = |t: i64| f64::from_bits((t as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
        let mut series = Series::default();
        let cut: Vec<CutChunk> =
            (0..400).filter_map(|n| series.append(n * 997, noise(n * 997), 1, RULES)).collect();
        assert!(!cut.is_empty());
        assert!(
            cut.iter().all(|chunk| chunk.data.len() <= 1024),
            "{:?}",
            cut.iter().map(|c| c.data.len()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn readers_see_what_was_there_before_an_invisible_batch() {
        let mut series = Series::default();
        series.append(10, 1.0, 1, RULES);
        series.append(20, 1.0, 2, RULES);
        series.append(30, 1.0, 2, RULES);
        assert_eq!([0, 1, 2].map(|seq| series.visible_max_time(seq)), [10, 10, 30]);
        assert_eq!(Series::default().visible_max_time(0), NO_TIME);
    }
}
