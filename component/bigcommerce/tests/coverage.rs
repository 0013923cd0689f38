//! Coverage: every documented operation is in the table or left out for a reason, and `docs/coverage.md` says which.
//!
//! `cargo xtask coverage` writes the page anew; without it the test below only compares.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use connector_bigcommerce::discovery;
use connector_bigcommerce::table::{Body, Method, OBJECTS, Object, Paging, Read, Write};
use serde_json::Value;

#[path = "../build/overrides.rs"]
#[allow(dead_code, reason = "the generator uses the rest")]
mod overrides;

/// The page, from the package's folder.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/coverage.md");

/// Set by `cargo xtask coverage`.
const WRITE: &str = "COVERAGE_WRITE";

/// A path with nameless parameters, as parameters have other names in the facts.
fn nameless(path: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment }).collect::<Vec<_>>().join("/")
}

fn method(write: &Write) -> &'static str {
    if write.method == Method::Post { "POST" } else { "PUT" }
}

/// Every operation that an object can use: `GET /v3/channels/{}`.
fn used(object: &Object) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut add = |method: &str, path: &str| {
        out.insert(format!("{method} {}", nameless(path)));
    };
    object.reads.iter().for_each(|read| add("GET", read.path));
    object.item.iter().for_each(|item| add("GET", item.path));
    object.create.iter().chain(object.update).for_each(|write| add(method(write), write.path));
    object.delete.iter().for_each(|delete| add("DELETE", delete.path));
    out
}

/// The operations of the facts, as `METHOD path`.
fn documented() -> Vec<String> {
    let resources: Vec<Value> = serde_json::from_str(include_str!("../facts.json")).unwrap();
    let operations = resources.iter().flat_map(|resource| resource["operations"].as_array().unwrap());
    operations
        .map(|operation| format!("{} {}", operation["method"].as_str().unwrap(), operation["path"].as_str().unwrap()))
        .collect()
}

#[test]
fn every_documented_operation_is_in_the_table_once_or_excluded_for_a_reason() {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for object in OBJECTS {
        used(object).into_iter().for_each(|operation| owners.entry(operation).or_default().push(object.name));
    }
    let documented = documented();
    assert_eq!(documented.len(), 658);
    let excluded: BTreeSet<String> =
        overrides::EXCLUDED.iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    for operation in &documented {
        let owner = owners.get(&nameless(operation)).map_or(&[][..], Vec::as_slice);
        match excluded.contains(operation) {
            true => assert!(owner.is_empty(), "{operation} is excluded, and {owner:?} has it"),
            false => assert_eq!(owner.len(), 1, "{operation} belongs to {owner:?}: exactly one object must have it"),
        }
    }
    let known: BTreeSet<String> = documented.iter().map(|operation| nameless(operation)).collect();
    for (operation, objects) in &owners {
        assert!(known.contains(operation), "{objects:?} would send the undocumented {operation}");
    }
}

#[test]
fn no_exclusion_is_stale_doubled_or_without_a_reason() {
    let documented: BTreeSet<String> = documented().into_iter().collect();
    let mut seen = BTreeSet::new();
    for (method, path, reason) in overrides::EXCLUDED {
        let operation = format!("{method} {path}");
        assert!(documented.contains(&operation), "{operation} does not exist");
        assert!(seen.insert(operation.clone()), "{operation} is excluded twice");
        assert!(reason.len() > 8, "{operation}: why?");
    }
}

#[test]
fn the_page_of_coverage_is_current() {
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(found == page, "docs/coverage.md is not what the table says: run `cargo xtask coverage`");
}

fn page() -> String {
    let mut out = String::from(
        "# Coverage\n\nGenerated from the connector's table by `cargo xtask coverage`; a test fails when it is not current.\n\n",
    );
    let count = |has: fn(&Object) -> bool| OBJECTS.iter().filter(|object| has(object)).count();
    let operations = documented().len();
    writeln!(
        out,
        "{} objects, of which {} can be queried, {} created, {} updated and {} deleted. They use {} of the {operations} operations that\n\
         the documents of the Management API have; the other {} are listed below, each with its reason.\n",
        OBJECTS.len(),
        count(|object| !object.reads.is_empty() || object.item.is_some()),
        count(|object| !object.create.is_empty()),
        count(|object| !object.update.is_empty()),
        count(|object| !object.delete.is_empty()),
        operations - overrides::EXCLUDED.len(),
        overrides::EXCLUDED.len(),
    )
    .unwrap();
    out.push_str(
        "**Paging**: *keyset*: by ranges of keys; *cursor*: the API's opaque cursor; *after*: behind the last key; *pages*: numbered pages;\n\
         *one answer*: everything at once. **Reading**: *stable* delivers every record that exists throughout exactly once; *best-effort*\n\
         can miss or double a record when others write meanwhile. **(n)**: at most n records per request, *upsert*: creates what is\n\
         missing and updates what is there, *result*: the outcome is the operation's own answer.\n\n## Objects\n\n",
    );
    let incremental = OBJECTS.iter().any(|object| discovery::describe(object).incremental);
    let (title, line) = if incremental { (" Incremental |", "--|") } else { ("", "") };
    writeln!(out, "| Object | Key | Query | Create | Update | Delete | Paging | Reading |{title}").unwrap();
    writeln!(out, "|--|--|--|--|--|--|--|--|{line}").unwrap();
    for object in OBJECTS {
        row(&mut out, object, incremental);
    }
    scopes(&mut out);
    out.push_str("\n## Operations that are left out\n\n| Operation | Reason |\n|--|--|\n");
    for (method, path, reason) in overrides::EXCLUDED {
        writeln!(out, "| `{method} {path}` | {reason} |").unwrap();
    }
    out
}

/// Which scopes a token needs for what. Objects with the same scopes share a line.
fn scopes(out: &mut String) {
    out.push_str(
        "\n## Scopes\n\nThe scopes that the API's documents name for an object. Where a line has several, the documents name them for all of these objects\n\
         together, and a name tells which it is for. One that ends in `_read_only` allows queries alone.\n\n\
         | Scopes | Objects |\n|--|--|\n",
    );
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for object in OBJECTS {
        let mut scopes: Vec<String> = object.scopes.iter().map(|scope| format!("`{scope}`")).collect();
        scopes.sort();
        lines.entry(scopes.join("<br>")).or_default().push(format!("`{}`", object.name));
    }
    for (scopes, objects) in lines {
        let scopes = if scopes.is_empty() { "not documented, or none" } else { &scopes };
        writeln!(out, "| {scopes} | {} |", objects.join(", ")).unwrap();
    }
}

fn row(out: &mut String, object: &'static Object, incremental: bool) {
    let described = discovery::describe(object);
    let mut query: Vec<String> = object.reads.iter().map(|read| format!("`GET {}`", read.path)).collect();
    query.extend(object.item.iter().map(|item| format!("`GET {}`", item.path)));
    let writes = |ways: &[Write]| ways.iter().map(write).collect::<Vec<_>>().join("<br>");
    let deletes = object.delete.iter().map(|way| {
        let archives = if way.archives { " archives" } else { "" };
        format!("`DELETE {}`{}{archives}", way.path, many(way.max_items))
    });
    let key: Vec<String> = object.key.iter().map(|field| format!("`{field}`")).collect();
    let queried = !query.is_empty();
    let reading = match (queried, described.stable) {
        (false, _) => "",
        (_, true) => "stable",
        (_, false) => "best-effort",
    };
    write!(
        out,
        "| `{}`<br>{} | {} | {} | {} | {} | {} | {} | {reading} |",
        object.name,
        object.title,
        key.join(", "),
        query.join("<br>"),
        writes(object.create),
        writes(object.update),
        deletes.collect::<Vec<_>>().join("<br>"),
        object.reads.first().map_or(if queried { "one record" } else { "" }, paging),
    )
    .unwrap();
    if incremental {
        write!(out, " {} |", if described.incremental { "yes" } else { "" }).unwrap();
    }
    out.push('\n');
}

fn write(way: &Write) -> String {
    let mut text = format!("`{} {}`", method(way), way.path);
    if !matches!(way.body, Body::Object | Body::Empty) {
        text.push_str(&many(way.max_items));
    }
    if way.upsert {
        text.push_str(" upsert");
    }
    if way.result.is_some() {
        text.push_str(" result");
    }
    text
}

fn many(most: Option<u32>) -> String {
    most.filter(|most| *most > 1).map_or_else(String::new, |most| format!(" ({most})"))
}

fn paging(read: &Read) -> &'static str {
    match read.paging {
        _ if read.single => "one record",
        _ if read.keyset.is_some() => "keyset",
        Paging::V3Cursor => "cursor",
        Paging::V3After => "after",
        Paging::V3Page | Paging::V2Page => "pages",
        Paging::None | Paging::Undeclared => "one answer",
    }
}
