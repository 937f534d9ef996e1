//! The JSON of a web service's answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| prosody_components::fuzzing::answer(body));
