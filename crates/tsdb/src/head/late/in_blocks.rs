//! Which late chunks are in blocks, though the files that hold them are still there.
//!
//! Head-chunk files go as a whole, so late chunks outlive the cut that moved them to blocks. Restored by the next start
//! they would become blocks again, with samples that were deleted from the first ones meanwhile. A record of our own in
//! the write-behind log says that they are done; Prometheus skips records of types that it does not know.
//!
//! ```text
//! type 0xC5 | uvarint n, (uvarint file, uvarint end, series u64, mint i64, maxt i64)* | (chunk ref u64)*
//! ```
//! Late chunks of `file` before `end` are in blocks, but for those whose references follow. A file is the one that is
//! meant only if its first entry has this series and these times: numbers begin anew when no file is left.

use crate::encoding::{Cursor, DecodeError, put_i64, put_u64, put_uvarint};
use crate::head_chunks::{ChunkRef, Extent};

/// First byte of the record: far from the types of Prometheus.
pub(crate) const IN_BLOCKS: u8 = 0xC5;

/// What the record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InBlocks {
    pub(crate) extents: Vec<Extent>,
    /// Chunks before the end of their file that are not in blocks, ascending.
    pub(crate) exceptions: Vec<ChunkRef>,
}

impl InBlocks {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![IN_BLOCKS];
        put_uvarint(&mut out, self.extents.len() as u64);
        for extent in &self.extents {
            put_uvarint(&mut out, u64::from(extent.file));
            put_uvarint(&mut out, u64::from(extent.end));
            put_u64(&mut out, extent.series);
            put_i64(&mut out, extent.min_time_ms);
            put_i64(&mut out, extent.max_time_ms);
        }
        self.exceptions.iter().for_each(|chunk| put_u64(&mut out, chunk.0));
        out
    }

    /// Reads a record without its first byte. The whole of it has to make sense: half of the exceptions would be worse
    /// than nothing.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(body);
        let n_extents = cursor.uvarint()?;
        let mut read = Self::default();
        for _ in 0..n_extents {
            read.extents.push(Extent {
                // A number that is none of ours names no file.
                file: u32::try_from(cursor.uvarint()?).unwrap_or(u32::MAX),
                end: u32::try_from(cursor.uvarint()?).unwrap_or(0),
                series: cursor.u64()?,
                min_time_ms: cursor.i64()?,
                max_time_ms: cursor.i64()?,
            });
        }
        while cursor.remaining() > 0 {
            read.exceptions.push(ChunkRef(cursor.u64()?));
        }
        read.exceptions.sort_unstable();
        Ok(read)
    }

    /// Keeps what is said about files that are still those which were meant; `files` are the present ones.
    pub(crate) fn keep_files(&mut self, files: &[Extent]) {
        self.extents.retain(|extent| files.iter().any(|file| Extent { end: extent.end, ..*file } == *extent));
        self.extents.sort_unstable_by_key(|extent| extent.file);
    }

    pub(crate) fn contains(&self, chunk: ChunkRef) -> bool {
        let at = self.extents.binary_search_by_key(&chunk.file(), |extent| extent.file);
        let extent = at.ok().and_then(|at| self.extents.get(at));
        extent.is_some_and(|extent| chunk.offset() < extent.end as usize)
            && self.exceptions.binary_search(&chunk).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_of_the_very_files_are_in_blocks() {
        let extent = |file, end, series| Extent { file, end, series, min_time_ms: -5, max_time_ms: 7 };
        let chunk = |file: u64, offset: u64| ChunkRef(file << 32 | offset);
        let said = InBlocks {
            extents: vec![extent(3, u32::MAX, 1), extent(4, 900, 2)],
            exceptions: vec![chunk(3, 50)],
        };
        let record = said.encode();
        assert_eq!(record[0], IN_BLOCKS);
        let mut read = InBlocks::decode(&record[1..]).unwrap();
        assert_eq!(read, said);
        assert!(InBlocks::decode(&record[1..record.len() - 1]).is_err());
        read.keep_files(&[extent(2, 80, 1), extent(3, 80, 1), extent(4, 1000, 2)]);
        let is_in = |file, offset| read.contains(chunk(file, offset));
        assert!(is_in(3, 8) && is_in(3, 51) && is_in(4, 899));
        assert!(!is_in(2, 8) && !is_in(3, 50) && !is_in(4, 900) && !is_in(5, 8));
        read.keep_files(&[extent(3, 80, 9)]);
        assert!(!read.contains(chunk(3, 8)) && !read.contains(chunk(4, 8)));
    }
}
