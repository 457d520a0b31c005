//! Any prometheus.yml ends in problems, or prints and reads back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_config::fuzz::load_config(data));
