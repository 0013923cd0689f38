//! Holds what the README lists against what the sources and the component say.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::{Parser, Payload};

use crate::components::GUESTS;

fn read(path: &str) -> String {
    std::fs::read_to_string(crate::workspace().join(path)).unwrap()
}

/// The lines of a section of the README, from its heading to the next one.
fn section(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let lines = readme.lines().skip_while(|line| *line != heading).skip(1);
    let lines: Vec<String> = lines.take_while(|line| !line.starts_with("## ")).map(str::to_owned).collect();
    assert!(!lines.is_empty(), "the README has no `{heading}`");
    lines
}

/// `a:b/{c, d}@1` means `a:b/c@1` and `a:b/d@1`.
fn spelt_out(list: &str) -> Vec<String> {
    match list.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?))) {
        None => vec![list.to_owned()],
        Some((before, (names, after))) => names.split(", ").map(|name| format!("{before}{name}{after}")).collect(),
    }
}

/// Instances that a component imports.
fn imports(component: &[u8]) -> BTreeSet<String> {
    let (mut depth, mut names) = (0_usize, BTreeSet::new());
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                names.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    names
}

#[test]
fn the_imports_are_those_of_the_component_and_no_others() {
    let path = GUESTS[0].component(&crate::workspace());
    let component =
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask components`", path.display()));
    let lines = section("## Embedding it");
    let told = lines.iter().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'));
    assert_eq!(told.flat_map(spelt_out).collect::<BTreeSet<_>>(), imports(&component));
}

#[test]
fn every_limit_is_told_with_its_default() {
    assert_eq!(rows_of("| limit |"), defaults_in("host/embed/src/limits.rs"));
    let mut of_the_host = defaults_in("host/embed/src/engine.rs");
    assert_eq!(of_the_host.remove("pooling").as_deref(), Some("true"), "a switch, and no limit");
    assert_eq!(rows_of("| limit of the host |"), of_the_host);
}

/// Names and defaults that the README has in the table that begins like this.
fn rows_of(head: &str) -> BTreeMap<String, String> {
    let rows = section("## Configuration").into_iter().skip_while(|line| !line.starts_with(head)).skip(2);
    let cells = |row: &str| {
        let (name, rest) = row.strip_prefix("| `")?.split_once("`: ")?;
        let (_, default) = rest.strip_suffix(" |")?.rsplit_once(" | ")?;
        Some((name.to_owned(), default.to_owned()))
    };
    rows.map_while(|row| cells(&row)).collect()
}

/// The fields of a structure of the host, with the defaults that their documentation has. A test of that crate holds those against
/// the real ones.
fn defaults_in(source: &str) -> BTreeMap<String, String> {
    let (source, mut found, mut default) = (read(source), BTreeMap::new(), None);
    for line in source.lines().map(str::trim).take_while(|line| !line.starts_with("impl")) {
        if let Some((_, text)) = line.strip_prefix("///").and_then(|line| line.split_once("Default ")) {
            default = Some(text.trim_end_matches('.').to_owned());
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(": ")) {
            found.extend(default.take().map(|default| (name.to_owned(), default)));
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn every_variable_of_the_environment_is_told() {
    let source = ["args.rs", "serve/arguments.rs"].map(|file| read(&format!("host/cli/src/{file}"))).concat();
    let options = source.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut wanted: BTreeSet<&str> = options.collect();
    assert!(!wanted.is_empty());
    // Read without the help of the library that reads the command line.
    for (name, file) in [
        ("CONNECTOR_KEY", "session.rs"),
        ("CONNECTOR_VAR_", "variables/mod.rs"),
        ("NO_COLOR", "error.rs"),
        ("RUST_LOG", "args.rs"),
    ] {
        assert!(read(&format!("host/cli/src/{file}")).contains(name), "{name} is not read any more");
        wanted.insert(if name.ends_with('_') { "CONNECTOR_VAR_NAME" } else { name });
    }
    let lines = section("## Configuration");
    let rows = lines.iter().skip_while(|line| !line.starts_with("| variable |")).skip(2);
    let told: BTreeSet<&str> = rows.map_while(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert_eq!(told, wanted);
}

#[test]
fn every_test_that_the_book_names_for_an_attack_is_there() {
    let page = read("docs/security.md");
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| attack |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let mut sources = String::new();
    for folder in ["host/embed/tests/it/hostile", "tests/end-to-end/tests/promises"] {
        for entry in std::fs::read_dir(crate::workspace().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut named = 0;
    for row in rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").nth(1).unwrap();
        for test in tests.split(", ").map(|test| test.trim_matches('`')) {
            assert!(sources.contains(&format!("async fn {test}() {{")), "there is no test `{test}`: {row}");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
