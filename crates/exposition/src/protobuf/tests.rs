//! Messages by the table of field numbers, and messages that are none.

use proptest::prelude::*;
use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{Labels, MetricType};

use super::encode::Message;
use super::*;
use crate::SeriesText;

fn family(name: &str, kind: u64, metrics: &[Message]) -> Message {
    let head = Message::new().bytes(1, name).bytes(2, "Help.").varint(3, kind);
    metrics.iter().fold(head, |family, metric| family.message(4, metric))
}

fn page(families: &[Message]) -> Vec<u8> {
    let mut page = Vec::new();
    for family in families {
        family.write_delimited(&mut page);
    }
    page
}

fn time(seconds: u64, nanos: u64) -> Message {
    Message::new().varint(1, seconds).varint(2, nanos)
}

fn read(page: &[u8]) -> Result<Vec<String>, String> {
    let mut parser = ProtobufParser::new(page);
    let mut entries = Vec::new();
    loop {
        match parser.next_entry().map_err(|error| error.to_string())? {
            ProtoEntry::Eof => return Ok(entries),
            entry => entries.push(format!("{entry:?}")),
        }
    }
}

fn first_metric(page: &[u8]) -> ProtoMetric<'_> {
    let mut parser = ProtobufParser::new(page);
    parser.next_entry().unwrap();
    match parser.next_entry().unwrap() {
        ProtoEntry::Metric(metric) => metric,
        other => panic!("a metric, not {other:?}"),
    }
}

#[test]
fn counters_carry_labels_exemplar_start_and_time() {
    let exemplar = Message::new().label("trace_id", "x").double(2, 0.5).message(3, &time(12, 345_000_000));
    let counter = Message::new().double(1, 3.5).message(2, &exemplar).message(3, &time(10, 999_999));
    let metric = Message::new().label("a", "1").label("b.c", "ü").message(3, &counter).varint(6, 99);
    let unit_last = family("requests_total", 0, &[metric]).bytes(5, "requests");
    let page = page(&[unit_last]);
    let mut parser = ProtobufParser::new(&page);
    let head =
        FamilyHead { name: "requests_total", help: "Help.", kind: MetricType::Counter, unit: "requests" };
    assert_eq!(parser.next_entry(), Ok(ProtoEntry::Family(head)));
    let exemplar = ProtoExemplar { labels: vec![("trace_id", "x")], value: 0.5, timestamp_ms: Some(12_345) };
    let value = ProtoValue::Number { value: 3.5, exemplar: Some(exemplar), start_time_ms: Some(10_000) };
    let labels = vec![("a", "1"), ("b.c", "ü")];
    let want = ProtoMetric { labels, timestamp_ms: Some(99), value };
    assert_eq!(parser.next_entry(), Ok(ProtoEntry::Metric(want)));
    assert_eq!(parser.next_entry(), Ok(ProtoEntry::Eof));
    assert_eq!(parser.next_entry(), Ok(ProtoEntry::Eof));
}

#[test]
fn summaries_gauges_and_untyped_are_read_by_the_type_of_their_family() {
    let quantile = Message::new().double(1, 0.9).double(2, f64::from_bits(0x7ff0_0000_0000_0002));
    let summary = Message::new().varint(1, 7).double(2, 1.5).message(3, &quantile);
    let page_of =
        |kind, number, value: &Message| page(&[family("m", kind, &[Message::new().message(number, value)])]);
    let summary_page = page_of(2, 4, &summary);
    let ProtoValue::Summary { count, sum, quantiles, start_time_ms } = first_metric(&summary_page).value
    else {
        panic!("a summary")
    };
    assert_eq!((count, sum, quantiles[0].0, start_time_ms), (7, 1.5, 0.9, None));
    assert_eq!(quantiles[0].1.to_bits(), wf_model::sample::NORMAL_NAN_BITS, "no page writes stale markers");
    let empty = page_of(2, 4, &Message::new());
    assert!(matches!(first_metric(&empty).value, ProtoValue::Summary { count: 0, .. }));
    for (kind, number) in [(1, 2), (3, 5)] {
        let page = page_of(kind, number, &Message::new().double(1, -2.0));
        assert!(matches!(first_metric(&page).value, ProtoValue::Number { value: -2.0, .. }), "{kind}");
    }
}

#[test]
fn histograms_show_both_forms() {
    let bucket = |count, bound| Message::new().varint(1, count).double(2, bound);
    let span = |offset, length| Message::new().sint(1, offset).varint(2, length);
    let histogram = Message::new()
        .varint(1, 6)
        .double(2, 9.0)
        .message(3, &bucket(2, 0.5))
        .message(3, &bucket(6, f64::INFINITY))
        .sint(5, 2)
        .double(6, 0.001)
        .varint(7, 1)
        .message(9, &span(-3, 1))
        .sint(10, 2)
        .message(12, &span(1, 2))
        .packed_sints(13, &[1, 1]);
    let page = page(&[family("h", 5, &[Message::new().message(7, &histogram)])]);
    let ProtoValue::Histogram(read) = first_metric(&page).value else { panic!("a histogram") };
    assert!(read.is_native());
    assert_eq!(
        read.buckets.iter().map(|b| (b.upper_bound, b.cumulative_count)).collect::<Vec<_>>(),
        [(0.5, 2.0), (f64::INFINITY, 6.0)]
    );
    let NativeValue::Integer(native) = read.native() else { panic!("integer counts") };
    native.validate().unwrap();
    assert_eq!(native.counter_reset_hint, CounterResetHint::Gauge);
    assert_eq!((native.schema, native.count, native.zero_count, native.sum), (2, 6, 1, 9.0));
    assert_eq!(native.positive_spans, [Span { offset: 1, length: 2 }]);
    assert_eq!(native.negative_spans, [Span { offset: -3, length: 1 }]);
    assert_eq!((native.positive_deltas, native.negative_deltas), (vec![1, 1], vec![2]));
}

#[test]
fn float_histograms_and_empty_native_ones_are_recognised() {
    let float = Message::new()
        .double(4, 2.5)
        .double(8, 0.5)
        .double(14, 2.0)
        .message(12, &Message::new().varint(2, 1));
    let page_of = |histogram: &Message| page(&[family("h", 4, &[Message::new().message(7, histogram)])]);
    let float_page = page_of(&float);
    let ProtoValue::Histogram(read) = first_metric(&float_page).value else { panic!("a histogram") };
    let NativeValue::Float(native) = read.native() else { panic!("float counts") };
    assert_eq!((native.count, native.zero_count, native.positive_buckets), (2.5, 0.5, vec![2.0]));
    let is_native = |histogram: &Message| {
        let page = page_of(histogram);
        let ProtoValue::Histogram(read) = first_metric(&page).value else { panic!("a histogram") };
        read.is_native()
    };
    assert!(is_native(&Message::new().message(12, &Message::new().varint(1, 0).varint(2, 0))));
    assert!(is_native(&Message::new().double(6, 0.1)));
    assert!(!is_native(&Message::new().varint(1, 3)));
}

#[test]
fn broken_pages_are_named() {
    let check = |page: &[u8], want: &str| {
        let error = read(page).unwrap_err();
        assert!(error.contains(want), "{error}");
    };
    let good = page(&[family("m", 1, &[])]);
    check(&good[..good.len() - 1], "metric family 1 at byte 0: the page ends inside a message");
    check(&[good.as_slice(), &[0x80]].concat(), "metric family 2 at byte 13: the page ends inside");
    check(&page(&[Message::new().bytes(2, "no name")]), "it has no name");
    check(&page(&[family("m", 9, &[])]), "its type 9 is unknown");
    check(&page(&[Message::new().bytes(1, [0xff])]), "field 1 is not valid UTF-8");
    check(&page(&[Message::new().varint(1, 3)]), "field 1 has an unexpected wire type");
    check(&[0xff; 12], "longer than 64 bits");
    let nameless = Message::new().label("", "x");
    check(&page(&[family("m", 1, &[nameless])]), "a label has no name");
    assert_eq!(read(b"").unwrap(), Vec::<String>::new());
}

proptest! {
    /// Whatever a client puts into names and values, the text form means the same labels.
    #[test]
    fn a_series_text_reads_back(name in "[a-z:.é\"\\\\]{1,8}", labels in prop::collection::btree_map("[a-z.\"\\\\é ]{1,5}", "\\PC*|[\"\\\\\n]*", 0..4)) {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut text = Vec::new();
        push_series_text(&mut text, &name, "_bucket", &labels, Some(("le", "+Inf")));
        let read = Labels::from_pairs(SeriesText::from_known(&text, MetricType::Unknown).labels());
        let want = labels.iter().copied().chain([("__name__", format!("{name}_bucket").as_str()), ("le", "+Inf")]).map(|(n, v)| (n.to_owned(), v.to_owned())).collect::<Vec<_>>();
        prop_assert_eq!(read, Labels::from_pairs(want));
    }

    #[test]
    fn hostile_bytes_never_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz::parse_protobuf(&bytes);
    }
}

#[test]
fn mutated_pages_never_break_the_parser() {
    let histogram = Message::new().varint(1, 6).message(3, &Message::new().varint(1, 2).double(2, 0.5));
    let histogram = histogram.message(12, &Message::new().sint(1, 1).varint(2, 2)).packed_sints(13, &[1, 1]);
    let seed = page(&[
        family("h", 4, &[Message::new().label("a", "b").message(7, &histogram)]),
        family("c", 0, &[Message::new().message(3, &Message::new().double(1, 1.0))]),
    ]);
    let mut state = 7_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound.max(1)
    };
    for _ in 0..20_000 {
        let mut page = seed.clone();
        for _ in 0..=next(3) {
            let at = next(page.len());
            page[at] = u8::try_from(next(256)).unwrap();
        }
        crate::fuzz::parse_protobuf(&page);
    }
}
