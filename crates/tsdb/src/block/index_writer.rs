//! Writes the `index` file of a block, version 2.
//!
//! ```text
//! index    = magic BAAAD700 | version | symbols | series | postings | postings offset table | table of contents
//! symbols  = len u32 | count u32 | (uvarint len, bytes)* | crc32c
//! series   = (zeros to 16 | uvarint len | labels, chunks | crc32c)*          id = offset / 16
//! postings = (len u32 | count u32 | id u32 * | crc32c)*                      all series, then by name and value
//! table    = len u32 | count u32 | (uvarint 2, name, value, uvarint offset)* | crc32c
//! contents = symbols, series, label indices, label index table, postings, postings table: u64 each | crc32c
//! ```
//! Lengths do not count themselves nor the checksum, which covers what they count.
//!
//! Postings are made last, from the series section just written: memory is 4 B a symbol, 4 B a series, about 45 B a
//! distinct label pair and [`PASS_BYTES_MAX`].
#![expect(
    clippy::cast_possible_truncation,
    reason = "a codec narrows on purpose, each time after a range check"
)]

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::BlockError;
use super::series_entry::{ChunkMeta, encode_body, for_each_label};
use super::sink::FileSink;
use crate::FastMap;
use crate::disk::Disk;
use crate::encoding::{Cursor, put_uvarint, put_uvarint_str};

/// Name of the file in a block's directory.
pub const FILE_NAME: &str = "index";

/// First bytes of the file.
pub(crate) const MAGIC: [u8; 4] = [0xba, 0xaa, 0xd7, 0x00];

/// Bytes of the table of contents.
pub(crate) const TOC_BYTES: usize = 6 * 8 + 4;

/// Offset of the symbols: behind magic and version.
const SYMBOLS_OFFSET: u64 = 5;

/// Series ids are the offsets of entries in units of this.
const SERIES_ALIGNMENT: u64 = 16;

/// Memory for lists of series ids; when they need more, the series section is read several times.
const PASS_BYTES_MAX: usize = 32 << 20;

/// Name and value of a label, as ordinals.
type Pair = (u32, u32);

/// Writes one index.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    disk: Arc<dyn Disk>,
    file: FileSink,
    /// Where each symbol is, from the first on.
    symbol_offsets: Vec<u32>,
    series_offset: u64,
    ids: Vec<u32>,
    /// Series per label pair.
    counts: FastMap<Pair, u32>,
    /// Labels of the newest series, and how many series in a row had the same in that place: neighbours share most, so
    /// that few are looked up.
    runs: Vec<(Pair, u32)>,
    pass_ids_max: usize,
    buffer: Vec<u8>,
}

impl IndexWriter {
    /// Creates the file and writes the symbols, which must be strictly ascending.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        symbols: impl Iterator<Item = impl AsRef<str>>,
    ) -> Result<Self, BlockError> {
        let mut file = FileSink::create(&**disk, path)?;
        file.put(&MAGIC)?;
        file.put(&[2])?;
        let symbol_offsets = write_symbols(&mut file, symbols)?;
        let series_offset = file.position();
        Ok(Self {
            disk: Arc::clone(disk),
            file,
            symbol_offsets,
            series_offset,
            ids: Vec::new(),
            counts: FastMap::default(),
            runs: Vec::new(),
            pass_ids_max: PASS_BYTES_MAX / 4,
            buffer: Vec::new(),
        })
    }

    /// Writes a series.
    pub(crate) fn add_series(&mut self, labels: &[Pair], chunks: &[ChunkMeta]) -> Result<(), BlockError> {
        self.check_labels(labels).map_err(|reason| self.invalid(reason))?;
        self.file.pad_to(SERIES_ALIGNMENT)?;
        let id = u32::try_from(self.file.position() / SERIES_ALIGNMENT);
        self.ids.push(id.map_err(|_| self.invalid("the index exceeds 64 GiB: split the block"))?);
        self.count(labels);

        let mut entry = std::mem::take(&mut self.buffer);
        entry.clear();
        encode_body(labels, chunks, &mut entry);
        let mut len = Vec::with_capacity(4);
        put_uvarint(&mut len, entry.len() as u64);
        self.file.put(&len)?;
        let crc = crc32c::crc32c(&entry);
        entry.extend_from_slice(&crc.to_be_bytes());
        self.file.put(&entry)?;
        self.buffer = entry;
        Ok(())
    }

    fn check_labels(&self, labels: &[Pair]) -> Result<(), &'static str> {
        let n_symbols = self.symbol_offsets.len();
        if labels.iter().any(|(name, value)| (*name.max(value)) as usize >= n_symbols) {
            return Err("a label is not one of the symbols");
        }
        if labels.is_empty() || !labels.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("label names of a series must be ascending and unique, and there must be one");
        }
        let newest = self.runs.iter().map(|(pair, _)| pair);
        if newest.cmp(labels) != std::cmp::Ordering::Less {
            return Err("series must be ascending by their labels");
        }
        Ok(())
    }

    /// Counts the pairs of a series.
    fn count(&mut self, labels: &[Pair]) {
        for (place, pair) in labels.iter().enumerate() {
            match self.runs.get_mut(place) {
                Some((same, n)) if same == pair => *n += 1,
                Some(run) => {
                    let (ended, n) = std::mem::replace(run, (*pair, 1));
                    *self.counts.entry(ended).or_default() += n;
                }
                None => self.runs.push((*pair, 1)),
            }
        }
        self.end_runs_from(labels.len());
    }

    fn end_runs_from(&mut self, place: usize) {
        for (ended, n) in self.runs.drain(place..) {
            *self.counts.entry(ended).or_default() += n;
        }
    }

    /// Writes postings and tables, and forces the file to the disk.
    pub(crate) fn finish(mut self) -> Result<(), BlockError> {
        self.end_runs_from(0);
        self.file.flush()?;
        let series_end = self.file.position();
        let mut pairs: Vec<(Pair, u32)> = self.counts.drain().collect();
        pairs.sort_unstable();
        let mut rank_of = std::mem::take(&mut self.counts);
        rank_of.extend(pairs.iter().zip(0..).map(|((pair, _), rank)| (*pair, rank)));

        self.file.pad_to(4)?;
        let postings_start = self.file.position();
        let ids = std::mem::take(&mut self.ids);
        self.write_list(&ids)?;
        let mut ranks = 0..0;
        while ranks.end < pairs.len() {
            ranks = next_pass(&pairs, ranks.end, self.pass_ids_max);
            self.write_pass(&ids, &pairs, ranks.clone(), &rank_of, series_end)?;
        }
        drop(rank_of);
        let table_offset = self.file.position();
        self.write_table(ids.len(), &pairs, postings_start, series_end)?;
        // Label indices are no longer written: their section is empty, their table that of the postings.
        let toc = [SYMBOLS_OFFSET, self.series_offset, series_end, table_offset, series_end, table_offset];
        let toc: Vec<u8> = toc.iter().flat_map(|offset| offset.to_be_bytes()).collect();
        self.file.put(&toc)?;
        self.file.put(&crc32c::crc32c(&toc).to_be_bytes())?;
        self.file.finish()
    }

    /// Writes the lists of the pairs with these ranks, from one walk over the series.
    fn write_pass(
        &mut self,
        ids: &[u32],
        pairs: &[(Pair, u32)],
        ranks: Range<usize>,
        rank_of: &FastMap<Pair, u32>,
        series_end: u64,
    ) -> Result<(), BlockError> {
        let selected = pairs.get(ranks.clone()).unwrap_or_default();
        let mut ends = Vec::with_capacity(selected.len());
        let mut n_ids = 0_usize;
        for (_, count) in selected {
            ends.push(n_ids);
            n_ids += *count as usize;
        }
        let mut lists = vec![0_u32; n_ids];
        let map = self.map(series_end)?;
        let bytes = map.all(series_end as usize);
        // The pairs of the series before, and their ranks.
        let mut known: Vec<(Pair, usize)> = Vec::new();
        for id in ids {
            let mut place = 0;
            let walked = walk_labels(bytes, *id, |pair| {
                let rank = match known.get(place) {
                    Some((same, rank)) if *same == pair => *rank,
                    _ => {
                        let rank = rank_of.get(&pair).map_or(usize::MAX, |rank| *rank as usize);
                        known.resize(known.len().max(place + 1), (pair, rank));
                        if let Some(known) = known.get_mut(place) {
                            *known = (pair, rank);
                        }
                        rank
                    }
                };
                place += 1;
                let end = rank.checked_sub(ranks.start).and_then(|slot| ends.get_mut(slot));
                if let Some(end) = end
                    && let Some(slot) = lists.get_mut(*end)
                {
                    *slot = *id;
                    *end += 1;
                }
            });
            if walked.is_none() {
                return Err(self.invalid("the series section does not read back as written"));
            }
        }
        let mut rest = lists.as_slice();
        for (_, count) in selected {
            let (list, behind) = rest.split_at_checked(*count as usize).unwrap_or((rest, &[]));
            self.write_list(list)?;
            rest = behind;
        }
        Ok(())
    }

    fn write_list(&mut self, ids: &[u32]) -> Result<(), BlockError> {
        let mut list = std::mem::take(&mut self.buffer);
        list.clear();
        list.extend_from_slice(&(ids.len() as u32).to_be_bytes());
        list.extend(ids.iter().flat_map(|id| id.to_be_bytes()));
        let len = u32::try_from(list.len()).map_err(|_| self.invalid("a postings list exceeds 4 GiB"))?;
        self.file.put(&len.to_be_bytes())?;
        let crc = crc32c::crc32c(&list);
        list.extend_from_slice(&crc.to_be_bytes());
        self.file.put(&list)?;
        // That of all series is by far the longest.
        list.shrink_to(1 << 20);
        self.buffer = list;
        Ok(())
    }

    fn write_table(
        &mut self,
        n_series: usize,
        pairs: &[(Pair, u32)],
        postings_start: u64,
        series_end: u64,
    ) -> Result<(), BlockError> {
        let start = self.file.position();
        let mut entry = ((pairs.len() + 1) as u32).to_be_bytes().to_vec();
        self.file.put(&[0; 4])?;
        // Lists follow each other without gaps, since each is a multiple of four bytes.
        let list_bytes = |n: usize| 12 + 4 * n as u64;
        let mut offset = postings_start;
        put_table_entry(&mut entry, "", "", offset);
        offset += list_bytes(n_series);
        let map = self.map(series_end)?;
        let bytes = map.all(series_end as usize);
        let mut crc = 0;
        for ((name, value), count) in pairs {
            let (Some(name), Some(value)) = (self.symbol(bytes, *name), self.symbol(bytes, *value)) else {
                return Err(self.invalid("the symbols do not read back as written"));
            };
            put_table_entry(&mut entry, name, value, offset);
            offset += list_bytes(*count as usize);
            crc = crc32c::crc32c_append(crc, &entry);
            self.file.put(&entry)?;
            entry.clear();
        }
        crc = crc32c::crc32c_append(crc, &entry);
        self.file.put(&entry)?;
        let len = u32::try_from(self.file.position() - start - 4);
        let len = len.map_err(|_| self.invalid("the postings table exceeds 4 GiB: split the block"))?;
        self.file.patch(start, &len.to_be_bytes())?;
        self.file.put(&crc.to_be_bytes())
    }

    fn symbol<'a>(&self, bytes: &'a [u8], ordinal: u32) -> Option<&'a str> {
        let offset = SYMBOLS_OFFSET as usize + 8 + *self.symbol_offsets.get(ordinal as usize)? as usize;
        Cursor::new(bytes.get(offset..)?).uvarint_str().ok()
    }

    /// Maps what was written up to `len`.
    fn map(&self, len: u64) -> Result<crate::mmap::FileMap, BlockError> {
        let mapped = self.disk.map_growing(self.file.path(), len as usize);
        mapped.map_err(BlockError::io("map", self.file.path()))
    }

    fn invalid(&self, reason: &str) -> BlockError {
        BlockError::Invalid { path: self.file.path().to_owned(), reason: reason.to_owned() }
    }
}

/// Writes the symbol table and returns where each symbol is, from the first on.
fn write_symbols(
    file: &mut FileSink,
    symbols: impl Iterator<Item = impl AsRef<str>>,
) -> Result<Vec<u32>, BlockError> {
    let invalid = |file: &FileSink, reason: &str| BlockError::Invalid {
        path: file.path().to_owned(),
        reason: reason.to_owned(),
    };
    let mut offsets = Vec::new();
    let (mut previous, mut entry) = (String::new(), Vec::new());
    let (mut offset, mut crc) = (0_u64, 0);
    file.put(&[0; 8])?;
    for symbol in symbols {
        let symbol = symbol.as_ref();
        if !offsets.is_empty() && *previous >= *symbol {
            return Err(invalid(file, "symbols must be ascending and unique"));
        }
        symbol.clone_into(&mut previous);
        entry.clear();
        put_uvarint_str(&mut entry, symbol);
        crc = crc32c::crc32c_append(crc, &entry);
        file.put(&entry)?;
        offsets.push(offset as u32);
        offset += entry.len() as u64;
        if offset + 4 > u64::from(u32::MAX) {
            return Err(invalid(file, "the symbol table exceeds 4 GiB: split the block"));
        }
    }
    let count = (offsets.len() as u32).to_be_bytes();
    let crc = crc32c::crc32c_combine(crc32c::crc32c(&count), crc, offset as usize);
    let mut head = ((offset + 4) as u32).to_be_bytes().to_vec();
    head.extend_from_slice(&count);
    file.patch(SYMBOLS_OFFSET, &head)?;
    file.put(&crc.to_be_bytes())?;
    Ok(offsets)
}

fn put_table_entry(out: &mut Vec<u8>, name: &str, value: &str, offset: u64) {
    out.push(2);
    put_uvarint_str(out, name);
    put_uvarint_str(out, value);
    put_uvarint(out, offset);
}

/// Returns the ranks from `start` on whose lists fit one pass: at least one.
fn next_pass(pairs: &[(Pair, u32)], start: usize, ids_max: usize) -> Range<usize> {
    let (mut end, mut n_ids) = (start, 0);
    for (_, count) in pairs.iter().skip(start) {
        n_ids += *count as usize;
        if n_ids > ids_max && end > start {
            break;
        }
        end += 1;
    }
    start..end
}

/// Visits the label pairs of the series with an id.
fn walk_labels(bytes: &[u8], id: u32, mut each: impl FnMut(Pair)) -> Option<()> {
    let offset = usize::try_from(u64::from(id) * SERIES_ALIGNMENT).ok()?;
    let mut cursor = Cursor::new(bytes.get(offset..)?);
    cursor.uvarint().ok()?;
    for_each_label(&mut cursor, |name, value| each((name as u32, value as u32))).ok()
}

#[cfg(test)]
mod tests;
