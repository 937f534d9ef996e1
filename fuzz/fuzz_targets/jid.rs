//! An address.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| prosody_components::fuzzing::jid(text));
