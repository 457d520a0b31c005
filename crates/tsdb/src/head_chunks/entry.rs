//! One chunk in a file.

use super::{ChunkRef, HeadChunksError};
use crate::chunk::Encoding;
use crate::encoding::{Cursor, put_i64, put_u64, put_uvarint};

/// Bytes before the data at least: series, two times, encoding, a length of one byte.
pub(super) const HEADER_BYTES_MIN: usize = 8 + 8 + 8 + 1 + 1;

const CRC_BYTES: usize = 4;

/// The bit of the encoding byte that marks an out-of-order chunk.
const OUT_OF_ORDER: u8 = 0x80;

/// What is known about a chunk without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Where it is.
    pub chunk: ChunkRef,
    /// Its series.
    pub series: u64,
    /// Time of its first sample, ms.
    pub min_time_ms: i64,
    /// Time of its last sample, ms.
    pub max_time_ms: i64,
    /// How it is encoded.
    pub encoding: Encoding,
    /// Whether it holds out-of-order samples.
    pub is_out_of_order: bool,
    /// Samples inside, as its header says.
    pub n_samples: u16,
}

/// An entry as read.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) series: u64,
    pub(super) min_time_ms: i64,
    pub(super) max_time_ms: i64,
    pub(super) encoding: Encoding,
    pub(super) is_out_of_order: bool,
    pub(super) data: &'a [u8],
    /// Where the data starts, relative to the entry.
    pub(super) data_at: usize,
}

impl Entry<'_> {
    /// Returns what is worth knowing about the entry at `chunk`.
    pub(super) fn meta(&self, chunk: ChunkRef) -> ChunkMeta {
        ChunkMeta {
            chunk,
            series: self.series,
            min_time_ms: self.min_time_ms,
            max_time_ms: self.max_time_ms,
            encoding: self.encoding,
            is_out_of_order: self.is_out_of_order,
            n_samples: crate::chunk::xor::n_samples(self.data).unwrap_or(0),
        }
    }

    /// Returns where the next entry starts, relative to this one.
    pub(super) fn end(&self) -> usize {
        self.data_at + self.data.len() + CRC_BYTES
    }
}

/// Returns the bytes of an entry with `data_len` bytes of data, or a few more.
pub(super) fn encoded_len(data_len: usize) -> usize {
    HEADER_BYTES_MIN + crate::encoding::VARINT_BYTES_MAX + data_len + CRC_BYTES
}

/// Appends an entry.
pub(super) fn push(
    out: &mut Vec<u8>,
    series: u64,
    min_time_ms: i64,
    max_time_ms: i64,
    encoding: Encoding,
    is_out_of_order: bool,
    data: &[u8],
) {
    let start = out.len();
    put_u64(out, series);
    put_i64(out, min_time_ms);
    put_i64(out, max_time_ms);
    out.push(encoding.number() | if is_out_of_order { OUT_OF_ORDER } else { 0 });
    put_uvarint(out, data.len() as u64);
    out.extend_from_slice(data);
    let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&crc.to_be_bytes());
}

/// Reads the entry at the start of `bytes`, which is at `offset` of `file`, and verifies its checksum.
pub(super) fn read(bytes: &[u8], offset: usize, file: u32) -> Result<Entry<'_>, HeadChunksError> {
    read_checked(bytes).map_err(|reason| HeadChunksError::Corrupt { file, offset, reason })
}

/// As [`read`], with just the reason as an error.
pub(super) fn read_checked(bytes: &[u8]) -> Result<Entry<'_>, &'static str> {
    let (entry, encoding) = read_frame(bytes)?;
    let (covered, crc) = bytes.split_at_checked(entry.data_at + entry.data.len()).unwrap_or_default();
    if crc.first_chunk() != Some(&crc32c::crc32c(covered).to_be_bytes()) {
        return Err("checksum mismatch");
    }
    let encoding = Encoding::from_number(encoding & !OUT_OF_ORDER).ok_or("unknown encoding")?;
    Ok(Entry { encoding, ..entry })
}

/// Returns where the entry at the start of `bytes` ends if its length is to be believed; its checksum is not looked at.
pub(super) fn end_unchecked(bytes: &[u8]) -> Option<usize> {
    read_frame(bytes).ok().map(|(entry, _)| entry.end())
}

/// Reads the fields, and the encoding byte as it is; the encoding of the entry is still to be set.
fn read_frame(bytes: &[u8]) -> Result<(Entry<'_>, u8), &'static str> {
    let cut_off = |_| "entry is cut off";
    let mut cursor = Cursor::new(bytes);
    let series = cursor.u64().map_err(cut_off)?;
    let min_time_ms = cursor.i64().map_err(cut_off)?;
    let max_time_ms = cursor.i64().map_err(cut_off)?;
    let number = cursor.u8().map_err(cut_off)?;
    let len = cursor.uvarint().map_err(|_| "length is damaged")?;
    let data_at = bytes.len() - cursor.remaining();
    let data = usize::try_from(len).ok().and_then(|len| cursor.take(len).ok()).ok_or("entry is cut off")?;
    cursor.take(CRC_BYTES).map_err(cut_off)?;
    let is_out_of_order = number & OUT_OF_ORDER != 0;
    let encoding = Encoding::Xor;
    Ok((Entry { series, min_time_ms, max_time_ms, encoding, is_out_of_order, data, data_at }, number))
}
