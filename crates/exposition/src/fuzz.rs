//! Entry points for fuzzing: hostile bytes must give an error or entries, never a panic or an endless loop.

use crate::parse::{Entry, Format, Parser};
use crate::protobuf::{ProtoEntry, ProtoValue, ProtobufParser};

/// Reads `data` in both formats to the end or the first error, taking out every label.
pub fn parse_page(data: &[u8]) {
    for format in [Format::Text, Format::OpenMetrics] {
        let mut parser = Parser::new(format, data);
        let mut before = 0;
        while let Ok(entry) = parser.next_entry() {
            match entry {
                Entry::Eof => break,
                Entry::Sample(sample) => {
                    let labels =
                        sample.series.labels().chain(sample.exemplar.iter().flat_map(|e| e.labels.labels()));
                    debug_assert!(
                        labels.count() <= sample.series.bytes().len() + data.len(),
                        "labels are finite"
                    );
                    check_known(format, data, before, &sample.series);
                }
                _ => {}
            }
            assert!(parser.position() > before, "an entry was read without moving");
            before = parser.position();
        }
    }
}

/// Reads `data` as protobuf to the end or the first error, taking out native histograms.
pub fn parse_protobuf(data: &[u8]) {
    let mut parser = ProtobufParser::new(data);
    // A family takes two bytes at least, a metric too.
    for _ in 0..=data.len() {
        match parser.next_entry() {
            Err(_) | Ok(ProtoEntry::Eof) => return,
            Ok(ProtoEntry::Family(_)) => {}
            Ok(ProtoEntry::Metric(metric)) => {
                if let ProtoValue::Histogram(histogram) = metric.value {
                    let _ = (histogram.is_native(), histogram.native());
                }
            }
        }
    }
    debug_assert!(false, "more entries than bytes");
}

/// The short way to a sample must agree with the long way.
fn check_known(format: Format, data: &[u8], line_start: usize, series: &crate::SeriesText<'_>) {
    let rest = data.get(line_start..).unwrap_or_default();
    if !rest.starts_with(series.bytes()) {
        return;
    }
    let (mut short, mut long) = (Parser::new(format, rest), Parser::new(format, rest));
    if let (Some(known), Ok(Entry::Sample(full))) =
        (short.known_sample(series.bytes().len()), long.next_entry())
    {
        assert_eq!(known.series.bytes(), full.series.bytes(), "series differ");
        assert_eq!(known.value.to_bits(), full.value.to_bits(), "values differ");
        assert_eq!(
            (known.timestamp_ms, short.position()),
            (full.timestamp_ms, long.position()),
            "tails differ"
        );
    }
}
