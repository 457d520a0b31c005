//! Any bytes are decoded as a record of the write-ahead log.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::record(data));
