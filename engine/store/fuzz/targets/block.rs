#![no_main]

libfuzzer_sys::fuzz_target!(|given: &[u8]| store::log::hostile::block(given));
