//! See `fuzz_bodies::targets::cursors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::cursors::check(data));
