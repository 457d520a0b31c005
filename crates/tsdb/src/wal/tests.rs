//! The log as a whole: what was written is read back, whatever fails or is torn off in between.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::disk::OsDisk;
use crate::disk::faulty::FaultyDisk;
use crate::record::{Record, SamplesWriter, SeriesWriter, decode};

mod mend;

fn options() -> WalOptions {
    WalOptions {
        segment_bytes: 4 * 32 * 1024,
        retry_delay: Duration::from_millis(1),
        ..WalOptions::default()
    }
}

fn replay(dir: &Path) -> (Vec<Vec<u8>>, Option<ReadError>) {
    let mut records = Vec::new();
    let mut reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(error) => return (records, Some(error)),
    };
    loop {
        match reader.next_record() {
            Ok(Some((_, record))) => records.push(record.to_vec()),
            Ok(None) => return (records, None),
            Err(error) => return (records, Some(error)),
        }
    }
}

fn replay_all(dir: &Path) -> Vec<Vec<u8>> {
    let (records, error) = replay(dir);
    assert!(error.is_none(), "{error:?}");
    records
}

/// Bytes that compress badly, so that sizes stay what they seem; never empty.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[7]
    };
    std::iter::repeat_with(next).take(len.max(1)).collect()
}

fn write_all(dir: &Path, options: WalOptions, records: &[Vec<u8>]) {
    let wal = Wal::open(dir, options).unwrap();
    for record in records {
        wal.log(&[record], Acknowledge::Queued).unwrap();
    }
    wal.close().unwrap();
}

#[test]
fn records_come_back_in_order_over_pages_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [1, 100, 32_761, 32_762, 65_000, 7, 90_000, 120_000, 1, 32_754];
    let records: Vec<_> = sizes.iter().enumerate().map(|(idx, len)| noise(*len, idx as u64)).collect();
    for compression in [WalCompression::None, WalCompression::Snappy, WalCompression::Zstd] {
        write_all(dir.path(), WalOptions { compression, ..options() }, &records);
    }
    assert_eq!(replay_all(dir.path()), [records.clone(), records.clone(), records].concat());
    let segments = Segments::list(&OsDisk, dir.path()).unwrap();
    assert!(segments.numbers().count() > 9, "three starts and some cuts");
    let sizes: Vec<_> = segments.numbers().map(|n| fs::metadata(segments.path(n)).unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= options().segment_bytes), "{sizes:?}");
}

#[test]
fn compressible_records_are_stored_compressed() {
    for compression in [WalCompression::Snappy, WalCompression::Zstd] {
        let dir = tempfile::tempdir().unwrap();
        let records = vec![vec![7; 50_000], noise(10, 1)];
        write_all(dir.path(), WalOptions { compression, ..options() }, &records);
        assert_eq!(replay_all(dir.path()), records);
        assert!(Segments::list(&OsDisk, dir.path()).unwrap().total_bytes() < 5_000);
    }
}

#[test]
fn a_written_record_is_in_the_file_before_log_returns() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), options()).unwrap();
    for idx in 0..20_u8 {
        let seq = wal.log(&[&[idx + 1], &[idx + 1, 0]], Acknowledge::Written).unwrap();
        assert!(wal.written_up_to() >= seq);
        assert_eq!(replay_all(dir.path()).last().unwrap(), &[idx + 1, 0]);
    }
    assert_eq!((wal.stats().records_written, wal.stats().fsyncs), (40, 0));
}

#[test]
fn queued_records_are_written_without_anybody_waiting() {
    let check = |commit: CommitPolicy, n_records: u64| {
        let dir = tempfile::tempdir().unwrap();
        // Syncs come between the records: they are not told as if something had been written.
        let fsync = FsyncPolicy::IntervalMs(1);
        let wal = Wal::open(dir.path(), WalOptions { commit, fsync, ..options() }).unwrap();
        let (sender, receiver) = std::sync::mpsc::sync_channel(16);
        wal.on_written(Box::new(move |seq| sender.send(seq).unwrap_or(())));
        for idx in 0..n_records {
            // The writer sleeps at first, later it lingers, and with every other delay of a millisecond it sleeps again.
            if idx % 2 == 1 && commit != CommitPolicy::default() {
                std::thread::sleep(Duration::from_millis(3));
            }
            let seq = wal.log(&[b"x"], Acknowledge::Queued).unwrap();
            assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(seq), "{commit:?}");
        }
    };
    check(CommitPolicy::default(), 3);
    check(CommitPolicy::Group(Duration::from_millis(1)), 40);
    check(CommitPolicy::Each, 40);
}

#[test]
fn threads_share_writes_and_keep_their_own_order() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), WalOptions { queue_bytes_max: 512, ..options() }).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let wal = &wal;
            scope.spawn(move || {
                for idx in 0..200_u8 {
                    let acknowledge = if idx % 50 == 0 { Acknowledge::Written } else { Acknowledge::Queued };
                    wal.log(&[&[thread, idx, 1]], acknowledge).unwrap();
                }
            });
        }
    });
    wal.close().unwrap();
    let stats = wal.stats();
    assert!(stats.writes < 700, "{stats:?}");
    let records = replay_all(dir.path());
    for thread in 0..4_u8 {
        let own: Vec<u8> =
            records.iter().filter(|record| record[0] == thread).map(|record| record[1]).collect();
        assert_eq!(own, (0..200).collect::<Vec<u8>>());
    }
}

#[test]
fn a_failing_disk_refuses_then_recovers_without_losing_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let wal = Wal::open_on(Arc::new(disk.clone()), dir.path(), options()).unwrap();
    wal.log(&[&noise(1_000, 1)], Acknowledge::Written).unwrap();
    disk.room.store(300, Ordering::SeqCst);
    let failed = wal.log(&[&noise(1_000, 2)], Acknowledge::Written).unwrap_err();
    assert!(
        matches!(&failed, WalError::Unwritten { seq: 2, message } if message.contains("00000000")),
        "{failed}"
    );
    let refused = wal.log(&[&noise(1_000, 3)], Acknowledge::Queued).unwrap_err();
    assert!(matches!(refused, WalError::Refused { .. }));
    // The torn write is at the end, where a restart would cut it off.
    assert_eq!(replay(dir.path()).0, [noise(1_000, 1)]);
    disk.room.store(u64::MAX, Ordering::SeqCst);
    while wal.wait_written(2).is_err() {}
    wal.log(&[&noise(1_000, 4)], Acknowledge::Written).unwrap();
    assert_eq!(replay_all(dir.path()), [noise(1_000, 1), noise(1_000, 2), noise(1_000, 4)]);
    let stats = wal.stats();
    assert!(stats.write_errors > 0 && stats.error.is_none(), "{stats:?}");
}

#[test]
fn closing_on_a_full_disk_reports_it_and_leaves_no_torn_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let wal = Wal::open_on(Arc::new(disk.clone()), dir.path(), options()).unwrap();
    wal.log(&[b"good"], Acknowledge::Written).unwrap();
    disk.room.store(20, Ordering::SeqCst);
    wal.log(&[&noise(500, 1)], Acknowledge::Written).unwrap_err();
    assert!(matches!(wal.close(), Err(WalError::Unwritten { .. })));
    assert_eq!(replay_all(dir.path()), [b"good"]);
    assert!(matches!(wal.log(&[b"late"], Acknowledge::Queued), Err(WalError::Closed)));
}

#[test]
fn the_fsync_policy_is_kept() {
    let fsyncs = |fsync, n: u8| {
        let dir = tempfile::tempdir().unwrap();
        let wal = Wal::open(dir.path(), WalOptions { fsync, ..options() }).unwrap();
        for idx in 0..n {
            wal.log(&[&[idx + 1]], Acknowledge::Written).unwrap();
        }
        let before = wal.stats().fsyncs;
        wal.close().unwrap();
        (before, wal.stats().fsyncs)
    };
    assert_eq!(fsyncs(FsyncPolicy::Segment, 5), (0, 1));
    assert_eq!(fsyncs(FsyncPolicy::Always, 5), (5, 5));
    assert_eq!(fsyncs(FsyncPolicy::IntervalMs(3_600_000), 5), (0, 1));
}

#[test]
fn a_failed_fsync_is_not_acknowledged_and_writes_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let options = WalOptions { fsync: FsyncPolicy::Always, ..options() };
    let wal = Wal::open_on(Arc::new(disk.clone()), dir.path(), options).unwrap();
    disk.fail_syncs.store(1, Ordering::SeqCst);
    wal.log(&[b"x"], Acknowledge::Written).unwrap_err();
    while wal.wait_written(1).is_err() {}
    let stats = wal.stats();
    assert_eq!((stats.writes, stats.fsyncs, stats.fsync_errors), (2, 2, 1));
    assert_eq!(replay_all(dir.path()), [b"x"]);
}

#[test]
fn a_damaged_record_is_cut_off_with_all_that_follows() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..12).map(|idx| noise(30_000, idx)).collect();
    write_all(dir.path(), options(), &records);
    let segments = Segments::list(&OsDisk, dir.path()).unwrap();
    let path = segments.path(1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[31_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (before, error) = replay(dir.path());
    let error = error.unwrap();
    let ReadError::Corrupt { position, .. } = &error else { panic!("{error}") };
    assert_eq!((position.segment, position.checkpoint), (1, None));
    let lost = repair::repair(&OsDisk, dir.path(), &error).unwrap().unwrap();
    assert_eq!((lost.segment, lost.offset, lost.segments_removed.as_slice()), (1, position.offset, &[2][..]));
    assert_eq!(replay_all(dir.path()), before);
    write_all(dir.path(), options(), &records[..2]);
    assert_eq!(replay_all(dir.path()), [before, records[..2].to_vec()].concat());
}

#[test]
fn a_missing_segment_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path(), options(), &(0..12).map(|idx| noise(30_000, idx)).collect::<Vec<_>>());
    fs::remove_file(Segments::list(&OsDisk, dir.path()).unwrap().path(1)).unwrap();
    assert!(matches!(replay(dir.path()).1, Some(ReadError::Gap { missing: 1, .. })));
}

#[test]
fn empty_segments_and_zero_padding_are_normal() {
    let dir = tempfile::tempdir().unwrap();
    write_all(dir.path(), options(), &[noise(10, 1)]);
    let path = Segments::list(&OsDisk, dir.path()).unwrap().path(0);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(70_000).unwrap();
    fs::write(dir.path().join("00000001"), b"").unwrap();
    fs::write(dir.path().join("unknown"), b"?").unwrap();
    write_all(dir.path(), options(), &[noise(10, 2)]);
    assert_eq!(replay_all(dir.path()), [noise(10, 1), noise(10, 2)]);
}

fn series_and_samples(segment: u64) -> Vec<Vec<u8>> {
    let labels = [("__name__", "m"), ("n", "1")];
    let (mut series, mut samples) = (Vec::new(), Vec::new());
    SeriesWriter::new(&mut series).push(segment + 1, labels.into_iter());
    let mut writer = SamplesWriter::new(&mut samples);
    for idx in 0..100 {
        writer.push(segment + 1, (segment * 1_000 + idx).cast_signed(), 1.0);
    }
    vec![series, samples]
}

#[test]
fn a_checkpoint_keeps_what_is_needed_and_frees_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), options()).unwrap();
    for segment in 0..10 {
        for record in series_and_samples(segment) {
            wal.log(&[&record], Acknowledge::Queued).unwrap();
        }
        wal.cut_segment().unwrap();
    }
    let stats = wal.checkpoint(3_050, &mut |series| series != 1).unwrap().unwrap();
    // Segments 0..=10 exist, 9 are behind the last two: two thirds of them are 0..=6.
    assert_eq!(stats.number, 6);
    assert_eq!(
        (stats.series, stats.samples),
        (checkpoint::Kept { kept: 6, all: 7 }, checkpoint::Kept { kept: 350, all: 700 })
    );
    let segments = Segments::list(&OsDisk, dir.path()).unwrap();
    assert_eq!(segments.numbers().collect::<Vec<_>>(), (7..=11).collect::<Vec<_>>());
    assert_eq!(segments.newest_checkpoint(), Some(6));
    assert_eq!(wal.stats().bytes, segments.total_bytes());

    let mut seen = HashSet::new();
    let mut n_samples = 0;
    for record in replay_all(dir.path()) {
        match decode(&record).unwrap() {
            Record::Series(entries) => seen.extend(entries.map(|entry| entry.unwrap().series)),
            Record::Samples(entries) => {
                for entry in entries {
                    assert!(seen.contains(&entry.unwrap().series), "series come before their samples");
                    n_samples += 1;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((seen.len(), n_samples), (9, 650));
    // The next one reads the first and removes it.
    let next = wal.checkpoint(9_000, &mut |series| series > 9).unwrap();
    assert_eq!(next.unwrap().series, checkpoint::Kept { kept: 1, all: 9 });
    assert_eq!(Segments::list(&OsDisk, dir.path()).unwrap().checkpoint_numbers().count(), 1);
}

#[test]
fn a_damaged_checkpoint_is_reported_and_left_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), options()).unwrap();
    for segment in 0..6 {
        for record in series_and_samples(segment) {
            wal.log(&[&record], Acknowledge::Queued).unwrap();
        }
        wal.cut_segment().unwrap();
    }
    let number = wal.checkpoint(0, &mut |_| true).unwrap().unwrap().number;
    drop(wal);
    let path = dir.path().join(format!("checkpoint.{number:08}/00000000"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = replay(dir.path()).1.unwrap();
    assert!(error.to_string().contains("checkpoint."), "{error}");
    assert_eq!(repair::repair(&OsDisk, dir.path(), &error).unwrap(), None);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn records_no_segment_can_hold_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let wal = Wal::open(dir.path(), options()).unwrap();
    assert!(matches!(wal.log(&[b""], Acknowledge::Queued), Err(WalError::BadRecord { record_bytes: 0, .. })));
    let limit = 4 * (32 * 1024 - 7);
    wal.log(&[&noise(limit, 1)], Acknowledge::Written).unwrap();
    assert!(matches!(wal.log(&[&noise(limit + 1, 1)], Acknowledge::Queued), Err(WalError::BadRecord { .. })));
}

fn record_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![4 => 1_usize..300, 1 => 30_000_usize..70_000], 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a crash tears off, replay yields a prefix: never garbage, never a gap.
    #[test]
    fn a_torn_log_replays_a_prefix(sizes in record_sizes(), cut: prop::sample::Index, zeros in 0_u64..100, plain: bool) {
        let dir = tempfile::tempdir().unwrap();
        let records: Vec<_> = sizes.iter().enumerate().map(|(idx, len)| noise(*len, idx as u64)).collect();
        let compression = if plain { WalCompression::None } else { WalCompression::Snappy };
        write_all(dir.path(), WalOptions { compression, ..options() }, &records);
        // The crash: nothing after some byte of some segment, perhaps zeros that were allocated but not written.
        let segments = Segments::list(&OsDisk, dir.path()).unwrap();
        let mut left = cut.index(usize::try_from(segments.total_bytes()).unwrap() + 1) as u64;
        for number in segments.numbers() {
            let path = segments.path(number);
            let len = fs::metadata(&path).unwrap().len();
            if left >= len {
                left -= len;
                continue;
            }
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(left).unwrap();
            file.set_len(left + zeros).unwrap();
            segments.numbers().filter(|later| *later > number).for_each(|later| fs::remove_file(segments.path(later)).unwrap());
            break;
        }
        let (before, error) = replay(dir.path());
        prop_assert!(records.starts_with(&before));
        if let Some(error) = error {
            repair::repair(&OsDisk, dir.path(), &error).unwrap().unwrap();
        }
        write_all(dir.path(), options(), &records);
        prop_assert_eq!(replay_all(dir.path()), [before, records].concat());
    }

    /// A flipped bit ends replay before it or is of no consequence.
    #[test]
    fn a_flipped_bit_is_found(sizes in record_sizes(), at: prop::sample::Index, bit in 0_u8..8) {
        let dir = tempfile::tempdir().unwrap();
        let records: Vec<_> = sizes.iter().enumerate().map(|(idx, len)| noise(*len, idx as u64)).collect();
        write_all(dir.path(), options(), &records);
        let path = Segments::list(&OsDisk, dir.path()).unwrap().path(0);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&path, &bytes).unwrap();
        let (before, error) = replay(dir.path());
        prop_assert!(records.starts_with(&before));
        prop_assert!(error.is_some());
    }

    #[test]
    fn hostile_segments_end_in_an_error_not_in_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..500), kind in 0_u8..32) {
        crate::fuzz::wal_segment(&bytes);
        // The same with a frame that holds, so that decompression is reached.
        let mut framed = vec![kind];
        framed.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
        framed.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        framed.append(&mut bytes);
        crate::fuzz::wal_segment(&framed);
    }
}

#[test]
fn a_file_with_a_number_that_has_no_next_is_not_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(u64::MAX.to_string()), "").unwrap();
    let wal = Wal::open(dir.path(), WalOptions::default()).unwrap();
    assert_eq!(wal.stats().segment, 0);
    assert!(Reader::open(dir.path()).unwrap().next_record().unwrap().is_none());
}
