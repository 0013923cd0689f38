//! See `fuzz_bodies::targets::conditions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::conditions::check(data));
