//! Any bytes are decoded as an XOR chunk.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::xor_chunk(data));
