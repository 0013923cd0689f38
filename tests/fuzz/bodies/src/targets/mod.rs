//! The targets. A new one gets a line in `TARGETS`, a file in `tests/fuzz/fuzz_targets` and one in its manifest, and a folder
//! with seeds in `tests/fuzz/corpus`; a test tells what is missing.

pub mod comparisons;
pub mod conditions;
pub mod csv;
pub mod cursors;
pub mod error_bodies;
pub mod json_input;
pub mod slicing;
pub mod variables;

/// Takes any bytes. Panics if they break a promise.
pub type Check = fn(&[u8]);

/// Every target: name and function.
pub const TARGETS: [(&str, Check); 8] = [
    ("slicing", slicing::check),
    ("error_bodies", error_bodies::check),
    ("cursors", cursors::check),
    ("variables", variables::check),
    ("conditions", conditions::check),
    ("comparisons", comparisons::check),
    ("csv", csv::check),
    ("json_input", json_input::check),
];
