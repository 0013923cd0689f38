//! Keys: where they lie, what is said if one is missing, and how another takes its place.

use connector_host::Secret;
use connector_store::{KeyError, KeySources, NewKey, Store, StoreError};

use super::{Folder, add, get, set, values};

/// 32 bytes in base64.
const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

fn environment(keys: &str) -> KeySources {
    KeySources { environment: Some(Secret::new(keys)), ..KeySources::default() }
}

#[test]
fn the_first_hidden_value_makes_a_key_file_and_plain_ones_make_none() {
    let folder = Folder::new();
    let store = folder.store();
    set(&store, "plain", "p", false).unwrap();
    assert!(!folder.0.path().join("keys").exists());
    set(&store, "x", "s3cret", true).unwrap();
    let keys = std::fs::read_to_string(folder.key_file()).unwrap();
    set(&folder.store(), "y", "s3cret", true).unwrap();
    assert_eq!(std::fs::read_to_string(folder.key_file()).unwrap(), keys, "the second value takes the same key");
}

#[test]
fn a_key_that_is_missing_or_wrong_is_told_with_every_place_that_was_looked_at() {
    let folder = Folder::new();
    set(&folder.store(), "x", "s3cret", true).unwrap();
    std::fs::write(folder.key_file(), format!("{ONE}\n")).unwrap();
    let keys = KeySources { file: Some("/nowhere/a.key".into()), ..folder.keys() };
    let store = Store::open(&folder.path(), keys).unwrap();
    let told = |error: StoreError| match error {
        StoreError::Key(KeyError::Missing { looked, .. }) => {
            looked.into_iter().map(|looked| format!("{}: {}", looked.place, looked.found)).collect::<Vec<_>>()
        }
        other => panic!("{other}"),
    };
    for error in [values(&store, "x", None).unwrap_err(), set(&store, "y", "z", true).unwrap_err()] {
        let looked = told(error);
        assert_eq!(looked.len(), 3, "{looked:?}");
        assert_eq!(looked[0], "CONNECTOR_KEY: not set");
        assert!(looked[1].starts_with("/nowhere/a.key: No such file"), "{looked:?}");
        assert!(looked[2].contains("keys/") && !looked[2].contains(ONE), "{looked:?}");
    }
    set(&store, "plain", "p", false).unwrap();
    assert_eq!(values(&store, "plain", None).unwrap(), ["p"], "what is not hidden needs no key");
}

#[test]
fn without_any_place_for_a_key_nothing_hidden_is_kept() {
    let folder = Folder::new();
    let store = Store::open(&folder.path(), KeySources::default()).unwrap();
    let error = set(&store, "x", "s3cret", true).unwrap_err();
    assert!(matches!(error, StoreError::Key(KeyError::NoPlace)), "{error}");
    let store = Store::open(&folder.path(), environment("nonsense")).unwrap();
    let error = set(&store, "x", "s3cret", true).unwrap_err();
    assert!(matches!(error, StoreError::Key(KeyError::NoKey { .. })), "{error}");
    assert!(!error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn after_a_rotation_every_value_opens_with_the_new_key_alone() {
    let folder = Folder::new();
    let store = folder.store();
    set(&store, "x", "of the project", true).unwrap();
    add(&store, "a", &[("token", "of a")]);
    let rotated = store.rotate_key(NewKey::Usual).unwrap();
    assert_eq!(rotated.values, 2);
    assert_ne!(rotated.before.as_deref(), Some(rotated.now.as_str()));
    let file = folder.key_file();
    let lines: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "the old key stays");
    std::fs::write(&file, format!("{}\n", lines[1])).unwrap();
    let fresh = folder.store();
    assert_eq!(values(&fresh, "x", None).unwrap(), ["of the project"]);
    assert_eq!(values(&fresh, "secret.token", Some(&get(&fresh, "a"))).unwrap(), ["of a"]);
    std::fs::write(&file, format!("{}\n", lines[0])).unwrap();
    assert!(values(&folder.store(), "x", None).is_err());
}

#[test]
fn a_process_that_is_at_work_reads_on_while_another_rotates() {
    let folder = Folder::new();
    let (at_work, other) = (folder.store(), folder.store());
    set(&at_work, "x", "value", true).unwrap();
    for _ in 0..3 {
        other.rotate_key(NewKey::Usual).unwrap();
        assert_eq!(values(&at_work, "x", None).unwrap(), ["value"]);
    }
}

#[test]
fn a_key_of_the_environment_is_replaced_by_the_one_behind_it() {
    let folder = Folder::new();
    let open = |keys: &str| Store::open(&folder.path(), environment(keys)).unwrap();
    set(&open(ONE), "x", "value", true).unwrap();
    let only = open(ONE).rotate_key(NewKey::Usual).unwrap_err();
    assert!(matches!(only, StoreError::Key(KeyError::OnlyThePresentOne(_))), "{only}");
    assert_eq!(open(&format!("{ONE},{TWO}")).rotate_key(NewKey::Usual).unwrap().place, "CONNECTOR_KEY");
    assert_eq!(values(&open(TWO), "x", None).unwrap(), ["value"]);
    assert!(values(&open(ONE), "x", None).is_err());
}

#[test]
fn a_rotation_that_cannot_read_one_value_changes_none_and_makes_no_key() {
    let folder = Folder::new();
    let store = folder.store();
    set(&store, "x", "value", true).unwrap();
    set(&store, "y", "value", true).unwrap();
    folder.sql("UPDATE variable SET sealed = zeroblob(60) WHERE name = 'y'");
    let keys = std::fs::read_to_string(folder.key_file()).unwrap();
    assert!(matches!(store.rotate_key(NewKey::Usual), Err(StoreError::Damaged { .. })));
    assert_eq!(values(&store, "x", None).unwrap(), ["value"]);
    assert_eq!(std::fs::read_to_string(folder.key_file()).unwrap(), keys);
}

#[test]
fn a_place_that_was_named_and_holds_no_key_is_an_error_though_another_has_it() {
    let folder = Folder::new();
    set(&folder.store(), "x", "s3cret", true).unwrap();
    let (no_key, large) = (folder.0.path().join("no.key"), folder.0.path().join("large.key"));
    std::fs::write(&no_key, "bm90\n").unwrap();
    std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    let named = |file: &std::path::Path| KeySources { file: Some(file.to_owned()), ..folder.keys() };
    let environment = KeySources { environment: Some(Secret::new("bm90")), ..folder.keys() };
    for keys in [named(&no_key), named(folder.0.path()), named(&large), environment] {
        let told = format!("{keys:?}");
        let store = Store::open(&folder.path(), keys).unwrap();
        for error in [values(&store, "x", None).unwrap_err(), set(&store, "y", "z", true).unwrap_err()] {
            assert!(
                matches!(error, StoreError::Key(KeyError::NoKey { .. } | KeyError::File { .. })),
                "{told}: {error}"
            );
        }
    }
    // One that is not there is made with the next key.
    let made = folder.0.path().join("made.key");
    let store = Store::open(&folder.path(), named(&made)).unwrap();
    assert_eq!(values(&store, "x", None).unwrap(), ["s3cret"]);
    assert_eq!(store.rotate_key(NewKey::Usual).unwrap().place, made.display().to_string());
}

/// A key file that is a pipe keeps whoever reads it waiting, as a keyring does that waits for a password.
#[cfg(unix)]
#[test]
fn while_a_key_is_looked_for_others_read_and_change() {
    let folder = Folder::new();
    let other = Store::open(&folder.path(), environment(ONE)).unwrap();
    set(&other, "away", "value", true).unwrap();
    let pipe = folder.0.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let keys = KeySources { file: Some(pipe.clone()), ..environment(TWO) };
    let store = Store::open(&folder.path(), keys).unwrap();
    let waits = std::thread::scope(|scope| {
        let waits = scope.spawn(|| values(&store, "away", None));
        // Opened for writing as soon as somebody waits for it.
        let end = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        set(&other, "plain", "changed meanwhile", false).unwrap();
        assert_eq!(values(&store, "plain", None).unwrap(), ["changed meanwhile"]);
        let again = set(&store, "plain", "and by the same", false);
        drop(end);
        again.unwrap();
        waits.join().unwrap()
    });
    assert!(matches!(waits, Err(StoreError::Key(KeyError::Missing { .. }))), "{waits:?}");
    let began = std::time::Instant::now();
    std::fs::remove_file(&pipe).unwrap();
    std::fs::write(&pipe, ONE).unwrap();
    let found = values(&store, "away", None);
    if began.elapsed().as_secs() < 4 {
        assert!(found.is_err(), "what was just nowhere is not asked for again at once");
    }
    while values(&store, "away", None).is_err() {
        assert!(began.elapsed().as_secs() < 60, "it is asked for again after a while");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
