//! The head of an HTTP response.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| prosody_components::fuzzing::head(octets));
