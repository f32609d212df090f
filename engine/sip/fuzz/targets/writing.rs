#![no_main]

#[path = "../src/exercise.rs"]
#[allow(dead_code, reason = "each target uses its part of it")]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::writing(bytes));
