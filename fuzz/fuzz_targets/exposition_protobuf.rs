//! Any page of metrics in protobuf is read to its end or its first fault.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wf_exposition::fuzz::parse_protobuf(data));
