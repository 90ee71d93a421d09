//! Feeds bytes to the reader of XML, the writer and XML Patch.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::xml(data));
