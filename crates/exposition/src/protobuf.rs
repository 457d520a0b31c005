//! Pages of metric families in protobuf, each behind its length, read in place.
//!
//! [`ProtobufParser`] walks families and their metrics; strings are borrowed from the page, and nothing but the lists of
//! one metric is allocated. [`push_series_text`] writes the text form of a series, under which text pages and protobuf
//! pages of one target know it alike.
//!
//! # Reading order
//! `wire` (tags and values), `metric` (messages of one metric), `histogram`, this file.
//! # Source
//! `spec/prometheus-core.md` §2, "Protobuf": the table of field numbers.

pub mod encode;
mod histogram;
mod metric;
mod series_text;
#[cfg(test)]
mod tests;
mod wire;

use wf_model::MetricType;

pub use histogram::{ClassicBucket, NativeValue, ProtoHistogram};
pub use metric::{ProtoExemplar, ProtoMetric, ProtoValue};
pub use series_text::{format_bound, push_series_text};
pub use wire::WireError;

use wire::{Field, Wire};

/// Declaration of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyHead<'a> {
    /// Name.
    pub name: &'a str,
    /// Help text.
    pub help: &'a str,
    /// Type.
    pub kind: MetricType,
    /// Unit.
    pub unit: &'a str,
}

/// What a protobuf page says in one place.
#[derive(Clone, Debug, PartialEq)]
pub enum ProtoEntry<'a> {
    /// A family begins.
    Family(FamilyHead<'a>),
    /// A metric of the family that began last.
    Metric(ProtoMetric<'a>),
    /// The page is over, and complete.
    Eof,
}

/// A page that leaves its grammar, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("protobuf: metric family {family} at byte {offset}: {cause}")]
pub struct ProtobufError {
    /// Position of the family on the page, counted from 1.
    pub family: usize,
    /// Where the family, or the length before it, begins.
    pub offset: usize,
    /// What is wrong.
    pub cause: WireError,
}

/// Reads a page from front to back. After an error it stays where it is.
#[derive(Clone, Debug)]
pub struct ProtobufParser<'a> {
    page: Wire<'a>,
    /// Start of the current family.
    offset: usize,
    n_families: usize,
    kind: MetricType,
    /// What is left of the current family's message.
    family: Wire<'a>,
}

impl<'a> ProtobufParser<'a> {
    /// Starts at the front of `page`.
    pub fn new(page: &'a [u8]) -> Self {
        Self {
            page: Wire::new(page),
            offset: 0,
            n_families: 0,
            kind: MetricType::Unknown,
            family: Wire::new(&[]),
        }
    }

    /// Reads the next entry; after the end, `Eof` again and again.
    /// # Errors
    /// The first place where the page leaves its grammar.
    pub fn next_entry(&mut self) -> Result<ProtoEntry<'a>, ProtobufError> {
        self.read_next().map_err(|cause| ProtobufError {
            family: self.n_families.max(1),
            offset: self.offset,
            cause,
        })
    }

    fn read_next(&mut self) -> Result<ProtoEntry<'a>, WireError> {
        while let Some((number, field)) = self.family.next_field()? {
            if number == 4 {
                let metric = metric::read(field.bytes(number)?, self.kind)?;
                return Ok(ProtoEntry::Metric(metric));
            }
        }
        if self.page.is_over() {
            return Ok(ProtoEntry::Eof);
        }
        self.offset = self.page.position();
        self.n_families += 1;
        let message = self.page.length_delimited()?;
        let head = read_head(message)?;
        self.kind = head.kind;
        self.family = Wire::new(message);
        Ok(ProtoEntry::Family(head))
    }
}

/// Reads all but the metrics, which may stand between or behind.
fn read_head(message: &[u8]) -> Result<FamilyHead<'_>, WireError> {
    // Counter is the type with number 0, which is not written.
    let mut head = FamilyHead { name: "", help: "", kind: MetricType::Counter, unit: "" };
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => head.name = field.text(number)?,
            2 => head.help = field.text(number)?,
            3 => head.kind = read_kind(field, number)?,
            5 => head.unit = field.text(number)?,
            _ => {}
        }
    }
    if head.name.is_empty() { Err(WireError::NoName) } else { Ok(head) }
}

fn read_kind(field: Field<'_>, number: u32) -> Result<MetricType, WireError> {
    match field.varint(number)? {
        0 => Ok(MetricType::Counter),
        1 => Ok(MetricType::Gauge),
        2 => Ok(MetricType::Summary),
        3 => Ok(MetricType::Unknown),
        4 => Ok(MetricType::Histogram),
        5 => Ok(MetricType::GaugeHistogram),
        other => Err(WireError::UnknownType(other)),
    }
}
