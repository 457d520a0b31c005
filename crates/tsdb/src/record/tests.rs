//! Round trips, bytes of the format, hostile bytes.

use proptest::prelude::*;
use wf_model::{Metadata, MetricType};

use super::*;

#[test]
fn a_samples_record_has_the_bytes_of_the_format() {
    let mut out = Vec::new();
    let mut samples = SamplesWriter::new(&mut out);
    samples.push(10, 1_000, 1.0);
    samples.push(8, 1_001, 2.0);
    let want = [
        &[2][..],
        &10_u64.to_be_bytes(),
        &1_000_u64.to_be_bytes(),
        &[0, 0],
        &1.0_f64.to_be_bytes(),
        &[3, 2],
        &2.0_f64.to_be_bytes(),
    ];
    assert_eq!(out, want.concat());
}

#[test]
fn a_series_record_has_the_bytes_of_the_format() {
    let mut out = Vec::new();
    SeriesWriter::new(&mut out).push(3, [("a", "b")].into_iter());
    assert_eq!(out, [1, 0, 0, 0, 0, 0, 0, 0, 3, 1, 1, b'a', 1, b'b']);
}

#[test]
fn metadata_comes_back() {
    let metadata = Metadata { kind: MetricType::Counter, help: "what".into(), unit: "s".into() };
    let mut out = Vec::new();
    MetadataWriter::new(&mut out).push(300, &metadata);
    let Record::Metadata(mut entries) = decode(&out).unwrap() else { panic!() };
    let want = MetadataEntry { series: 300, kind: MetricType::Counter, unit: "s", help: "what" };
    assert_eq!(entries.next().unwrap().unwrap(), want);
    assert!(entries.next().is_none());
}

#[test]
fn samples_of_version_2_carry_start_timestamps() {
    // First: ref 5, t 1000, st 900; then ref +1 with the same start, then ref +1 without, then start 900 + 7.
    let mut out = vec![11, 10, 0xd0, 0x0f, 0x88, 0x0e];
    out.extend_from_slice(&1.0_f64.to_be_bytes());
    for marker in [&[1_u8][..], &[0], &[2, 14]] {
        out.extend_from_slice(&[2, 2]);
        out.extend_from_slice(marker);
        out.extend_from_slice(&2.0_f64.to_be_bytes());
    }
    let Record::Samples(samples) = decode(&out).unwrap() else { panic!() };
    let got: Vec<_> = samples.map(|s| s.unwrap()).map(|s| (s.series, s.time_ms, s.start_time_ms)).collect();
    assert_eq!(got, [(5, 1_000, 900), (6, 1_001, 900), (7, 1_001, 0), (8, 1_001, 907)]);
}

#[test]
fn unknown_types_are_recognised_and_passed_over() {
    assert!(matches!(decode(&[99, 1, 2]), Ok(Record::Unknown(99))));
    assert!(matches!(decode(&[8, 1, 2]), Err(RecordError::Body { record: RecordType::FloatHistograms, .. })));
    assert!(matches!(decode(&[]), Err(RecordError::Empty)));
}

#[test]
fn a_claimed_label_count_reserves_nothing() {
    let mut out = vec![1, 0, 0, 0, 0, 0, 0, 0, 1];
    crate::encoding::put_uvarint(&mut out, u64::MAX);
    let Record::Series(mut entries) = decode(&out).unwrap() else { panic!() };
    let want = RecordError::Body { record: RecordType::Series, source: DecodeError::Truncated };
    assert_eq!(entries.next().unwrap().unwrap_err(), want);
    assert!(entries.next().is_none());
}

type Entry = (u64, i64, Vec<(String, String)>);

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let labels = prop::collection::vec(("\\PC{0,12}", "\\PC{0,12}"), 0..6);
    prop::collection::vec((any::<u64>(), any::<i64>(), labels), 0..12)
}

proptest! {
    #[test]
    fn samples_round_trip(samples: Vec<(u64, i64, u64)>) {
        let mut out = Vec::new();
        let mut writer = SamplesWriter::new(&mut out);
        for &(series, t, bits) in &samples {
            writer.push(series, t, f64::from_bits(bits));
        }
        let Record::Samples(entries) = decode(&out).unwrap() else { panic!() };
        prop_assert!(entries.n_max() >= samples.len());
        let got: Vec<_> = entries.map(|s| s.unwrap()).map(|s| (s.series, s.time_ms, s.value.to_bits())).collect();
        prop_assert_eq!(got, samples);
    }

    #[test]
    fn series_and_exemplars_round_trip(entries in entries()) {
        let (mut series_out, mut exemplars_out) = (Vec::new(), Vec::new());
        let mut series = SeriesWriter::new(&mut series_out);
        let mut exemplars = ExemplarsWriter::new(&mut exemplars_out);
        for (id, t, labels) in &entries {
            series.push(*id, labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            exemplars.push(*id, *t, 1.5, labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        }
        let own = |pairs: LabelPairs<'_>| -> Vec<(String, String)> { pairs.map(|(n, v)| (n.into(), v.into())).collect() };
        let Record::Series(got) = decode(&series_out).unwrap() else { panic!() };
        let got: Vec<_> = got.map(|s| s.unwrap()).map(|s| (s.series, own(s.labels))).collect();
        prop_assert_eq!(got, entries.iter().map(|(id, _, labels)| (*id, labels.clone())).collect::<Vec<_>>());
        let Record::Exemplars(got) = decode(&exemplars_out).unwrap() else { panic!() };
        let got: Vec<_> = got.map(|s| s.unwrap()).map(|s| (s.series, s.time_ms, own(s.labels))).collect();
        prop_assert_eq!(got, entries);
    }

    #[test]
    fn tombstones_and_markers_round_trip(entries: Vec<(u64, i64, i64)>) {
        let (mut tombstones_out, mut markers_out) = (Vec::new(), Vec::new());
        let mut tombstones = TombstonesWriter::new(&mut tombstones_out);
        let mut markers = MmapMarkersWriter::new(&mut markers_out);
        for &(series, min, max) in &entries {
            tombstones.push(series, min, max);
            markers.push(series, max.cast_unsigned());
        }
        let Record::Tombstones(got) = decode(&tombstones_out).unwrap() else { panic!() };
        let got: Vec<_> = got.map(|e| e.unwrap()).map(|e| (e.series, e.min_time_ms, e.max_time_ms)).collect();
        prop_assert_eq!(&got, &entries);
        let Record::MmapMarkers(got) = decode(&markers_out).unwrap() else { panic!() };
        prop_assert_eq!(got.count(), entries.len());
    }

    #[test]
    fn hostile_records_end_in_an_error_not_in_a_panic(number in 0_u8..16, body: Vec<u8>) {
        let mut bytes = vec![number];
        bytes.extend(body);
        crate::fuzz::record(&bytes);
    }
}
