//! Any answer of a source of targets ends in groups or in an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_discovery::fuzz::read_answers(data));
