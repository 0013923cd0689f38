//! Connections.

use connector_host::Secret;
use connector_store::{Name, Saved, StoreError};
use serde_json::json;

use super::{Folder, add, get, values};

#[test]
fn what_is_saved_comes_back_as_it_was() {
    let folder = Folder::new();
    let mut saved = Saved::new("bigcommerce", "my shop (EU)");
    saved.grants.push("https://gateway.example.com".parse().unwrap());
    saved.ca_file = Some("authority.pem".into());
    saved.settings = json!({ "a": "[x]", "n": 250, "deep": { "list": [1, 2.5, null] } }).as_object().unwrap().clone();
    folder.store().save(&[(saved.clone(), Vec::new())]).unwrap();
    let back = get(&folder.store(), "my shop (EU)");
    assert_eq!((back.connector, back.name, back.settings), (saved.connector, saved.name, saved.settings));
    assert_eq!((back.grants, back.ca_file), (saved.grants, saved.ca_file));
}

#[test]
fn a_name_is_unique_among_the_connections_of_one_connector() {
    let folder = Folder::new();
    let store = folder.store();
    add(&store, "a", &[]);
    let again = store.save(&[(Saved::new("fixed", "a"), Vec::new())]);
    assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
    store.save(&[(Saved::new("other", "a"), Vec::new())]).unwrap();
    let either = store.connection(&Name::from("a"));
    assert!(matches!(&either, Err(StoreError::Ambiguous { connectors, .. }) if *connectors == ["fixed", "other"]));
    assert_eq!(get(&store, "other:a").connector, "other");
    for bad in ["", " ", "a/b", "a:b", "a\nb"] {
        let refused = store.save(&[(Saved::new("fixed", bad), Vec::new())]);
        assert!(matches!(refused, Err(StoreError::Name { .. })), "{bad:?}: {refused:?}");
    }
    let missing = store.connection(&Name::from("b"));
    assert!(matches!(missing, Err(StoreError::NoConnection(_))), "{missing:?}");
}

#[test]
fn several_are_saved_all_or_none() {
    let folder = Folder::new();
    let store = folder.store();
    add(&store, "there", &[]);
    let list = ["new", "there"].map(|name| (Saved::new("fixed", name), vec![("s".to_owned(), Secret::new("v"))]));
    assert!(matches!(store.save(&list), Err(StoreError::Exists { .. })));
    assert_eq!(store.names().unwrap(), ["there"]);
    assert!(store.variables().unwrap().is_empty());
}

#[test]
fn of_two_who_change_the_same_connection_the_second_learns_of_the_first() {
    let folder = Folder::new();
    let (first, second) = (folder.store(), folder.store());
    let mut mine = add(&first, "a", &[]);
    let mut theirs = get(&second, "a");
    theirs.settings.insert("theirs".into(), json!(1));
    second.save(&[(theirs, Vec::new())]).unwrap();
    mine.settings.insert("mine".into(), json!(1));
    let refused = first.save(&[(mine, Vec::new())]);
    assert!(matches!(refused, Err(StoreError::ChangedMeanwhile(_))), "{refused:?}");
    assert!(get(&first, "a").settings.contains_key("theirs"));
}

#[test]
fn own_variables_go_with_their_connection_under_its_new_name_and_into_its_copy() {
    let folder = Folder::new();
    let store = folder.store();
    let saved = add(&store, "a", &[("token", "s3cret")]);
    store.rename(&saved, "b").unwrap();
    let renamed = get(&store, "b");
    assert_eq!(values(&store, "secret.token", Some(&renamed)).unwrap(), ["s3cret"]);
    store.copy(&renamed, "c").unwrap();
    let copy = get(&store, "c");
    assert_eq!(copy.settings, renamed.settings);
    store.delete(&renamed).unwrap();
    assert!(matches!(store.delete(&renamed), Err(StoreError::NoConnection(_))));
    assert_eq!(values(&store, "secret.token", Some(&copy)).unwrap(), ["s3cret"], "the copy has its own");
    assert_eq!(store.variables().unwrap().len(), 1);
    for taken in [store.rename(&copy, "c"), store.copy(&copy, "c")] {
        assert!(matches!(taken, Err(StoreError::Exists { .. })), "{taken:?}");
    }
}

#[test]
fn what_depends_on_a_connection_is_named_before_it_goes() {
    let folder = Folder::new();
    let store = folder.store();
    let saved = add(&store, "a", &[("token", "s3cret"), ("key", "s3cret")]);
    add(&store, "b", &[("token", "s3cret")]);
    let dependents = store.dependents(&saved).unwrap();
    let names: Vec<&str> = dependents.iter().map(|dependent| dependent.name.as_str()).collect();
    assert_eq!(names, ["secret.key", "secret.token"]);
    assert_eq!(dependents[0].kind, "hidden variable");
}

#[test]
fn a_secret_that_no_setting_mentions_any_more_is_forgotten() {
    let folder = Folder::new();
    let store = folder.store();
    let mut saved = add(&store, "a", &[("token", "s3cret"), ("other", "kept")]);
    saved.settings.insert("token".into(), json!("[mine]"));
    store.save(&[(saved, Vec::new())]).unwrap();
    let names: Vec<String> = store.variables().unwrap().into_iter().map(|variable| variable.name).collect();
    assert_eq!(names, ["secret.other"]);
}

#[test]
fn a_row_that_is_damaged_is_told_with_its_place() {
    let folder = Folder::new();
    add(&folder.store(), "a", &[]);
    folder.sql("UPDATE connection SET settings = 'no JSON'");
    let error = folder.store().connections().unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert!(error.to_string().contains("the connection `a`") && error.to_string().contains("connector.db"), "{error}");
}
