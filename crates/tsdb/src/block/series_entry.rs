//! An entry of the series section: the labels of a series and where its chunks are.
//!
//! ```text
//! entry  = uvarint len(body) | body | crc32c(body)
//! body   = uvarint n labels | (uvarint name symbol, uvarint value symbol)* | uvarint n chunks | first | next*
//! first  = varint min time | uvarint max - min | uvarint ref
//! next   = uvarint min - previous max | uvarint max - min | varint ref - previous ref
//! ```
//! Differences wrap around at 64 bits, as those of the original do.
#![expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "differences of times wrap on purpose"
)]

use wf_model::TimeRange;

use crate::encoding::{Cursor, DecodeError, put_uvarint, put_varint};

/// Where a chunk is, and the time it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Time of its first sample, ms.
    pub min_time: i64,
    /// Time of its last sample, ms.
    pub max_time: i64,
    /// Its place in the chunk files.
    pub chunk_ref: u64,
}

impl ChunkMeta {
    /// Returns the time that the chunk covers, both ends included.
    pub fn span(&self) -> TimeRange {
        TimeRange { start_ms: self.min_time, end_ms: self.max_time }
    }
}

/// One series of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesEntry {
    /// Its id: what postings and tombstones call it.
    pub series_ref: u64,
    /// Names and values, as ordinals of the symbol table, by name.
    pub labels: Vec<(u32, u32)>,
    /// Its chunks, ascending in time.
    pub chunks: Vec<ChunkMeta>,
}

impl SeriesEntry {
    /// Returns the ordinal of the value of the label whose name has this one.
    pub fn value_of(&self, name: u32) -> Option<u32> {
        self.labels.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| *value)
    }
}

/// Appends the body of an entry.
pub(crate) fn encode_body(labels: &[(u32, u32)], chunks: &[ChunkMeta], out: &mut Vec<u8>) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels {
        put_uvarint(out, u64::from(*name));
        put_uvarint(out, u64::from(*value));
    }
    put_uvarint(out, chunks.len() as u64);
    let mut previous: Option<&ChunkMeta> = None;
    for chunk in chunks {
        match previous {
            None => put_varint(out, chunk.min_time),
            Some(previous) => put_uvarint(out, chunk.min_time.wrapping_sub(previous.max_time) as u64),
        }
        put_uvarint(out, chunk.max_time.wrapping_sub(chunk.min_time) as u64);
        match previous {
            None => put_uvarint(out, chunk.chunk_ref),
            Some(previous) => put_varint(out, chunk.chunk_ref.wrapping_sub(previous.chunk_ref) as i64),
        }
        previous = Some(chunk);
    }
}

/// Reads the labels of a body, as the numbers that stand there, and leaves the cursor behind them.
#[inline]
pub(crate) fn for_each_label(
    body: &mut Cursor<'_>,
    mut each: impl FnMut(u64, u64),
) -> Result<(), DecodeError> {
    let n_labels = body.uvarint()?;
    for _ in 0..n_labels {
        let name = body.uvarint()?;
        let value = body.uvarint()?;
        each(name, value);
    }
    Ok(())
}

/// Reads the chunks behind the labels.
pub(crate) fn for_each_chunk(
    body: &mut Cursor<'_>,
    mut each: impl FnMut(ChunkMeta),
) -> Result<(), DecodeError> {
    let mut chunks = Chunks::new(*body)?;
    while let Some(chunk) = chunks.next().transpose()? {
        each(chunk);
    }
    *body = chunks.body;
    Ok(())
}

/// Iterates over the chunks behind the labels of a body.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<'a> {
    body: Cursor<'a>,
    n_left: u64,
    previous: Option<ChunkMeta>,
}

impl<'a> Chunks<'a> {
    /// Starts where the labels end.
    pub(crate) fn new(mut body: Cursor<'a>) -> Result<Self, DecodeError> {
        let n_left = body.uvarint()?;
        Ok(Self { body, n_left, previous: None })
    }

    /// Goes on behind `previous`, with `n_left` chunks in `body`.
    pub(crate) fn resume(body: Cursor<'a>, n_left: u64, previous: ChunkMeta) -> Self {
        Self { body, n_left, previous: Some(previous) }
    }

    /// Returns what is left: the bytes, and how many chunks they are said to hold.
    pub(crate) fn rest(&self) -> (Cursor<'a>, u64) {
        (self.body, self.n_left)
    }

    fn read(&mut self) -> Result<ChunkMeta, DecodeError> {
        let body = &mut self.body;
        let min_time = match self.previous {
            None => body.varint()?,
            Some(previous) => previous.max_time.wrapping_add(body.uvarint()? as i64),
        };
        let max_time = min_time.wrapping_add(body.uvarint()? as i64);
        let chunk_ref = match self.previous {
            None => body.uvarint()?,
            Some(previous) => previous.chunk_ref.wrapping_add(body.varint()? as u64),
        };
        Ok(ChunkMeta { min_time, max_time, chunk_ref })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<ChunkMeta, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.n_left = self.n_left.checked_sub(1)?;
        let chunk = self.read();
        match &chunk {
            Ok(chunk) => self.previous = Some(*chunk),
            Err(_) => self.n_left = 0,
        }
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(body: &[u8]) -> Result<SeriesEntry, DecodeError> {
        let mut entry = SeriesEntry::default();
        let mut cursor = Cursor::new(body);
        let ordinal = |raw: u64| u32::try_from(raw).unwrap_or(u32::MAX);
        for_each_label(&mut cursor, |name, value| entry.labels.push((ordinal(name), ordinal(value))))?;
        for_each_chunk(&mut cursor, |chunk| entry.chunks.push(chunk))?;
        Ok(entry)
    }

    #[test]
    fn bytes_are_those_of_the_format() {
        let first = ChunkMeta { min_time: -1, max_time: 9, chunk_ref: 300 };
        let second = ChunkMeta { min_time: 11, max_time: 11, chunk_ref: 299 };
        let mut out = Vec::new();
        encode_body(&[(1, 2), (3, 300)], &[first, second], &mut out);
        let labels = [2, 1, 2, 3, 0xac, 0x02];
        let chunks = [2, 0x01, 10, 0xac, 0x02, 2, 0, 0x01];
        assert_eq!(out, [&labels[..], &chunks].concat());
    }

    proptest! {
        #[test]
        fn any_entry_round_trips(
            labels: Vec<(u32, u32)>,
            chunks in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u64>()), 0..5),
        ) {
            let chunk = |(min_time, max_time, chunk_ref)| ChunkMeta { min_time, max_time, chunk_ref };
            let chunks: Vec<ChunkMeta> = chunks.into_iter().map(chunk).collect();
            let mut out = Vec::new();
            encode_body(&labels, &chunks, &mut out);
            prop_assert_eq!(decode(&out), Ok(SeriesEntry { series_ref: 0, labels, chunks }));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
