//! Fuzz entry points: each takes any bytes and must neither panic nor read beyond them nor use unbounded memory.

use wf_model::TimeRange;
use wf_series::SampleColumns;

use crate::record::{Record, decode};

/// Decodes the bytes as an XOR chunk.
pub fn xor_chunk(bytes: &[u8]) {
    let mut out = SampleColumns::default();
    let _ = crate::chunk::xor::decode(bytes, TimeRange::ALL, &mut out);
    let n_promised = crate::chunk::xor::n_samples(bytes).unwrap_or(0);
    assert!(out.len() <= usize::from(n_promised), "more samples than promised");
}

/// Decodes the bytes as a chunk of the encoding that the first byte names.
pub fn any_chunk(bytes: &[u8]) {
    let Some((number, bytes)) = bytes.split_first() else { return };
    let Some(encoding) = crate::chunk::Encoding::from_number(number % 8) else { return };
    let mut out = SampleColumns::default();
    let _ = crate::chunk::decode(encoding, bytes, TimeRange::ALL, &mut out);
    let n_promised = crate::chunk::n_samples(encoding, bytes).unwrap_or(0);
    assert!(out.len() <= usize::from(n_promised), "more samples than promised");
    let _ = crate::chunk::samples(encoding, bytes, TimeRange::ALL);
}

/// Decodes the bytes as a record of the write-ahead log, down to the last label.
pub fn record(bytes: &[u8]) {
    let Ok(record) = decode(bytes) else { return };
    let n_entries = match record {
        Record::Series(entries) => entries.flatten().map(|entry| entry.labels.count().min(1)).sum(),
        Record::Samples(entries) => entries.count(),
        Record::Tombstones(entries) => entries.count(),
        Record::Exemplars(entries) => entries.flatten().map(|entry| entry.labels.count().min(1)).sum(),
        Record::MmapMarkers(entries) => entries.count(),
        Record::Metadata(entries) => entries.count(),
        Record::Histograms(entries) => entries.count(),
        Record::Unknown(_) => 0,
    };
    assert!(n_entries <= bytes.len(), "more entries than bytes");
}

/// Reads the bytes as a segment of the write-ahead log, and decodes the records found.
pub fn wal_segment(bytes: &[u8]) {
    let mut reader = crate::wal::reader::RecordReader::new(bytes);
    let mut found = Vec::new();
    while let Ok(Some(_)) = reader.next_record(&mut found) {
        record(&found);
    }
}

/// Reads the bytes as a frame of series of a head snapshot, and as what it says of one series.
pub fn head_snapshot(bytes: &[u8]) {
    crate::head::fuzz_snapshot(bytes);
}

/// Reads the bytes as a head-chunk file.
pub fn head_chunks(bytes: &[u8]) {
    let mut n_chunks = 0;
    crate::head_chunks::scan(bytes, 1, &mut |_| n_chunks += 1);
    assert!(n_chunks <= bytes.len(), "more chunks than bytes");
}
