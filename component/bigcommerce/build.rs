//! Writes `$OUT_DIR/objects.rs`: the table of objects, as Rust statics, from `facts.json`.
//!
//! The types of the table stand in `src/table.rs`. What the rules here cannot see from the facts is in `build/overrides.rs`,
//! each entry with its reason.
//!
//! # Adding an object
//!
//! It is a change of data; no code asks for an object by its name. `tests/adding.rs` does these steps with an invented resource.
//!
//! 1. Add the resource to `facts.json`, as one line: from a new extract of the API's documents by `cargo xtask facts EXTRACT`, or by
//!    hand. It needs `key`, `name`, `object`, `version`, `kind`, the paths, `operations` and `schemas`; `build/facts.rs` has the
//!    meaning of each.
//! 2. Build. The rules derive the name, the key, the parents, the ways to read and write, paging, ranges of keys and the models. What
//!    they cannot derive they refuse, naming the operation: a delete that names no record, a body of an unknown shape.
//! 3. Look at the object: `connector describe CONNECTION NAME`, or its line in `docs/coverage.md` after `cargo xtask coverage`. Where
//!    the facts are silent or wrong, add an entry with its reason to `build/overrides.rs`:
//!    * another name or title: `OBJECTS`, `TITLES`; another key: `KEYS`;
//!    * a parent that the path does not show: `PARENTS`, `PARAMETERS`;
//!    * a filter that is not named after its field: `FILTER_FIELDS`; a list in the order of its ids: `IN_ORDER_OF_ID`;
//!    * an answer that is not the record: `ANSWERS_SOMETHING_ELSE`; what an upsert matches by: `MATCH_ON`; what a create needs:
//!      `CREATE_NEEDS`, `ALTERNATIVES`; smaller batches, or no two at a time: `MOST`, `ONE_BY_ONE`, `ONE_AT_A_TIME`;
//!    * an operation that must not be used: `EXCLUDED`, with the reason that users read.
//! 4. `cargo test -p connector-bigcommerce`: the tests of the table hold for every object (no delete without a name, every path
//!    filled, every operation in one object or excluded). The emulator reads the same facts, so the object can be queried there.

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
