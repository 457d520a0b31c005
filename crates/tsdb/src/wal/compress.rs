//! Compression of whole records.

use std::io::Read;

use super::frame::Packing;
use crate::options::WalCompression;

/// No record is larger than this when decompressed: what a damaged or hostile length can make us allocate.
pub(super) const RECORD_BYTES_MAX: usize = 256 << 20;

/// Zstandard's fastest standard level, which the original uses too.
const ZSTD_LEVEL: i32 = 1;

/// Compresses record after record with the same buffers.
pub(super) struct Compressor {
    kind: WalCompression,
    snappy: snap::raw::Encoder,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Compressor {
    pub(super) fn new(kind: WalCompression) -> Self {
        let zstd = match kind {
            // Without memory for its tables records are stored plain, which every reader understands.
            WalCompression::Zstd => zstd::bulk::Compressor::new(ZSTD_LEVEL).ok(),
            WalCompression::None | WalCompression::Snappy => None,
        };
        Self { kind, snappy: snap::raw::Encoder::new(), zstd, buffer: Vec::new() }
    }

    /// Returns the bytes to store: compressed, or as they are if compression does not shrink them.
    pub(super) fn pack<'a>(&'a mut self, record: &'a [u8]) -> (Packing, &'a [u8]) {
        let packed = match self.kind {
            WalCompression::None => None,
            WalCompression::Snappy => {
                self.buffer.resize(snap::raw::max_compress_len(record.len()), 0);
                let packed = self.snappy.compress(record, &mut self.buffer).ok();
                packed.map(|len| (Packing::Snappy, len))
            }
            WalCompression::Zstd => self.zstd.as_mut().and_then(|zstd| {
                self.buffer.resize(zstd::zstd_safe::compress_bound(record.len()), 0);
                let packed = zstd.compress_to_buffer(record, &mut self.buffer[..]).ok();
                packed.map(|len| (Packing::Zstd, len))
            }),
        };
        match packed {
            Some((packing, len)) if len < record.len() => {
                (packing, self.buffer.get(..len).unwrap_or_default())
            }
            _ => (Packing::Plain, record),
        }
    }
}

/// Decompresses `stored` into `out`, which is cleared first.
/// # Errors
/// Says what is wrong.
pub(super) fn unpack(packing: Packing, stored: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.clear();
    match packing {
        Packing::Plain => out.extend_from_slice(stored),
        Packing::Snappy => {
            let len = snap::raw::decompress_len(stored).map_err(|_| "snappy header is damaged")?;
            // Snappy expands at most by 64 bytes per 3-byte copy: a larger claim is a lie.
            if len > RECORD_BYTES_MAX || len > stored.len().saturating_mul(32) {
                return Err("snappy length is too large");
            }
            out.resize(len, 0);
            snap::raw::Decoder::new().decompress(stored, out).map_err(|_| "snappy data is damaged")?;
        }
        Packing::Zstd => {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(stored).map_err(|_| "zstd cannot start")?;
            let limit = RECORD_BYTES_MAX as u64 + 1;
            decoder.take(limit).read_to_end(out).map_err(|_| "zstd data is damaged")?;
            if out.len() > RECORD_BYTES_MAX {
                return Err("zstd data is too large");
            }
        }
    }
    Ok(())
}
