//! Any bytes are read as a segment of the write-ahead log, and the records found are decoded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::wal_segment(data));
