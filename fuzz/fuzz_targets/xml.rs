//! XML that is given as a stanza.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| prosody_components::fuzzing::xml(text));
