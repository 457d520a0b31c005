//! Reads the `index` file of a block, versions 1 to 3, through a memory map.
//!
//! Opening looks at the first five bytes and the table of contents. Symbols and the postings offset table are walked
//! when first needed: their checksums are compared, their order and their text checked, and the place of every 32nd
//! entry is kept. A series or a postings list is checked each time it is read.
//!
//! Version 1 names symbols and series by their offsets; here they are ordinals and ids all the same. Its postings offset
//! table is not sorted: then the place of every entry is kept.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a codec narrows on purpose, each time after a range check"
)]

mod postings_table;
mod symbols;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::BlockError;
use super::index_writer::{MAGIC, TOC_BYTES};
use super::postings::Postings;
use super::series_entry::{ChunkMeta, Chunks, SeriesEntry, for_each_chunk, for_each_label};
use crate::disk::{Disk, Mapped};
use crate::encoding::{Cursor, DecodeError};

pub(crate) use postings_table::{NameTable, PostingsTable};
use symbols::SymbolPlaces;
pub use symbols::Symbols;

/// What is wrong, and at which byte of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) offset: u64,
    pub(crate) reason: String,
}

impl Damage {
    fn new(offset: usize, reason: impl Into<String>) -> Self {
        Self { offset: offset as u64, reason: reason.into() }
    }

    fn decoding(what: &'static str, offset: usize) -> impl FnOnce(DecodeError) -> Self {
        move |error| Self::new(offset, format!("{what}: {error}"))
    }
}

/// Where the sections are; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toc {
    pub(crate) symbols: u64,
    pub(crate) series: u64,
    pub(crate) label_indices: u64,
    pub(crate) label_index_table: u64,
    pub(crate) postings: u64,
    pub(crate) postings_table: u64,
}

/// Which index version the file is to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormatVersion {
    /// The one it says.
    Stated,
    /// 2, whatever it says: see [`super::repair_index_version`].
    Second,
}

/// One mapped index.
#[derive(Debug)]
pub(crate) struct IndexReader {
    path: PathBuf,
    bytes: Mapped,
    /// Whether symbols and series are named by offsets.
    is_first_version: bool,
    toc: Toc,
    symbols: OnceLock<SymbolPlaces>,
    postings_table: OnceLock<PostingsTable>,
}

impl IndexReader {
    pub(crate) fn open(disk: &dyn Disk, path: PathBuf, version: FormatVersion) -> Result<Self, BlockError> {
        let bytes = disk.map(&path).map_err(BlockError::io("map", &path))?;
        let opened = read_frame(&bytes, version);
        match opened {
            Ok((is_first_version, toc)) => Ok(Self {
                path,
                bytes,
                is_first_version,
                toc,
                symbols: OnceLock::new(),
                postings_table: OnceLock::new(),
            }),
            Err(Damage { offset, reason }) => Err(BlockError::Damaged { path, offset, reason }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn toc(&self) -> Toc {
        self.toc
    }

    /// Returns the offset of a series' entry.
    pub(crate) fn series_offset(&self, id: u64) -> u64 {
        if self.is_first_version { id } else { id.saturating_mul(16) }
    }

    pub(crate) fn symbols(&self) -> Result<Symbols<'_>, BlockError> {
        let places = match self.symbols.get() {
            Some(places) => places,
            None => {
                let places = SymbolPlaces::read(&self.bytes, self.toc.symbols);
                let places = places.map_err(|damage| self.damaged(damage))?;
                self.symbols.get_or_init(|| places)
            }
        };
        Ok(Symbols::new(&self.bytes, &self.path, places))
    }

    pub(crate) fn postings_table(&self) -> Result<(&PostingsTable, &[u8]), BlockError> {
        let table = match self.postings_table.get() {
            Some(table) => table,
            None => {
                let table = PostingsTable::read(&self.bytes, self.toc.postings_table);
                let table = table.map_err(|damage| self.damaged(damage))?;
                self.postings_table.get_or_init(|| table)
            }
        };
        Ok((table, &self.bytes))
    }

    /// Returns the ids of all series, in the order of their labels.
    pub(crate) fn all_series(&self) -> Result<Postings<'_>, BlockError> {
        let (table, _) = self.postings_table()?;
        table.all_series().map_or(Ok(Postings::default()), |offset| self.postings(offset))
    }

    /// Returns the list at an offset, its checksum compared.
    pub(crate) fn postings(&self, offset: u64) -> Result<Postings<'_>, BlockError> {
        self.read_postings(offset).map_err(|damage| self.damaged(damage))
    }

    fn read_postings(&self, offset: u64) -> Result<Postings<'_>, Damage> {
        let (start, body) = section(&self.bytes, offset, "postings list")?;
        let (count, ids) =
            body.split_first_chunk().ok_or_else(|| Damage::new(start, "postings list has no count"))?;
        if ids.len() as u64 != u64::from(u32::from_be_bytes(*count)) * 4 {
            return Err(Damage::new(start, "postings list has not as many ids as it says"));
        }
        Ok(Postings::new(ids))
    }

    /// Reads a series, its checksum compared and its symbols known to exist.
    pub(crate) fn read_series(&self, id: u64, entry: &mut SeriesEntry) -> Result<(), BlockError> {
        let symbols = self.symbols()?;
        self.read_series_with(&symbols, id, entry).map(|_| ())
    }

    /// As [`IndexReader::read_series`]; returns the offset behind the entry.
    pub(crate) fn read_series_with(
        &self,
        symbols: &Symbols<'_>,
        id: u64,
        entry: &mut SeriesEntry,
    ) -> Result<u64, BlockError> {
        entry.series_ref = id;
        entry.labels.clear();
        entry.chunks.clear();
        self.decode_series(symbols, id, entry).map_err(|damage| self.damaged(damage))
    }

    fn decode_series(&self, symbols: &Symbols<'_>, id: u64, entry: &mut SeriesEntry) -> Result<u64, Damage> {
        let (offset, mut body, behind) = self.checked_body(id)?;
        let mut is_known = true;
        for_each_label(&mut body, |name, value| {
            match (self.ordinal(symbols, name), self.ordinal(symbols, value)) {
                (Some(name), Some(value)) => entry.labels.push((name, value)),
                _ => is_known = false,
            }
        })
        .map_err(Damage::decoding("labels of the series", offset))?;
        if !is_known {
            return Err(unknown_symbol(offset));
        }
        for_each_chunk(&mut body, |chunk| entry.chunks.push(chunk))
            .map_err(Damage::decoding("chunks of the series", offset))?;
        Ok(behind)
    }

    /// Returns the offset of a series' entry, its body with the checksum compared, and the offset behind it.
    fn checked_body(&self, id: u64) -> Result<(usize, Cursor<'_>, u64), Damage> {
        let offset = usize::try_from(self.series_offset(id)).unwrap_or(usize::MAX);
        let damage = |reason: &str| Damage::new(offset, reason);
        let bytes = self.bytes.get(offset..).filter(|_| offset as u64 >= self.toc.series);
        let bytes = bytes.ok_or_else(|| damage("a series is said to be here, outside of its section"))?;
        let mut cursor = Cursor::new(bytes);
        let body = cursor.uvarint_bytes().map_err(Damage::decoding("series", offset))?;
        let crc = cursor.u32().map_err(Damage::decoding("series", offset))?;
        if crc32c::crc32c(body) != crc {
            return Err(damage("checksum of the series does not match"));
        }
        Ok((offset, Cursor::new(body), (offset + bytes.len() - cursor.remaining()) as u64))
    }

    /// Finds a series whose entry is to be read again, perhaps many times: checks its labels, once, and looks for the first chunk
    /// that `is_wanted`. `None` when there is no such chunk.
    pub(crate) fn find_series(
        &self,
        symbols: &Symbols<'_>,
        id: u32,
        is_wanted: impl Fn(&ChunkMeta) -> bool,
    ) -> Result<Option<FoundSeries>, BlockError> {
        let find = || {
            let (offset, mut body, _) = self.checked_body(u64::from(id))?;
            let n_bytes = body.remaining();
            let mut is_known = true;
            for_each_label(&mut body, |name, value| {
                is_known &= self.ordinal(symbols, name).is_some() && self.ordinal(symbols, value).is_some();
            })
            .map_err(Damage::decoding("labels of the series", offset))?;
            if !is_known {
                return Err(unknown_symbol(offset));
            }
            let labels_bytes = n_bytes - body.remaining();
            let in_chunks = |error| Damage::decoding("chunks of the series", offset)(error);
            let mut chunks = Chunks::new(body).map_err(in_chunks)?;
            while let Some(chunk) = chunks.next().transpose().map_err(in_chunks)? {
                if is_wanted(&chunk) {
                    let (rest, n_left) = chunks.rest();
                    let wanted = WantedChunks { first: chunk, behind: n_bytes - rest.remaining(), n_left };
                    return Ok(Some(FoundSeries { id, labels_bytes, wanted }));
                }
            }
            Ok(None)
        };
        find().map_err(|damage| self.damaged(damage))
    }

    /// Returns the body of a series that was found, which need not be checked again.
    fn body(&self, id: u32) -> Cursor<'_> {
        let offset = usize::try_from(self.series_offset(u64::from(id))).unwrap_or(usize::MAX);
        let mut cursor = Cursor::new(self.bytes.get(offset..).unwrap_or_default());
        Cursor::new(cursor.uvarint_bytes().unwrap_or_default())
    }

    /// Calls `each` with the ordinals of name and value of every label of a series that was found, by name.
    pub(crate) fn labels_of(
        &self,
        symbols: &Symbols<'_>,
        found: FoundSeries,
        mut each: impl FnMut(u32, u32),
    ) {
        // Whoever found the series saw that the labels can be read and that there are such symbols.
        let _ = for_each_label(&mut self.body(found.id), |name, value| {
            if let (Some(name), Some(value)) = (self.ordinal(symbols, name), self.ordinal(symbols, value)) {
                each(name, value);
            }
        });
    }

    /// Returns the ordinal of the value of label `name` of a series that was found.
    pub(crate) fn value_of(&self, symbols: &Symbols<'_>, found: FoundSeries, name: u32) -> Option<u32> {
        let mut body = self.body(found.id);
        let n_labels = body.uvarint().ok()?;
        for _ in 0..n_labels {
            let (candidate, value) = (body.uvarint().ok()?, body.uvarint().ok()?);
            // A foreign writer may not have sorted: only the label itself ends the search.
            if self.ordinal(symbols, candidate)? == name {
                return self.ordinal(symbols, value);
            }
        }
        None
    }

    /// Iterates over all chunks of a series that was found.
    pub(crate) fn chunks_of(
        &self,
        found: FoundSeries,
    ) -> impl Iterator<Item = Result<ChunkMeta, BlockError>> + '_ {
        let body = self.body(found.id).rest().get(found.labels_bytes..).unwrap_or_default();
        let (chunks, error) = match Chunks::new(Cursor::new(body)) {
            Ok(chunks) => (Some(chunks), None),
            Err(error) => (None, Some(Err(error))),
        };
        let all = error.into_iter().chain(chunks.into_iter().flatten());
        all.map(move |chunk| chunk.map_err(|error| self.damaged_chunks(found, error)))
    }

    /// Iterates over the chunks of a series that was found, from the first wanted one on.
    pub(crate) fn wanted_chunks_of(
        &self,
        found: FoundSeries,
    ) -> impl Iterator<Item = Result<ChunkMeta, BlockError>> + '_ {
        let WantedChunks { first, behind, n_left } = found.wanted;
        let body = self.body(found.id).rest().get(behind..).unwrap_or_default();
        let others = Chunks::resume(Cursor::new(body), n_left, first);
        let others = others.map(move |chunk| chunk.map_err(|error| self.damaged_chunks(found, error)));
        std::iter::once(Ok(first)).chain(others)
    }

    fn damaged_chunks(&self, found: FoundSeries, error: DecodeError) -> BlockError {
        let offset = usize::try_from(self.series_offset(u64::from(found.id))).unwrap_or(usize::MAX);
        self.damaged(Damage::decoding("chunks of the series", offset)(error))
    }

    fn ordinal(&self, symbols: &Symbols<'_>, raw: u64) -> Option<u32> {
        if self.is_first_version {
            symbols.ordinal_at(raw)
        } else {
            u32::try_from(raw).ok().filter(|ordinal| *ordinal < symbols.len())
        }
    }

    pub(crate) fn damaged(&self, damage: Damage) -> BlockError {
        BlockError::Damaged { path: self.path.clone(), offset: damage.offset, reason: damage.reason }
    }
}

/// A series whose entry was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundSeries {
    pub(crate) id: u32,
    /// Bytes of the labels: its chunks are behind them.
    labels_bytes: usize,
    wanted: WantedChunks,
}

/// Where the chunks begin that somebody wants: nobody walks over those before again.
#[derive(Clone, Copy, Debug)]
struct WantedChunks {
    first: ChunkMeta,
    /// Where the next one is, in the body of the entry.
    behind: usize,
    n_left: u64,
}

fn unknown_symbol(offset: usize) -> Damage {
    Damage::new(offset, "the series has a label that is not in the symbol table")
}

/// Checks the first bytes and the table of contents. Returns whether the file is of version 1.
fn read_frame(bytes: &[u8], version: FormatVersion) -> Result<(bool, Toc), Damage> {
    let Some((head, rest)) = bytes.split_first_chunk::<5>() else {
        return Err(Damage::new(0, "the index is shorter than its header"));
    };
    let [magic @ .., stated] = head;
    if *magic != MAGIC {
        return Err(Damage::new(0, "magic number is not that of an index"));
    }
    let is_first_version = match (stated, version) {
        (1, FormatVersion::Stated) => true,
        (1..=3, _) => false,
        (other, _) => return Err(Damage::new(4, format!("index version {other} is unknown"))),
    };
    let Some(toc) = rest.len().checked_sub(TOC_BYTES).and_then(|start| rest.get(start..)) else {
        return Err(Damage::new(5, "the index is too short for a table of contents"));
    };
    let offset = bytes.len() - TOC_BYTES;
    let (fields, crc) = toc.split_at(TOC_BYTES - 4);
    if crc32c::crc32c(fields).to_be_bytes() != *crc {
        return Err(Damage::new(offset, "checksum of the table of contents does not match"));
    }
    let mut cursor = Cursor::new(fields);
    let mut next = || {
        let at = cursor.u64().map_err(Damage::decoding("table of contents", offset))?;
        if at > offset as u64 {
            return Err(Damage::new(offset, format!("a section is said to be at {at}, outside of the file")));
        }
        Ok(at)
    };
    let toc = Toc {
        symbols: next()?,
        series: next()?,
        label_indices: next()?,
        label_index_table: next()?,
        postings: next()?,
        postings_table: next()?,
    };
    Ok((is_first_version, toc))
}

/// Returns what a section counts, and where that starts; its checksum is compared.
fn section<'a>(bytes: &'a [u8], offset: u64, what: &str) -> Result<(usize, &'a [u8]), Damage> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let outside = || Damage::new(start, format!("{what} exceeds the file"));
    let mut cursor = Cursor::new(bytes.get(start..).ok_or_else(outside)?);
    let len = cursor.u32().map_err(|_| outside())?;
    let body = cursor.take(len as usize).map_err(|_| outside())?;
    let crc = cursor.u32().map_err(|_| outside())?;
    if crc32c::crc32c(body) != crc {
        return Err(Damage::new(start, format!("checksum of the {what} does not match")));
    }
    Ok((start + 4, body))
}
