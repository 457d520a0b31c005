//! Encoders: each starts a record at the end of a buffer and appends entries to it.

use wf_model::{Metadata, MetricType};

use super::RecordType;
use crate::encoding::{put_f64, put_i64, put_u64, put_uvarint, put_uvarint_str, put_varint};

/// Writes a series record.
#[derive(Debug)]
pub struct SeriesWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> SeriesWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::Series.number());
        Self { out }
    }

    /// Adds a series: its reference and its labels, sorted by name.
    pub fn push<'l>(&mut self, series: u64, labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>) {
        put_u64(self.out, series);
        put_labels(self.out, labels);
    }
}

fn put_labels<'l>(out: &mut Vec<u8>, labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>) {
    put_uvarint(out, labels.len() as u64);
    for (name, value) in labels {
        put_uvarint_str(out, name);
        put_uvarint_str(out, value);
    }
}

/// The reference and time that entries of a record are relative to: those of its first entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    series: u64,
    time_ms: i64,
}

/// Appends reference and time of an entry, before the first one the base too.
fn put_relative(out: &mut Vec<u8>, base: &mut Option<Base>, series: u64, time_ms: i64) {
    let base = *base.get_or_insert_with(|| {
        put_u64(out, series);
        put_i64(out, time_ms);
        Base { series, time_ms }
    });
    put_varint(out, series.wrapping_sub(base.series).cast_signed());
    put_varint(out, time_ms.wrapping_sub(base.time_ms));
}

/// What heads of entries are relative to.
#[derive(Clone, Copy, Debug)]
pub(super) enum HeadsWriter {
    /// Version 1.
    Based(Option<Base>),
    /// Version 2: time and start of the first entry, series and start of the previous one.
    Started(Option<([i64; 2], u64, i64)>),
}

impl HeadsWriter {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, series: u64, time_ms: i64, start_time_ms: i64) {
        match self {
            Self::Based(base) => put_relative(out, base, series, time_ms),
            Self::Started(state) => {
                let Some((first, previous, previous_start)) = state else {
                    put_varint(out, series.cast_signed());
                    put_varint(out, time_ms);
                    put_varint(out, start_time_ms);
                    *state = Some(([time_ms, start_time_ms], series, start_time_ms));
                    return;
                };
                put_varint(out, series.wrapping_sub(*previous).cast_signed());
                put_varint(out, time_ms.wrapping_sub(first[0]));
                if start_time_ms == 0 {
                    out.push(0);
                } else if start_time_ms == *previous_start {
                    out.push(1);
                } else {
                    out.push(2);
                    put_varint(out, start_time_ms.wrapping_sub(first[1]));
                }
                (*previous, *previous_start) = (series, start_time_ms);
            }
        }
    }
}

/// Writes a record of float samples with start timestamps (type 11).
#[derive(Debug)]
pub struct StartedSamplesWriter<'a> {
    out: &'a mut Vec<u8>,
    heads: HeadsWriter,
}

impl<'a> StartedSamplesWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::SamplesV2.number());
        Self { out, heads: HeadsWriter::Started(None) }
    }

    /// Adds a sample; `start_time_ms` is 0 where unknown.
    pub fn push(&mut self, series: u64, time_ms: i64, start_time_ms: i64, value: f64) {
        self.heads.put(self.out, series, time_ms, start_time_ms);
        put_f64(self.out, value);
    }
}

/// Writes a record of float samples. References in ascending order make it smallest.
#[derive(Debug)]
pub struct SamplesWriter<'a> {
    out: &'a mut Vec<u8>,
    base: Option<Base>,
}

impl<'a> SamplesWriter<'a> {
    /// Starts a record at the end of `out`. A record without samples is legal, and useless.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::Samples.number());
        Self { out, base: None }
    }

    /// Adds a sample.
    #[inline]
    pub fn push(&mut self, series: u64, time_ms: i64, value: f64) {
        put_relative(self.out, &mut self.base, series, time_ms);
        put_f64(self.out, value);
    }
}

/// Writes a record of deleted intervals.
#[derive(Debug)]
pub struct TombstonesWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> TombstonesWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::Tombstones.number());
        Self { out }
    }

    /// Adds a closed interval. The whole of time means that the series was dropped at this point of the log.
    pub fn push(&mut self, series: u64, min_time_ms: i64, max_time_ms: i64) {
        put_u64(self.out, series);
        put_varint(self.out, min_time_ms);
        put_varint(self.out, max_time_ms);
    }
}

/// Writes a record of exemplars.
#[derive(Debug)]
pub struct ExemplarsWriter<'a> {
    out: &'a mut Vec<u8>,
    base: Option<Base>,
}

impl<'a> ExemplarsWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::Exemplars.number());
        Self { out, base: None }
    }

    /// Returns the length of the buffer that the record is in.
    pub fn n_bytes(&self) -> usize {
        self.out.len()
    }

    /// Adds an exemplar.
    pub fn push<'l>(
        &mut self,
        series: u64,
        time_ms: i64,
        value: f64,
        labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>,
    ) {
        put_relative(self.out, &mut self.base, series, time_ms);
        put_f64(self.out, value);
        put_labels(self.out, labels);
    }
}

/// Writes a record that says which out-of-order chunks were written out.
#[derive(Debug)]
pub struct MmapMarkersWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> MmapMarkersWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::MmapMarkers.number());
        Self { out }
    }

    /// Adds the newest chunk of a series.
    pub fn push(&mut self, series: u64, chunk: u64) {
        put_u64(self.out, series);
        put_u64(self.out, chunk);
    }
}

/// Writes a record of metadata.
#[derive(Debug)]
pub struct MetadataWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> MetadataWriter<'a> {
    /// Starts a record at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(RecordType::Metadata.number());
        Self { out }
    }

    /// Goes on with the record that `out` ends with.
    pub fn resume(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Adds what is known about a series.
    pub fn push(&mut self, series: u64, metadata: &Metadata) {
        self.push_parts(series, metadata.kind, &metadata.unit, &metadata.help);
    }

    /// As [`MetadataWriter::push`], from borrowed parts.
    pub fn push_parts(&mut self, series: u64, kind: MetricType, unit: &str, help: &str) {
        put_uvarint(self.out, series);
        self.out.push(type_number(kind));
        put_uvarint(self.out, 2);
        for text in ["UNIT", unit, "HELP", help] {
            put_uvarint_str(self.out, text);
        }
    }
}

fn type_number(kind: MetricType) -> u8 {
    match kind {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::GaugeHistogram => 4,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}
