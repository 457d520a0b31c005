//! Any query is evaluated over a few series; limits of samples and time hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_promql::testing::fuzz_evaluate(data));
