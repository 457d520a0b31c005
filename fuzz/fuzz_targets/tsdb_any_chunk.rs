//! Any bytes are decoded as a chunk of the encoding their first byte names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::any_chunk(data));
