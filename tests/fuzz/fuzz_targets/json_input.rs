//! See `fuzz_bodies::targets::json_input`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::targets::json_input::check(data));
