//! See `fuzz_bodies::targets::csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::csv::check(data));
