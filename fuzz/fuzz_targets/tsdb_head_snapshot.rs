//! Any bytes are read as parts of a head snapshot.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::head_snapshot(data));
