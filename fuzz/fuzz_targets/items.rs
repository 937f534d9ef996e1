//! A body that is read item by item.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| prosody_components::fuzzing::items(octets));
