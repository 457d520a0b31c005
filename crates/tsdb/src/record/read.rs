//! Decoders: iterators over the entries of a record. After an error an iterator ends.

use wf_model::MetricType;

use super::histograms::Histograms;
use super::{RecordError, RecordType};
use crate::encoding::{Cursor, DecodeError};

/// One record, its entries not decoded yet.
#[derive(Clone, Debug)]
pub enum Record<'a> {
    /// Labels of new series.
    Series(SeriesEntries<'a>),
    /// Float samples, with or without start timestamps.
    Samples(Samples<'a>),
    /// Deleted intervals.
    Tombstones(Tombstones<'a>),
    /// Exemplars.
    Exemplars(Exemplars<'a>),
    /// Out-of-order chunks that were written out.
    MmapMarkers(MmapMarkers<'a>),
    /// Type, unit and help of series.
    Metadata(MetadataEntries<'a>),
    /// Native histograms of any type of record.
    Histograms(Histograms<'a>),
    /// A type that this version does not know; to be skipped.
    Unknown(u8),
}

/// Looks at the type of a record. Entries are decoded, and damage in them found, while iterating.
/// # Errors
/// [`RecordError::Empty`]; [`RecordError::Body`] when the fixed head of the body is cut off.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, RecordError> {
    let (&number, body) = bytes.split_first().ok_or(RecordError::Empty)?;
    let Some(record) = RecordType::from_number(number) else { return Ok(Record::Unknown(number)) };
    let mut cursor = Cursor::new(body);
    Ok(match record {
        RecordType::Series => Record::Series(SeriesEntries { cursor }),
        RecordType::Samples => {
            let heads = Heads::based(&mut cursor).map_err(|source| RecordError::Body { record, source })?;
            Record::Samples(Samples { cursor, heads })
        }
        RecordType::SamplesV2 => Record::Samples(Samples { cursor, heads: Heads::First }),
        RecordType::Tombstones => Record::Tombstones(Tombstones { cursor }),
        RecordType::Exemplars => {
            let base = Base::read(&mut cursor).map_err(|source| RecordError::Body { record, source })?;
            Record::Exemplars(Exemplars { cursor, base })
        }
        RecordType::MmapMarkers => Record::MmapMarkers(MmapMarkers { cursor }),
        RecordType::Metadata => Record::Metadata(MetadataEntries { cursor }),
        RecordType::Histograms
        | RecordType::FloatHistograms
        | RecordType::CustomHistograms
        | RecordType::CustomFloatHistograms
        | RecordType::HistogramsV2
        | RecordType::FloatHistogramsV2 => Record::Histograms(
            Histograms::new(record, cursor).map_err(|source| RecordError::Body { record, source })?,
        ),
    })
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    series: u64,
    time_ms: i64,
}

impl Base {
    /// Reads the base; a record without entries has none.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        if cursor.is_empty() {
            return Ok(Self { series: 0, time_ms: 0 });
        }
        Ok(Self { series: cursor.u64()?, time_ms: cursor.i64()? })
    }

    #[inline]
    fn relative(self, cursor: &mut Cursor<'_>) -> Result<(u64, i64), DecodeError> {
        let series = self.series.wrapping_add_signed(cursor.varint()?);
        Ok((series, self.time_ms.wrapping_add(cursor.varint()?)))
    }
}

/// Implements `Iterator` by a `read(&mut self) -> Result<Entry, DecodeError>` that is called until the bytes end.
macro_rules! entries {
    ($entries:ident, $entry:ty, $record:expr) => {
        impl<'a> Iterator for $entries<'a> {
            type Item = Result<$entry, RecordError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                if self.cursor.is_empty() {
                    return None;
                }
                let entry = self.read();
                if entry.is_err() {
                    self.cursor = Cursor::new(&[]);
                }
                Some(entry.map_err(|source| RecordError::Body { record: $record, source }))
            }
        }
    };
}

/// A series and its labels.
#[derive(Clone, Debug)]
pub struct SeriesEntry<'a> {
    /// Its reference.
    pub series: u64,
    /// Its labels as they were written: sorted by name, unique, unless another program wrote them otherwise.
    pub labels: LabelPairs<'a>,
}

/// Entries of a series record.
#[derive(Clone, Debug)]
pub struct SeriesEntries<'a> {
    cursor: Cursor<'a>,
}

impl<'a> SeriesEntries<'a> {
    fn read(&mut self) -> Result<SeriesEntry<'a>, DecodeError> {
        Ok(SeriesEntry { series: self.cursor.u64()?, labels: LabelPairs::read(&mut self.cursor)? })
    }
}

entries!(SeriesEntries, SeriesEntry<'a>, RecordType::Series);

/// Labels inside a record, already known to be well-formed UTF-8.
#[derive(Clone, Debug)]
pub struct LabelPairs<'a> {
    n_left: usize,
    cursor: Cursor<'a>,
}

impl<'a> LabelPairs<'a> {
    /// Checks the labels at `cursor` and moves it past them.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        // Each pair takes two bytes at least, which bounds what a damaged count can claim.
        let n_left = usize::try_from(cursor.uvarint()?).map_err(|_| DecodeError::Truncated)?;
        if n_left > cursor.remaining() / 2 {
            return Err(DecodeError::Truncated);
        }
        let pairs = Self { n_left, cursor: *cursor };
        for _ in 0..n_left {
            cursor.uvarint_str()?;
            cursor.uvarint_str()?;
        }
        Ok(pairs)
    }
}

impl<'a> Iterator for LabelPairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.n_left = self.n_left.checked_sub(1)?;
        Some((self.cursor.uvarint_str().ok()?, self.cursor.uvarint_str().ok()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_left, Some(self.n_left))
    }
}

impl ExactSizeIterator for LabelPairs<'_> {}

/// A float sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleEntry {
    /// Its series.
    pub series: u64,
    /// Its time, ms.
    pub time_ms: i64,
    /// Its start timestamp, ms; 0 where unknown.
    pub start_time_ms: i64,
    /// Its value.
    pub value: f64,
}

/// Series, time and start timestamp of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryHead {
    pub(super) series: u64,
    pub(super) time_ms: i64,
    pub(super) start_time_ms: i64,
}

/// What heads of entries are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heads {
    /// Version 1: all relative to a base.
    Based(Base),
    /// Version 2, before its first entry.
    First,
    /// Version 2: the first entry, and the previous one.
    After { first: EntryHead, previous: EntryHead },
}

impl Heads {
    /// Reads the base of a version 1 record.
    pub(super) fn based(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        Base::read(cursor).map(Self::Based)
    }

    #[inline]
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<EntryHead, DecodeError> {
        match *self {
            Self::Based(base) => {
                let (series, time_ms) = base.relative(cursor)?;
                Ok(EntryHead { series, time_ms, start_time_ms: 0 })
            }
            Self::First => {
                let series = cursor.varint()?.cast_unsigned();
                let (time_ms, start_time_ms) = (cursor.varint()?, cursor.varint()?);
                let first = EntryHead { series, time_ms, start_time_ms };
                *self = Self::After { first, previous: first };
                Ok(first)
            }
            Self::After { first, previous } => {
                let series = previous.series.wrapping_add_signed(cursor.varint()?);
                let time_ms = first.time_ms.wrapping_add(cursor.varint()?);
                let start_time_ms = match cursor.u8()? {
                    0 => 0,
                    1 => previous.start_time_ms,
                    _ => first.start_time_ms.wrapping_add(cursor.varint()?),
                };
                let head = EntryHead { series, time_ms, start_time_ms };
                *self = Self::After { first, previous: head };
                Ok(head)
            }
        }
    }
}

/// Entries of a samples record of either version.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    cursor: Cursor<'a>,
    heads: Heads,
}

impl Samples<'_> {
    /// Returns how many entries the record may hold at most, to reserve memory by.
    pub fn n_max(&self) -> usize {
        // Value, two one-byte deltas.
        self.cursor.remaining() / 10
    }

    #[inline]
    fn read(&mut self) -> Result<SampleEntry, DecodeError> {
        let EntryHead { series, time_ms, start_time_ms } = self.heads.read(&mut self.cursor)?;
        Ok(SampleEntry { series, time_ms, start_time_ms, value: self.cursor.f64()? })
    }
}

entries!(Samples, SampleEntry, RecordType::Samples);

/// A deleted interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TombstoneEntry {
    /// Its series.
    pub series: u64,
    /// First instant deleted, ms.
    pub min_time_ms: i64,
    /// Last instant deleted, ms.
    pub max_time_ms: i64,
}

impl TombstoneEntry {
    /// Returns whether the entry says that the series was dropped at this point of the log.
    pub fn is_series_drop(&self) -> bool {
        self.min_time_ms == i64::MIN && self.max_time_ms == i64::MAX
    }
}

/// Entries of a tombstones record.
#[derive(Clone, Debug)]
pub struct Tombstones<'a> {
    cursor: Cursor<'a>,
}

impl Tombstones<'_> {
    fn read(&mut self) -> Result<TombstoneEntry, DecodeError> {
        let series = self.cursor.u64()?;
        Ok(TombstoneEntry { series, min_time_ms: self.cursor.varint()?, max_time_ms: self.cursor.varint()? })
    }
}

entries!(Tombstones, TombstoneEntry, RecordType::Tombstones);

/// An exemplar.
#[derive(Clone, Debug)]
pub struct ExemplarEntry<'a> {
    /// Its series.
    pub series: u64,
    /// Its time, ms.
    pub time_ms: i64,
    /// Its value.
    pub value: f64,
    /// Its labels.
    pub labels: LabelPairs<'a>,
}

/// Entries of an exemplars record.
#[derive(Clone, Debug)]
pub struct Exemplars<'a> {
    cursor: Cursor<'a>,
    base: Base,
}

impl<'a> Exemplars<'a> {
    fn read(&mut self) -> Result<ExemplarEntry<'a>, DecodeError> {
        let (series, time_ms) = self.base.relative(&mut self.cursor)?;
        let value = self.cursor.f64()?;
        Ok(ExemplarEntry { series, time_ms, value, labels: LabelPairs::read(&mut self.cursor)? })
    }
}

entries!(Exemplars, ExemplarEntry<'a>, RecordType::Exemplars);

/// The newest out-of-order chunk of a series that was written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmapMarker {
    /// The series.
    pub series: u64,
    /// The chunk.
    pub chunk: u64,
}

/// Entries of a marker record.
#[derive(Clone, Debug)]
pub struct MmapMarkers<'a> {
    cursor: Cursor<'a>,
}

impl MmapMarkers<'_> {
    fn read(&mut self) -> Result<MmapMarker, DecodeError> {
        Ok(MmapMarker { series: self.cursor.u64()?, chunk: self.cursor.u64()? })
    }
}

entries!(MmapMarkers, MmapMarker, RecordType::MmapMarkers);

/// What is known about a series besides its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataEntry<'a> {
    /// The series.
    pub series: u64,
    /// Declared type.
    pub kind: MetricType,
    /// Unit; empty where not declared.
    pub unit: &'a str,
    /// Help text.
    pub help: &'a str,
}

/// Entries of a metadata record.
#[derive(Clone, Debug)]
pub struct MetadataEntries<'a> {
    cursor: Cursor<'a>,
}

impl<'a> MetadataEntries<'a> {
    fn read(&mut self) -> Result<MetadataEntry<'a>, DecodeError> {
        let cursor = &mut self.cursor;
        let series = cursor.uvarint()?;
        let kind = type_of_number(cursor.u8()?);
        let mut entry = MetadataEntry { series, kind, unit: "", help: "" };
        let n_fields = cursor.uvarint()?;
        for _ in 0..n_fields {
            let name = cursor.uvarint_str()?;
            let value = cursor.uvarint_str()?;
            match name {
                "UNIT" => entry.unit = value,
                "HELP" => entry.help = value,
                // Fields of later versions are passed over.
                _ => {}
            }
        }
        Ok(entry)
    }
}

entries!(MetadataEntries, MetadataEntry<'a>, RecordType::Metadata);

fn type_of_number(number: u8) -> MetricType {
    match number {
        1 => MetricType::Counter,
        2 => MetricType::Gauge,
        3 => MetricType::Histogram,
        4 => MetricType::GaugeHistogram,
        5 => MetricType::Summary,
        6 => MetricType::Info,
        7 => MetricType::StateSet,
        _ => MetricType::Unknown,
    }
}
