//! The life of data: head to blocks, blocks to larger ones, old ones away, with crashes in between.

use super::*;
use crate::FsyncPolicy;
use crate::disk::fault::{Fault, FaultDisk, Plan, Survival};
use crate::retention::Retention;

/// Samples of a series by time: steady, with a gap, and not always changing.
fn value_at(n: usize, time: i64) -> f64 {
    let minute = (time - START) / MINUTE;
    if n.is_multiple_of(2) { n as f64 } else { (minute / 3) as f64 * 0.7 + n as f64 }
}

/// Appends a sample a minute to series `0..n_series`, from one hour to another.
fn append_hours(tsdb: &Tsdb, n_series: usize, hours: std::ops::Range<i64>) {
    let refs: Vec<SeriesRef> = (0..n_series).map(|n| tsdb.resolve(&labels(n)).unwrap()).collect();
    for minute in hours.start * 60..hours.end * 60 {
        let time = START + minute * MINUTE;
        let mut batch = WriteBatch::default();
        for (n, series) in refs.iter().enumerate() {
            batch.push(*series, time, value_at(n, time));
        }
        tsdb.append(&batch, Acknowledge::Written).unwrap();
    }
}

/// What [`append_hours`] stored.
fn appended(n_series: usize, hours: std::ops::Range<i64>) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    let minutes = || hours.start * 60..hours.end * 60;
    let of = |n: usize| {
        minutes().map(|minute| START + minute * MINUTE).map(|t| (t, value_at(n, t).to_bits())).collect()
    };
    (0..n_series).map(|n| (labels(n), of(n))).collect()
}

fn all(tsdb: &Tsdb) -> BTreeMap<Labels, Vec<(i64, u64)>> {
    dump(tsdb, &[], TimeRange::ALL)
}

/// Compares without printing thousands of samples.
fn assert_same(
    got: &BTreeMap<Labels, Vec<(i64, u64)>>,
    want: &BTreeMap<Labels, Vec<(i64, u64)>>,
    when: &str,
) {
    assert!(got.keys().eq(want.keys()), "{when}: {:?}, not {:?}", got.keys(), want.keys());
    for ((labels, got), want) in got.iter().zip(want.values()) {
        let hour = |sample: Option<&(i64, u64)>| sample.map(|(time, _)| (time - START) as f64 / HOUR as f64);
        let differs =
            got.iter().zip(want).position(|(got, want)| got != want).unwrap_or(got.len().min(want.len()));
        assert!(
            got == want,
            "{when}: {labels} has {} samples, not {}; first difference: hour {:?}, not {:?}",
            got.len(),
            want.len(),
            hour(got.get(differs)),
            hour(want.get(differs))
        );
    }
}

fn block_dirs(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with('0')).collect();
    names.sort();
    names
}

fn spans_h(tsdb: &Tsdb) -> Vec<(i64, i64)> {
    let list = tsdb.life.blocks.list();
    list.iter().map(|b| ((b.meta().min_time - START) / HOUR, (b.meta().max_time - START) / HOUR)).collect()
}

#[test]
fn the_head_is_cut_into_blocks_and_nothing_changes_for_readers() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 5, 0..9);
    tsdb.maintain(START + 9 * HOUR);
    assert_same(&all(&tsdb), &appended(5, 0..9), "here");
    assert_eq!(spans_h(&tsdb), [(0, 2), (2, 4), (4, 6)]);
    let stats = tsdb.stats();
    assert_eq!((stats.compaction.n_blocks, stats.compaction.compactions, stats.truncations), (3, 3, 3));
    assert_eq!(stats.min_time_ms, Some(START + 6 * HOUR));
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_same(&all(&tsdb), &appended(5, 0..9), "here");
    assert_eq!(
        tsdb.stats().min_time_ms,
        Some(START + 6 * HOUR),
        "what is in blocks is not read into the head"
    );
}

#[test]
fn chunks_are_copied_into_the_block() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 3, 0..4);
    let n_chunks = tsdb.stats().n_chunks;
    tsdb.maintain(START + 4 * HOUR);
    let meta = tsdb.life.blocks.list()[0].meta();
    assert_eq!((meta.stats.n_series, meta.stats.n_samples, meta.stats.n_chunks), (3, 360, 3));
    assert_eq!((n_chunks, tsdb.stats().n_chunks), (6, 3));
    assert_eq!((meta.min_time, meta.max_time), (START, START + 2 * HOUR));
    assert_eq!((meta.compaction.level, &meta.compaction.sources), (1, &vec![meta.ulid]));
    assert_eq!(meta.compaction.parents, []);
}

#[test]
fn a_crash_between_block_and_truncation_shows_each_sample_once() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 5, 0..4);
    // Somebody reads: the truncation waits.
    let selection = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    tsdb.maintain(START + 4 * HOUR);
    assert_eq!((tsdb.stats().compaction.n_blocks, tsdb.stats().truncations), (1, 0));
    assert_same(&all(&tsdb), &appended(5, 0..4), "here");
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    let crashed = Tsdb::open(copy.path(), small(), START).unwrap();
    assert_same(&all(&crashed), &appended(5, 0..4), "here");
    assert_eq!(crashed.stats().min_time_ms, Some(START + 2 * HOUR));
    let mut out = SampleColumns::default();
    selection.read(0, TimeRange::ALL, &mut out).unwrap();
    assert_eq!(out.len(), 240);
}

#[test]
fn blocks_are_compacted_level_by_level() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 7, 0..40);
    tsdb.maintain(START + 40 * HOUR);
    let held = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    tsdb.compact(START + 40 * HOUR);
    assert_same(&all(&tsdb), &appended(7, 0..40), "here");
    let list = tsdb.life.blocks.list();
    let longest = list.iter().max_by_key(|block| block.meta().max_time - block.meta().min_time).unwrap();
    assert_eq!(longest.meta().max_time - longest.meta().min_time, 18 * HOUR, "{:?}", spans_h(&tsdb));
    assert_eq!((longest.meta().compaction.level, longest.meta().compaction.sources.len()), (3, 9));
    // 18 h are 1,080 samples a series: three chunks of at most 480, not nine.
    assert_eq!(longest.meta().stats.n_chunks, 7 * 3);
    assert_eq!(block_dirs(dir.path()).len(), list.len(), "parents are gone");
    // Who selected before still reads the blocks that are gone.
    let mut out = SampleColumns::default();
    for idx in 0..held.len() {
        held.read(idx, TimeRange::ALL, &mut out).unwrap();
        assert_eq!(out.len(), 40 * 60);
    }
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_same(&all(&tsdb), &appended(7, 0..40), "here");
}

#[test]
fn paused_compaction_leaves_blocks_alone_and_cutting_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    tsdb.pause_compaction(true);
    append_hours(&tsdb, 2, 0..12);
    tsdb.maintain(START + 12 * HOUR);
    let cut = spans_h(&tsdb);
    assert!(cut.len() > 3, "{cut:?}");
    tsdb.compact(START);
    assert_eq!(spans_h(&tsdb), cut);
    tsdb.pause_compaction(false);
    tsdb.compact(START);
    assert!(spans_h(&tsdb).len() < cut.len(), "{:?}", spans_h(&tsdb));
}

#[test]
fn overlapping_blocks_become_one_without_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    for (dir, hours) in [(&dir, 0..8), (&other, 3..12)] {
        let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
        append_hours(&tsdb, 4, hours);
        tsdb.maintain(START);
        tsdb.close().unwrap();
    }
    for name in block_dirs(other.path()) {
        copy_dir(&other.path().join(&name), &dir.path().join(&name));
    }
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    // Blocks of the other database reach up to hour 10: the head's samples from hour 6 on are older, as in Prometheus.
    let got = dump(&*tsdb, &[], TimeRange { start_ms: START, end_ms: START + 6 * HOUR - 1 });
    assert_same(&got, &appended(4, 0..6), "here");
    tsdb.compact(START);
    let again = dump(&*tsdb, &[], TimeRange { start_ms: START, end_ms: START + 6 * HOUR - 1 });
    assert_same(&again, &got, "compacted");
    assert!(tsdb.stats().compaction.vertical_compactions > 0);
    assert!(spans_h(&tsdb).windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", spans_h(&tsdb));
}

#[test]
fn blocks_older_than_the_retention_go() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { time_ms: Some(6 * HOUR), ..Retention::default() };
    let options = TsdbOptions { retention, ..small() };
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    append_hours(&tsdb, 2, 0..15);
    tsdb.maintain(START + 15 * HOUR);
    assert_eq!(spans_h(&tsdb), [(6, 8), (8, 10), (10, 12)]);
    assert_same(&all(&tsdb), &appended(2, 6..15), "here");
    tsdb.set_retention(Retention { bytes: Some(1), ..Retention::default() });
    tsdb.maintain(START + 15 * HOUR + 2 * MINUTE);
    assert_same(&all(&tsdb), &appended(2, 12..15), "here");
    let stats = tsdb.stats().compaction;
    assert_eq!((stats.time_retentions, stats.size_retentions, stats.n_blocks), (1, 1, 0));
}

#[test]
fn blocks_come_and_go_with_their_directories() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 2, 0..6);
    tsdb.maintain(START);
    let name = tsdb.life.blocks.list()[0].meta().ulid.to_string();
    let away = tempfile::tempdir().unwrap();
    fs::rename(dir.path().join(&name), away.path().join(&name)).unwrap();
    tsdb.maintain(START + 2 * MINUTE);
    assert_same(&all(&tsdb), &appended(2, 2..6), "here");
    fs::rename(away.path().join(&name), dir.path().join(&name)).unwrap();
    tsdb.maintain(START + 4 * MINUTE);
    assert_same(&all(&tsdb), &appended(2, 0..6), "here");
}

#[test]
fn a_block_that_cannot_be_read_is_set_aside_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 2, 0..8);
    tsdb.maintain(START);
    tsdb.close().unwrap();
    let names: Vec<String> =
        tsdb.life.blocks.list().iter().map(|block| block.meta().ulid.to_string()).collect();
    fs::write(dir.path().join(&names[0]).join("meta.json"), "{").unwrap();
    let index = dir.path().join(&names[1]).join("index");
    let bytes = fs::read(&index).unwrap();
    fs::write(&index, &bytes[..bytes.len() / 2]).unwrap();
    fs::create_dir(dir.path().join("01ARZ3NDEKTSV4RRFFQ69G5FAV.tmp-for-creation")).unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_same(&all(&tsdb), &appended(2, 4..8), "here");
    assert_eq!((tsdb.stats().compaction.n_set_aside, tsdb.stats().compaction.n_blocks), (2, 1));
    assert_eq!(block_dirs(dir.path()).len(), 3, "what is set aside stays, what is unfinished goes");
}

/// Runs a database whose every append is synced, and cuts the power at operation `at`; the samples must be there.
fn power_cut_at(at: u64, survival: Survival) -> Option<u64> {
    let root = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(root.path()).unwrap();
    let options = || TsdbOptions { fsync: FsyncPolicy::Always, ..small() };
    let shared = disk.shared();
    let tsdb = Tsdb::open_on(&shared, root.path(), options(), START, &ReplayProgress::default()).unwrap();
    append_hours(&tsdb, 3, 0..10);
    let first = disk.n_ops();
    disk.set_plan((at > 0).then(|| Plan { at: first + at - 1, n_times: u64::MAX, fault: Fault::PowerCut }));
    tsdb.maintain(START);
    tsdb.compact(START);
    let n_ops = disk.n_ops() - first;
    let after = tempfile::tempdir().unwrap();
    disk.after_power_cut(after.path(), survival, at).unwrap();
    drop(tsdb);
    let tsdb = Tsdb::open(after.path(), options(), START).unwrap();
    assert_same(
        &all(&tsdb),
        &appended(3, 0..10),
        &format!("power cut at operation {at} of the cut, {survival:?} survives"),
    );
    tsdb.maintain(START);
    tsdb.compact(START);
    assert_same(
        &all(&tsdb),
        &appended(3, 0..10),
        &format!("work goes on after a power cut at operation {at}, {survival:?}"),
    );
    let leftovers = fs::read_dir(after.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(leftovers.into_iter().all(|name| !name.to_string_lossy().contains(".tmp")));
    (at < n_ops).then_some(at + 1)
}

#[test]
fn a_power_cut_at_any_step_of_cut_and_compaction_loses_nothing() {
    let mut at = Some(0);
    while let Some(step) = at {
        let survivals = [Survival::Nothing, Survival::Everything, Survival::Prefix, Survival::Any];
        let survival = survivals[usize::try_from(step).unwrap() % survivals.len()];
        at = power_cut_at(step, survival).map(|next| next + 2);
    }
}

#[test]
fn a_step_that_fails_is_tried_again_and_nothing_is_lost() {
    let mut at = 0;
    loop {
        let root = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(root.path()).unwrap();
        let shared = disk.shared();
        let tsdb = Tsdb::open_on(&shared, root.path(), small(), START, &ReplayProgress::default()).unwrap();
        append_hours(&tsdb, 3, 0..10);
        let first = disk.n_ops();
        let fault = [Fault::NoSpace, Fault::Io, Fault::ShortWrite][usize::try_from(at).unwrap() % 3];
        disk.set_plan(Some(Plan { at: first + at, n_times: 1, fault }));
        tsdb.maintain(START);
        tsdb.compact(START);
        let n_ops = disk.n_ops() - first;
        disk.set_plan(None);
        assert_same(&all(&tsdb), &appended(3, 0..10), &format!("{fault:?} at operation {at}"));
        // The log tries again by a clock of its own.
        let mut minute = 1;
        eventually(|| {
            minute += 1;
            tsdb.maintain(START + minute * MINUTE);
            tsdb.compact(START + minute * MINUTE);
            tsdb.stats().min_time_ms == Some(START + 8 * HOUR)
        });
        assert_same(
            &all(&tsdb),
            &appended(3, 0..10),
            &format!("after {fault:?} at operation {at}: {:?}", disk.injected()),
        );
        let _ = tsdb.close();
        if at >= n_ops {
            break;
        }
        at += 4;
    }
}

#[test]
fn late_samples_become_blocks_and_merge_with_those_of_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { out_of_order_window_ms: 24 * HOUR, ..small() };
    let tsdb = Tsdb::open(dir.path(), options.clone(), START).unwrap();
    append_hours(&tsdb, 2, 6..9);
    append_hours(&tsdb, 3, 1..5);
    let want = || {
        let mut want = appended(3, 1..5);
        for (labels, samples) in appended(2, 6..9) {
            want.entry(labels).or_default().extend(samples);
        }
        want
    };
    assert_same(&all(&tsdb), &want(), "late");
    append_hours(&tsdb, 2, 9..11);
    let want = || {
        let mut want = want();
        appended(2, 9..11)
            .into_iter()
            .for_each(|(labels, samples)| want.entry(labels).or_default().extend(samples));
        want
    };
    tsdb.maintain(START + 10 * HOUR);
    assert_same(&all(&tsdb), &want(), "in blocks");
    assert!(!tsdb.head.has_late_samples());
    let hints = |tsdb: &Tsdb| tsdb.life.blocks.list().iter().filter(|b| b.meta().has_origin_hint()).count();
    assert_eq!((hints(&tsdb), spans_h(&tsdb)), (3, vec![(0, 2), (2, 4), (4, 6), (6, 8)]));
    // They say nothing about how far the head was cut.
    assert_eq!(tsdb.life.blocks.min_valid(), Some(START + 8 * HOUR));
    tsdb.compact(START);
    assert_same(&all(&tsdb), &want(), "compacted");
    tsdb.close().unwrap();
    let tsdb = Tsdb::open(dir.path(), options, START).unwrap();
    assert_same(&all(&tsdb), &want(), "opened again");
}

#[test]
fn deletions_reach_blocks_and_cleaning_removes_the_samples() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 3, 0..9);
    tsdb.maintain(START);
    let range = TimeRange { start_ms: START + HOUR, end_ms: START + 7 * HOUR - 1 };
    assert_eq!(tsdb.delete(&[Matcher::equal("n", "1")], range).unwrap(), 4, "three blocks and the head");
    assert_eq!(tsdb.delete(&[Matcher::equal("n", "7")], range).unwrap(), 0);
    let mut want = appended(3, 0..9);
    let samples = want.get_mut(&labels(1)).unwrap();
    samples.retain(|(time, _)| !range.contains(*time));
    assert_same(&all(&tsdb), &want, "deleted");
    let (before, n_blocks) = (tsdb.stats().compaction.blocks_bytes, tsdb.life.blocks.list().len());
    tsdb.clean_tombstones(START).unwrap();
    let list = tsdb.life.blocks.list();
    assert!(list.iter().all(|block| block.tombstones().is_empty() && block.meta().compaction.level == 1));
    assert_eq!(list.len(), n_blocks);
    assert!(tsdb.stats().compaction.blocks_bytes < before);
    assert_same(&all(&tsdb), &want, "cleaned");
    tsdb.close().unwrap();
    assert_same(&all(&Tsdb::open(dir.path(), small(), START).unwrap()), &want, "opened again");
}

#[test]
fn blocks_that_lost_every_sample_go() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 3, 0..9);
    tsdb.maintain(START);
    let range = TimeRange { start_ms: START + 2 * HOUR, end_ms: START + 4 * HOUR - 1 };
    tsdb.delete(&[], range).unwrap();
    tsdb.compact(START);
    assert_eq!(spans_h(&tsdb), [(0, 2), (4, 6)]);
    let mut want = appended(3, 0..9);
    want.values_mut().for_each(|samples| samples.retain(|(time, _)| !range.contains(*time)));
    assert_same(&all(&tsdb), &want, "compacted");
}

#[test]
fn a_snapshot_is_a_database_with_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    append_hours(&tsdb, 3, 0..9);
    // Somebody reads, so that a range is in a block and in the head.
    let held = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    tsdb.maintain(START);
    drop(held);
    tsdb.delete(&[Matcher::equal("n", "2")], TimeRange::ALL).unwrap();
    let copies = tempfile::tempdir().unwrap();
    let (whole, blocks) = (copies.path().join("whole"), copies.path().join("blocks"));
    tsdb.snapshot(&whole, SnapshotHead::Included, START).unwrap();
    tsdb.snapshot(&blocks, SnapshotHead::Skipped, START).unwrap();
    assert!(tsdb.snapshot(&blocks, SnapshotHead::Skipped, START).is_err(), "it exists");
    tsdb.close().unwrap();
    let open = |dir: &Path| Tsdb::open(dir, small(), START).unwrap();
    assert_same(&all(&open(&whole)), &appended(2, 0..9), "whole");
    drop(dir);
    assert_eq!(spans_h(&open(&whole)), [(0, 2), (2, 8)]);
}

#[test]
fn stale_series_leave_the_head_early_and_come_back_as_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    let options = TsdbOptions { stale_share_max: Some(0.3), ..small() };
    let tsdb = Tsdb::open(dir.path(), options.clone(), START).unwrap();
    append_hours(&tsdb, 4, 1..3);
    let mut want = appended(4, 1..3);
    let mut add = |tsdb: &Tsdb, n: usize, time: i64, value: f64| {
        append_one(tsdb, &labels(n), time, value);
        want.entry(labels(n)).or_default().push((time, value.to_bits()));
        want.clone()
    };
    add(&tsdb, 0, START + 3 * HOUR, wf_model::STALE_NAN);
    let after = add(&tsdb, 1, START + 3 * HOUR, wf_model::STALE_NAN);
    let held = tsdb.select(&SelectRequest { matchers: &[], range: TimeRange::ALL }).unwrap();
    tsdb.maintain(START + 3 * HOUR);
    assert_same(&all(&tsdb), &after, "in blocks and in the head");
    // One of them comes back before the last reader is gone: it stays.
    let after = add(&tsdb, 1, START + 3 * HOUR + MINUTE, 5.0);
    drop(held);
    tsdb.maintain(START + 3 * HOUR + MINUTE);
    assert_same(&all(&tsdb), &after, "in blocks");
    assert_eq!(
        (tsdb.stats().n_series, tsdb.stats().series_removed, tsdb.stats().compaction.n_blocks),
        (3, 1, 2)
    );
    let after = add(&tsdb, 0, START + 3 * HOUR + 2 * MINUTE, 6.0);
    assert_same(&all(&tsdb), &after, "one is back");
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    let crashed = Tsdb::open(copy.path(), options, START).unwrap();
    assert_same(&all(&crashed), &after, "after a crash");
    let selection = crashed.head.select(&SelectRequest { matchers: &[], range: TimeRange::ALL });
    let mut out = SampleColumns::default();
    let n_of = |idx: usize| selection.labels(idx).get("n").unwrap().to_owned();
    let idx = (0..selection.len()).find(|idx| n_of(*idx) == "0").unwrap();
    selection.read(idx, TimeRange::ALL, &mut out).unwrap();
    assert_eq!(out.values, [6.0], "what was dropped did not come back from the log");
    append_hours(&crashed, 2, 4..9);
    crashed.maintain(START + 9 * HOUR);
    crashed.compact(START + 9 * HOUR);
    let mut want = after;
    for (labels, samples) in appended(2, 4..9) {
        want.entry(labels).or_default().extend(samples);
    }
    assert_same(&all(&crashed), &want, "later");
}
