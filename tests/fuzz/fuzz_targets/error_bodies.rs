//! See `fuzz_bodies::targets::error_bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::error_bodies::check(data));
