//! What `wit-bindgen` makes of the world. Compiled natively too, for tests of what only shapes values; no import can be called there.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "bindings are documented in the WIT package")]
// The generated code implements the canonical ABI and has to lay out memory by hand.
#![allow(unsafe_code, clippy::all, clippy::pedantic)]

wit_bindgen::generate!({
    path: ["../../wit", "wit"],
    world: "ipaas:service/service",
    generate_all,
    pub_export_macro: true,
});
