//! What happens between appends: series that leave and come back, truncations that fail, closing.

use super::*;

#[test]
fn a_series_that_left_and_came_back_keeps_its_chunks_over_two_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Tsdb::open(dir.path(), small(), START).unwrap();
    let append_hours = |tsdb: &Tsdb, hours: std::ops::Range<i64>| {
        for time in (hours.start * 6..hours.end * 6).map(|tenth| START + tenth * 10 * MINUTE) {
            append_one(tsdb, &labels(1), time, time as f64);
        }
    };
    let tsdb = open();
    let first = tsdb.resolve(&labels(1)).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    append_one(&tsdb, &labels(2), START, 1.0);
    append_one(&tsdb, &labels(2), START + 30 * HOUR, 1.0);
    tsdb.maintain(START);
    assert_ne!(tsdb.resolve(&labels(1)).unwrap(), first, "the series left the head and got a new reference");
    append_hours(&tsdb, 30..33);
    tsdb.close().unwrap();
    // From here on the first reference names the series again: chunks are written under both.
    let tsdb = open();
    append_hours(&tsdb, 33..37);
    tsdb.close().unwrap();
    let tsdb = open();
    let range = TimeRange { start_ms: START + 30 * HOUR, end_ms: i64::MAX };
    let samples = dump(&*tsdb, &[Matcher::equal("n", "1")], range).remove(&labels(1)).unwrap_or_default();
    assert_eq!(samples.len(), 7 * 6, "{samples:?}");
    assert_eq!(tsdb.stats().head_chunk_corruptions, 0);
}

/// As above, but the samples of the first reference are not in any file: the log of Prometheus may say so.
#[test]
fn chunks_of_a_series_that_came_back_follow_the_samples_of_the_log() {
    use crate::chunk::{Encoding, XorState};
    use crate::record::{SamplesWriter, SeriesWriter};

    let dir = tempfile::tempdir().unwrap();
    let wal = crate::wal::Wal::open(&dir.path().join("wal"), crate::wal::WalOptions::default()).unwrap();
    let mut records = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    SeriesWriter::new(&mut records[0]).push(5, labels(1).iter());
    SamplesWriter::new(&mut records[1]).push(5, START, 1.0);
    SeriesWriter::new(&mut records[2]).push(9, labels(1).iter());
    SamplesWriter::new(&mut records[3]).push(9, START + HOUR + 3, 1.0);
    wal.log(&records.each_ref().map(Vec::as_slice), Acknowledge::Written).unwrap();
    wal.close().unwrap();
    let (files, _) =
        crate::head_chunks::HeadChunks::open(&dir.path().join("chunks_head"), &mut |_| ()).unwrap();
    let (mut chunk, mut state) = (Vec::new(), XorState::default());
    [1, 2].into_iter().for_each(|n| state.append(&mut chunk, START + HOUR + n, 1.0));
    files.append(9, START + HOUR + 1, START + HOUR + 2, Encoding::Xor, &chunk).unwrap();
    files.close().unwrap();

    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_one(&tsdb, &labels(1), START + HOUR + 4, 1.0);
    let samples = dump(&*tsdb, &[], TimeRange::ALL).remove(&labels(1)).unwrap();
    let times: Vec<i64> = samples.iter().map(|(time, _)| time - START).collect();
    assert_eq!(times, [0, HOUR + 1, HOUR + 2, HOUR + 3, HOUR + 4]);
}

#[test]
fn queries_go_on_while_the_disk_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FaultyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(faulty.clone());
    let tsdb = Tsdb::open_on(&disk, dir.path(), small(), START, &ReplayProgress::default()).unwrap();
    append_one(&tsdb, &labels(0), START, 1.0);
    let n_created = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let hang = faulty.hang.lock();
    let creator = {
        let (tsdb, n_created) = (Arc::clone(&tsdb), Arc::clone(&n_created));
        // More series records than the queue of the log takes, so that it waits for a write.
        std::thread::spawn(move || {
            for n in 1..200 {
                let long =
                    Labels::from_pairs([("__name__", "long".to_owned()), ("n", format!("{n:050000}"))]);
                tsdb.resolve(&long).unwrap();
                n_created.store(n, Ordering::SeqCst);
            }
        })
    };
    // Two buffers of 1 MiB take about forty of them.
    eventually(|| n_created.load(Ordering::SeqCst) >= 20);
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let reader = {
        let (tsdb, n_created) = (Arc::clone(&tsdb), Arc::clone(&n_created));
        std::thread::spawn(move || {
            // Once nothing moves any more, the creator waits for the disk.
            let seen = std::cell::Cell::new(0);
            eventually(|| seen.replace(n_created.load(Ordering::SeqCst)) == n_created.load(Ordering::SeqCst));
            let found = dump(&*tsdb, &[Matcher::equal("n", "0")], TimeRange::ALL);
            let _ = sender.send(found.len());
        })
    };
    let answer = receiver.recv_timeout(std::time::Duration::from_secs(60));
    drop(hang);
    creator.join().unwrap();
    reader.join().unwrap();
    assert_eq!(answer, Ok(1), "the query waited for the disk");
}

#[test]
fn a_cut_that_fails_is_tried_again_a_minute_later() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    // Nothing can be created where a file stands in the way.
    let chunks = dir.path().join("chunks_head");
    fs::remove_dir(&chunks).unwrap();
    fs::write(&chunks, "").unwrap();
    append_one(&tsdb, &labels(1), START + 5 * HOUR, 1.0);
    (0..50).for_each(|second| tsdb.maintain(START + second * 1000));
    assert_eq!(tsdb.stats().compaction.compactions_failed, 1);
    fs::remove_file(&chunks).unwrap();
    fs::create_dir(&chunks).unwrap();
    tsdb.maintain(START + 61_000);
    assert_eq!((tsdb.stats().compaction.compactions_failed, tsdb.stats().truncations), (1, 1));
    assert_eq!(dump(&*tsdb, &[], TimeRange::ALL)[&labels(1)].len(), 2);
}

#[test]
fn upkeep_leaves_a_closed_directory_alone() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    append_one(&tsdb, &labels(1), START + 5 * HOUR, 1.0);
    tsdb.close().unwrap();
    let n_files = || fs::read_dir(dir.path().join("chunks_head")).unwrap().count();
    let n_before = n_files();
    tsdb.maintain(START + 5 * HOUR);
    assert_eq!(n_files(), n_before);
    assert_eq!(tsdb.stats().truncations_failed, 0);
}

#[test]
fn references_that_nobody_gave_out_do_not_spoil_the_next_ones() {
    use crate::record::{SeriesWriter, TombstonesWriter};

    let dir = tempfile::tempdir().unwrap();
    let wal = crate::wal::Wal::open(&dir.path().join("wal"), crate::wal::WalOptions::default()).unwrap();
    let (mut series, mut tombstones) = (Vec::new(), Vec::new());
    let mut writer = SeriesWriter::new(&mut series);
    for (series_ref, n) in [(0, 1), (7, 2), (u64::MAX, 3)] {
        writer.push(series_ref, labels(n).iter());
    }
    TombstonesWriter::new(&mut tombstones).push(u64::MAX, 0, 1);
    wal.log(&[&series, &tombstones], Acknowledge::Written).unwrap();
    wal.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let refs = [1, 2, 3].map(|n| tsdb.resolve(&labels(n)).unwrap().get());
    assert_eq!(refs, [8, 7, 9]);
}

#[test]
fn figures_can_be_asked_for_while_series_are_made() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..5_000 {
                tsdb.resolve(&labels(n)).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        // Locking twice what a writer waits for would never end.
        while !is_over.load(Ordering::Relaxed) {
            assert!(!tsdb.stats().is_stale_cut_due);
        }
    });
    assert_eq!(tsdb.stats().n_series, 5_000);
}
