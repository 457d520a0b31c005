//! What was appended is read back, before and after restarts, whatever fails or is torn off in between.

use std::fs;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::disk::faulty::FaultyDisk;

const FILE_BYTES: usize = 200_000;

fn open(dir: &Path) -> (HeadChunks, OpenReport, Vec<ChunkMeta>) {
    open_on(Arc::new(crate::disk::OsDisk), dir)
}

fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> (HeadChunks, OpenReport, Vec<ChunkMeta>) {
    let mut metas = Vec::new();
    let (chunks, report) = HeadChunks::open_on(disk, dir, FILE_BYTES, &mut |meta| metas.push(meta)).unwrap();
    (chunks, report, metas)
}

fn data(idx: u64) -> Vec<u8> {
    let len = 10 + usize::try_from(idx % 700).unwrap();
    let mut bytes = vec![u8::try_from(idx % 251).unwrap(); len];
    bytes[..2].copy_from_slice(&120_u16.to_be_bytes());
    bytes
}

fn append(chunks: &HeadChunks, idx: u64) -> ChunkRef {
    let t = idx.cast_signed() * 1_000;
    chunks.append(idx + 1, t, t + 999, Encoding::Xor, &data(idx)).unwrap()
}

fn check(chunks: &HeadChunks, refs: &[ChunkRef]) {
    for (idx, chunk) in refs.iter().enumerate() {
        let got = chunks.chunk(*chunk).unwrap();
        assert_eq!((got.encoding, &got[..]), (Encoding::Xor, &data(idx as u64)[..]));
    }
}

#[test]
fn chunks_are_readable_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, report, _) = open(dir.path());
    assert_eq!(report, OpenReport::default());
    let refs: Vec<_> = (0..2_000).map(|idx| append(&chunks, idx)).collect();
    check(&chunks, &refs);
    assert!(refs.last().unwrap().file() > 3 && refs.is_sorted());
    chunks.close().unwrap();
    let bytes = chunks.bytes();
    let (chunks, report, metas) = open(dir.path());
    assert_eq!((report.n_chunks, report.corruption, chunks.bytes()), (2_000, None, bytes));
    check(&chunks, &refs);
    assert_eq!(metas.iter().map(|meta| meta.chunk).collect::<Vec<_>>(), refs);
    let want = ChunkMeta {
        chunk: refs[7],
        series: 8,
        min_time_ms: 7_000,
        max_time_ms: 7_999,
        encoding: Encoding::Xor,
        is_out_of_order: false,
        n_samples: 120,
    };
    assert_eq!(metas[7], want);
    assert_eq!(append(&chunks, 0).file(), refs.last().unwrap().file() + 1, "a new file after a restart");
}

#[test]
fn a_killed_process_leaves_zeros_that_end_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, ..) = open(dir.path());
    let refs: Vec<_> = (0..300).map(|idx| append(&chunks, idx)).collect();
    chunks.flush().unwrap();
    std::mem::forget(chunks);
    let path = file_path(dir.path(), 1);
    assert_eq!(fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
    let (chunks, report, metas) = open(dir.path());
    assert_eq!((report.corruption, metas.len()), (None, 300));
    check(&chunks, &refs);
    assert!(fs::metadata(&path).unwrap().len() < FILE_BYTES as u64, "unused space is given back");
}

#[test]
fn a_damaged_chunk_costs_that_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, ..) = open(dir.path());
    let refs: Vec<_> = (0..2_000).map(|idx| append(&chunks, idx)).collect();
    chunks.close().unwrap();
    let damaged = refs.iter().position(|chunk| chunk.file() == 2 && chunk.offset() > 50_000).unwrap();
    let path = file_path(dir.path(), 2);
    let mut bytes = fs::read(&path).unwrap();
    bytes[refs[damaged].offset() + 40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (chunks, report, metas) = open(dir.path());
    let corruption = report.corruption.unwrap();
    assert_eq!((corruption.file, corruption.offset, corruption.n_places), (2, refs[damaged].offset(), 1));
    assert_eq!(metas.len(), 1_999);
    check(&chunks, &refs[..damaged]);
    assert!(matches!(chunks.chunk(refs[damaged]), Err(HeadChunksError::Corrupt { file: 2, .. })));
    assert!(chunks.chunk(refs[damaged + 1]).is_ok());
    assert_eq!(fs::read(&path).unwrap(), bytes, "evidence stays");
}

#[test]
fn a_file_that_cannot_be_followed_ends_there_and_later_files_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, ..) = open(dir.path());
    let refs: Vec<_> = (0..2_000).map(|idx| append(&chunks, idx)).collect();
    chunks.close().unwrap();
    let first_damaged = refs.iter().position(|chunk| chunk.file() == 2).unwrap() + 20;
    let path = file_path(dir.path(), 2);
    let mut bytes = fs::read(&path).unwrap();
    bytes[refs[first_damaged].offset()..][..2_000].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (chunks, report, metas) = open(dir.path());
    assert_eq!(report.corruption.unwrap().offset, refs[first_damaged].offset());
    let n_in_file_2_lost = refs.iter().skip(first_damaged).filter(|chunk| chunk.file() == 2).count();
    assert_eq!(metas.len(), 2_000 - n_in_file_2_lost);
    check(&chunks, &refs[..first_damaged]);
    assert!(chunks.chunk(*refs.last().unwrap()).is_ok());
}

#[test]
fn a_file_with_a_strange_header_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, ..) = open(dir.path());
    let refs: Vec<_> = (0..2_000).map(|idx| append(&chunks, idx)).collect();
    chunks.close().unwrap();
    let path = file_path(dir.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4] = 9;
    fs::write(&path, &bytes).unwrap();
    let corruption = open(dir.path()).1.corruption.unwrap();
    assert_eq!(
        (corruption.file, corruption.n_files_removed, corruption.bytes_removed),
        (1, 1, bytes.len() as u64)
    );
    assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), bytes);
    let (chunks, report, _) = open(dir.path());
    assert_eq!(report.corruption, None, "said once");
    assert!(chunks.chunk(*refs.last().unwrap()).is_ok());
}

#[test]
fn a_last_file_without_magic_goes_silently() {
    for content in [&[][..], &[1], &[0; 100]] {
        let dir = tempfile::tempdir().unwrap();
        let (chunks, ..) = open(dir.path());
        append(&chunks, 0);
        chunks.close().unwrap();
        fs::write(file_path(dir.path(), 2), content).unwrap();
        let (_, report, metas) = open(dir.path());
        assert_eq!((report.corruption, metas.len()), (None, 1));
        assert!(!file_path(dir.path(), 2).exists());
    }
}

#[test]
fn a_failing_disk_keeps_chunks_in_memory_and_writes_them_later() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (chunks, ..) = open_on(Arc::new(disk.clone()), dir.path());
    let mut refs: Vec<_> = (0..10).map(|idx| append(&chunks, idx)).collect();
    disk.room.store(100, Ordering::SeqCst);
    chunks.flush().unwrap_err();
    refs.extend((10..20).map(|idx| append(&chunks, idx)));
    check(&chunks, &refs);
    disk.room.store(u64::MAX, Ordering::SeqCst);
    chunks.flush().unwrap();
    check(&chunks, &refs);
    assert_eq!(chunks.write_errors(), 1);
    chunks.close().unwrap();
    check(&open(dir.path()).0, &refs);
}

#[test]
fn memory_for_a_failing_disk_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (chunks, _) = HeadChunks::open_on(Arc::new(disk.clone()), dir.path(), 64 << 20, &mut |_| ()).unwrap();
    append(&chunks, 0);
    disk.room.store(0, Ordering::SeqCst);
    let big = vec![1; 1 << 20];
    let taken = (0..10).take_while(|_| chunks.append(1, 0, 1, Encoding::Xor, &big).is_ok()).count();
    assert_eq!(taken, 4);
}

#[test]
fn files_before_a_time_go_and_what_readers_hold_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (chunks, ..) = open(dir.path());
    let refs: Vec<_> = (0..2_000).map(|idx| append(&chunks, idx)).collect();
    let held = chunks.chunk(refs[0]).unwrap();
    let n_first = refs.iter().filter(|chunk| chunk.file() == 1).count() as i64;
    assert_eq!(chunks.truncate_before(n_first * 1_000 - 1, u32::MAX).unwrap(), 0);
    assert_eq!(chunks.truncate_before(n_first * 1_000, u32::MAX).unwrap(), 1);
    assert!(matches!(chunks.chunk(refs[0]), Err(HeadChunksError::NotFound { .. })));
    assert_eq!(&held[..], &data(0)[..]);
    let n_left = refs.last().unwrap().file() as usize - 1;
    assert_eq!(chunks.truncate_before(i64::MAX, u32::MAX).unwrap(), n_left);
    assert_eq!((chunks.bytes(), fs::read_dir(dir.path()).unwrap().count()), (0, 0));
    assert_eq!(append(&chunks, 0).file() as usize, n_left + 2, "references are not reused");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a crash tears off: the chunks that come back are intact, in order, and without damage a prefix.
    #[test]
    fn a_torn_file_yields_what_is_whole(n in 1_u64..600, cut: prop::sample::Index, flip: Option<prop::sample::Index>) {
        let dir = tempfile::tempdir().unwrap();
        let (chunks, ..) = open(dir.path());
        let refs: Vec<_> = (0..n).map(|idx| append(&chunks, idx)).collect();
        chunks.close().unwrap();
        let path = file_path(dir.path(), refs.last().unwrap().file());
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(cut.index(bytes.len() + 1));
        if let (Some(flip), false) = (flip, bytes.is_empty()) {
            let at = flip.index(bytes.len());
            bytes[at] ^= 0x10;
        }
        fs::write(&path, bytes).unwrap();
        let (chunks, _, metas) = open(dir.path());
        let got: Vec<_> = metas.iter().map(|meta| meta.chunk).collect();
        if flip.is_none() {
            prop_assert!(refs.starts_with(&got));
        }
        prop_assert!(got.is_sorted());
        for chunk in got {
            let idx = refs.iter().position(|written| *written == chunk).unwrap();
            prop_assert_eq!(&chunks.chunk(chunk).unwrap()[..], &data(idx as u64)[..]);
        }
    }

    #[test]
    fn hostile_files_end_in_an_error_not_in_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzz::head_chunks(&bytes);
        crate::fuzz::head_chunks(&[&FILE_HEADER[..], &bytes].concat());
    }
}

#[test]
fn chunks_can_be_read_while_the_disk_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FaultyDisk::default();
    let (chunks, ..) = open_on(Arc::new(faulty.clone()), dir.path());
    let chunk = append(&chunks, 0);
    let hang = faulty.hang.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| chunks.close().unwrap());
        // The writer has begun: nobody else could.
        while chunks.files.try_upgradable_read().is_some() {
            std::thread::yield_now();
        }
        let is_readable = chunks.files.try_read_for(std::time::Duration::from_secs(5)).is_some();
        let got = is_readable.then(|| chunks.chunk(chunk).unwrap().to_vec());
        drop(hang);
        assert_eq!(got, Some(data(0)), "readers wait for the disk");
    });
    check(&chunks, &[chunk]);
}

#[test]
fn a_file_with_a_number_that_no_reference_can_hold_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["4294967295", "2147483648"] {
        fs::write(dir.path().join(name), FILE_HEADER).unwrap();
    }
    let (chunks, report, _) = open(dir.path());
    let chunk = append(&chunks, 0);
    assert_eq!((chunk.file(), report), (1, OpenReport::default()));
}
