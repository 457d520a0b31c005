//! The bytes of an index, derived by hand from the format.

use super::*;
use crate::disk::os_disk;

fn with_crc(body: &[u8]) -> Vec<u8> {
    [body, &crc32c::crc32c(body).to_be_bytes()].concat()
}

fn section(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &with_crc(body)].concat()
}

/// One series `{a="b"}` with a chunk of 1..=5 ms at 8, another `{a="b", c="d"}`.
fn small_index(pass_ids_max: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut writer = IndexWriter::create(&os_disk(), path.clone(), ["a", "b", "c", "d"].iter()).unwrap();
    writer.pass_ids_max = pass_ids_max;
    let chunk = ChunkMeta { min_time: 1, max_time: 5, chunk_ref: 8 };
    writer.add_series(&[(0, 1)], &[chunk]).unwrap();
    writer.add_series(&[(0, 1), (2, 3)], &[chunk]).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn bytes_are_those_of_the_format() {
    let mut want = vec![0xba, 0xaa, 0xd7, 0x00, 2];
    want.extend(section(&[0, 0, 0, 4, 1, b'a', 1, b'b', 1, b'c', 1, b'd']));
    assert_eq!(want.len(), 25);
    // Ids 2 and 4: an entry of 12 bytes fills the first 16, the next starts at 48 + 16.
    want.resize(32, 0);
    want.push(7);
    want.extend(with_crc(&[1, 0, 1, 1, 2, 4, 8]));
    want.resize(48, 0);
    want.push(9);
    want.extend(with_crc(&[2, 0, 1, 2, 3, 1, 2, 4, 8]));
    assert_eq!(want.len(), 62);
    want.resize(64, 0);
    want.extend(section(&[0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]));
    want.extend(section(&[0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3]));
    want.extend(section(&[0, 0, 0, 1, 0, 0, 0, 3]));
    assert_eq!(want.len(), 120);
    let all = [2, 0, 0, 64];
    let first = [2, 1, b'a', 1, b'b', 84];
    let second = [2, 1, b'c', 1, b'd', 104];
    want.extend(section(&[&[0, 0, 0, 3][..], &all, &first, &second].concat()));
    let toc: Vec<u8> = [5_u64, 25, 62, 120, 62, 120].iter().flat_map(|n| n.to_be_bytes()).collect();
    want.extend(with_crc(&toc));
    assert_eq!(small_index(100), want);
}

#[test]
fn several_passes_write_the_same_bytes() {
    assert_eq!(small_index(0), small_index(100));
}

#[test]
fn what_breaks_the_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = os_disk();
    let unsorted = IndexWriter::create(&disk, dir.path().join("1"), ["b", "a"].iter());
    assert!(unsorted.unwrap_err().to_string().ends_with("symbols must be ascending and unique"));
    let mut writer = IndexWriter::create(&disk, dir.path().join("2"), ["a", "b", "c"].iter()).unwrap();
    writer.add_series(&[(0, 1), (2, 2)], &[]).unwrap();
    for labels in [&[][..], &[(0, 3)], &[(1, 0), (0, 1)], &[(0, 1)], &[(0, 1), (2, 2)], &[(0, 0), (1, 1)]] {
        assert!(writer.add_series(labels, &[]).is_err(), "{labels:?}");
    }
    writer.add_series(&[(0, 1), (2, 2), (2, 2)], &[]).unwrap_err();
    writer.add_series(&[(1, 0)], &[]).unwrap();
}
