//! Feeds bytes to the parser of searches.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::search(data));
