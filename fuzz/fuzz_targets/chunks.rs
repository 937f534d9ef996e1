//! A chunked body.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| prosody_components::fuzzing::chunks(octets));
