//! Activities.

use connector_store::{Dependent, StoreError};
use serde_json::{Map, Value, json};

use super::{Folder, add};

fn settings(object: &str) -> Map<String, Value> {
    json!({ "object": object, "where": ["a = 1"] }).as_object().unwrap().clone()
}

#[test]
fn an_activity_is_kept_changed_and_renamed_and_its_name_is_unique_under_its_connection() {
    let folder = Folder::new();
    let store = folder.store();
    let (a, b) = (add(&store, "a", &[]), add(&store, "b", &[]));
    store.add_activity(&a, "all", &settings("x")).unwrap();
    store.add_activity(&b, "all", &settings("y")).unwrap();
    assert!(matches!(store.add_activity(&a, "all", &settings("x")), Err(StoreError::ActivityExists { .. })));
    for bad in ["", "a/b", "a:b", "a\nb"] {
        assert!(matches!(store.add_activity(&a, bad, &settings("x")), Err(StoreError::ActivityName { .. })), "{bad:?}");
    }
    let read = store.activity(&a, "all").unwrap();
    assert_eq!((read.revision, &read.settings), (1, &settings("x")));
    store.change_activity(&a, &read, "some", &settings("z")).unwrap();
    let again = store.change_activity(&a, &read, "other", &settings("z"));
    assert!(matches!(again, Err(StoreError::ActivityChanged(_))), "{again:?}");
    let now = store.activity(&a, "some").unwrap();
    assert_eq!((now.revision, &now.settings), (2, &settings("z")));
    assert!(matches!(store.activity(&a, "all"), Err(StoreError::NoActivity { .. })));
    store.add_activity(&a, "all", &settings("x")).unwrap();
    let taken = store.change_activity(&a, &now, "all", &settings("z"));
    assert!(matches!(taken, Err(StoreError::ActivityExists { .. })), "{taken:?}");
    store.delete_activity(&a, "all").unwrap();
    assert!(matches!(store.delete_activity(&a, "all"), Err(StoreError::NoActivity { .. })));
    assert_eq!(store.activities(&b).unwrap().len(), 1);
}

#[test]
fn activities_are_copied_and_deleted_with_their_connection() {
    let folder = Folder::new();
    let store = folder.store();
    let a = add(&store, "a", &[("token", "v")]);
    store.add_activity(&a, "all", &settings("x")).unwrap();
    let kinds: Vec<(&str, String)> =
        store.dependents(&a).unwrap().into_iter().map(|Dependent { kind, name }| (kind, name)).collect();
    assert_eq!(kinds, [("activity", "all".to_owned()), ("hidden variable", "secret.token".to_owned())]);
    store.copy(&a, "b").unwrap();
    let b = super::get(&store, "b");
    assert_eq!(store.activities(&b).unwrap(), store.activities(&a).unwrap());
    store.delete(&a).unwrap();
    assert!(matches!(store.add_activity(&a, "late", &settings("x")), Err(StoreError::NoConnection(_))));
    assert_eq!(store.activities(&a).unwrap(), []);
    assert_eq!(store.activities(&b).unwrap().len(), 1);
}
