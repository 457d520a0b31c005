//! A page of metrics as messages of remote write.
//!
//! Source: `spec/prometheus-core.md` §8.2.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use wf_exposition::{Entry, Format, Parser};
use wf_model::metadata::{Metadata, MetricType};
use wf_model::{Labels, LabelsBuilder};

/// Which message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Message {
    /// Of version 1
    #[value(name = "prometheus.WriteRequest")]
    V1,
    /// Of version 2
    #[value(name = "io.prometheus.write.v2.Request")]
    V2,
}

impl Message {
    /// Returns the values of `Content-Type` and of the header of the version.
    pub(super) fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::V1 => ("application/x-protobuf", "0.1.0"),
            Self::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        }
    }

    /// Writes a page: a series per sample.
    pub(super) fn write(self, page: &Page) -> Vec<u8> {
        match self {
            Self::V1 => version_1(page),
            Self::V2 => version_2(page),
        }
    }
}

/// What a page says.
#[derive(Debug, Default)]
pub(super) struct Page {
    families: BTreeMap<String, Metadata>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
    time_ms: i64,
}

impl Page {
    /// Reads a page of the text format; every series gets `labels`, each `name=value`.
    pub(super) fn read(page: &[u8], labels: &[String], now_ms: i64) -> Result<Self> {
        let mut this = Self::default();
        let mut parser = Parser::new(Format::Text, page);
        loop {
            let sample = match parser.next_entry().context("text format parsing error")? {
                Entry::Eof => return Ok(this),
                Entry::Sample(sample) => sample,
                Entry::Help(family, help) => {
                    this.families.entry(family.into_owned()).or_default().help = help.into_owned();
                    continue;
                }
                Entry::Type(family, kind) => {
                    this.families.entry(family.into_owned()).or_default().kind = kind;
                    continue;
                }
                Entry::Unit(..) | Entry::Comment => continue,
            };
            let mut builder = LabelsBuilder::default();
            for (name, value) in sample.series.labels() {
                builder.set(&name, &value);
            }
            for label in labels {
                let Some((name, value)) = label.split_once('=') else {
                    bail!("expected KEY=VALUE got '{label}'")
                };
                builder.set(name, value);
            }
            let labels = builder.build();
            let name = labels.get(wf_model::METRIC_NAME).unwrap_or("").to_owned();
            let time_ms = sample.timestamp_ms.unwrap_or(now_ms);
            this.samples.push(Sample { name, labels, value: sample.value, time_ms });
        }
    }

    /// Returns what was declared of the family of a series.
    fn family(&self, name: &str) -> Option<&Metadata> {
        let of_parts = |suffix: &&str| {
            let family = self.families.get(name.strip_suffix(suffix)?)?;
            let has_parts = matches!(family.kind, MetricType::Histogram | MetricType::Summary);
            has_parts.then_some(family)
        };
        self.families.get(name).or_else(|| ["_bucket", "_sum", "_count"].iter().find_map(of_parts))
    }
}

fn version_1(page: &Page) -> Vec<u8> {
    let mut message = Vec::new();
    for sample in &page.samples {
        let mut series = Vec::new();
        for (name, value) in sample.labels.iter() {
            let mut pair = Vec::new();
            put_bytes(&mut pair, 1, name.as_bytes());
            put_bytes(&mut pair, 2, value.as_bytes());
            put_bytes(&mut series, 1, &pair);
        }
        put_bytes(&mut series, 2, &point(sample));
        put_bytes(&mut message, 1, &series);
    }
    for (name, family) in &page.families {
        let mut metadata = Vec::new();
        put_number(&mut metadata, 1, type_number(family.kind));
        put_bytes(&mut metadata, 2, name.as_bytes());
        put_bytes(&mut metadata, 4, family.help.as_bytes());
        put_bytes(&mut message, 3, &metadata);
    }
    message
}

fn version_2(page: &Page) -> Vec<u8> {
    let mut symbols = Symbols::default();
    // The first symbol is the empty one.
    symbols.reference("");
    let mut all = Vec::new();
    for sample in &page.samples {
        let (mut series, mut references) = (Vec::new(), Vec::new());
        for (name, value) in sample.labels.iter() {
            put_varint(&mut references, symbols.reference(name));
            put_varint(&mut references, symbols.reference(value));
        }
        put_bytes(&mut series, 1, &references);
        put_bytes(&mut series, 2, &point(sample));
        if let Some(family) = page.family(&sample.name) {
            let mut metadata = Vec::new();
            put_number(&mut metadata, 1, type_number(family.kind));
            put_number(&mut metadata, 3, symbols.reference(&family.help));
            put_bytes(&mut series, 5, &metadata);
        }
        put_bytes(&mut all, 5, &series);
    }
    let mut message = Vec::new();
    symbols.list.iter().for_each(|symbol| put_bytes(&mut message, 4, symbol.as_bytes()));
    message.extend(all);
    message
}

/// Texts by number.
#[derive(Debug, Default)]
struct Symbols {
    list: Vec<String>,
    numbers: BTreeMap<String, u64>,
}

impl Symbols {
    fn reference(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.list.len() as u64;
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

fn type_number(kind: MetricType) -> u64 {
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

/// Writes value and time, the same in both versions.
fn point(sample: &Sample) -> Vec<u8> {
    let mut point = vec![1 << 3 | 1];
    point.extend_from_slice(&sample.value.to_le_bytes());
    put_number(&mut point, 2, sample.time_ms.cast_unsigned());
    point
}

/// Writes a field of a number; field numbers here are below 16.
fn put_number(out: &mut Vec<u8>, field: u8, number: u64) {
    out.push(field << 3);
    put_varint(out, number);
}

/// Writes a field of bytes; field numbers here are below 16.
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[u8] = b"# TYPE a counter\n# HELP a h\na{b=\"c\"} 1\n";

    fn page() -> Page {
        Page::read(PAGE, &["job=x".to_owned()], 300).unwrap()
    }

    const POINT: [u8; 14] = [0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02];

    #[test]
    fn a_page_becomes_the_message_of_version_1() {
        let mut series =
            b"\x0a\x0d\x0a\x08__name__\x12\x01a\x0a\x06\x0a\x01b\x12\x01c\x0a\x08\x0a\x03job\x12\x01x"
                .to_vec();
        series.extend(POINT);
        let mut want = vec![0x0a, u8::try_from(series.len()).unwrap()];
        want.extend(series);
        want.extend(b"\x1a\x08\x08\x01\x12\x01a\x22\x01h");
        assert_eq!(Message::V1.write(&page()), want);
        assert!(Page::read(b"a{", &[], 0).is_err());
    }

    #[test]
    fn a_page_becomes_the_message_of_version_2() {
        let mut want =
            b"\x22\x00\x22\x08__name__\x22\x01a\x22\x01b\x22\x01c\x22\x03job\x22\x01x\x22\x01h".to_vec();
        let mut series = b"\x0a\x06\x01\x02\x03\x04\x05\x06".to_vec();
        series.extend(POINT);
        series.extend(b"\x2a\x04\x08\x01\x18\x07");
        want.extend([0x2a, u8::try_from(series.len()).unwrap()]);
        want.extend(series);
        assert_eq!(Message::V2.write(&page()), want);
    }

    #[test]
    fn parts_belong_to_the_family_that_declares_them() {
        let text =
            b"# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n# TYPE g gauge\ng_sum 1\n";
        let page = Page::read(text, &[], 0).unwrap();
        let kind = |name: &str| page.family(name).map(|family| family.kind);
        assert_eq!(kind("h_bucket"), Some(MetricType::Histogram));
        assert_eq!((kind("g"), kind("g_sum")), (Some(MetricType::Gauge), None));
    }
}
