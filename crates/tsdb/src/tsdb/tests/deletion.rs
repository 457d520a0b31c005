//! Deleted samples stay deleted: through restarts and truncations, for every reader that comes after.

use super::*;

fn times(tsdb: &Tsdb, n: usize) -> Vec<i64> {
    let matchers = [Matcher::equal("n", &n.to_string())];
    let samples = dump(tsdb, &matchers, TimeRange::ALL).remove(&labels(n)).unwrap_or_default();
    samples.into_iter().map(|(time, _)| (time - START) / MINUTE).collect()
}

fn minutes(start: i64, end: i64) -> TimeRange {
    TimeRange { start_ms: START + start * MINUTE, end_ms: START + end * MINUTE }
}

fn fill(tsdb: &Tsdb, minutes: std::ops::Range<i64>) {
    for minute in minutes {
        append_one(tsdb, &labels(1), START + minute * MINUTE, minute as f64);
        append_one(tsdb, &labels(2), START + minute * MINUTE, 2.0);
    }
}

#[test]
fn deleted_samples_are_gone_for_new_readers_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..10);
    let before = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    let matchers = [Matcher::equal("n", "1")];
    assert_eq!(tsdb.delete(&matchers, minutes(3, 5)).unwrap(), 1);
    assert_eq!(tsdb.delete(&matchers, minutes(8, 500)).unwrap(), 1);
    assert_eq!(tsdb.delete(&matchers, minutes(40, 50)).unwrap(), 0, "nothing is there yet");
    assert_eq!(tsdb.delete(&[Matcher::equal("n", "7")], TimeRange::ALL).unwrap(), 0);
    // What comes after a deletion is not deleted, although the interval that was asked for went further.
    fill(&tsdb, 10..12);
    let want = [0, 1, 2, 6, 7, 10, 11];
    let check = |tsdb: &Tsdb| {
        assert_eq!(times(tsdb, 1), want);
        assert_eq!(times(tsdb, 2).len(), 12);
    };
    check(&tsdb);
    let mut out = SampleColumns::default();
    before.read(0, TimeRange::ALL, &mut out).unwrap();
    assert_eq!(out.len(), 10, "a selection stays what it was");
    tsdb.close().unwrap();
    assert!(tsdb.delete(&matchers, TimeRange::ALL).is_err(), "closed");
    check(&Tsdb::open(dir.path(), small(), START).unwrap());
}

#[test]
fn deletions_outlive_checkpoints_and_end_with_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Tsdb::open(dir.path(), small(), START).unwrap();
    let tsdb = open();
    fill(&tsdb, 0..60);
    tsdb.delete(&[Matcher::equal("n", "1")], minutes(10, 49)).unwrap();
    for hour in 1..10 {
        fill(&tsdb, hour * 60..hour * 60 + 60);
        tsdb.maintain(START + hour);
    }
    assert!(tsdb.stats().checkpoints > 0, "{:?}", tsdb.stats());
    assert_eq!(times(&tsdb, 1).len(), 560);
    tsdb.close().unwrap();
    let tsdb = open();
    assert_eq!(times(&tsdb, 1).len(), 560);
    for hour in 10..20 {
        fill(&tsdb, hour * 60..hour * 60 + 60);
        tsdb.maintain(START + hour);
    }
    assert_eq!(tsdb.stats().n_deleted_intervals, 0);
}

/// Prometheus may have written these; the log may name a series by two references.
#[test]
fn tombstones_of_others_are_honoured() {
    use crate::record::{SamplesWriter, SeriesWriter, TombstonesWriter};

    let dir = tempfile::tempdir().unwrap();
    let wal = crate::wal::Wal::open(&dir.path().join("wal"), crate::wal::WalOptions::default()).unwrap();
    let mut records = [const { Vec::new() }; 4];
    SeriesWriter::new(&mut records[0]).push(5, labels(1).iter());
    SeriesWriter::new(&mut records[1]).push(9, labels(1).iter());
    let mut samples = SamplesWriter::new(&mut records[2]);
    (0..6).for_each(|minute| samples.push(if minute < 3 { 5 } else { 9 }, START + minute * MINUTE, 1.0));
    let mut tombstones = TombstonesWriter::new(&mut records[3]);
    tombstones.push(5, START + MINUTE, START + MINUTE);
    tombstones.push(9, START + 4 * MINUTE, START + 4 * MINUTE);
    tombstones.push(77, START, START);
    wal.log(&records.each_ref().map(Vec::as_slice), Acknowledge::Written).unwrap();
    wal.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(times(&tsdb, 1), [0, 2, 3, 5]);
    assert_eq!(tsdb.resolve(&labels(3)).unwrap().get(), 78, "references go on above those of tombstones");
}

/// The log says that a series left the head; what follows under the same labels begins anew, deletions included.
#[test]
fn a_series_that_comes_back_after_it_was_dropped_is_a_fresh_one() {
    use crate::record::{SamplesWriter, SeriesWriter, TombstonesWriter};

    let dir = tempfile::tempdir().unwrap();
    let wal = crate::wal::Wal::open(&dir.path().join("wal"), crate::wal::WalOptions::default()).unwrap();
    let mut records = [const { Vec::new() }; 6];
    let mut series = SeriesWriter::new(&mut records[0]);
    series.push(5, labels(1).iter());
    series.push(6, labels(2).iter());
    let mut samples = SamplesWriter::new(&mut records[1]);
    for minute in 0..4 {
        [5, 6].into_iter().for_each(|series| samples.push(series, START + minute * MINUTE, 1.0));
    }
    let mut dropped = TombstonesWriter::new(&mut records[2]);
    [5, 6].into_iter().for_each(|series| dropped.push(series, i64::MIN, i64::MAX));
    SeriesWriter::new(&mut records[3]).push(9, labels(1).iter());
    let mut samples = SamplesWriter::new(&mut records[4]);
    [2, 4, 5].into_iter().for_each(|minute| samples.push(9, START + minute * MINUTE, 2.0));
    TombstonesWriter::new(&mut records[5]).push(9, START + 4 * MINUTE, START + 4 * MINUTE);
    wal.log(&records.each_ref().map(Vec::as_slice), Acknowledge::Written).unwrap();
    wal.close().unwrap();
    let mut tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    for _ in 0..2 {
        assert_eq!((times(&tsdb, 1), times(&tsdb, 2)), (vec![2, 5], vec![]));
        assert_eq!(tsdb.stats().n_series, 1);
        assert_eq!(
            tsdb.resolve(&labels(1)).unwrap().get(),
            9,
            "the old reference is not known to Prometheus"
        );
        tsdb.close().unwrap();
        tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    }
    assert_eq!(tsdb.resolve(&labels(2)).unwrap().get(), 10);
}
