//! Feeds bytes to the parser and the evaluator of FHIRPath.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::fhirpath(data));
