//! Feeds bytes to the judge of records.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::validate(data));
