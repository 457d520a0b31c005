//! Chunks of native histograms: integer (2), float (3), and both with start timestamps (5, 6).
//!
//! ```text
//! chunk = n u16 | flags u8 | layout | sample*      flags: top two bits, what is known about a reset before the chunk
//! chunk = flags 2 bit, n 14 bit | start header u8 | layout | (sample, start field)*      with start timestamps
//! ```
//! All samples share one layout. [`Encoder`] writes, [`Decoder`] reads sample by sample; both are generic over the
//! [`Kind`] of histogram, whose columns differ but come in the same order: time, count, zero count, sum, buckets.
//! # Reading order: `layout`, `kind`, then here, `rules` (what may follow what).
//! Source: `spec/prometheus-core.md` §7.6.

mod kind;
mod layout;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use wf_model::TimeRange;
use wf_model::histogram::CounterResetHint;
use wf_series::SampleColumns;

pub(crate) use kind::{Floats, Integers, Kind, Parts};
pub(crate) use layout::Layout;
pub(crate) use rules::{Fit, first_flag, fit, widened};

use super::bits::{BitReader, BitWriter};
use super::column::{Column, Damage, Steps, XorFloat};
use super::start_times::{StartReader, StartWriter};
use super::{ChunkError, push_start};

/// What a chunk may take of memory when decoded, beside a multiple of its own size. Damaged bytes could make a megabyte
/// of custom bounds be repeated for every sample.
const DECODED_BYTES_MAX: usize = 16 << 20;
const DECODED_BYTES_PER_BYTE: usize = 1024;

/// Samples that fit the header without, and with start timestamps.
const SAMPLES_MAX: u16 = u16::MAX;
const SAMPLES_MAX_STARTED: u16 = (1 << 14) - 1;

/// What the head of a chunk says about a counter reset between it and the chunk before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetFlag {
    /// Nothing.
    #[default]
    Unknown,
    /// There was none.
    NotReset,
    /// There was one.
    Reset,
    /// Gauges know no resets.
    Gauge,
}

impl ResetFlag {
    fn bits(self) -> u8 {
        match self {
            Self::Unknown => 0b00,
            Self::NotReset => 0b01,
            Self::Reset => 0b10,
            Self::Gauge => 0b11,
        }
    }

    fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b01 => Self::NotReset,
            0b10 => Self::Reset,
            0b11 => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    /// Returns what a reader may rely on for sample `idx` of a chunk. Of the first sample even a flag says nothing: the
    /// chunk before may be gone, or another may have come between.
    pub(crate) fn hint(self, idx: u16) -> CounterResetHint {
        match self {
            Self::Gauge => CounterResetHint::Gauge,
            _ if idx > 0 => CounterResetHint::NotReset,
            _ => CounterResetHint::Unknown,
        }
    }
}

/// Returns what the head of a chunk says about a counter reset before it.
/// # Errors
/// [`ChunkError::Header`] when it has no head.
pub fn reset_flag(bytes: &[u8], has_starts: bool) -> Result<ResetFlag, ChunkError> {
    let flags = bytes.get(if has_starts { 0 } else { 2 });
    let flags = flags.ok_or(ChunkError::Header(crate::encoding::DecodeError::Truncated))?;
    Ok(ResetFlag::from_bits(flags >> 6))
}

/// Returns the number of samples that the header promises.
/// # Errors
/// [`ChunkError::Header`] when there is no header.
pub fn n_samples(bytes: &[u8], has_starts: bool) -> Result<u16, ChunkError> {
    let n = crate::encoding::Cursor::new(bytes).u16()?;
    Ok(if has_starts { n & SAMPLES_MAX_STARTED } else { n })
}

/// The columns of one chunk after some sample.
#[derive(Clone, Debug)]
struct Columns<K: Kind> {
    time: Steps,
    count: K::Count,
    zero_count: K::Count,
    sum: XorFloat,
    positive: Vec<K::Bucket>,
    negative: Vec<K::Bucket>,
}

/// Writes a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Encoder<K: Kind> {
    out: BitWriter,
    n: u16,
    layout: Layout,
    flag: ResetFlag,
    columns: Columns<K>,
    starts: Option<StartWriter>,
}

impl<K: Kind> Encoder<K> {
    /// Starts a chunk with its first sample, whose layout is the chunk's. `start` is its start timestamp, if the chunk
    /// is of the encoding that has them.
    pub(crate) fn begin(flag: ResetFlag, time: i64, start: Option<i64>, first: &K::Histogram) -> Self {
        let parts = K::parts(first);
        // A marker of staleness says nothing about buckets.
        let layout = if parts.is_stale() { Layout::default() } else { parts.layout() };
        let mut out = BitWriter::after(vec![0, 0, 0]);
        layout.push(&mut out);
        let column = |values: &[<K::Bucket as Column>::Value], out: &mut BitWriter| -> Vec<K::Bucket> {
            let values = if parts.is_stale() { &[] } else { values };
            values.iter().map(|value| K::Bucket::push_first(*value, out)).collect()
        };
        let columns = Columns {
            time: Steps::push_first(time, &mut out),
            count: K::Count::push_first(parts.count, &mut out),
            zero_count: K::Count::push_first(parts.zero_count, &mut out),
            sum: XorFloat::push_first(parts.sum, &mut out),
            positive: column(parts.positive, &mut out),
            negative: column(parts.negative, &mut out),
        };
        let mut encoder = Self { out, n: 1, layout, flag, columns, starts: None };
        if let Some(start) = start {
            let mut starts = StartWriter::default();
            starts.push_first(time, start, &mut encoder.out);
            encoder.starts = Some(starts);
        }
        encoder.write_header();
        encoder
    }

    /// Appends a sample with as many buckets as the layout has, or a marker of staleness.
    pub(crate) fn push(&mut self, time: i64, start: i64, histogram: &K::Histogram) {
        let parts = K::parts(histogram);
        let (out, columns) = (&mut self.out, &mut self.columns);
        let previous = columns.time.value();
        columns.time.push_next(time, out);
        if parts.is_stale() {
            columns.count.push_stale(parts.count, out);
            columns.zero_count.push_stale(parts.zero_count, out);
            columns.sum.push_next(parts.sum, out);
        } else {
            debug_assert!(
                (columns.positive.len(), columns.negative.len())
                    == (parts.positive.len(), parts.negative.len()),
                "histograms are fitted to the layout before"
            );
            columns.count.push_next(parts.count, out);
            columns.zero_count.push_next(parts.zero_count, out);
            columns.sum.push_next(parts.sum, out);
            for (column, value) in columns.positive.iter_mut().zip(parts.positive) {
                column.push_next(*value, out);
            }
            for (column, value) in columns.negative.iter_mut().zip(parts.negative) {
                column.push_next(*value, out);
            }
        }
        if let Some(starts) = &mut self.starts {
            starts.push_next(self.n, previous, start, out);
        }
        self.n += 1;
        self.write_header();
    }

    fn write_header(&mut self) {
        let Some(header) = self.out.bytes.first_chunk_mut::<3>() else { return };
        let [high, low] = self.n.to_be_bytes();
        *header = match &self.starts {
            None => [high, low, self.flag.bits() << 6],
            Some(starts) => [self.flag.bits() << 6 | high, low, starts.header()],
        };
    }

    /// Returns whether the header can count no further sample.
    pub(crate) fn is_full(&self) -> bool {
        self.n >= if self.starts.is_some() { SAMPLES_MAX_STARTED } else { SAMPLES_MAX }
    }

    pub(crate) fn n_samples(&self) -> u16 {
        self.n
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out.bytes
    }

    pub(crate) fn encoding(&self) -> super::Encoding {
        if self.starts.is_some() { K::ENCODING_STARTED } else { K::ENCODING }
    }

    pub(crate) fn flag(&self) -> ResetFlag {
        self.flag
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the newest histogram, without a hint.
    pub(crate) fn newest(&self) -> K::Histogram {
        self.columns.histogram(&self.layout, CounterResetHint::Unknown)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let n_buckets = self.columns.positive.capacity() + self.columns.negative.capacity();
        self.out.bytes.capacity() + self.layout.heap_bytes() + n_buckets * size_of::<K::Bucket>()
    }
}

impl<K: Kind> Columns<K> {
    fn histogram(&self, layout: &Layout, hint: CounterResetHint) -> K::Histogram {
        let values = |columns: &[K::Bucket]| columns.iter().map(Column::value).collect();
        let (count, zero_count) = (self.count.value(), self.zero_count.value());
        let sum = self.sum.value();
        if wf_model::is_stale_nan(sum) {
            return K::stale(hint);
        }
        K::build(hint, layout, (count, zero_count, sum), values(&self.positive), values(&self.negative))
    }
}

/// Reads a chunk sample by sample.
#[derive(Debug)]
pub(crate) struct Decoder<'a, K: Kind> {
    bits: BitReader<'a>,
    n_samples: u16,
    n_read: u16,
    flag: ResetFlag,
    layout: Layout,
    columns: Option<Columns<K>>,
    starts: Option<StartReader>,
    /// Bytes that histograms may still take.
    room: usize,
}

impl<'a, K: Kind> Decoder<'a, K> {
    /// # Errors
    /// [`ChunkError::Header`], [`ChunkError::Layout`].
    pub(crate) fn new(bytes: &'a [u8], has_starts: bool) -> Result<Self, ChunkError> {
        let n_samples = n_samples(bytes, has_starts)?;
        let flag = reset_flag(bytes, has_starts)?;
        let Some((header, body)) = bytes.split_first_chunk::<3>() else {
            return Err(ChunkError::Header(crate::encoding::DecodeError::Truncated));
        };
        let mut bits = BitReader::new(body);
        let layout = if n_samples == 0 { Layout::default() } else { Layout::read(&mut bits)? };
        let starts = has_starts.then(|| StartReader::new(header[2]));
        let room = bytes.len().saturating_mul(DECODED_BYTES_PER_BYTE).saturating_add(DECODED_BYTES_MAX);
        Ok(Self { bits, n_samples, n_read: 0, flag, layout, columns: None, starts, room })
    }

    /// Steps to the next sample and returns its time; `None` at the end.
    pub(crate) fn advance(&mut self) -> Result<Option<i64>, ChunkError> {
        if self.n_read >= self.n_samples {
            return Ok(None);
        }
        let step = match self.columns.take() {
            None => self.read_first(),
            Some(columns) => self.read_next(columns),
        };
        let (at, n_samples) = (self.n_read, self.n_samples);
        let columns = step.map_err(|damage| match damage {
            Damage::Truncated => ChunkError::Truncated { at, n_samples },
            Damage::BadWindow => ChunkError::BadWindow { at },
        })?;
        let time = columns.time.value();
        self.columns = Some(columns);
        self.n_read += 1;
        Ok(Some(time))
    }

    fn read_first(&mut self) -> Result<Columns<K>, Damage> {
        let bits = &mut self.bits;
        let time = Steps::read_first(bits)?;
        let (count, zero_count) = (K::Count::read_first(bits)?, K::Count::read_first(bits)?);
        let sum = XorFloat::read_first(bits)?;
        let is_stale = wf_model::is_stale_nan(sum.value());
        let (n_positive, n_negative) = if is_stale { (0, 0) } else { self.layout.n_buckets() };
        let mut columns = |n: u64| -> Result<Vec<K::Bucket>, Damage> {
            // A bucket takes a bit at least: spans that cover more than is left claim no memory.
            let n = usize::try_from(n).ok().filter(|n| *n <= bits.n_left()).ok_or(Damage::Truncated)?;
            (0..n).map(|_| K::Bucket::read_first(bits)).collect()
        };
        let (positive, negative) = (columns(n_positive)?, columns(n_negative)?);
        if let Some(starts) = &mut self.starts {
            starts.read_first(time.value(), &mut self.bits)?;
        }
        Ok(Columns { time, count, zero_count, sum, positive, negative })
    }

    fn read_next(&mut self, mut columns: Columns<K>) -> Result<Columns<K>, Damage> {
        let bits = &mut self.bits;
        let previous = columns.time.value();
        columns.time.read_next(bits)?;
        columns.count.read_next(bits)?;
        columns.zero_count.read_next(bits)?;
        columns.sum.read_next(bits)?;
        if !wf_model::is_stale_nan(columns.sum.value()) {
            for column in columns.positive.iter_mut().chain(&mut columns.negative) {
                column.read_next(bits)?;
            }
        }
        if let Some(starts) = &mut self.starts {
            starts.read_next(self.n_read, previous, bits)?;
        }
        Ok(columns)
    }

    /// Returns the start timestamp of the sample stepped to, 0 if it has none.
    pub(crate) fn start(&self) -> i64 {
        self.starts.as_ref().map_or(0, |starts| starts.start)
    }

    /// Returns the histogram of the sample stepped to.
    /// # Errors
    /// [`ChunkError::TooLarge`] for a chunk that no writer makes.
    pub(crate) fn histogram(&mut self) -> Result<K::Histogram, ChunkError> {
        let Some(columns) = &self.columns else { return Ok(K::stale(CounterResetHint::Unknown)) };
        let n_bytes = self.layout.heap_bytes() + 8 * (columns.positive.len() + columns.negative.len());
        self.room = self.room.checked_sub(n_bytes).ok_or(ChunkError::TooLarge)?;
        Ok(columns.histogram(&self.layout, self.flag.hint(self.n_read.saturating_sub(1))))
    }
}

/// Decodes the samples inside `range` of a chunk and appends them to `out`, as float histograms.
/// # Errors
/// See [`ChunkError`]; samples before the damage may have been appended.
pub(crate) fn decode<K: Kind>(
    bytes: &[u8],
    has_starts: bool,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<(), ChunkError> {
    let mut decoder = Decoder::<K>::new(bytes, has_starts)?;
    while let Some(time) = decoder.advance()? {
        if time > range.end_ms {
            break;
        }
        if time >= range.start_ms {
            let start = decoder.start();
            out.push_histogram(time, Arc::new(K::into_float(decoder.histogram()?)));
            push_start(out, start);
        }
    }
    Ok(())
}
