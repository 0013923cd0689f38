//! Times at which operations are due.

use std::sync::Arc;

use connector_store::Due;

use super::Folder;

#[test]
fn a_time_is_claimed_once_by_however_many_processes() {
    let folder = Folder::new();
    let start = Arc::new(std::sync::Barrier::new(4));
    let claimers: Vec<_> = (0..4)
        .map(|_| {
            // Each has the file open for itself, as another process would.
            let (store, start) = (folder.store(), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                (1..=50).filter(|due| store.claim_due("export", *due).unwrap()).collect::<Vec<i64>>()
            })
        })
        .collect();
    let mut claimed: Vec<i64> = claimers.into_iter().flat_map(|claimer| claimer.join().unwrap()).collect();
    claimed.sort_unstable();
    let mut once = claimed.clone();
    once.dedup();
    assert_eq!(claimed, once, "none twice");
    assert_eq!(claimed.last(), Some(&50));
}

#[test]
fn what_came_of_a_time_is_kept_until_something_comes_of_a_later_one() {
    let folder = Folder::new();
    let store = folder.store();
    assert_eq!(store.last_due("export").unwrap(), None);
    assert!(store.claim_due("export", 10).unwrap() && !store.claim_due("export", 9).unwrap());
    store.note_due("export", 10, Ok("run-1")).unwrap();
    let due = |due, not_run: Option<(i64, &str)>| {
        let not_run = not_run.map(|(due, why)| (due, why.to_owned()));
        Due { due, run: Some("run-1".into()), not_run }
    };
    assert_eq!(store.last_due("export").unwrap(), Some(due(10, None)));
    assert!(store.claim_due("export", 11).unwrap());
    store.note_due("export", 11, Err("still going")).unwrap();
    // Somebody who was slower does not tell of an earlier time what holds for this one.
    store.note_due("export", 10, Err("late")).unwrap();
    assert_eq!(store.last_due("export").unwrap(), Some(due(11, Some((11, "still going")))));
    assert!(store.claim_due("export", 12).unwrap());
    assert_eq!(
        store.last_due("export").unwrap(),
        Some(due(12, Some((11, "still going")))),
        "12 is claimed, and not settled"
    );
    store.note_due("export", 12, Ok("run-1")).unwrap();
    assert_eq!(store.last_due("export").unwrap(), Some(due(12, None)));
    assert!(store.claim_due("other", 1).unwrap(), "operations do not share their times");
}
