//! The symbol table: all names and values, ascending.

use std::path::Path;

use super::{Damage, section};
use crate::block::BlockError;
use crate::encoding::Cursor;

/// One place in so many is kept; the symbols between are skipped over.
const STRIDE: u32 = 32;

/// Where every 32nd symbol is.
#[derive(Debug, Default)]
pub(crate) struct SymbolPlaces {
    /// Offset in the file of the first symbol.
    start: usize,
    /// Offset behind the last one.
    end: usize,
    count: u32,
    /// Counted from `start`; a table has at most 4 GiB.
    places: Vec<u32>,
}

impl SymbolPlaces {
    /// Walks the whole table, and checks it.
    pub(super) fn read(bytes: &[u8], offset: u64) -> Result<Self, Damage> {
        if offset == 0 {
            return Ok(Self::default());
        }
        let (body_offset, body) = section(bytes, offset, "symbol table")?;
        let mut cursor = Cursor::new(body);
        let count = cursor.u32().map_err(Damage::decoding("symbol table", body_offset))?;
        let start = body_offset + 4;
        let end = body_offset + body.len();
        let mut places = Vec::new();
        let mut previous: Option<&str> = None;
        for ordinal in 0..count {
            let at = end - cursor.remaining();
            let symbol = cursor.uvarint_str().map_err(Damage::decoding("symbol", at))?;
            if previous.is_some_and(|previous| previous >= symbol) {
                return Err(Damage::new(at, "symbols are not ascending"));
            }
            previous = Some(symbol);
            if ordinal.is_multiple_of(STRIDE) {
                places.push((at - start) as u32);
            }
        }
        if !cursor.is_empty() {
            return Err(Damage::new(end - cursor.remaining(), "there are more symbols than the table says"));
        }
        Ok(Self { start, end, count, places })
    }
}

/// The symbols of a block: label names and values by ordinal, ascending.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    bytes: &'a [u8],
    path: &'a Path,
    table: &'a SymbolPlaces,
}

impl<'a> Symbols<'a> {
    pub(super) fn new(bytes: &'a [u8], path: &'a Path, table: &'a SymbolPlaces) -> Self {
        Self { bytes, path, table }
    }

    /// Returns how many there are.
    pub fn len(&self) -> u32 {
        self.table.count
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.count == 0
    }

    /// Returns the symbol with this ordinal.
    /// # Errors
    /// [`BlockError::Damaged`] when there is none.
    pub fn get(&self, ordinal: u32) -> Result<&'a str, BlockError> {
        let symbol = self.cursor(ordinal / STRIDE).and_then(|mut cursor| {
            for _ in 0..ordinal % STRIDE {
                cursor.uvarint_bytes().ok()?;
            }
            cursor.uvarint_str().ok()
        });
        symbol.filter(|_| ordinal < self.table.count).ok_or_else(|| BlockError::Damaged {
            path: self.path.to_owned(),
            offset: self.table.start as u64,
            reason: format!("there is no symbol {ordinal}"),
        })
    }

    /// Returns the ordinal of a symbol.
    pub fn find(&self, wanted: &str) -> Option<u32> {
        let starts_at_or_before = |place: &u32| {
            let first = self.cursor_at(*place).and_then(|mut cursor| cursor.uvarint_str().ok());
            first.is_some_and(|first| first <= wanted)
        };
        let behind = self.table.places.partition_point(starts_at_or_before) as u32;
        let group = behind.checked_sub(1)?;
        let mut cursor = self.cursor(group)?;
        for ordinal in group * STRIDE..self.table.count.min(behind * STRIDE) {
            match cursor.uvarint_str().ok()?.cmp(wanted) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Some(ordinal),
                std::cmp::Ordering::Greater => return None,
            }
        }
        None
    }

    /// Iterates over all symbols, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut cursor = self.cursor(0).unwrap_or(Cursor::new(&[]));
        (0..self.table.count).map_while(move |_| cursor.uvarint_str().ok())
    }

    /// Returns the ordinal of the symbol at an offset of the file, by which version 1 names it.
    pub(super) fn ordinal_at(&self, offset: u64) -> Option<u32> {
        let place = u32::try_from(offset.checked_sub(self.table.start as u64)?).ok()?;
        let behind = self.table.places.partition_point(|start| *start <= place) as u32;
        let group = behind.checked_sub(1)?;
        let mut cursor = self.cursor(group)?;
        for ordinal in group * STRIDE..self.table.count.min(behind * STRIDE) {
            let at = self.table.end - cursor.remaining();
            if at as u64 >= offset {
                return (at as u64 == offset).then_some(ordinal);
            }
            cursor.uvarint_bytes().ok()?;
        }
        None
    }

    fn cursor(&self, group: u32) -> Option<Cursor<'a>> {
        self.table.places.get(group as usize).and_then(|place| self.cursor_at(*place))
    }

    fn cursor_at(&self, place: u32) -> Option<Cursor<'a>> {
        self.bytes.get(self.table.start + place as usize..self.table.end).map(Cursor::new)
    }
}
