//! The `tombstones` file: which samples of a block were deleted.
//!
//! ```text
//! file = magic 0130BA30 | version 1 | (uvarint series ref, varint first ms, varint last ms)* | crc32c of the entries
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use wf_model::TimeRange;

use super::BlockError;
use crate::disk::{self, Disk};
use crate::encoding::{Cursor, put_uvarint, put_varint};

/// Name of the file in a block's directory.
pub const FILE_NAME: &str = "tombstones";

const HEADER: [u8; 5] = [0x01, 0x30, 0xba, 0x30, 1];

/// A deleted span: both ends included.
pub type Interval = TimeRange;

/// Deleted spans by series: of each series ascending, disjoint and not adjacent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones {
    by_series: BTreeMap<u64, Vec<Interval>>,
}

impl Tombstones {
    /// Deletes a span of a series. Spans that touch become one; one that ends before it starts is nothing.
    pub fn add(&mut self, series: u64, span: Interval) {
        if span.start_ms > span.end_ms {
            return;
        }
        let spans = self.by_series.entry(series).or_default();
        // All that overlap the span widened by 1 ms on both sides melt into it.
        let first = spans.partition_point(|old| old.end_ms < span.start_ms.saturating_sub(1));
        let end = spans.partition_point(|old| old.start_ms <= span.end_ms.saturating_add(1)).max(first);
        let merged = spans.get(first..end).unwrap_or_default().iter().fold(span, |merged, old| Interval {
            start_ms: merged.start_ms.min(old.start_ms),
            end_ms: merged.end_ms.max(old.end_ms),
        });
        spans.splice(first..end, [merged]);
    }

    /// Returns the deleted spans of a series, ascending.
    pub fn of(&self, series: u64) -> &[Interval] {
        self.by_series.get(&series).map_or(&[], Vec::as_slice)
    }

    /// Iterates over series and their deleted spans, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[Interval])> + '_ {
        self.by_series.iter().map(|(series, spans)| (*series, spans.as_slice()))
    }

    /// Returns the number of spans of all series.
    pub fn len(&self) -> usize {
        self.by_series.values().map(Vec::len).sum()
    }

    /// Returns whether nothing is deleted.
    pub fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }

    /// Returns the bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = HEADER.to_vec();
        for (series, spans) in &self.by_series {
            for span in spans {
                put_uvarint(&mut out, *series);
                put_varint(&mut out, span.start_ms);
                put_varint(&mut out, span.end_ms);
            }
        }
        let crc = crc32c::crc32c(out.get(HEADER.len()..).unwrap_or_default());
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads the bytes of the file.
    /// # Errors
    /// Where they are damaged, and how.
    pub fn decode(bytes: &[u8]) -> Result<Self, (u64, String)> {
        let Some(rest) = bytes.strip_prefix(&HEADER) else {
            return Err((0, "magic number or version is not that of tombstones".to_owned()));
        };
        let Some((entries, crc)) = rest.split_last_chunk::<4>() else {
            return Err((HEADER.len() as u64, "the checksum is missing".to_owned()));
        };
        if crc32c::crc32c(entries) != u32::from_be_bytes(*crc) {
            return Err((HEADER.len() as u64, "checksum does not match".to_owned()));
        }
        let mut found = Self::default();
        let mut cursor = Cursor::new(entries);
        while !cursor.is_empty() {
            let offset = (bytes.len() - 4 - cursor.remaining()) as u64;
            let damaged = |error: crate::encoding::DecodeError| (offset, error.to_string());
            let series = cursor.uvarint().map_err(damaged)?;
            let start_ms = cursor.varint().map_err(damaged)?;
            let end_ms = cursor.varint().map_err(damaged)?;
            found.add(series, Interval { start_ms, end_ms });
        }
        Ok(found)
    }

    /// Reads the file of the block in `dir`; without one nothing is deleted.
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, BlockError> {
        let path = dir.join(FILE_NAME);
        let bytes = match disk.read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(BlockError::io("read", &path))?,
        };
        Self::decode(&bytes).map_err(|(offset, reason)| BlockError::Damaged { path, offset, reason })
    }

    /// Replaces the file of the block in `dir`: after a crash the old or the new one is there.
    /// # Errors
    /// Those of the operating system.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), BlockError> {
        let path = dir.join(FILE_NAME);
        disk::replace(disk, &path, &self.encode()).map_err(BlockError::io("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(start_ms: i64, end_ms: i64) -> Interval {
        Interval { start_ms, end_ms }
    }

    #[test]
    fn bytes_are_those_of_the_format() {
        // An empty CRC-32C is 0.
        assert_eq!(Tombstones::default().encode(), [0x01, 0x30, 0xba, 0x30, 1, 0, 0, 0, 0]);
        let mut tombstones = Tombstones::default();
        tombstones.add(300, span(-2, 64));
        let bytes = tombstones.encode();
        assert_eq!(bytes[5..10], [0xac, 0x02, 0x03, 0x80, 0x01]);
        assert_eq!(bytes[10..], crc32c::crc32c(&[0xac, 0x02, 0x03, 0x80, 0x01]).to_be_bytes());
    }

    #[test]
    fn spans_that_touch_become_one() {
        let mut tombstones = Tombstones::default();
        for (start, end) in [(10, 20), (40, 50), (30, 29), (21, 25), (60, 70), (26, 39)] {
            tombstones.add(1, span(start, end));
        }
        assert_eq!(tombstones.of(1), [span(10, 50), span(60, 70)]);
        tombstones.add(1, span(i64::MIN, i64::MAX));
        assert_eq!(tombstones.of(1), [span(i64::MIN, i64::MAX)]);
        assert_eq!((tombstones.len(), tombstones.of(2)), (1, &[][..]));
    }

    proptest! {
        #[test]
        fn any_set_round_trips(entries in prop::collection::vec((0..5_u64, -50..50_i64, 0..9_i64), 0..40)) {
            let mut tombstones = Tombstones::default();
            for (series, start, length) in &entries {
                tombstones.add(*series, span(*start, start + length));
            }
            for (series, time) in (0..5).flat_map(|series| (-60..70).map(move |time| (series, time))) {
                let want = entries.iter().any(|(s, start, len)| *s == series && (*start..=start + len).contains(&time));
                prop_assert_eq!(tombstones.of(series).iter().any(|span| span.contains(time)), want);
            }
            prop_assert_eq!(Tombstones::decode(&tombstones.encode()), Ok(tombstones));
        }

        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let mut file = HEADER.to_vec();
            file.extend_from_slice(&body);
            let _ = Tombstones::decode(&file);
            file.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
            let _ = Tombstones::decode(&file);
            let _ = Tombstones::decode(&body);
        }
    }
}
