//! See `fuzz_bodies::targets::variables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::variables::check(data));
