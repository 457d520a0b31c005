//! Damage costs what is damaged, and the start succeeds.

use super::*;
use crate::disk::OsDisk;
use crate::disk::fault::{Rng, flip_bit};
use crate::wal::Segments;

/// Without a snapshot, which would spare the start the damage.
fn small() -> TsdbOptions {
    TsdbOptions { head_snapshot: false, ..super::small() }
}

/// Twelve series, a sample a minute, for some hours.
fn filled(dir: &Path, hours: i64) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let tsdb = Tsdb::open(dir, small(), START).unwrap();
    fill(&tsdb, 0..hours * 60);
    let all = dump(&*tsdb, &[], TimeRange::ALL);
    tsdb.close().unwrap();
    all
}

fn fill(tsdb: &Tsdb, minutes: std::ops::Range<i64>) {
    let mut batch = WriteBatch::default();
    for minute in minutes {
        let time = START + minute * MINUTE;
        batch.clear();
        for n in 0..12 {
            batch.push(tsdb.resolve(&labels(n)).unwrap(), time, (minute * (n as i64 + 1)) as f64 * 0.1);
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
        tsdb.maintain(time);
    }
}

#[test]
fn damaged_head_chunks_come_back_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    // No truncation yet: the log has everything.
    let want = filled(dir.path(), 3);
    let path = dir.path().join("chunks_head/000001");
    let mut rng = Rng::new(1);
    for _ in 0..3 {
        flip_bit(&path, 8, &mut rng).unwrap().unwrap();
    }
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert!(tsdb.stats().head_chunk_corruptions > 0, "{:?}", tsdb.stats());
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL), want);
    // And again, now that what was rebuilt is in files of its own.
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL), want);
}

#[test]
fn a_damaged_log_costs_the_damaged_records_only() {
    let dir = tempfile::tempdir().unwrap();
    let want = filled(dir.path(), 2);
    let path = Segments::list(&OsDisk, &dir.path().join("wal")).unwrap().path(0);
    let len = fs::metadata(&path).unwrap().len();
    // Behind the series, in the middle of the samples.
    let at = usize::try_from(len / 2).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(tsdb.stats().wal_corruptions, 1);
    let got = dump(&*tsdb, &[], TimeRange::ALL);
    let count = |all: &BTreeMap<Labels, Vec<(i64, u64)>>| all.values().map(Vec::len).sum::<usize>();
    assert!(
        count(&got) < count(&want) && count(&got) + 12 * 70 > count(&want),
        "{} {}",
        count(&got),
        count(&want)
    );
    assert!(got.iter().all(|(labels, samples)| samples.iter().all(|sample| want[labels].contains(sample))));
    tsdb.close().unwrap();
    // It is mended: nothing to complain about any more.
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!((tsdb.stats().wal_corruptions, dump(&*tsdb, &[], TimeRange::ALL)), (0, got));
}

#[test]
fn a_damaged_checkpoint_does_not_keep_the_database_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let options = || small();
    // Each start opens a segment: after five of them a truncation has something to make a checkpoint of.
    for round in 0..8 {
        let tsdb = Tsdb::open(dir.path(), options(), START).unwrap();
        fill(&tsdb, round * 60..(round + 1) * 60);
        tsdb.close().unwrap();
    }
    let wal = dir.path().join("wal");
    let segments = Segments::list(&OsDisk, &wal).unwrap();
    let checkpoint = segments.checkpoint_path(segments.newest_checkpoint().expect("one was made"));
    let path = checkpoint.join("00000000");
    flip_bit(&path, 0, &mut Rng::new(3)).unwrap();
    let tsdb = Tsdb::open(dir.path(), options(), START).unwrap();
    assert_eq!(tsdb.stats().wal_corruptions, 1);
    fill(&tsdb, 8 * 60..9 * 60);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), options(), START).unwrap();
    assert_eq!((tsdb.stats().wal_corruptions, tsdb.stats().n_series), (0, 12));
}

#[test]
fn a_missing_segment_does_not_keep_the_database_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1);
    for _ in 0..2 {
        Tsdb::open(dir.path(), small(), START).unwrap().close().unwrap();
    }
    fs::remove_file(dir.path().join("wal/00000001")).unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!((tsdb.stats().wal_corruptions, tsdb.stats().n_series), (1, 12));
}
