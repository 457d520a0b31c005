//! Native histograms inside records: types 7 to 10 relative to a base, 12 and 13 with start timestamps.

use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
use wf_model::{FloatHistogram, Histogram};
use wf_series::HistogramValue;

use super::RecordType;
use super::read::Heads;
use super::write::HeadsWriter;
use crate::encoding::{Cursor, DecodeError, put_f64, put_uvarint, put_varint};

/// A native histogram, not validated.
#[derive(Clone, Debug)]
pub struct HistogramEntry {
    /// Its series.
    pub series: u64,
    /// Its time, ms.
    pub time_ms: i64,
    /// Its start timestamp, ms; 0 where unknown.
    pub start_time_ms: i64,
    /// The histogram.
    pub value: HistogramValue,
}

/// Entries of a histogram record of any type.
#[derive(Clone, Debug)]
pub struct Histograms<'a> {
    cursor: Cursor<'a>,
    record: RecordType,
    heads: Heads,
}

impl<'a> Histograms<'a> {
    pub(super) fn new(record: RecordType, mut cursor: Cursor<'a>) -> Result<Self, DecodeError> {
        let heads = match record {
            RecordType::HistogramsV2 | RecordType::FloatHistogramsV2 => Heads::First,
            _ => Heads::based(&mut cursor)?,
        };
        Ok(Self { cursor, record, heads })
    }

    /// Returns the type of the record.
    pub fn record_type(&self) -> RecordType {
        self.record
    }

    fn read(&mut self) -> Result<HistogramEntry, DecodeError> {
        let head = self.heads.read(&mut self.cursor)?;
        let value = match self.record {
            RecordType::Histograms | RecordType::CustomHistograms | RecordType::HistogramsV2 => {
                HistogramValue::Integer(read_integer(&mut self.cursor)?.into())
            }
            _ => HistogramValue::Float(read_float(&mut self.cursor)?.into()),
        };
        let (series, time_ms, start_time_ms) = (head.series, head.time_ms, head.start_time_ms);
        Ok(HistogramEntry { series, time_ms, start_time_ms, value })
    }
}

impl Iterator for Histograms<'_> {
    type Item = Result<HistogramEntry, super::RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() {
            return None;
        }
        let entry = self.read();
        if entry.is_err() {
            self.cursor = Cursor::new(&[]);
        }
        Some(entry.map_err(|source| super::RecordError::Body { record: self.record, source }))
    }
}

fn read_integer(cursor: &mut Cursor<'_>) -> Result<Histogram, DecodeError> {
    let (counter_reset_hint, schema, zero_threshold) = read_scale(cursor)?;
    let (zero_count, count, sum) = (cursor.uvarint()?, cursor.uvarint()?, cursor.f64()?);
    let (positive_spans, negative_spans) = (read_spans(cursor)?, read_spans(cursor)?);
    let positive_deltas = read_list(cursor, 1, Cursor::varint)?;
    let negative_deltas = read_list(cursor, 1, Cursor::varint)?;
    let custom_values = read_bounds(cursor, schema)?;
    Ok(Histogram {
        counter_reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_deltas,
        negative_deltas,
        custom_values,
    })
}

fn read_float(cursor: &mut Cursor<'_>) -> Result<FloatHistogram, DecodeError> {
    let (counter_reset_hint, schema, zero_threshold) = read_scale(cursor)?;
    let (zero_count, count, sum) = (cursor.f64()?, cursor.f64()?, cursor.f64()?);
    let (positive_spans, negative_spans) = (read_spans(cursor)?, read_spans(cursor)?);
    let positive_buckets = read_list(cursor, 8, Cursor::f64)?;
    let negative_buckets = read_list(cursor, 8, Cursor::f64)?;
    let custom_values = read_bounds(cursor, schema)?;
    Ok(FloatHistogram {
        counter_reset_hint,
        schema,
        zero_threshold,
        zero_count,
        count,
        sum,
        positive_spans,
        negative_spans,
        positive_buckets,
        negative_buckets,
        custom_values,
    })
}

fn read_scale(cursor: &mut Cursor<'_>) -> Result<(CounterResetHint, i32, f64), DecodeError> {
    let hint = match cursor.u8()? {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    };
    // A schema beyond 32 bits is as unknown as any other that does not exist.
    let schema = i32::try_from(cursor.varint()?).unwrap_or(i32::MAX);
    Ok((hint, schema, cursor.f64()?))
}

fn read_spans(cursor: &mut Cursor<'_>) -> Result<Vec<Span>, DecodeError> {
    read_list(cursor, 2, |cursor| {
        let offset = i32::try_from(cursor.varint()?).map_err(|_| DecodeError::VarintOverflow)?;
        let length = u32::try_from(cursor.uvarint()?).map_err(|_| DecodeError::VarintOverflow)?;
        Ok(Span { offset, length })
    })
}

fn read_bounds(cursor: &mut Cursor<'_>, schema: i32) -> Result<Vec<f64>, DecodeError> {
    if schema == CUSTOM_BUCKETS_SCHEMA { read_list(cursor, 8, Cursor::f64) } else { Ok(Vec::new()) }
}

/// Reads a count and that many items, each of which takes `bytes_min` at least: a count beyond that claims no memory.
fn read_list<'a, T>(
    cursor: &mut Cursor<'a>,
    bytes_min: usize,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let n_items = usize::try_from(cursor.uvarint()?).map_err(|_| DecodeError::Truncated)?;
    if n_items > cursor.remaining() / bytes_min {
        return Err(DecodeError::Truncated);
    }
    (0..n_items).map(|_| read(cursor)).collect()
}

/// Writes a record of native histograms: all integer or all float, and in the older types all exponential or all with
/// custom bounds; see [`histogram_record`].
#[derive(Debug)]
pub struct HistogramsWriter<'a> {
    out: &'a mut Vec<u8>,
    heads: HeadsWriter,
}

/// Returns the type of record that a histogram belongs in.
pub fn histogram_record(value: &HistogramValue, has_starts: bool) -> RecordType {
    match value {
        HistogramValue::Integer(_) if has_starts => RecordType::HistogramsV2,
        HistogramValue::Float(_) if has_starts => RecordType::FloatHistogramsV2,
        HistogramValue::Integer(histogram) if histogram.is_custom() => RecordType::CustomHistograms,
        HistogramValue::Float(histogram) if histogram.is_custom() => RecordType::CustomFloatHistograms,
        HistogramValue::Integer(_) => RecordType::Histograms,
        HistogramValue::Float(_) => RecordType::FloatHistograms,
    }
}

impl<'a> HistogramsWriter<'a> {
    /// Starts a record of this type at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, record: RecordType) -> Self {
        out.push(record.number());
        let has_starts = matches!(record, RecordType::HistogramsV2 | RecordType::FloatHistogramsV2);
        Self { out, heads: if has_starts { HeadsWriter::Started(None) } else { HeadsWriter::Based(None) } }
    }

    /// Returns the length of the buffer that the record is in.
    pub fn n_bytes(&self) -> usize {
        self.out.len()
    }

    /// Adds a histogram, of the kind that the record is for. Start timestamps are lost in the older types.
    pub fn push(&mut self, series: u64, time_ms: i64, start_time_ms: i64, value: &HistogramValue) {
        self.heads.put(self.out, series, time_ms, start_time_ms);
        match value {
            HistogramValue::Integer(histogram) => put_integer(self.out, histogram),
            HistogramValue::Float(histogram) => put_float(self.out, histogram),
        }
    }
}

fn put_integer(out: &mut Vec<u8>, histogram: &Histogram) {
    put_scale(out, histogram.counter_reset_hint, histogram.schema, histogram.zero_threshold);
    put_uvarint(out, histogram.zero_count);
    put_uvarint(out, histogram.count);
    put_f64(out, histogram.sum);
    put_spans(out, &histogram.positive_spans);
    put_spans(out, &histogram.negative_spans);
    for deltas in [&histogram.positive_deltas, &histogram.negative_deltas] {
        put_uvarint(out, deltas.len() as u64);
        deltas.iter().for_each(|delta| put_varint(out, *delta));
    }
    put_bounds(out, histogram.schema, &histogram.custom_values);
}

fn put_float(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    put_scale(out, histogram.counter_reset_hint, histogram.schema, histogram.zero_threshold);
    for value in [histogram.zero_count, histogram.count, histogram.sum] {
        put_f64(out, value);
    }
    put_spans(out, &histogram.positive_spans);
    put_spans(out, &histogram.negative_spans);
    for counts in [&histogram.positive_buckets, &histogram.negative_buckets] {
        put_uvarint(out, counts.len() as u64);
        counts.iter().for_each(|count| put_f64(out, *count));
    }
    put_bounds(out, histogram.schema, &histogram.custom_values);
}

fn put_scale(out: &mut Vec<u8>, hint: CounterResetHint, schema: i32, zero_threshold: f64) {
    out.push(match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    });
    put_varint(out, i64::from(schema));
    put_f64(out, zero_threshold);
}

fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    put_uvarint(out, spans.len() as u64);
    for span in spans {
        put_varint(out, i64::from(span.offset));
        put_uvarint(out, u64::from(span.length));
    }
}

fn put_bounds(out: &mut Vec<u8>, schema: i32, bounds: &[f64]) {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        put_uvarint(out, bounds.len() as u64);
        bounds.iter().for_each(|bound| put_f64(out, *bound));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::sync::Arc;

    use super::*;
    use crate::record::{Record, decode};

    fn integer() -> Histogram {
        Histogram {
            counter_reset_hint: CounterResetHint::NotReset,
            schema: 1,
            zero_threshold: 0.5,
            zero_count: 2,
            count: 300,
            sum: 1.0,
            positive_spans: vec![Span { offset: -1, length: 1 }, Span { offset: 2, length: 1 }],
            negative_spans: Vec::new(),
            positive_deltas: vec![3, -1],
            negative_deltas: Vec::new(),
            custom_values: Vec::new(),
        }
    }

    const ONE: [u8; 8] = [0x3f, 0xf0, 0, 0, 0, 0, 0, 0];
    const HALF: [u8; 8] = [0x3f, 0xe0, 0, 0, 0, 0, 0, 0];

    fn body() -> Vec<u8> {
        let mut body = vec![2, 2];
        body.extend(HALF);
        body.extend([2, 0xac, 2]);
        body.extend(ONE);
        // Two spans, no negative ones; two differences, none.
        body.extend([2, 1, 1, 4, 1, 0, 2, 6, 1, 0]);
        body
    }

    fn listed(record: &[u8]) -> Vec<HistogramEntry> {
        let Record::Histograms(entries) = decode(record).unwrap() else { panic!("a histogram record") };
        entries.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn an_integer_record_is_that_of_the_format() {
        let mut record = Vec::new();
        let value = HistogramValue::Integer(Arc::new(integer()));
        let mut writer = HistogramsWriter::new(&mut record, histogram_record(&value, false));
        writer.push(7, 1000, 0, &value);
        writer.push(5, 1001, 0, &value);
        let mut want = vec![7, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 3, 0xe8, 0, 0];
        want.extend(body());
        want.extend([3, 2]);
        want.extend(body());
        assert_eq!(record, want);
        let entries = listed(&record);
        assert_eq!((entries[1].series, entries[1].time_ms), (5, 1001));
        let HistogramValue::Integer(read) = &entries[1].value else { panic!("an integer histogram") };
        assert!(read.equals(&integer()) && read.counter_reset_hint == CounterResetHint::NotReset);
    }

    #[test]
    fn a_record_with_start_timestamps_is_that_of_the_format() {
        let mut record = Vec::new();
        let value = HistogramValue::Integer(Arc::new(integer()));
        let mut writer = HistogramsWriter::new(&mut record, histogram_record(&value, true));
        for (series, time, start) in [(7, 10, 4), (8, 11, 4), (9, 12, 0), (9, 13, 6)] {
            writer.push(series, time, start, &value);
        }
        let mut want = vec![12, 14, 20, 8];
        for head in [&[] as &[u8], &[2, 2, 1], &[2, 4, 0], &[0, 6, 2, 4]] {
            want.extend(head);
            want.extend(body());
        }
        assert_eq!(record, want);
        let heads: Vec<_> = listed(&record).iter().map(|e| (e.series, e.time_ms, e.start_time_ms)).collect();
        assert_eq!(heads, [(7, 10, 4), (8, 11, 4), (9, 12, 0), (9, 13, 6)]);
    }

    #[test]
    fn custom_bounds_have_records_of_their_own() {
        let custom = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: 1.0,
            positive_spans: vec![Span { offset: 1, length: 1 }],
            positive_buckets: vec![1.0],
            custom_values: vec![0.5, 1.0],
            ..FloatHistogram::default()
        };
        let value = HistogramValue::Float(Arc::new(custom.clone()));
        assert_eq!(histogram_record(&value, false).number(), 10);
        let mut record = Vec::new();
        HistogramsWriter::new(&mut record, RecordType::CustomFloatHistograms).push(1, 2, 0, &value);
        assert!(record.ends_with(&[&[2][..], &HALF, &ONE].concat()));
        let HistogramValue::Float(read) = &listed(&record)[0].value else { panic!("a float histogram") };
        assert!(read.equals(&custom));
    }

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let mut record = vec![12, 14, 20, 8, 0, 0];
        record.extend([0; 8]);
        record.extend([0, 0]);
        record.extend([0; 8]);
        record.extend([0xff; 9]);
        record.push(1);
        let Record::Histograms(mut entries) = decode(&record).unwrap() else { panic!("a histogram record") };
        assert!(entries.next().is_some_and(|entry| entry.is_err()));
        assert!(entries.next().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(number in prop_oneof![7_u8..=10, 12_u8..=13], body: Vec<u8>) {
            let record: Vec<u8> = std::iter::once(number).chain(body).collect();
            if let Ok(Record::Histograms(entries)) = decode(&record) {
                prop_assert!(entries.count() <= record.len());
            }
        }
    }
}
