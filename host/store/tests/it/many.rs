//! Ten thousand connections. `cargo test -p connector-store --test it many -- --nocapture` prints the times.

use std::time::{Duration, Instant};

use connector_host::Secret;
use connector_store::{Name, Saved, Store};

use super::{Folder, get, values};

/// Fills a store, each connection with a hidden variable of its own.
fn filled(folder: &Folder, count: usize) -> Store {
    let store = folder.store();
    let one = |n: usize| {
        let mut saved = Saved::new("bigcommerce", format!("store-{n:05}"));
        saved.settings.insert("store_hash".into(), format!("hash{n}").into());
        saved.settings.insert("access_token".into(), "[secret.access_token]".into());
        (saved, vec![("secret.access_token".to_owned(), Secret::new(format!("token-{n}")))])
    };
    store.save(&(0..count).map(one).collect::<Vec<_>>()).unwrap();
    store
}

/// The median of the times that something takes.
fn median(times: usize, mut what: impl FnMut(usize)) -> Duration {
    let mut all: Vec<Duration> = (0..times)
        .map(|n| {
            let began = Instant::now();
            what(n);
            began.elapsed()
        })
        .collect();
    all.sort();
    all[times / 2]
}

#[test]
fn one_of_many_is_found_as_fast_as_one_of_few() {
    let find = |count: usize| {
        let folder = Folder::new();
        let store = filled(&folder, count);
        let found = median(201, |n| {
            let saved = get(&store, &format!("store-{:05}", n * 7919 % count));
            assert_eq!(values(&store, "secret.access_token", Some(&saved)).unwrap().len(), 1);
        });
        let opened = median(21, |_| drop(folder.store().connection(&Name::from("store-00001")).unwrap()));
        let listed = median(5, |_| assert_eq!(store.connections().unwrap().len(), count));
        drop(store);
        let size = std::fs::metadata(folder.path()).unwrap().len() / 1024;
        println!(
            "{count} connections: one with its secret {found:?}, store and one {opened:?}, all {listed:?}, {size} KiB"
        );
        found
    };
    let (few, many) = (find(10), find(10_000));
    assert!(many < few * 20, "{few:?} among 10, {many:?} among 10,000");
}
