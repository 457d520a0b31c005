//! Any text is parsed, judged and printed; what parses survives printing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_promql::parser::fuzz_parse(data));
