//! Single claims about out-of-order samples and their log.

use super::*;
use crate::chunk::{Sample, Value};
use crate::record::{Record, decode};
use crate::wal::Reader;

const WINDOW_MS: i64 = 6 * HOUR;

fn open(dir: &Path) -> Arc<Tsdb> {
    Tsdb::open(dir, late_options(WINDOW_MS), START).unwrap()
}

fn samples(tsdb: &Tsdb, n: usize) -> Vec<(i64, u64)> {
    let matchers = [Matcher::equal("n", &n.to_string())];
    dump(tsdb, &matchers, TimeRange::ALL).remove(&labels(n)).unwrap_or_default()
}

/// One sample in order five hours after the start, then `n` late ones, newest first, each in a batch of its own.
fn append_late(tsdb: &Tsdb, series: usize, n: i64) {
    append_one(tsdb, &labels(series), START + 5 * HOUR, 5.0);
    for at in (0..n).rev() {
        let outcome = append_one(tsdb, &labels(series), START + at * MINUTE, at as f64);
        assert_eq!((outcome.n_appended, outcome.rejected.len()), (1, 0));
    }
}

fn want(n: i64) -> Vec<(i64, u64)> {
    let late = (0..n).map(|at| (START + at * MINUTE, (at as f64).to_bits()));
    late.chain([(START + 5 * HOUR, 5f64.to_bits())]).collect()
}

/// Returns how many samples and markers the write-behind log holds.
fn wbl_content(dir: &Path) -> (usize, usize) {
    let mut reader = Reader::open(&dir.join("wbl")).unwrap();
    let (mut n_samples, mut n_markers) = (0, 0);
    while let Some((_, record)) = reader.next_record().unwrap() {
        match decode(record).unwrap() {
            Record::Samples(entries) => n_samples += entries.count(),
            Record::MmapMarkers(entries) => n_markers += entries.count(),
            // What is in blocks.
            Record::Unknown(0xC5) => {}
            other => panic!("{other:?}"),
        }
    }
    (n_samples, n_markers)
}

#[test]
fn the_rules_of_appending_are_those_of_prometheus() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), late_options(0), START).unwrap();
    let check = |window_ms: i64, time: i64, value: f64, want: Option<Rejection>| {
        tsdb.set_out_of_order_window(window_ms).unwrap();
        let series = tsdb.resolve(&labels(1)).unwrap();
        let is_before_window = tsdb.late_from_ms().is_some_and(|late_from_ms| time < late_from_ms);
        let is_too_old = tsdb.is_too_old(series, time);
        assert_eq!(is_too_old, want == Some(Rejection::TooOld), "{window_ms} {time} {value}");
        assert!(is_before_window || !is_too_old);
        let outcome = append_one(&tsdb, &labels(1), time, value);
        assert_eq!(outcome.rejected.first().map(|(_, why)| *why), want, "{window_ms} {time} {value}");
    };
    let newest = START + 5 * HOUR;
    check(0, newest, 1.0, None);
    check(0, newest, 1.0, None);
    check(0, newest, 2.0, Some(Rejection::Duplicate));
    check(WINDOW_MS, newest, 2.0, Some(Rejection::Duplicate));
    check(0, newest - 1, 1.0, Some(Rejection::OutOfOrder));
    check(0, newest - HOUR, 1.0, Some(Rejection::OutOfOrder));
    check(0, newest - HOUR - 1, 1.0, Some(Rejection::OutOfBounds));
    check(WINDOW_MS, newest - 1, 1.0, None);
    check(WINDOW_MS, newest - 1, 2.0, None);
    check(WINDOW_MS, newest - WINDOW_MS, 1.0, None);
    check(WINDOW_MS, newest - WINDOW_MS - 1, 1.0, Some(Rejection::TooOld));
    check(HOUR / 2, newest - HOUR / 2 - 1, 1.0, Some(Rejection::TooOld));
    let stats = tsdb.stats();
    assert_eq!((stats.samples_too_old, stats.samples_out_of_bounds, stats.samples_out_of_order), (2, 1, 2));
    assert_eq!((stats.late_samples_appended, stats.samples_duplicate), (2, 2));
    assert_eq!(samples(&tsdb, 1).len(), 3);
    // A series that has no sample yet is in order only as far back as all are.
    let outcome = append_one(&tsdb, &labels(2), newest - HOUR - 1, 1.0);
    assert_eq!(outcome.rejected, [(0, Rejection::TooOld)]);
    tsdb.set_out_of_order_window(2 * HOUR).unwrap();
    append_one(&tsdb, &labels(2), newest - HOUR - 1, 1.0);
    assert_eq!((samples(&tsdb, 2).len(), tsdb.stats().late_samples_appended), (1, 3));
}

#[test]
fn one_sample_from_the_far_future_does_not_move_the_window() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { max_future_ms: Some(10 * MINUTE), ..late_options(HOUR) };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    let rejected = |time: i64| append_one(&tsdb, &labels(1), time, 1.0).rejected;
    assert_eq!(rejected(START + 9 * MINUTE), []);
    assert_eq!(rejected(START + 365 * 24 * HOUR), [(0, Rejection::OutOfBounds)]);
    assert_eq!(rejected(START + 12 * MINUTE), [(0, Rejection::OutOfBounds)]);
    tsdb.maintain(START + 5 * MINUTE);
    assert_eq!(rejected(START + 12 * MINUTE), []);
    assert_eq!(
        (tsdb.stats().max_time_ms, tsdb.stats().samples_out_of_bounds),
        (Some(START + 12 * MINUTE), 2)
    );
}

#[test]
fn late_histograms_are_kept_beside_late_floats() {
    use wf_model::Histogram;
    use wf_series::HistogramValue;

    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_one(&tsdb, &labels(1), START + 5 * HOUR, 5.0);
    let series = tsdb.resolve(&labels(1)).unwrap();
    // Integer and float histograms and floats by turns, newest first; counts fall, so that each could be a reset.
    let histogram =
        |at: i64| Histogram { sum: at as f64, ..crate::tsdb::tests::samples::counter(&[1, at as u64, 3]) };
    for at in (1..100i64).rev() {
        let mut batch = WriteBatch::default();
        let time = START + at * MINUTE;
        match at / 20 % 3 {
            0 => batch.push_histogram(series, time, HistogramValue::Integer(Arc::new(histogram(at)))),
            1 => {
                let value = HistogramValue::Float(Arc::new(histogram(at).to_float()));
                batch.push_histogram(series, time, value);
            }
            _ => batch.push(series, time, at as f64),
        }
        let outcome = tsdb.append(&batch, Acknowledge::Written).unwrap();
        assert_eq!(outcome.n_histograms + outcome.n_appended, 1, "{outcome:?}");
    }
    let stats = tsdb.stats();
    assert_eq!((stats.late_histograms_appended, stats.late_samples_appended), (79, 20));
    let check = |tsdb: &Tsdb| {
        let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
        let mut out = SampleColumns::default();
        selection.read(0, TimeRange::ALL, &mut out).unwrap();
        assert!(out.times_ms.iter().copied().eq((1..100).chain([300]).map(|at| START + at * MINUTE)));
        assert_eq!(out.histograms.len(), 79);
        for (position, found) in &out.histograms {
            let want = histogram(*position as i64 + 1).to_float();
            assert_eq!((found.sum, found.count), (want.sum, want.count));
            assert_eq!(found.positive_buckets, want.positive_buckets);
        }
    };
    check(&tsdb);
    tsdb.close().unwrap();
    let tsdb = open(dir.path());
    check(&tsdb);
    tsdb.close().unwrap();
    fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    let tsdb = open(dir.path());
    check(&tsdb);
    // On their way to a block they stay what they are.
    let cut = tsdb.head.begin_late_cut().unwrap().unwrap();
    let samples = tsdb.head.read_late(&cut, 0, TimeRange::ALL);
    let is_integer = |sample: &&Sample| matches!(&sample.value, Value::Histogram(HistogramValue::Integer(_)));
    assert_eq!((samples.len(), samples.iter().filter(is_integer).count()), (99, 39));
}

#[test]
fn late_samples_keep_their_start_timestamps() {
    use crate::tsdb::tests::samples::{counter, integer};

    let dir = tempfile::tempdir().unwrap();
    let options = || TsdbOptions { xor2: true, start_timestamps: true, ..late_options(WINDOW_MS) };
    let open = || Tsdb::open(dir.path(), options(), START).unwrap();
    let tsdb = open();
    let refs = [1, 2].map(|n| tsdb.resolve(&labels(n)).unwrap());
    let start = |at: i64| START - (1 + at / 30) * HOUR;
    for at in [0, 300].into_iter().chain((1..100).rev()) {
        let mut batch = WriteBatch::default();
        let time = START + at * MINUTE;
        batch.push_started(refs[0], time, start(at), at as f64);
        batch.push_histogram(refs[1], time, integer(counter(&[at as u64])));
        batch.histograms[0].start_time_ms = start(at);
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
    let want: Vec<i64> = (0..100).chain([300]).map(start).collect();
    let check = |tsdb: &Tsdb| {
        for n in ["1", "2"] {
            let matchers = [Matcher::equal("n", n)];
            let selection =
                tsdb.select(&SelectRequest { matchers: &matchers, range: TimeRange::ALL }).unwrap();
            let mut out = SampleColumns::default();
            selection.read(0, TimeRange::ALL, &mut out).unwrap();
            assert_eq!((out.len(), &out.start_times_ms), (101, &want), "series {n}");
        }
    };
    check(&tsdb);
    tsdb.close().unwrap();
    let tsdb = open();
    check(&tsdb);
    tsdb.close().unwrap();
    fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    let tsdb = open();
    check(&tsdb);
    tsdb.maintain(START + 5 * HOUR);
    assert!(tsdb.stats().compaction.n_blocks > 0);
    check(&tsdb);
}

#[test]
fn what_a_cut_could_not_finish_the_next_one_finishes() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FaultyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(faults.clone());
    let options = late_options(WINDOW_MS);
    let tsdb = Tsdb::open_on(&disk, dir.path(), options, START, &ReplayProgress::default()).unwrap();
    append_late(&tsdb, 1, 50);
    let cut = tsdb.head.begin_late_cut().unwrap().unwrap();
    faults.fail_removals.store(1, Ordering::SeqCst);
    tsdb.head.finish_late_cut(cut).unwrap_err();
    assert_eq!(wbl_content(dir.path()).0, 50, "its segments could not be removed");
    assert!(tsdb.head.begin_late_cut().unwrap().is_none(), "no late sample is left");
    assert_eq!(wbl_content(dir.path()).0, 0);
}

#[test]
fn without_late_samples_there_is_no_log_and_no_memory_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), late_options(0), START).unwrap();
    append_one(&tsdb, &labels(1), START, 1.0);
    assert!(!tsdb.head.has_late_samples() && !dir.path().join("wbl").exists());
    tsdb.set_out_of_order_window(HOUR).unwrap();
    assert!(dir.path().join("wbl").exists());
}

#[test]
fn thirty_two_late_samples_become_a_chunk_and_a_marker() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_late(&tsdb, 1, 100);
    assert_eq!(samples(&tsdb, 1), want(100));
    assert_eq!(wbl_content(dir.path()), (100, 3));
    tsdb.close().unwrap();
    assert_eq!(samples(&open(dir.path()), 1), want(100));
    // Without the chunks their markers count for nothing: the log has the samples.
    fs::remove_dir_all(dir.path().join("chunks_head")).unwrap();
    assert_eq!(samples(&open(dir.path()), 1), want(100));
}

#[test]
fn a_torn_log_loses_its_end_only() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_late(&tsdb, 1, 20);
    tsdb.close().unwrap();
    let segment = dir.path().join("wbl/00000000");
    let bytes = fs::read(&segment).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&segment, &bytes[..written - 3]).unwrap();
    let tsdb = open(dir.path());
    assert_eq!((samples(&tsdb, 1), tsdb.stats().wbl_corruptions), (want(20)[1..].to_vec(), 1));
    append_one(&tsdb, &labels(1), START, 0.0);
    tsdb.close().unwrap();
    let tsdb = open(dir.path());
    assert_eq!((samples(&tsdb, 1), tsdb.stats().wbl_corruptions), (want(20), 0));
}

#[test]
fn leftovers_are_read_although_the_window_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_late(&tsdb, 1, 50);
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), late_options(0), START).unwrap();
    assert_eq!(samples(&tsdb, 1), want(50));
    let outcome = append_one(&tsdb, &labels(1), START - MINUTE, 1.0);
    assert_eq!(outcome.rejected, [(0, Rejection::OutOfBounds)]);
}

#[test]
fn a_cut_takes_all_late_samples_and_shortens_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_late(&tsdb, 1, 100);
    append_late(&tsdb, 2, 10);
    let deleted = TimeRange { start_ms: START + 5 * MINUTE, end_ms: START + 9 * MINUTE };
    tsdb.delete(&[Matcher::equal("n", "2")], deleted).unwrap();
    let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    let cut = tsdb.head.begin_late_cut().unwrap().unwrap();
    assert_eq!((cut.ids().len(), cut.range.start_ms, cut.range.end_ms), (2, START, START + 99 * MINUTE));
    // What comes now is for the next cut.
    append_one(&tsdb, &labels(1), START + 3 * HOUR, 3.0);
    let times = |at, range| -> Vec<i64> {
        tsdb.head.read_late(&cut, at, range).iter().map(|sample| sample.time_ms).collect()
    };
    assert!(times(0, TimeRange::ALL).into_iter().eq((0..100).map(|at| START + at * MINUTE)));
    let from_two = TimeRange { start_ms: START + 2 * MINUTE, end_ms: i64::MAX };
    assert_eq!(times(1, from_two), [2, 3, 4].map(|at| START + at * MINUTE));
    assert_eq!((samples(&tsdb, 1).len(), wbl_content(dir.path()).0), (102, 111), "nothing is gone yet");
    assert_eq!(tsdb.head.finish_late_cut(cut).unwrap(), 5);
    let rest = [(START + 3 * HOUR, 3f64.to_bits()), (START + 5 * HOUR, 5f64.to_bits())];
    assert_eq!((samples(&tsdb, 1), samples(&tsdb, 2).len()), (rest.to_vec(), 1));
    assert_eq!(wbl_content(dir.path()).0, 1);
    let mut out = SampleColumns::default();
    selection.read(0, TimeRange::ALL, &mut out).unwrap();
    assert_eq!(out.len(), 101, "a selection keeps what it took along");
    assert_eq!(tsdb.head.begin_late_cut().unwrap().map(|cut| cut.range.start_ms), Some(START + 3 * HOUR));
}

#[test]
fn a_cut_that_a_crash_ended_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    append_late(&tsdb, 1, 70);
    let cut = tsdb.head.begin_late_cut().unwrap().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), crashed.path());
    let after = open(crashed.path());
    assert_eq!(samples(&after, 1), want(70));
    let again = after.head.begin_late_cut().unwrap().unwrap();
    let (first, second) =
        (tsdb.head.read_late(&cut, 0, TimeRange::ALL), after.head.read_late(&again, 0, TimeRange::ALL));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
}

#[test]
fn late_samples_survive_truncations_of_what_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let options = late_options(WINDOW_MS);
    let tsdb = Tsdb::open(dir.path(), options.clone(), START).unwrap();
    append_late(&tsdb, 1, 40);
    for hour in 6..30 {
        append_one(&tsdb, &labels(2), START + hour * HOUR, 1.0);
        tsdb.maintain(START + hour * HOUR);
    }
    assert!(tsdb.stats().truncations > 5 && tsdb.stats().checkpoints > 2, "{:?}", tsdb.stats());
    assert_eq!(samples(&tsdb, 1)[..40], want(40)[..40], "until they are in blocks");
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    assert_eq!(samples(&tsdb, 1)[..40], want(40)[..40]);
}

#[test]
fn a_full_disk_refuses_late_batches_and_loses_none_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let faults = FaultyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(faults.clone());
    let options = late_options(WINDOW_MS);
    let tsdb = Tsdb::open_on(&disk, dir.path(), options, START, &ReplayProgress::default()).unwrap();
    append_late(&tsdb, 1, 40);
    let mut batch = WriteBatch::default();
    batch.push(tsdb.resolve(&labels(1)).unwrap(), START + 3 * HOUR, 3.0);
    faults.room.store(0, Ordering::SeqCst);
    for _ in 0..3 {
        assert!(tsdb.append(&batch, Acknowledge::Written).is_err());
        assert_eq!(samples(&tsdb, 1), want(40), "what is not written is not seen");
    }
    faults.room.store(u64::MAX, Ordering::SeqCst);
    eventually(|| tsdb.append(&batch, Acknowledge::Written).is_ok());
    assert_eq!(samples(&tsdb, 1).len(), 42);
    tsdb.close().unwrap();
    assert_eq!(samples(&open(dir.path()), 1).len(), 42);
}

#[test]
fn a_reader_never_sees_half_a_late_batch() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    let refs: Vec<SeriesRef> = (0..200).map(|n| tsdb.resolve(&labels(n)).unwrap()).collect();
    append_one(&tsdb, &labels(999), START + 5 * HOUR, 1.0);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..150 {
                let mut batch = WriteBatch::default();
                let time = START + (round * 7919 % 10_000) * 1000;
                refs.iter().for_each(|series| batch.push(*series, time, 1.0));
                let acknowledge = if round % 3 == 0 { Acknowledge::Written } else { Acknowledge::Queued };
                tsdb.append(&batch, acknowledge).unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            let all = dump(&*tsdb, &[Matcher::equal("job", "test")], TimeRange::ALL);
            let lens: Vec<usize> = all
                .iter()
                .filter(|(l, _)| l.get("n") != Some("999"))
                .map(|(_, samples)| samples.len())
                .collect();
            assert!(lens.iter().all(|len| *len == lens[0]), "half a batch: {lens:?}");
        }
    });
}

/// Their head-chunk file stays after the cut, because of what else is in it.
#[test]
fn late_samples_that_were_deleted_from_their_block_stay_deleted() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("0");
    let tsdb = open(&dir);
    append_one(&tsdb, &labels(1), START, 0.0);
    append_one(&tsdb, &labels(2), START, 0.0);
    append_late(&tsdb, 1, 40);
    append_late(&tsdb, 2, 40);
    tsdb.maintain(START + MINUTE);
    let blocks = tsdb.life.blocks.list();
    assert!(
        blocks.iter().any(|block| block.meta().compaction.hints.contains(&"from-out-of-order".to_owned())),
        "{blocks:?}"
    );
    let minutes = TimeRange { start_ms: START + 5 * MINUTE, end_ms: START + 25 * MINUTE };
    tsdb.delete(&[Matcher::equal("n", "1")], minutes).unwrap();
    // Late ones that came after the cut are still in the head only, some of them in chunks.
    for minute in (60..120).rev() {
        append_one(&tsdb, &labels(3), START + 5 * HOUR, 5.0);
        append_one(&tsdb, &labels(3), START + minute * MINUTE, minute as f64);
    }
    let check = |tsdb: &Tsdb, what: &str| {
        let left: Vec<i64> = samples(tsdb, 1).iter().map(|(time, _)| (time - START) / MINUTE).collect();
        assert!(left.iter().copied().eq((0..5).chain(26..40).chain([300])), "{what}: {left:?}");
        assert_eq!((samples(tsdb, 2).len(), samples(tsdb, 3).len()), (41, 61), "{what}");
    };
    check(&tsdb, "before");
    let crashed = root.path().join("1");
    copy_dir(&dir, &crashed);
    check(&open(&crashed), "after a crash");
    let mut tsdb = tsdb;
    for _ in 0..2 {
        tsdb.close().unwrap();
        tsdb = open(&dir);
        check(&tsdb, "after a restart");
        tsdb.maintain(START + HOUR);
        check(&tsdb, "after maintenance");
    }
}

/// Late blocks reach further than the head was cut. Merged with blocks in order they would hide that the head still
/// holds the rest of their range.
#[test]
fn compaction_leaves_late_blocks_alone_that_the_head_has_not_reached() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = open(dir.path());
    // Aligned to the next range of blocks.
    let start = START + 2 * HOUR;
    assert_eq!(start % (6 * HOUR), 0);
    for at in 0..=42 {
        append_one(&tsdb, &labels(1), start + at * 10 * MINUTE, at as f64);
    }
    append_one(&tsdb, &labels(2), start + 7 * HOUR, 7.0);
    for late in [start + 5 * HOUR, start + 13 * HOUR / 2] {
        append_one(&tsdb, &labels(2), late, 5.0);
    }
    tsdb.maintain(start + MINUTE);
    assert_eq!(tsdb.life.blocks.min_valid(), Some(start + 4 * HOUR));
    tsdb.compact(start + MINUTE);
    assert_eq!(tsdb.life.blocks.min_valid(), Some(start + 4 * HOUR));
    tsdb.close().unwrap();
    let tsdb = open(dir.path());
    assert_eq!((samples(&tsdb, 1).len(), samples(&tsdb, 2).len()), (43, 3));
}
