//! From samples back to chunks: what merged, deleted-from or backfilled series are written as.

use wf_series::HistogramValue;

use super::histogram::{Encoder, Fit, Floats, Integers, Kind, ResetFlag, first_flag, fit, widened};
use super::xor2::Xor2Encoder;
use super::{ChunkError, Encoding, Sample, Value, XorState};

/// A finished chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    /// How the bytes are to be read.
    pub encoding: Encoding,
    /// Time of the first sample, ms.
    pub min_time_ms: i64,
    /// Time of the last sample, ms.
    pub max_time_ms: i64,
    /// Number of samples.
    pub n_samples: u16,
    /// As they go to a file.
    pub bytes: Vec<u8>,
}

/// Encodes the samples of one series, in ascending time order, as chunks of a bounded number of samples. Histograms also
/// begin a new chunk at a counter reset, at another schema or bounds, and after a stale marker.
#[derive(Debug)]
pub struct Writer {
    samples_max: u16,
    floats: Encoding,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    min_time_ms: i64,
    max_time_ms: i64,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Xor(XorState, Vec<u8>),
    Xor2(Box<Xor2Encoder>),
    Integers(Box<Encoder<Integers>>),
    Floats(Box<Encoder<Floats>>),
}

impl Writer {
    /// Returns a writer of chunks of up to `samples_max` samples; Prometheus's aim is 120. Floats become
    /// [`Encoding::Xor2`] chunks if `floats` says so, otherwise XOR ones; start timestamps are kept in the former, and
    /// in histogram chunks only if `floats` is XOR2 too.
    pub fn new(samples_max: u16, floats: Encoding) -> Self {
        Self { samples_max: samples_max.clamp(1, 1 << 13), floats, open: None }
    }

    /// Adds a sample newer than all before. Returns the chunk that ended before it, if one did.
    /// # Errors
    /// Only if our own bytes are damaged.
    pub fn push(&mut self, sample: &Sample) -> Result<Option<EncodedChunk>, ChunkError> {
        let Sample { time_ms, start_time_ms, value } = sample;
        match value {
            Value::Float(value) => Ok(self.push_float(*time_ms, *start_time_ms, *value)),
            Value::Histogram(HistogramValue::Integer(histogram)) => {
                self.push_histogram::<Integers>(*time_ms, *start_time_ms, histogram)
            }
            Value::Histogram(HistogramValue::Float(histogram)) => {
                self.push_histogram::<Floats>(*time_ms, *start_time_ms, histogram)
            }
        }
    }

    /// Returns the last chunk, if there is one; the writer can begin another series.
    pub fn finish(&mut self) -> Option<EncodedChunk> {
        self.open.take().map(Open::finish)
    }

    fn push_float(&mut self, time: i64, start: i64, value: f64) -> Option<EncodedChunk> {
        if let Some(open) = &mut self.open {
            let is_full = open.n_samples() >= self.samples_max;
            match &mut open.data {
                Data::Xor(state, bytes) if !is_full => {
                    state.append(bytes, time, value);
                    open.max_time_ms = time;
                    return None;
                }
                Data::Xor2(encoder) if !is_full => {
                    encoder.push(time, start, value);
                    open.max_time_ms = time;
                    return None;
                }
                Data::Xor(..) | Data::Xor2(_) | Data::Integers(_) | Data::Floats(_) => {}
            }
        }
        let data = if self.floats == Encoding::Xor2 {
            Data::Xor2(Box::new(Xor2Encoder::begin(time, start, value)))
        } else {
            let (mut state, mut bytes) = (XorState::default(), Vec::new());
            state.append(&mut bytes, time, value);
            Data::Xor(state, bytes)
        };
        self.begin(time, data)
    }

    fn push_histogram<K: Chunked>(
        &mut self,
        time: i64,
        start: i64,
        histogram: &K::Histogram,
    ) -> Result<Option<EncodedChunk>, ChunkError> {
        let mut flag = first_flag(K::parts(histogram).hint);
        let starts = (self.floats == Encoding::Xor2).then_some(start);
        if let Some(open) = &mut self.open
            && let Some(encoder) = K::of(&mut open.data)
        {
            let is_full = encoder.n_samples() >= self.samples_max;
            match place(encoder, time, start, histogram, is_full)? {
                None => {
                    open.max_time_ms = time;
                    return Ok(None);
                }
                Some(known) => flag = known,
            }
        }
        let data = K::data(Encoder::begin(flag, time, starts, histogram));
        Ok(self.begin(time, data))
    }

    fn begin(&mut self, time: i64, data: Data) -> Option<EncodedChunk> {
        self.open.replace(Open { min_time_ms: time, max_time_ms: time, data }).map(Open::finish)
    }
}

/// Appends a histogram to a chunk that is not full and that it fits, written anew if it lacks buckets. Otherwise returns
/// what the head of the next chunk says.
/// # Errors
/// Only if our own bytes are damaged.
pub(crate) fn place<K: Kind>(
    chunk: &mut Encoder<K>,
    time: i64,
    start: i64,
    histogram: &K::Histogram,
    is_full: bool,
) -> Result<Option<ResetFlag>, ChunkError> {
    let fit = fit(chunk, histogram);
    if is_full || chunk.is_full() {
        return Ok(Some(match fit {
            Fit::NewChunk(flag) => flag,
            Fit::Same | Fit::Widen { .. } if chunk.flag() == ResetFlag::Gauge => ResetFlag::Gauge,
            Fit::Same | Fit::Widen { .. } => ResetFlag::NotReset,
        }));
    }
    match fit {
        Fit::NewChunk(flag) => return Ok(Some(flag)),
        Fit::Same => chunk.push(time, start, histogram),
        Fit::Widen { positive_spans, negative_spans, is_chunk_narrow } => {
            if is_chunk_narrow {
                *chunk = chunk.recoded(&positive_spans, &negative_spans)?;
            }
            chunk.push(time, start, &widened::<K>(histogram, &positive_spans, &negative_spans));
        }
    }
    Ok(None)
}

/// A kind of histogram that the writer has a chunk for.
trait Chunked: Kind {
    fn of(data: &mut Data) -> Option<&mut Encoder<Self>>;
    fn data(encoder: Encoder<Self>) -> Data;
}

impl Chunked for Integers {
    fn of(data: &mut Data) -> Option<&mut Encoder<Self>> {
        if let Data::Integers(encoder) = data { Some(encoder) } else { None }
    }

    fn data(encoder: Encoder<Self>) -> Data {
        Data::Integers(Box::new(encoder))
    }
}

impl Chunked for Floats {
    fn of(data: &mut Data) -> Option<&mut Encoder<Self>> {
        if let Data::Floats(encoder) = data { Some(encoder) } else { None }
    }

    fn data(encoder: Encoder<Self>) -> Data {
        Data::Floats(Box::new(encoder))
    }
}

impl Open {
    fn n_samples(&self) -> u16 {
        match &self.data {
            Data::Xor(state, _) => state.n,
            Data::Xor2(encoder) => encoder.n_samples(),
            Data::Integers(encoder) => encoder.n_samples(),
            Data::Floats(encoder) => encoder.n_samples(),
        }
    }

    fn finish(self) -> EncodedChunk {
        let n_samples = self.n_samples();
        let (encoding, bytes) = match self.data {
            Data::Xor(_, bytes) => (Encoding::Xor, bytes),
            Data::Xor2(encoder) => (Encoding::Xor2, encoder.into_bytes()),
            Data::Integers(encoder) => (encoder.encoding(), encoder.into_bytes()),
            Data::Floats(encoder) => (encoder.encoding(), encoder.into_bytes()),
        };
        let Self { min_time_ms, max_time_ms, .. } = self;
        EncodedChunk { encoding, min_time_ms, max_time_ms, n_samples, bytes }
    }
}

#[cfg(test)]
mod tests;
