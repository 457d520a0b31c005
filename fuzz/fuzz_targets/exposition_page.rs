//! Any page of metrics is read in both text formats; the short way to a sample agrees with the long one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_exposition::fuzz::parse_page(data));
