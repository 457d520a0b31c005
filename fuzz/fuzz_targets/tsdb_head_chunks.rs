//! Any bytes are read as a file of head chunks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::head_chunks(data));
