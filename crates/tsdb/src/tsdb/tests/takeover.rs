//! A directory that another program wrote, or left in a hurry.

use super::*;
use crate::chunk::{Encoding, XorState};
use crate::head_chunks::HeadChunks;
use crate::record::{MmapMarkersWriter, SamplesWriter, SeriesWriter};
use crate::wal::{Wal, WalOptions};

fn write_log(dir: &Path, records: &[Vec<u8>]) {
    let wal = Wal::open(dir, WalOptions::default()).unwrap();
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    wal.log(&records, Acknowledge::Written).unwrap();
    wal.close().unwrap();
}

fn series_record(series: u64, n: usize) -> Vec<u8> {
    let mut record = Vec::new();
    SeriesWriter::new(&mut record).push(series, labels(n).iter());
    record
}

fn samples_record(series: u64, minutes: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut record = Vec::new();
    let mut writer = SamplesWriter::new(&mut record);
    minutes.into_iter().for_each(|minute| writer.push(series, START + minute * MINUTE, minute as f64));
    record
}

fn minutes(tsdb: &Tsdb, n: usize) -> Vec<i64> {
    let all = dump(tsdb, &[Matcher::equal("n", &n.to_string())], TimeRange::ALL);
    let samples = all.get(&labels(n)).cloned().unwrap_or_default();
    assert!(samples.iter().all(|(time, value)| f64::from_bits(*value) == ((time - START) / MINUTE) as f64));
    samples.into_iter().map(|(time, _)| (time - START) / MINUTE).collect()
}

#[test]
fn what_others_left_beside_the_data_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let unknown = vec![99, 1, 2, 3];
    let records = [series_record(7, 1), unknown.clone(), samples_record(7, 0..3)];
    write_log(&dir.path().join("wal"), &records);
    write_log(&dir.path().join("wbl"), &[unknown, samples_record(7, [-5])]);
    fs::write(dir.path().join("lock"), "4711\n").unwrap();
    fs::write(dir.path().join("queries.active"), [0; 200]).unwrap();
    fs::create_dir(dir.path().join("chunk_snapshot.000000.0000032768")).unwrap();
    fs::write(dir.path().join("chunk_snapshot.000000.0000032768/00000000"), "not a snapshot").unwrap();
    fs::create_dir(dir.path().join("chunk_snapshot.000000.0000000001.tmp")).unwrap();
    fs::create_dir(dir.path().join("01HFCV0000000000000000000A.tmp-for-creation")).unwrap();
    fs::create_dir(dir.path().join("01HFCV0000000000000000000B.tmp-for-deletion")).unwrap();
    fs::write(dir.path().join("prometheus.yml"), "# somebody's").unwrap();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(minutes(&tsdb, 1), [-5, 0, 1, 2]);
    assert!(!tsdb.stats().clean_start);
    tsdb.close().unwrap();
    assert_eq!(fs::read(dir.path().join("queries.active")).unwrap().len(), 200, "left alone");
    assert!(dir.path().join("prometheus.yml").exists() && !dir.path().join("lock").exists());
    let mut left: Vec<String> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.retain(|name| name.contains("tmp") || name.contains("chunk_snapshot"));
    assert_eq!(
        left, [""; 0],
        "what was half made or half removed is gone, and what others must not take for current"
    );
}

/// Prometheus gives a series that left and came back a new reference; chunks and both logs may use either.
#[test]
fn two_references_of_one_series_are_one_series() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = HeadChunks::open(&dir.path().join("chunks_head"), &mut |_| ()).unwrap();
    let late_chunk = |series: u64, minutes: std::ops::Range<i64>| {
        let (mut state, mut data) = (XorState::default(), Vec::new());
        minutes.clone().for_each(|at| state.append(&mut data, START + at * MINUTE, at as f64));
        let (first, last) = (START + minutes.start * MINUTE, START + (minutes.end - 1) * MINUTE);
        files.append_late(series, first, last, Encoding::Xor, &data).unwrap()
    };
    let early = late_chunk(7, -40..-20);
    let more = late_chunk(9, -30..-10);
    files.close().unwrap();
    let wal = [
        series_record(7, 1),
        samples_record(7, 0..3),
        series_record(9, 1),
        samples_record(9, 3..5),
        // Late samples are in this log too, and come from the other.
        samples_record(9, [-60]),
    ];
    write_log(&dir.path().join("wal"), &wal);
    let marker = |series: u64, chunk: u64| {
        let mut record = Vec::new();
        MmapMarkersWriter::new(&mut record).push(series, chunk);
        record
    };
    let wbl = [
        samples_record(7, -40..-20),
        marker(7, early.0),
        samples_record(9, -30..-10),
        marker(9, more.0),
        samples_record(9, [-60]),
        // A chunk that was lost: what the log has before it counts.
        marker(9, more.0 + 4096),
        samples_record(12, [-3]),
    ];
    write_log(&dir.path().join("wbl"), &wbl);
    let want: Vec<i64> = [-60].into_iter().chain(-40..-10).chain(0..5).collect();
    let tsdb = Tsdb::open(dir.path(), small(), START).unwrap();
    assert_eq!(minutes(&tsdb, 1), want);
    assert_eq!(tsdb.resolve(&labels(2)).unwrap().get(), 13, "above what the write-behind log names");
    tsdb.close().unwrap();
    assert_eq!(minutes(&Tsdb::open(dir.path(), small(), START).unwrap(), 1), want);
}
