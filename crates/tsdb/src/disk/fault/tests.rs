//! What the fault disk promises to the tests that stand on it.

use super::*;
use crate::disk::{list_if_present, replace};

fn names(dir: &Path) -> Vec<String> {
    list_if_present(&OsDisk, dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// Returns what a power cut leaves.
fn cut(disk: &FaultDisk, survival: Survival, seed: u64) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    disk.after_power_cut(target.path(), survival, seed).unwrap();
    target
}

#[test]
fn what_was_not_synced_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    let path = dir.path().join("a");
    let file = disk.create_new(&path).unwrap();
    file.write_all_at(b"one", 0).unwrap();
    file.sync().unwrap();
    assert!(names(cut(&disk, Survival::Nothing, 1).path()).is_empty(), "its name was not synced");
    disk.sync_dir(dir.path()).unwrap();
    file.write_all_at(b"two", 3).unwrap();
    let left = cut(&disk, Survival::Nothing, 1);
    assert_eq!(std::fs::read(left.path().join("a")).unwrap(), b"one");
    let left = cut(&disk, Survival::Everything, 1);
    assert_eq!(std::fs::read(left.path().join("a")).unwrap(), b"onetwo");
    // A disk on top of what is left takes it for safe.
    assert_eq!(names(cut(&FaultDisk::new(left.path()).unwrap(), Survival::Nothing, 1).path()), ["a"]);
}

#[test]
fn a_failed_sync_forgets_what_it_should_have_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    let file = disk.create_new(&dir.path().join("a")).unwrap();
    disk.sync_dir(dir.path()).unwrap();
    file.write_all_at(b"lost", 0).unwrap();
    disk.set_plan(Some(Plan { at: disk.n_ops(), n_times: 1, fault: Fault::Io }));
    file.sync().unwrap_err();
    file.write_all_at(b"kept", 4).unwrap();
    file.sync().unwrap();
    let left = cut(&disk, Survival::Nothing, 1);
    assert_eq!(std::fs::read(left.path().join("a")).unwrap(), b"\0\0\0\0kept");
    assert_eq!(disk.sync_points().len(), 3);
}

#[test]
fn a_replaced_file_is_the_old_or_the_new_one_wherever_the_power_is_cut() {
    let (mut n_old, mut n_new) = (0, 0);
    for at in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hint");
        replace(&OsDisk, &path, b"old").unwrap();
        let disk = FaultDisk::new(dir.path()).unwrap();
        disk.set_plan(Some(Plan { at, n_times: 1, fault: Fault::PowerCut }));
        let is_done = replace(&disk, &path, b"new").is_ok();
        for seed in 0..20 {
            let survival = [Survival::Nothing, Survival::Prefix, Survival::Any][(seed % 3) as usize];
            let left = std::fs::read(cut(&disk, survival, seed).path().join("hint")).unwrap();
            assert!(left == b"new" || (left == b"old" && !is_done), "{at} {seed}: {left:?}");
            n_old += u32::from(left == b"old");
            n_new += u32::from(left == b"new");
        }
    }
    assert!(n_old > 20 && n_new > 20, "{n_old} {n_new}");
}

#[test]
fn a_full_disk_takes_half_of_a_write_and_a_directory_goes_entry_by_entry() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    disk.create_dir_all(&dir.path().join("x/y")).unwrap();
    let file = disk.create_new(&dir.path().join("x/y/z")).unwrap();
    disk.create_new(&dir.path().join("x/w")).unwrap();
    disk.set_plan(Some(Plan { at: disk.n_ops(), n_times: 1, fault: Fault::ShortWrite }));
    assert_eq!(file.write_all_at(b"12345678", 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(OsDisk.read(&dir.path().join("x/y/z")).unwrap(), b"1234");
    // list x, remove w, list y, remove z: the fifth, removing y, fails.
    disk.set_plan(Some(Plan { at: disk.n_ops() + 4, n_times: 1, fault: Fault::Io }));
    disk.remove_dir_all(&dir.path().join("x")).unwrap_err();
    assert_eq!(names(&dir.path().join("x")), ["y"]);
    assert_eq!(disk.injected().len(), 2);
    disk.set_plan(None);
    disk.remove_dir_all(&dir.path().join("x")).unwrap();
    assert!(names(cut(&disk, Survival::Everything, 0).path()).is_empty());
}

#[test]
fn pages_of_one_write_survive_each_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultDisk::new(dir.path()).unwrap();
    let file = disk.create_new(&dir.path().join("a")).unwrap();
    disk.sync_dir(dir.path()).unwrap();
    file.write_all_at(&vec![7; 64 << 10], 100).unwrap();
    let mut n_torn = 0;
    for seed in 0..20 {
        let bytes = std::fs::read(cut(&disk, Survival::Any, seed).path().join("a")).unwrap();
        let n_there = bytes.iter().filter(|byte| **byte == 7).count();
        n_torn += u32::from(n_there > 0 && n_there < 64 << 10);
        let again = std::fs::read(cut(&disk, Survival::Any, seed).path().join("a")).unwrap();
        assert_eq!(bytes, again, "a seed always gives the same");
    }
    assert!(n_torn > 5, "{n_torn}");
}
