//! What was released keeps working: components of every released contract run, and the contract grows only where that lets them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use connector_host::contract::Outcome;
use wit_parser::{Resolve, WorldId, WorldItem};

use crate::hostile::handmade::copy;
use crate::{host, people, write};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The released contracts: version and folder.
fn releases() -> Vec<(String, PathBuf)> {
    let folders = std::fs::read_dir(Path::new(ROOT).join("tests/frozen")).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path));
    let releases: Vec<_> = folders.filter(|path| path.is_dir()).filter_map(named).collect();
    assert!(!releases.is_empty());
    releases
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_of_every_released_contract_runs() {
    for (version, folder) in releases() {
        let deflated = std::fs::read(folder.join("fixed.wasm.gz")).unwrap();
        let mut wasm = Vec::new();
        flate2::read::GzDecoder::new(&deflated[..]).read_to_end(&mut wasm).unwrap();
        let connector = host().load(&wasm).await.unwrap();
        assert!(
            connector.imports().contains(&format!("ipaas:connector/logging@{version}")),
            "{:?}",
            connector.imports()
        );
        let config = connector_host::ConnectionConfig::new("released", r#"{"greeting": "hello"}"#);
        let connection = host().open(&connector, config).await.unwrap();
        assert_eq!(connection.test().await.unwrap().account, "hello");
        let (mut pages, mut count) = (connection.query(people()).await.unwrap(), 0);
        while let Some(page) = pages.next().await.unwrap() {
            count += page.count;
        }
        assert_eq!(count, 1000);
        let mut activity = connection.activity().await.unwrap();
        let outcomes = activity.create(&write("people", "{\"name\":\"Ada\"}\n")).await.unwrap();
        assert!(matches!(&outcomes[..], [Outcome::Applied(_)]), "{outcomes:?}");
    }
}

/// Why a connector that was built for `released` may not run in a host of `wit/` as these changes leave it. `None` if it does.
fn breach(released: &Path, changes: &[(&str, &str)]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(ROOT).join("wit"), folder.path(), changes);
    let old = tempfile::tempdir().unwrap();
    // Another version, so that both packages have room in one set.
    copy(released, old.path(), &[("package ipaas:connector@0.1.0;", "package ipaas:connector@0.0.0;")]);
    let (mut resolve, old) = parse(old.path());
    let (newer, new) = parse(folder.path());
    let mapped = resolve.merge(newer).unwrap();
    let new = mapped.map_world(new, wit_parser::Span::default()).unwrap();
    let (before, after) = (exports(&resolve, old), exports(&resolve, new));
    if before != after {
        return Some(format!("the exports were {before:?} and are {after:?}"));
    }
    wit_component::semver_check(resolve, old, new).err().map(|error| format!("{error:#}"))
}

fn parse(folder: &Path) -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder).unwrap();
    let world = resolve.select_world(&[package], Some("connector")).unwrap();
    (resolve, world)
}

/// Every function that a component of this world exports.
fn exports(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let interfaces = resolve.worlds[world].exports.values().map(|item| match item {
        WorldItem::Interface { id, .. } => &resolve.interfaces[*id],
        other => panic!("{other:?}"),
    });
    let named = interfaces.flat_map(|interface| {
        let of = interface.name.clone().unwrap_or_default();
        interface.functions.keys().map(move |name| format!("{of}.{name}"))
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    names
}

#[test]
fn the_contract_serves_what_was_built_for_its_releases() {
    for (version, folder) in releases() {
        assert_eq!(breach(&folder.join("wit"), &[]), None, "{version}");
    }
}

#[test]
fn a_release_may_add_to_the_imports_and_nothing_else() {
    let (_, folder) = releases().remove(0);
    let released = folder.join("wit");
    let grown = [("interface logging {", "interface logging { flush: func();")];
    assert_eq!(breach(&released, &grown), None);
    for breaking in [
        ("describe: func() -> info;", "describe: func() -> info;\n  forget: func();"),
        ("title: string,", "title: string, subtitle: string,"),
        ("enum consistency {", "enum consistency { none,"),
        ("get: func(name: string)", "get: func(name: string, scope: string)"),
        ("report: func(bucket: string, allowance: allowance);", ""),
        ("  import control;", ""),
    ] {
        assert!(breach(&released, &[breaking]).is_some(), "{breaking:?} breaks nothing");
    }
}
