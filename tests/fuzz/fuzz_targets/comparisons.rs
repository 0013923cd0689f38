//! See `fuzz_bodies::targets::comparisons`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::comparisons::check(data));
