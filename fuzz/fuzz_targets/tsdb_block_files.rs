//! Any bytes are read as the files of a block.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_tsdb::fuzz::block_files(data));
