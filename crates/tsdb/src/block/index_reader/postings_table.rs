//! The postings offset table: where the list of each label pair is.

use super::{Damage, section};
use crate::encoding::{Cursor, DecodeError};

/// One place in so many is kept of a sorted table; the entries between are skipped over.
const STRIDE: u32 = 32;

/// Where the entries of each name are.
#[derive(Debug, Default)]
pub(crate) struct PostingsTable {
    /// Offset in the file of the first entry, and behind the last.
    start: usize,
    end: usize,
    /// Ascending by name.
    names: Vec<NameTable>,
    /// Offset of the list of all series.
    all_series: Option<u64>,
}

/// The entries of one label name, ascending by value.
#[derive(Debug)]
pub(crate) struct NameTable {
    n_values: u32,
    /// One place for so many entries: 32, or 1 when the table is not sorted.
    stride: u32,
    /// Counted from the start of the table, which has at most 4 GiB.
    places: Vec<u32>,
}

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    /// Offset of the list in the file.
    pub(crate) offset: u64,
}

impl<'a> Entry<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        // Always two keys.
        if cursor.uvarint()? != 2 {
            return Err(DecodeError::Truncated);
        }
        Ok(Self { name: cursor.uvarint_str()?, value: cursor.uvarint_str()?, offset: cursor.uvarint()? })
    }

    fn pair(&self) -> (&'a str, &'a str) {
        (self.name, self.value)
    }
}

impl PostingsTable {
    /// Walks the whole table, and checks it.
    pub(super) fn read(bytes: &[u8], offset: u64) -> Result<Self, Damage> {
        if offset == 0 {
            return Ok(Self::default());
        }
        let (body_offset, body) = section(bytes, offset, "postings table")?;
        let mut cursor = Cursor::new(body);
        let count = cursor.u32().map_err(Damage::decoding("postings table", body_offset))?;
        let mut table = Self { start: body_offset + 4, end: body_offset + body.len(), ..Self::default() };
        let mut previous: Option<Entry<'_>> = None;
        for _ in 0..count {
            let at = table.end - cursor.remaining();
            let entry = Entry::read(&mut cursor).map_err(Damage::decoding("postings table", at))?;
            if previous.is_some_and(|previous| previous.pair() >= entry.pair()) {
                return Self::read_unsorted(table.start, table.end, bytes);
            }
            table.push(entry, (at - table.start) as u32, previous.map(|previous| previous.name), STRIDE);
            previous = Some(entry);
        }
        if !cursor.is_empty() {
            let at = table.end - cursor.remaining();
            return Err(Damage::new(at, "there are more postings lists than the table says"));
        }
        Ok(table)
    }

    /// Adds the entry at a place; entries come in order.
    fn push(&mut self, entry: Entry<'_>, place: u32, previous_name: Option<&str>, stride: u32) {
        if entry.pair() == ("", "") {
            self.all_series = Some(entry.offset);
            return;
        }
        if previous_name != Some(entry.name) || self.names.is_empty() {
            self.names.push(NameTable { n_values: 0, stride, places: Vec::new() });
        }
        if let Some(name) = self.names.last_mut() {
            if name.n_values.is_multiple_of(stride) {
                name.places.push(place);
            }
            name.n_values += 1;
        }
    }

    /// As [`PostingsTable::read`], for a table in any order between two offsets.
    fn read_unsorted(start: usize, end: usize, bytes: &[u8]) -> Result<Self, Damage> {
        let mut cursor = Cursor::new(bytes.get(start..end).unwrap_or_default());
        let mut entries = Vec::new();
        while !cursor.is_empty() {
            let at = end - cursor.remaining();
            let entry = Entry::read(&mut cursor).map_err(Damage::decoding("postings table", at))?;
            entries.push((entry, (at - start) as u32));
        }
        entries.sort_by_key(|(entry, _)| entry.pair());
        let mut table = Self { start, end, ..Self::default() };
        let mut previous: Option<Entry<'_>> = None;
        for (entry, place) in entries {
            if previous.is_some_and(|previous| previous.pair() == entry.pair()) {
                return Err(Damage::new(start + place as usize, "a label pair has two postings lists"));
            }
            table.push(entry, place, previous.map(|previous| previous.name), 1);
            previous = Some(entry);
        }
        Ok(table)
    }

    pub(crate) fn all_series(&self) -> Option<u64> {
        self.all_series
    }

    /// Iterates over the names and their tables, ascending.
    pub(crate) fn names<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (&'a str, &'a NameTable)> + 'a {
        self.names.iter().filter_map(|table| Some((self.first_of(bytes, table)?.name, table)))
    }

    /// Returns the table of a name.
    pub(crate) fn name(&self, bytes: &[u8], name: &str) -> Option<&NameTable> {
        let name_of = |table: &NameTable| self.first_of(bytes, table).map_or("", |entry| entry.name);
        let found = self.names.binary_search_by(|table| name_of(table).cmp(name)).ok()?;
        self.names.get(found)
    }

    /// Iterates over the entries of a name whose values are `from` or behind it, ascending.
    pub(crate) fn values_from<'a>(
        &'a self,
        bytes: &'a [u8],
        table: &'a NameTable,
        from: &str,
    ) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let starts_before =
            |place: &u32| self.entry_at(bytes, *place).is_some_and(|entry| entry.value < from);
        let behind = table.places.partition_point(starts_before) as u32;
        let first = behind.saturating_sub(1) * table.stride;
        let mut walk = Walk { table: self, bytes, name: table, idx: first, cursor: Cursor::new(&[]) };
        let from = from.to_owned();
        std::iter::from_fn(move || walk.next()).skip_while(move |entry| *entry.value < *from)
    }

    /// Returns the offset of the list of a value.
    pub(crate) fn find(&self, bytes: &[u8], table: &NameTable, value: &str) -> Option<u64> {
        let entry = self.values_from(bytes, table, value).next()?;
        (entry.value == value).then_some(entry.offset)
    }

    fn first_of<'a>(&self, bytes: &'a [u8], table: &NameTable) -> Option<Entry<'a>> {
        table.places.first().and_then(|place| self.entry_at(bytes, *place))
    }

    fn entry_at<'a>(&self, bytes: &'a [u8], place: u32) -> Option<Entry<'a>> {
        Entry::read(&mut self.cursor_at(bytes, place)?).ok()
    }

    fn cursor_at<'a>(&self, bytes: &'a [u8], place: u32) -> Option<Cursor<'a>> {
        bytes.get(self.start + place as usize..self.end).map(Cursor::new)
    }
}

impl NameTable {
    pub(crate) fn n_values(&self) -> u32 {
        self.n_values
    }
}

/// Goes over the entries of a name.
struct Walk<'a> {
    table: &'a PostingsTable,
    bytes: &'a [u8],
    name: &'a NameTable,
    idx: u32,
    cursor: Cursor<'a>,
}

impl<'a> Walk<'a> {
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.idx >= self.name.n_values {
            return None;
        }
        if self.idx.is_multiple_of(self.name.stride) {
            let place = self.name.places.get((self.idx / self.name.stride) as usize)?;
            self.cursor = self.table.cursor_at(self.bytes, *place)?;
        }
        self.idx += 1;
        Entry::read(&mut self.cursor).ok()
    }
}
