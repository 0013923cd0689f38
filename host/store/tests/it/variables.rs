//! Variables.

use connector_host::Secret;
use connector_store::{NewVariable, Saved, Store, StoreError};

use super::{Folder, add, get, set, values};

fn new(name: &str) -> NewVariable<'_> {
    let value = Secret::new("value");
    NewVariable { name, connection: None, environment: None, hidden: false, description: None, value }
}

#[test]
fn one_name_may_have_a_value_for_the_project_for_an_environment_and_for_a_connection() {
    let folder = Folder::new();
    let store = folder.store();
    let (a, b) = (add(&store, "a", &[]), add(&store, "b", &[]));
    set(&store, "x", "for all", false).unwrap();
    store.set(&NewVariable { environment: Some("live"), value: Secret::new("live"), ..new("x") }).unwrap();
    store.set(&NewVariable { connection: a.kept, value: Secret::new("of a"), ..new("x") }).unwrap();
    assert_eq!(store.stored("x", a.kept).unwrap().len(), 3);
    assert_eq!(store.stored("x", b.kept).unwrap().len(), 2);
    assert!(store.has_environment("live").unwrap() && !store.has_environment("test").unwrap());
    assert!(store.unset("x", None, Some("live")).unwrap() && !store.unset("x", None, Some("live")).unwrap());
    assert_eq!(values(&store, "x", Some(&b)).unwrap(), ["for all"]);
}

#[test]
fn a_variable_that_is_hidden_stays_hidden_and_keeps_its_description() {
    let folder = Folder::new();
    let store = folder.store();
    store.set(&NewVariable { hidden: true, description: Some("what for"), ..new("x") }).unwrap();
    set(&store, "x", "another", false).unwrap();
    store.set(&NewVariable { environment: Some("live"), ..new("x") }).unwrap();
    let rows = store.stored("x", None).unwrap();
    assert!(rows.iter().all(|row| row.hidden() && row.value().is_none()), "{rows:?}");
    assert!(rows.iter().any(|row| row.description.as_deref() == Some("what for")));
}

#[test]
fn hidden_values_stand_in_no_file_as_they_are() {
    let folder = Folder::new();
    let store = folder.store();
    set(&store, "x", "planted-s3cret-value", true).unwrap();
    add(&store, "a", &[("token", "planted-s3cret-token")]);
    for entry in std::fs::read_dir(folder.0.path()).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(14).any(|piece| piece == b"planted-s3cret"), "{}", entry.path().display());
    }
    assert_eq!(values(&store, "x", None).unwrap(), ["planted-s3cret-value"]);
}

/// Opens, as `mallory` who may write the file but has no key: every value that moved to another place is refused.
fn refused(store: &Store, name: &str, of: Option<&Saved>) {
    let error = values(store, name, of).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_hidden_value_cannot_be_moved_to_another_variable_connection_environment_or_store() {
    let folder = Folder::new();
    let store = folder.store();
    let (a, b) = (add(&store, "a", &[("token", "of a")]), add(&store, "b", &[("token", "of b")]));
    let swap = "UPDATE variable SET connection = 3 - connection WHERE name = 'secret.token'";
    folder.sql(&format!("DROP INDEX variable_by_name; {swap}"));
    refused(&store, "secret.token", Some(&a));
    refused(&store, "secret.token", Some(&b));
    folder.sql(swap);
    assert_eq!(values(&store, "secret.token", Some(&a)).unwrap(), ["of a"], "back in its place it opens");

    folder.sql("UPDATE variable SET name = 'y' WHERE connection = 1");
    refused(&store, "y", Some(&a));
    folder.sql("UPDATE variable SET name = 'secret.token', environment = 'live' WHERE connection = 1");
    refused(&store, "secret.token", Some(&a));
    folder.sql("UPDATE variable SET environment = '', connection = NULL WHERE connection = 1");
    refused(&store, "secret.token", None);
}

#[test]
fn the_value_of_a_deleted_connection_does_not_fit_a_later_one() {
    let folder = Folder::new();
    let store = folder.store();
    let old = add(&store, "a", &[("token", "old")]);
    folder.sql("CREATE TABLE loot AS SELECT * FROM variable");
    store.delete(&old).unwrap();
    add(&store, "a", &[]);
    folder.sql(
        "INSERT INTO variable (name, connection, environment, sealed, key)
         SELECT name, (SELECT id FROM connection), environment, sealed, key FROM loot",
    );
    refused(&store, "secret.token", Some(&get(&store, "a")));
}

#[test]
fn what_becomes_hidden_is_hidden_in_all_environments_and_leaves_no_plain_value_behind() {
    let folder = Folder::new();
    let store = folder.store();
    let of = |environment, hidden| NewVariable {
        environment,
        hidden,
        value: Secret::new(format!("planted-plain-{}", environment.unwrap_or("all"))),
        ..new("x")
    };
    for environment in [None, Some("live"), Some("test")] {
        store.set(&of(environment, false)).unwrap();
    }
    store.set(&of(Some("test"), true)).unwrap();
    assert!(store.stored("x", None).unwrap().iter().all(|row| row.hidden()));
    for entry in std::fs::read_dir(folder.0.path()).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(13).any(|piece| piece == b"planted-plain"), "{}", entry.path().display());
    }
    let mut all = values(&store, "x", None).unwrap();
    all.sort();
    assert_eq!(all, ["planted-plain-all", "planted-plain-live", "planted-plain-test"]);
}
