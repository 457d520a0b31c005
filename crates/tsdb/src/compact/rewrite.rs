//! The chunks of one series on their way into a new block.
//!
//! What can be copied is copied. Decoded are only chunks that overlap others, that a tombstone or the bounds of the block
//! cut in two, and small neighbours that are joined into one.

use std::borrow::Cow;
use std::ops::Range;

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::dense_xor::DenseXor;
use super::mixed;
use crate::block::OutChunk;
use crate::chunk::xor2::Xor2Encoder;
use crate::chunk::{self, ChunkError, Encoding, xor};
use crate::merge::merge_columns;

/// Samples of a chunk that is written anew, in blocks as short as those of the head.
const SAMPLES_SHORT: usize = 120;
/// Samples of a joined chunk: beyond, reading one sample decodes too much.
const SAMPLES_JOINED: usize = 480;
/// Bytes of a joined chunk: stores that fetch chunks over the network guess 16,000 B.
const BYTES_JOINED: usize = 4 << 10;

/// What a chunk takes besides its data, about: length, encoding and checksum, and its place in the index.
const CHUNK_BYTES: usize = 14;

/// How densely a block is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Density {
    /// Chunks stay as they are.
    Copied,
    /// Small neighbours are joined: for blocks of level 2 and above, which are read less and kept longer.
    Joined,
}

/// A chunk that goes in.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    pub(crate) span: TimeRange,
    pub(crate) encoding: Encoding,
    pub(crate) data: Cow<'a, [u8]>,
    /// Closed intervals that were deleted, ascending.
    pub(crate) deleted: &'a [TimeRange],
}

/// A chunk that comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output<'a> {
    pub(crate) span: TimeRange,
    pub(crate) encoding: Encoding,
    pub(crate) data: Cow<'a, [u8]>,
}

impl Output<'_> {
    pub(crate) fn as_out_chunk(&self) -> OutChunk<'_> {
        let TimeRange { start_ms: min_time, end_ms: max_time } = self.span;
        OutChunk { min_time, max_time, encoding: self.encoding, data: &self.data }
    }
}

/// Rewrites series after series; keeps its buffers.
#[derive(Debug)]
pub(crate) struct Rewriter {
    density: Density,
    /// Samples outside are left out.
    bounds: TimeRange,
    encoder: DenseXor,
    columns: SampleColumns,
    further: SampleColumns,
}

impl Rewriter {
    pub(crate) fn new(density: Density, bounds: TimeRange) -> Self {
        let (columns, further) = (SampleColumns::default(), SampleColumns::default());
        Self { density, bounds, encoder: DenseXor::default(), columns, further }
    }

    /// Returns the chunks of one series, in time order and without overlap. Of two samples with the same time that of the
    /// chunk that begins earlier counts.
    /// # Errors
    /// When a chunk that has to be decoded is damaged.
    pub(crate) fn rewrite<'a>(&mut self, mut input: Vec<Input<'a>>) -> Result<Vec<Output<'a>>, ChunkError> {
        let mut out = Vec::with_capacity(input.len());
        input.retain(|chunk| overlaps(chunk.span, self.bounds) && !is_all_deleted(chunk));
        // Stable: inputs come in the order of their blocks.
        input.sort_by_key(|chunk| chunk.span.start_ms);
        let mut rest = input.into_iter().peekable();
        while let Some(first) = rest.next() {
            let mut reached = first.span.end_ms;
            let mut run = vec![first];
            while let Some(next) = rest.next_if(|next| next.span.start_ms <= reached) {
                reached = reached.max(next.span.end_ms);
                run.push(next);
            }
            if run.len() > 1 || run.iter().any(|chunk| self.is_cut(chunk)) {
                self.merge_run(&run, &mut out)?;
            } else {
                out.extend(run.into_iter().map(|Input { span, encoding, data, .. }| Output {
                    span,
                    encoding,
                    data,
                }));
            }
        }
        if self.density == Density::Joined {
            self.join(&mut out)?;
        }
        Ok(out)
    }

    /// Returns whether a bound or a tombstone runs through the chunk.
    fn is_cut(&self, chunk: &Input<'_>) -> bool {
        let is_inside =
            self.bounds.start_ms <= chunk.span.start_ms && chunk.span.end_ms <= self.bounds.end_ms;
        !is_inside || chunk.deleted.iter().any(|deleted| overlaps(*deleted, chunk.span))
    }

    /// Decodes chunks, leaves out what is deleted, and writes what remains in new chunks.
    fn merge_run(&mut self, run: &[Input<'_>], out: &mut Vec<Output<'_>>) -> Result<(), ChunkError> {
        if run.iter().any(|chunk| chunk.encoding != Encoding::Xor) {
            return mixed::merge_run(run, self.bounds, out);
        }
        let mut columns = std::mem::take(&mut self.columns);
        columns.clear();
        for chunk in run {
            self.further.clear();
            chunk::decode(chunk.encoding, &chunk.data, self.bounds, &mut self.further)?;
            delete(&mut self.further, chunk.deleted);
            merge_columns(&mut columns, &self.further);
        }
        let n_samples = match self.density {
            Density::Copied => SAMPLES_SHORT,
            Density::Joined => SAMPLES_JOINED,
        };
        for (times, values) in columns.times_ms.chunks(n_samples).zip(columns.values.chunks(n_samples)) {
            self.encode_floats(times, values, out);
        }
        self.columns = columns;
        Ok(())
    }

    /// Writes samples as one chunk, or as several if they do not compress.
    fn encode_floats(&mut self, times: &[i64], values: &[f64], out: &mut Vec<Output<'_>>) {
        let (Some(start_ms), Some(end_ms)) = (times.first().copied(), times.last().copied()) else { return };
        let mut data = Vec::new();
        self.encoder.encode(times, values, &mut data);
        if data.len() > BYTES_JOINED && times.len() > 1 {
            let middle = times.len() / 2;
            let ((times_a, times_b), (values_a, values_b)) =
                (times.split_at(middle), values.split_at(middle));
            self.encode_floats(times_a, values_a, out);
            return self.encode_floats(times_b, values_b, out);
        }
        data.shrink_to_fit();
        let span = TimeRange { start_ms, end_ms };
        out.push(Output { span, encoding: Encoding::Xor, data: Cow::Owned(data) });
    }

    /// As [`Rewriter::encode_floats`], in the other encoding, with start timestamps.
    fn encode_started(columns: &SampleColumns, at: Range<usize>, out: &mut Vec<Output<'_>>) {
        let sample = |at: usize| {
            let start = columns.start_times_ms.get(at).copied().unwrap_or(0);
            Some((*columns.times_ms.get(at)?, start, *columns.values.get(at)?))
        };
        let Some((start_ms, start, value)) = sample(at.start) else { return };
        let mut encoder = Xor2Encoder::begin(start_ms, start, value);
        let mut end_ms = start_ms;
        for (time, start, value) in (at.start + 1..at.end).filter_map(sample) {
            encoder.push(time, start, value);
            end_ms = time;
        }
        let mut data = encoder.into_bytes();
        if data.len() > BYTES_JOINED && at.len() > 1 {
            let middle = at.start + at.len() / 2;
            Self::encode_started(columns, at.start..middle, out);
            return Self::encode_started(columns, middle..at.end, out);
        }
        data.shrink_to_fit();
        let span = TimeRange { start_ms, end_ms };
        out.push(Output { span, encoding: Encoding::Xor2, data: Cow::Owned(data) });
    }

    /// Joins neighbours of one encoding while they are small together, in that which suits them.
    fn join(&mut self, chunks: &mut Vec<Output<'_>>) -> Result<(), ChunkError> {
        let mut joined = Vec::with_capacity(chunks.len());
        let mut rest = std::mem::take(chunks).into_iter().peekable();
        while let Some(first) = rest.next() {
            let encoding = first.encoding;
            let Some((mut n_samples, mut n_bytes)) = joinable(&first) else {
                joined.push(first);
                continue;
            };
            let mut group = vec![first];
            let is_alike = |next: &&Output<'_>| next.encoding == encoding;
            while let Some((more_samples, more_bytes)) = rest.peek().filter(is_alike).and_then(joinable) {
                (n_samples, n_bytes) = (n_samples + more_samples, n_bytes + more_bytes);
                if n_samples > SAMPLES_JOINED || n_bytes > BYTES_JOINED {
                    break;
                }
                group.extend(rest.next());
            }
            if group.len() == 1 {
                joined.append(&mut group);
                continue;
            }
            let mut columns = std::mem::take(&mut self.columns);
            columns.clear();
            for chunk in &group {
                chunk::decode(chunk.encoding, &chunk.data, TimeRange::ALL, &mut columns)?;
            }
            if columns.start_times_ms.iter().any(|start| *start != 0) {
                Self::encode_started(&columns, 0..columns.times_ms.len(), &mut joined);
            } else {
                // XOR2 makes room for a start timestamp with each sample beyond the 127th, whether there is one or not:
                // without any, long chunks are smaller in the plain encoding, if anywhere.
                let mut plain = Vec::new();
                self.encode_floats(&columns.times_ms, &columns.values, &mut plain);
                joined.append(if size_of_all(&plain) <= size_of_all(&group) {
                    &mut plain
                } else {
                    &mut group
                });
            }
            self.columns = columns;
        }
        *chunks = joined;
        Ok(())
    }
}

/// Returns the bytes that chunks take in a block.
fn size_of_all(chunks: &[Output<'_>]) -> usize {
    chunks.iter().map(|chunk| chunk.data.len() + CHUNK_BYTES).sum()
}

/// Returns samples and bytes of a chunk that may be joined with its neighbours.
fn joinable(chunk: &Output<'_>) -> Option<(usize, usize)> {
    let is_float = matches!(chunk.encoding, Encoding::Xor | Encoding::Xor2);
    let n_samples = is_float.then(|| xor::n_samples(&chunk.data))?.ok()?;
    Some((usize::from(n_samples), chunk.data.len()))
}

fn overlaps(a: TimeRange, b: TimeRange) -> bool {
    a.start_ms <= b.end_ms && b.start_ms <= a.end_ms
}

fn is_all_deleted(chunk: &Input<'_>) -> bool {
    chunk.deleted.iter().any(|gone| gone.start_ms <= chunk.span.start_ms && chunk.span.end_ms <= gone.end_ms)
}

/// Removes the samples of a float series inside `deleted`, closed intervals in ascending order.
fn delete(columns: &mut SampleColumns, deleted: &[TimeRange]) {
    let (Some(first), Some(last)) = (columns.times_ms.first().copied(), columns.times_ms.last().copied())
    else {
        return;
    };
    let deleted = deleted.iter().filter(|gone| gone.start_ms <= last && first <= gone.end_ms);
    for gone in deleted {
        let start = columns.times_ms.partition_point(|time| *time < gone.start_ms);
        let end = columns.times_ms.partition_point(|time| *time <= gone.end_ms).max(start);
        columns.times_ms.drain(start..end);
        columns.values.drain(start..end);
    }
}

#[cfg(test)]
mod tests;
