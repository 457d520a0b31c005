//! The head snapshot: a start from it gives what a start from the log gives, or it is not used.

use proptest::prelude::*;

use super::*;
use crate::disk::fault::{Rng, flip_bit};

const NAME: &str = "head_snapshot.wf";

fn fill(tsdb: &Tsdb, minutes: std::ops::Range<i64>) {
    let mut batch = WriteBatch::default();
    for minute in minutes {
        let time = START + minute * MINUTE;
        batch.clear();
        for n in 0..12 {
            let value = if n % 2 == 0 { n as f64 } else { (minute * (n as i64 + 1)) as f64 * 0.1 };
            batch.push(tsdb.resolve(&labels(n)).unwrap(), time, value);
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
        tsdb.maintain(time);
    }
}

/// Opens, and says what is there and how many series came from the snapshot.
fn reopened(dir: &Path) -> (Arc<Tsdb>, u64) {
    let tsdb = Tsdb::open(dir, small(), START).unwrap();
    let n_series = tsdb.stats().snapshot_series;
    (tsdb, n_series)
}

#[test]
fn an_orderly_restart_reads_the_snapshot_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..100);
    tsdb.resolve(&labels(99)).unwrap();
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    let next_ref = tsdb.resolve(&labels(100)).unwrap();
    tsdb.close().unwrap();
    // All that the log holds is before the snapshot: without it nothing would come back.
    for segment in fs::read_dir(dir.path().join("wal")).unwrap() {
        let path = segment.unwrap().path();
        let (len, modified) =
            (fs::metadata(&path).unwrap().len(), fs::metadata(&path).unwrap().modified().unwrap());
        if len > 64 << 10 {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(0).unwrap();
            file.set_len(len).unwrap();
            file.set_modified(modified).unwrap();
        }
    }
    let (tsdb, n_series) = reopened(dir.path());
    assert_eq!((n_series, dump(&*tsdb, &[], TimeRange::ALL)), (14, want));
    assert!(tsdb.resolve(&labels(101)).unwrap() > next_ref, "references are not given out twice");
    // What stood still and what moved both go on.
    fill(&tsdb, 100..300);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    assert!(want.values().all(|samples| samples.len() == 300));
    tsdb.close().unwrap();
    assert_eq!(dump(&*reopened(dir.path()).0, &[], TimeRange::ALL), want);
}

#[test]
fn after_a_crash_the_log_is_read_from_where_the_snapshot_ends() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    // The last snapshot is a few minutes old; since then series came, and chunks were closed and flushed.
    fill(&tsdb, 0..128);
    append_one(&tsdb, &labels(50), START + 128 * MINUTE, 1.0);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    drop(tsdb);
    let (tsdb, n_series) = reopened(dir.path());
    assert_eq!((n_series, dump(&*tsdb, &[], TimeRange::ALL)), (12, want));
}

#[test]
fn another_program_in_the_directory_makes_the_snapshot_void() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..60);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    drop(tsdb);
    fs::write(dir.path().join("lock"), "4711\n").unwrap();
    let (tsdb, n_series) = reopened(dir.path());
    assert_eq!((n_series, dump(&*tsdb, &[], TimeRange::ALL)), (0, want));
    tsdb.close().unwrap();
    // A segment that was written again is another one.
    let newest = crate::wal::Segments::list(&crate::disk::OsDisk, &dir.path().join("wal")).unwrap();
    let path = newest.path(newest.numbers().next_back().unwrap());
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(reopened(dir.path()).1, 0);
}

#[test]
fn a_damaged_snapshot_is_told_and_the_log_read_instead() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..60);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    tsdb.close().unwrap();
    let mut rng = Rng::new(7);
    for _ in 0..20 {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        for segment in fs::read_dir(dir.path().join("wal")).unwrap() {
            let segment = segment.unwrap();
            let modified = segment.metadata().unwrap().modified().unwrap();
            let file =
                fs::OpenOptions::new().write(true).open(copy.path().join("wal").join(segment.file_name()));
            file.unwrap().set_modified(modified).unwrap();
        }
        flip_bit(&copy.path().join(NAME), 0, &mut rng).unwrap();
        let (tsdb, n_series) = reopened(copy.path());
        assert_eq!((tsdb.stats().snapshot_replay_errors, n_series), (1, 0));
        assert_eq!(dump(&*tsdb, &[], TimeRange::ALL), want);
    }
}

#[test]
fn damaged_head_chunks_are_taken_from_the_log_although_there_is_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..170);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    tsdb.close().unwrap();
    flip_bit(&dir.path().join("chunks_head/000001"), 8, &mut Rng::new(1)).unwrap();
    let (tsdb, n_series) = reopened(dir.path());
    assert_eq!((n_series, dump(&*tsdb, &[], TimeRange::ALL)), (0, want));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn hostile_snapshots_end_in_an_error_not_in_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::head_snapshot(&bytes);
    }
}

#[test]
fn deletions_are_in_the_snapshot_too() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    fill(&tsdb, 0..30);
    let matchers = [Matcher::equal("n", "3")];
    let range = TimeRange { start_ms: START + 5 * MINUTE, end_ms: START + 9 * MINUTE };
    assert_eq!(tsdb.head.delete(&matchers, range).unwrap(), 1);
    let want = dump(&*tsdb, &[], TimeRange::ALL);
    assert_eq!(want[&labels(3)].len(), 25);
    tsdb.close().unwrap();
    let (tsdb, n_series) = reopened(dir.path());
    assert_eq!((n_series, dump(&*tsdb, &[], TimeRange::ALL)), (12, want));
}
