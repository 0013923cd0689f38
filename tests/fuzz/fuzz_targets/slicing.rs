//! See `fuzz_bodies::targets::slicing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::slicing::check(data));
