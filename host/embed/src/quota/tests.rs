//! The promises of `quota`, on a clock that stands still unless told otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::sync::atomic::AtomicU32;

fn bucket() -> Arc<Bucket> {
    Registry::default().bucket("connector", "store")
}

/// From a remote that does not say how much is allowed, so that nobody can tell whether others draw on it too.
fn left(left: u32, reset_ms: u64) -> Report {
    Report { limit: None, left: Some(left), reset: Some(Duration::from_millis(reset_ms)) }
}

async fn ready(permit: &Permit) -> bool {
    tokio::time::timeout(Duration::from_millis(1), permit.granted()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn before_anything_is_known_a_few_may_go_and_more_with_each_silent_answer() {
    let bucket = bucket();
    let mut permits: Vec<Permit> = (0..8).map(|_| bucket.reserve(None)).collect();
    for (index, permit) in permits.iter().enumerate() {
        assert_eq!(ready(permit).await, index < 4, "{index}");
    }
    permits.remove(0);
    assert!(ready(&permits[3]).await && ready(&permits[4]).await, "one place was freed and one silent answer came");
    assert!(!ready(&permits[5]).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_go_than_are_left() {
    let bucket = bucket();
    bucket.report(left(3, 10_000));
    let permits: Vec<Permit> = (0..5).map(|_| bucket.reserve(None)).collect();
    let mut granted = Vec::new();
    for permit in &permits {
        granted.push(ready(permit).await);
    }
    assert_eq!(granted, [true, true, true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn nothing_left_holds_everybody_until_the_window_ends_and_then_one_goes_ahead() {
    let registry = Registry::default();
    let bucket = registry.bucket("connector", "store");
    let other = registry.bucket("connector", "other store");
    bucket.report(left(0, 5_000));
    let start = Instant::now();
    let permits: Vec<Permit> = (0..3).map(|_| registry.bucket("connector", "store").reserve(None)).collect();
    assert!(ready(&other.reserve(None)).await, "another bucket is not concerned");
    assert!(!ready(&permits[0]).await);
    assert_eq!(bucket.status("store").waiting, 3);
    assert!(bucket.status("store").held_for.unwrap() > Duration::from_secs(4));
    permits[0].granted().await;
    assert_eq!(start.elapsed().as_millis(), 5_001, "the part of a millisecond that remotes cut off counts as well");
    assert!(!ready(&permits[1]).await, "the first finds out what the new window holds");
    bucket.report(left(50, 5_000));
    assert!(ready(&permits[1]).await && ready(&permits[2]).await);
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_an_answer_lets_the_next_ones_go() {
    let bucket = bucket();
    bucket.report(left(0, 1_000));
    let probe = bucket.reserve(None);
    let next = bucket.reserve(None);
    probe.granted().await;
    assert!(!ready(&next).await);
    drop(probe);
    assert!(ready(&next).await);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_was_not_used_up_ends_without_a_pause() {
    let bucket = bucket();
    bucket.report(left(50, 1_000));
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let permits: Vec<Permit> = (0..3).map(|_| bucket.reserve(None)).collect();
    for permit in &permits {
        assert!(ready(permit).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overtaken_report_does_not_raise_what_is_left() {
    let bucket = bucket();
    bucket.report(left(1, 10_000));
    bucket.report(left(9, 10_020));
    let permits = [bucket.reserve(None), bucket.reserve(None)];
    assert!(ready(&permits[0]).await);
    assert!(!ready(&permits[1]).await);
    bucket.report(left(9, 30_000));
    assert!(ready(&permits[1]).await, "a later end is a new window");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_until_the_end_that_it_named_whatever_later_window_other_answers_tell_of() {
    let bucket = bucket();
    bucket.report(left(0, 500));
    bucket.report(left(50, 20_000));
    let start = Instant::now();
    let permits = [bucket.reserve(None), bucket.reserve(None)];
    permits[0].granted().await;
    assert_eq!(start.elapsed().as_millis(), 501, "an answer that was under way lifted the hold");
    assert!(!ready(&permits[1]).await, "one finds out what is left");
    bucket.report(left(49, 19_500));
    assert!(ready(&permits[1]).await);

    let bucket = self::bucket();
    bucket.report(left(0, 500));
    bucket.report(left(0, 20_000));
    let start = Instant::now();
    bucket.reserve(None).granted().await;
    assert_eq!(start.elapsed().as_millis(), 20_001, "a second refusal named a later end");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_a_nearer_end_than_other_answers_holds_no_longer_than_it_says() {
    let bucket = bucket();
    bucket.report(left(90, 30_000));
    bucket.report(left(0, 20));
    let start = Instant::now();
    let permits = [bucket.reserve(None), bucket.reserve(None)];
    permits[0].granted().await;
    assert_eq!(start.elapsed().as_millis(), 21);
    bucket.report(left(89, 29_900));
    assert!(ready(&permits[1]).await, "the window had not been used up");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_nothing_counts_against_what_is_left() {
    let bucket = bucket();
    bucket.report(left(2, 10_000));
    for _ in 0..2 {
        let permit = bucket.reserve(None);
        assert!(ready(&permit).await);
    }
    let third = bucket.reserve(None);
    assert!(!ready(&third).await);
    assert_eq!(bucket.status("store").left, Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_line_is_first_come_first_served_and_concurrency_holds_over_all_activities() {
    let registry = Registry::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (under_way, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut tasks = Vec::new();
    for index in 0..20 {
        let permit = registry.bucket("connector", "store").reserve(Some(2));
        let (order, under_way, most) = (Arc::clone(&order), Arc::clone(&under_way), Arc::clone(&most));
        tasks.push(tokio::spawn(async move {
            permit.granted().await;
            order.lock().unwrap().push(index);
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_waiting_does_not_hold_up_the_line() {
    let bucket = bucket();
    let first = bucket.reserve(Some(1));
    let second = bucket.reserve(Some(1));
    let third = bucket.reserve(Some(1));
    assert!(ready(&first).await && !ready(&third).await);
    drop(second);
    drop(first);
    assert!(ready(&third).await);
    assert_eq!(bucket.status("store").waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn permits_of_an_instance_that_does_not_run_keep_nobody_waiting() {
    let bucket = bucket();
    let first = bucket.reserve(Some(1));
    assert!(ready(&first).await);
    let waiting = bucket.reserve(Some(1));
    assert!(!ready(&waiting).await);
    assert!(first.held().park());
    assert!(ready(&waiting).await, "an idle instance held the only place");
    let third = bucket.reserve(Some(1));
    first.held().unpark();
    drop(waiting);
    assert!(!ready(&third).await, "the first permit counts again");
    drop(first);
    assert!(ready(&third).await);

    // One that probes does not hold up the others either, and one that waits while its instance is idle is passed over.
    let bucket = self::bucket();
    bucket.report(left(0, 1000));
    tokio::time::advance(Duration::from_secs(2)).await;
    let probe = bucket.reserve(None);
    assert!(ready(&probe).await);
    let idle = bucket.reserve(None);
    let running = bucket.reserve(None);
    assert!(!ready(&running).await);
    assert!(idle.held().park());
    assert!(probe.held().park());
    assert!(ready(&running).await, "an idle instance kept its probe");
    assert!(!idle.ticket.granted.load(Ordering::Acquire));
}

#[tokio::test(start_paused = true)]
async fn no_report_holds_anybody_for_long() {
    let bucket = bucket();
    bucket.report(left(0, u64::MAX));
    let held = bucket.status("store").held_for.unwrap();
    assert!(held > Duration::from_secs(599) && held < Duration::from_secs(601), "{held:?}");
}

#[test]
fn connections_share_buckets_if_they_are_granted_the_same_and_their_connectors_say_the_same_name() {
    let registry = Registry::default();
    let grants = |origins: &[&str]| -> Vec<Grant> {
        origins.iter().map(|origin| Grant::asked(origin.parse().unwrap())).collect()
    };
    let bucket = |name: &str, origins: &[&str]| registry.bucket(&sharers(name, &grants(origins)), "store");
    let ours = bucket("shop", &["https://a.example", "https://b.example"]);
    assert!(Arc::ptr_eq(&ours, &bucket("shop", &["https://b.example:443", "https://a.example", "https://b.example"])));
    for other in [
        bucket("shop", &["https://a.example"]),
        bucket("shop", &[]),
        bucket("other", &["https://a.example", "https://b.example"]),
        bucket("shop\nhttps://a.example", &["https://b.example"]),
    ] {
        assert!(!Arc::ptr_eq(&ours, &other));
    }
}
