//! Components of other versions of the world, and of other worlds.

use connector_host::LoadError;

use super::handmade::{MEMORIES, TABLES, component, leb, with_section};
use crate::host;

/// Why a component that its contract makes with these changes is not loaded.
async fn refusal(changes: &[(&str, &str)]) -> LoadError {
    host().load(&component(changes, |module| module)).await.unwrap_err()
}

/// The contract as another version.
fn version(version: &str) -> (String, String) {
    ("package ipaas:connector@0.1.0;".to_owned(), format!("package ipaas:connector@{version};"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_patch_is_served_as_long_as_it_needs_nothing_new() {
    // That it crashes while it describes itself shows that its world was served.
    for patch in ["0.1.0", "0.1.1", "0.1.27"] {
        let (from, to) = version(patch);
        let error = refusal(&[(&from, &to)]).await;
        assert!(matches!(error, LoadError::Describe(_)) && error.to_string().contains("crashed"), "{patch}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_needs_a_newer_or_another_world_is_refused_with_both_versions() {
    let (from, to) = version("0.1.1");
    let added = ("interface logging {", "interface logging { flush: func();");
    let error = refusal(&[(&from, &to), added]).await.to_string();
    let told =
        "this connector is built for ipaas:connector@0.1.1, this host runs ipaas:connector@0.1.0: use a newer host";
    assert_eq!(error, told);
    for newer in ["0.2.0", "1.0.0"] {
        let (from, to) = version(newer);
        let error = refusal(&[(&from, &to)]).await.to_string();
        let told = format!("built for ipaas:connector@{newer}, this host runs ipaas:connector@0.1.0");
        assert_eq!(error, format!("this connector is {told}: use a newer host"));
    }
    let (from, to) = version("0.0.9");
    let error = refusal(&[(&from, &to)]).await.to_string();
    assert!(error.ends_with("ipaas:connector@0.1.0: use a newer version of the connector"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_another_package_is_no_connector() {
    let error = refusal(&[("ipaas:connector@", "acme:connector@")]).await;
    assert!(matches!(error, LoadError::NotAConnector { .. }), "{error}");
    let told = "it does not export ipaas:connector/metadata@0.1.0; it exports acme:connector/";
    assert!(error.to_string().contains(told), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_imports_what_nobody_offers_is_refused() {
    let error = refusal(&[
        ("import logging;", "import logging;\n  import spy;"),
        ("interface logging {", "interface spy { look: func(); }\ninterface logging {"),
    ])
    .await;
    assert!(matches!(error, LoadError::UnknownImports(_)), "{error}");
    assert!(error.to_string().contains("ipaas:connector/spy@0.1.0"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_memories_are_counted_from_the_start() {
    // Two tables of 60,000 entries; three memories of one page; one table that no pool has room for.
    let table = |entries: usize| [&[0x70, 0][..], &leb(entries)].concat();
    let tables = [vec![2], table(60_000), table(60_000)].concat();
    let (huge, memories) = ([vec![1], table(10_000_000)].concat(), vec![3, 0, 1, 0, 1, 0, 1]);
    for (section, body, told) in [
        (TABLES, tables, "needed more than 100000 entries in its tables of functions (limit `table_entries`)"),
        (TABLES, huge, "100000"),
        (MEMORIES, memories, "memor"),
    ] {
        let wasm = component(&[], |module| with_section(&module, section, &body));
        let error = host().load(&wasm).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
