//! Mending keeps every whole record.

use super::*;
use crate::wal::repair::{Mended, bridge_gap, mend};

fn any(_: &[u8]) -> bool {
    true
}

/// Flips a bit at an offset of a segment.
fn damage(dir: &Path, number: u64, at: usize) {
    let path = Segments::list(&OsDisk, dir).unwrap().path(number);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();
}

/// Reads over damage; returns the records and the number of damaged places.
fn replay_over_damage(dir: &Path) -> (Vec<Vec<u8>>, usize) {
    let (mut records, mut n_places) = (Vec::new(), 0);
    let mut reader = Reader::open(dir).unwrap();
    loop {
        match reader.next_record() {
            Ok(Some((_, record))) => records.push(record.to_vec()),
            Ok(None) => return (records, n_places),
            Err(ReadError::Corrupt { .. }) => n_places += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn only_the_damaged_record_is_lost_and_the_segment_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let mut records: Vec<_> = (0..12).map(|idx| noise(30_000, idx)).collect();
    write_all(dir.path(), options(), &records);
    // Segments of 128 KiB hold four: the sixth is the second of the second segment.
    damage(dir.path(), 1, 31_000);
    records.remove(5);
    let (read, n_places) = replay_over_damage(dir.path());
    assert_eq!((read == records, n_places), (true, 1));
    let mended = mend(&OsDisk, dir.path(), 1, &mut any).unwrap();
    assert!(mended.n_saved == 2 && mended.is_set_aside && mended.bytes_lost > 29_000, "{mended:?}");
    assert_eq!(replay_all(dir.path()), records);
    assert!(dir.path().join("00000001.damaged").exists());
    assert_eq!(Segments::list(&OsDisk, dir.path()).unwrap().numbers().count(), 3);
    assert_eq!(
        mend(&OsDisk, dir.path(), 1, &mut any).unwrap(),
        Mended { bytes_lost: 0, n_saved: 0, is_set_aside: false }
    );
}

#[test]
fn a_torn_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..3).map(|idx| noise(30_000, idx)).collect();
    write_all(dir.path(), options(), &records);
    let path = Segments::list(&OsDisk, dir.path()).unwrap().path(0);
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(70_000).unwrap();
    let mended = mend(&OsDisk, dir.path(), 0, &mut any).unwrap();
    assert!(!mended.is_set_aside && mended.n_saved == 0 && mended.bytes_lost > 9_000, "{mended:?}");
    assert_eq!(replay_all(dir.path()), records[..2]);
}

#[test]
fn a_page_of_zeros_before_others_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..40).map(|idx| noise(3_000, idx)).collect();
    write_all(dir.path(), options(), &records);
    let path = Segments::list(&OsDisk, dir.path()).unwrap().path(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[32 << 10..64 << 10].fill(0);
    fs::write(&path, &bytes).unwrap();
    let (read, n_places) = replay_over_damage(dir.path());
    assert!(n_places == 1 && read.len() > 25 && read.len() < 31, "{n_places} {}", read.len());
    assert!(mend(&OsDisk, dir.path(), 0, &mut any).unwrap().n_saved > 15);
    assert_eq!(replay_all(dir.path()), read);
}

#[test]
fn records_that_make_no_sense_go_too() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..5_u8).map(|idx| vec![idx; 10]).collect();
    write_all(dir.path(), options(), &records);
    mend(&OsDisk, dir.path(), 0, &mut |record| record[0] != 2).unwrap();
    let kept = replay_all(dir.path());
    assert_eq!(kept.iter().map(|record| record[0]).collect::<Vec<_>>(), [0, 1, 3, 4]);
}

#[test]
fn a_gap_is_bridged_by_empty_segments() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<_> = (0..12).map(|idx| noise(30_000, idx)).collect();
    write_all(dir.path(), options(), &records);
    fs::remove_file(Segments::list(&OsDisk, dir.path()).unwrap().path(1)).unwrap();
    let Err(ReadError::Gap { missing, next, .. }) = Reader::open(dir.path()) else { panic!("no gap") };
    bridge_gap(&OsDisk, dir.path(), missing, next).unwrap();
    assert_eq!(replay_all(dir.path()), [&records[..4], &records[8..]].concat());
}

#[test]
fn a_mending_that_a_crash_interrupted_leaves_the_segment_as_it_was() {
    use crate::disk::fault::{Fault, FaultDisk, Plan, Survival};
    let origin = tempfile::tempdir().unwrap();
    let mut records: Vec<_> = (0..4).map(|idx| noise(30_000, idx)).collect();
    write_all(origin.path(), options(), &records);
    damage(origin.path(), 0, 31_000);
    records.remove(1);
    for at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(origin.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
        let disk = FaultDisk::new(dir.path()).unwrap();
        disk.set_plan(Some(Plan { at, n_times: 1, fault: Fault::PowerCut }));
        let is_done = mend(&disk, dir.path(), 0, &mut any).is_ok();
        for (seed, survival) in [Survival::Nothing, Survival::Prefix, Survival::Any].into_iter().enumerate() {
            let left = tempfile::tempdir().unwrap();
            disk.after_power_cut(left.path(), survival, seed as u64).unwrap();
            assert_eq!(replay_over_damage(left.path()).0, records, "{at} {survival:?}");
        }
        if is_done {
            assert!(at > 8);
            return;
        }
    }
}
