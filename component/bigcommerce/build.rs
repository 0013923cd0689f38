//! Writes `$OUT_DIR/objects.rs`: the table of objects, as Rust statics, from `facts.json`.
//!
//! The types of the table stand in `src/table.rs`. What the rules here cannot see from the facts is in `build/overrides.rs`,
//! each entry with its reason.

#[path = "build/facts.rs"]
mod facts;
#[path = "build/names.rs"]
mod names;
#[path = "build/nodes.rs"]
mod nodes;
#[path = "build/objects.rs"]
mod objects;
#[path = "build/overrides.rs"]
mod overrides;
#[path = "build/reads.rs"]
mod reads;
#[path = "build/writes.rs"]
mod writes;

use std::path::Path;

const FACTS: &str = "facts.json";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-changed={FACTS}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let text = std::fs::read_to_string(FACTS).map_err(|error| format!("cannot read {FACTS}: {error}"))?;
    let code = objects::table(&facts::resources(&text)?)?;
    let folder = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let file = Path::new(&folder).join("objects.rs");
    std::fs::write(&file, code).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
