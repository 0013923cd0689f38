//! The store's quota: used to the full and never more, shared with others, limits of endpoints, and refusals that say when to come
//! back or do not. Windows are shorter than the API's half minute and hold as many requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Effect, Fault, Quota, Sizes};
use connector_host::Connection;
use connector_host::contract::{ErrorKind, Outcome, Retry};
use end_to_end::{Bench, host, lines, query, records, refused, words, write};
use serde_json::json;

/// What the smallest plan allows.
const REQUESTS: u32 = 150;
const WINDOW: Duration = Duration::from_secs(3);
/// Full windows that are judged. Others are noticed in the one before.
const WINDOWS: usize = 5;
/// Objects of both versions, with every style of paging, and their numbers of records.
const OBJECTS: [&str; 8] =
    ["products", "brands", "categories", "customers", "orders", "coupons", "customers/addresses", "products/images"];

fn quota(sliding: bool, others_share: f64) -> Quota {
    Quota { requests: REQUESTS, window: WINDOW, sliding, others_share }
}

/// Reads one object again and again until the time is over; each read must be complete. Answers the reads.
async fn read_until(connection: Connection, object: &'static str, expected: usize, end: Instant) -> u32 {
    let mut reads = 0;
    while Instant::now() < end {
        let mut request = query(object);
        request.page_size = Some(5);
        let got = lines(&connection, request).await.unwrap_or_else(|error| panic!("{object}: {error}"));
        assert_eq!(got.len(), expected, "{object}");
        reads += 1;
    }
    reads
}

/// Tries: what other tests do meanwhile on the same cores delays answers, and with them what the host knows of the window.
const TRIES: usize = 3;

/// Eight queries of different objects on one store use its windows well: in one try at least, as a quota that is not kept
/// misses the figures every time.
async fn eight_queries(sliding: bool, others_share: f64) {
    let mut missed = Vec::new();
    while missed.len() < TRIES {
        match try_eight_queries(sliding, others_share).await {
            Ok(()) => return,
            Err(told) => missed.push(told),
        }
    }
    panic!("{missed:#?}");
}

/// Fails for a record that is missing; answers what was used if the figures were missed.
async fn try_eight_queries(sliding: bool, others_share: f64) -> Result<(), String> {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let mut expected = Vec::new();
    for object in OBJECTS {
        expected.push(lines(&connection, query(object)).await.unwrap().len());
    }
    bench.store.set_quota(quota(sliding, others_share));
    let end = Instant::now() + WINDOW * (WINDOWS as u32 + 1) + WINDOW / 2;
    let tasks: Vec<_> = OBJECTS
        .iter()
        .zip(expected)
        .map(|(object, expected)| tokio::spawn(read_until(connection.clone(), object, expected, end)))
        .collect();
    tokio::time::sleep_until((end - WINDOW / 2).into()).await;
    let uses = bench.store.quota_use();
    // What is read in the rest of the time is not judged, and need not wait.
    bench.store.set_quota(Quota::default());
    for task in tasks {
        task.await.unwrap();
    }
    let judged = &uses[1..=WINDOWS];
    let sum = |count: fn(&bigcommerce_emulator::WindowUse) -> u32| judged.iter().map(count).sum::<u32>();
    let (granted, refused, others) = (sum(|w| w.granted), sum(|w| w.refused), sum(|w| w.others));
    let ours = REQUESTS * WINDOWS as u32 - others;
    let told = format!("sliding {sliding}, others {others_share}: {granted} of {ours}, {refused} refused; {judged:?}");
    println!("{told}");
    let wanted = (others_share * f64::from(REQUESTS) * WINDOWS as f64) as u32;
    let full = granted * 100 >= ours * 95;
    let hardly_refused = refused * 100 <= granted;
    let others_served = others * 100 >= wanted * 90;
    if full && hardly_refused && others_served { Ok(()) } else { Err(told) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_queries_use_a_fixed_window_to_the_full_and_are_hardly_ever_refused() {
    eight_queries(false, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_queries_use_a_sliding_window_to_the_full_and_are_hardly_ever_refused() {
    eight_queries(true, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_queries_use_what_another_consumer_leaves_of_a_fixed_window() {
    eight_queries(false, 0.3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_queries_use_what_another_consumer_leaves_of_a_sliding_window() {
    eight_queries(true, 0.3).await;
}

/// Two hosts that know nothing of each other, as two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_on_one_store_share_its_quota_and_neither_starves() {
    for sliding in [false, true] {
        let bench = Bench::new().await;
        let other = host();
        let connector = other.load(&end_to_end::component("bigcommerce")).await.unwrap();
        let expected = lines(&bench.connection().await, query("products")).await.unwrap().len();
        let first = bench.connection().await;
        let mut config = connector_host::ConnectionConfig::new("store", bench.settings().to_string());
        config.variables = Arc::new(bench.variables.clone());
        config.grants = vec![connector_host::Grant::extra(bench.store.base_url().parse().unwrap())];
        let second = other.open(&connector, config).await.unwrap();
        bench.store.set_quota(quota(sliding, 0.0));
        let end = Instant::now() + WINDOW * 4;
        let mut tasks = Vec::new();
        for connection in [&first, &second] {
            for _ in 0..4 {
                tasks.push(tokio::spawn(read_until(connection.clone(), "products", expected, end)));
            }
        }
        tokio::time::sleep_until((Instant::now() + WINDOW).into()).await;
        let before = [first.status().requests, second.status().requests];
        tokio::time::sleep_until(end.into()).await;
        let after = [first.status().requests, second.status().requests];
        let uses = bench.store.quota_use();
        bench.store.set_quota(Quota::default());
        for task in tasks {
            task.await.unwrap();
        }
        let requests = [after[0] - before[0], after[1] - before[1]];
        let judged = &uses[1..4];
        let told = format!("sliding {sliding}: {requests:?} requests, {judged:?}");
        println!("{told}");
        let all: u32 = judged.iter().map(|window| window.granted).sum();
        let refused: u32 = judged.iter().map(|window| window.refused).sum();
        assert!(all * 100 >= REQUESTS * 3 * 95, "{told}");
        assert!(refused * 100 <= all * 3, "{told}");
        assert!(requests.iter().all(|requests| requests * 4 >= u64::from(all)), "{told}");
    }
}

/// The API takes three updates of customers at a time, whoever sends them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_limits_of_requests_at_a_time_hold_over_all_activities() {
    let bench = Bench::with(Config { sizes: Sizes { customers: 120, ..Sizes::default() }, ..Config::default() }).await;
    let connection = bench.connection().await;
    let customers = records(&connection, query("customers")).await;
    bench.store.journal().clear();
    bench.store.switch(|switches| switches.latency = Duration::from_millis(100));
    let tasks: Vec<_> = customers
        .chunks(40)
        .map(|customers| {
            let changes: Vec<_> = customers.iter().map(|c| json!({ "id": c["id"], "notes": "seen" })).collect();
            let connection = connection.clone();
            tokio::spawn(async move {
                connection.activity().await.unwrap().update(&write("customers", &changes)).await.unwrap()
            })
        })
        .collect();
    for task in tasks {
        let outcomes = task.await.unwrap();
        assert!(words(&outcomes).iter().all(|word| *word == "applied"), "{outcomes:?}");
    }
    let updates = bench.store.journal().find("PUT", "/v3/customers");
    assert_eq!(updates.len(), 12);
    assert!(updates.iter().all(|update| update.status == Some(200)), "the store counted more than three at a time");
    assert!(bench.store.journal().peak_in_flight() == 3, "{} at a time", bench.store.journal().peak_in_flight());
}

#[tokio::test]
async fn refusals_without_a_word_are_waited_out_ever_longer_until_the_budget_ends_it() {
    let bench = Bench::new().await;
    let connection = bench.open(json!({ "retry_budget_ms": 4000 })).await.unwrap();
    bench.fault(Fault::on("GET", "/v3/catalog/brands", Effect::too_many_bare()).always());
    let error = refused(lines(&connection, query("brands")).await);
    assert_eq!((error.kind, error.status), (ErrorKind::RateLimited, Some(429)), "{error:?}");
    assert!(matches!(error.retry, Retry::After(_)), "{error:?}");
    assert!(error.message.contains("retry_budget_ms") && error.message.contains("4 s"), "{}", error.message);
    let at: Vec<_> = bench.store.journal().find("GET", "/v3/catalog/brands").iter().map(|entry| entry.at).collect();
    let waits: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits.len(), 2, "{waits:?}");
    assert!(waits[0] >= Duration::from_millis(500) && waits[1] >= Duration::from_millis(2500), "{waits:?}");
    // Once the store takes requests again, nothing is left of it.
    bench.store.clear_faults();
    assert_eq!(lines(&connection, query("brands")).await.unwrap().len(), bench.store.store().count("brands"));
}

#[tokio::test]
async fn a_read_comes_back_when_a_degraded_service_asks_for_it_and_a_write_does_not() {
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    bench.fault(Fault::on("GET", "/v3/catalog/brands", Effect::degraded(1)));
    let got = lines(&connection, query("brands")).await.unwrap();
    assert_eq!(got.len(), bench.store.store().count("brands"));
    let sent = bench.store.journal().find("GET", "/v3/catalog/brands");
    assert!(sent[1].at - sent[0].at >= Duration::from_secs(1), "came back too early");
    bench.fault(Fault::on("POST", "/v3/catalog/brands", Effect::degraded(1)));
    let outcomes =
        connection.activity().await.unwrap().create(&write("brands", &[json!({ "name": "New" })])).await.unwrap();
    assert!(matches!(&outcomes[0], Outcome::Unknown(_)), "{outcomes:?}");
    assert_eq!(bench.store.journal().count("POST", "/v3/catalog/brands"), 1);
}
