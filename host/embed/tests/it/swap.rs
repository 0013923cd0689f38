//! Versions of a connector: exchanged under load, refused, tried out, rolled back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_fixed::variant::{Variant, Way};
use connector_host::contract::{Outcome, QueryRequest};
use connector_host::{
    Activity, CallEnded, CallError, Canary, Cause, Connection, ConnectionConfig, Connector, Deployment, Host,
    HostConfig, Leftovers, Observer, Role, SwapEnded, SwapError, SwapOptions, Tally,
};

use crate::{Changing, host, people, trial, wasm, write};

/// The fixed connector as another version.
async fn variant(variant: Variant<'_>) -> Connector {
    host().load(&variant.of(&wasm()).unwrap()).await.unwrap()
}

async fn version(number: &str) -> Connector {
    variant(Variant::version(number)).await
}

async fn open(deployment: &Deployment, name: &str) -> Connection {
    host().open(deployment, ConnectionConfig::new(name, "{}")).await.unwrap()
}

/// A deployment of version 0.1.0 with a connection.
async fn deployed() -> (Deployment, Connection) {
    let deployment = Deployment::new(&version("0.1.0").await);
    let connection = open(&deployment, "people").await;
    (deployment, connection)
}

/// Version and role of everything that a deployment has.
fn roles(deployment: &Deployment) -> Vec<(String, Role)> {
    deployment.state().versions.into_iter().map(|version| (version.version, version.role)).collect()
}

fn serving(deployment: &Deployment) -> String {
    deployment.connector().info().version.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn running_activities_finish_on_their_version_and_new_ones_get_the_new_version() {
    let (deployment, connection) = deployed().await;
    let mut running = connection.activity().await.unwrap();
    let swapped = tokio::spawn({
        let (deployment, next) = (deployment.clone(), version("0.2.0").await);
        async move { deployment.swap(&next, SwapOptions::default()).await }
    });
    while serving(&deployment) != "0.2.0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(roles(&deployment), [("0.2.0".to_owned(), Role::Serving), ("0.1.0".to_owned(), Role::Draining)]);
    assert_eq!(running.query(&people()).await.unwrap().count, 37);
    assert_eq!(running.connector().info().version, "0.1.0");
    assert_eq!(connection.activity().await.unwrap().connector().info().version, "0.2.0");
    assert!(!swapped.is_finished(), "the old version still has an activity");
    drop(running);
    let report = swapped.await.unwrap().unwrap();
    assert_eq!((report.cancelled, report.kept), (0, 0));
    assert_eq!((report.from.info().version.as_str(), report.to.info().version.as_str()), ("0.1.0", "0.2.0"));
    assert_eq!(roles(&deployment), [("0.2.0".to_owned(), Role::Serving), ("0.1.0".to_owned(), Role::Previous)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_run_while_versions_change_all_succeed() {
    let deployment = Deployment::new(&version("0.1.0").await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for number in 0..8 {
        let connection = open(&deployment, &format!("caller {number}")).await;
        let stop = Arc::clone(&stop);
        callers.push(tokio::spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut pages = connection.query(QueryRequest { page_size: Some(100), ..people() }).await.unwrap();
                let mut records = 0;
                while let Some(page) = pages.next().await.unwrap() {
                    records += page.count;
                }
                assert_eq!(records, 1000);
                let request = write("people", "{\"name\":\"Ada\"}\n{\"name\":\"Grace\"}\n");
                let outcomes = connection.activity().await.unwrap().create(&request).await.unwrap();
                assert!(matches!(outcomes.as_slice(), [Outcome::Applied(_), Outcome::Applied(_)]), "{outcomes:?}");
                rounds += 1;
            }
            rounds
        }));
    }
    for number in 1..=12 {
        let next = version(if number % 2 == 0 { "0.1.0" } else { "0.2.0" }).await;
        let report = deployment.swap(&next, SwapOptions::default()).await.unwrap();
        assert_eq!((report.cancelled, report.kept), (0, 0));
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
    let state = deployment.state();
    assert!(state.versions.iter().all(|version| version.errors == 0), "{state:?}");
    assert_eq!(state.versions.len(), 2, "what is neither serving nor previous is gone");
    assert_eq!(state.connections, 0, "the connections were dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_version_leaves_the_old_one_serving_and_is_told() {
    let (deployment, connection) = deployed().await;
    let next = Variant::version("0.2.0");
    let tests = vec![connection.clone()];
    for (wrong, words) in [
        (Variant { name: "other", ..next }, "`other` is another connector than `fixed`"),
        (next.with(Way::Fail, "configure"), "connection `people`: the settings are not valid any more"),
        (next.with(Way::Trap, "configure"), "connection `people`: fixed 0.2.0: configure crashed"),
        (next.with(Way::Fail, "test"), "connection `people`: this variant fails in `test`"),
        (next.with(Way::Trap, "test"), "connection `people`: fixed 0.2.0: test crashed"),
    ] {
        let options = SwapOptions { tests: tests.clone(), ..SwapOptions::default() };
        let error = deployment.swap(&variant(wrong).await, options).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(roles(&deployment), [("0.1.0".to_owned(), Role::Serving)]);
    }
    assert_eq!(connection.activity().await.unwrap().query(&people()).await.unwrap().count, 37);
    assert!(matches!(deployment.rollback(), Err(SwapError::NoPrevious)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_cannot_do_with_the_old_version_is_not_held_against_the_new_one() {
    let (deployment, connection) = deployed().await;
    let variables = Changing::with(&[("TOKEN", "t0ken")]);
    let mut config = ConnectionConfig::new("poor", r#"{"token": "[TOKEN]"}"#);
    config.variables = Arc::new(variables.clone());
    let poor = host().open(&deployment, config).await.unwrap();
    variables.forget("TOKEN");
    assert!(poor.test().await.is_err());
    let options = SwapOptions { tests: vec![connection, poor], ..SwapOptions::default() };
    deployment.swap(&version("0.2.0").await, options).await.unwrap();
    assert_eq!(serving(&deployment), "0.2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_moves_over_between_two_pages() {
    let (deployment, connection) = deployed().await;
    let mut pages = connection.query(people()).await.unwrap();
    let mut records = pages.next().await.unwrap().unwrap().records;
    let canceller = pages.canceller();
    let next = version("0.2.0").await;
    let swap = deployment.swap(&next, SwapOptions::default());
    let read_on = async {
        while serving(&deployment) != "0.2.0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        records.extend(pages.next().await.unwrap().unwrap().records);
        pages
    };
    let (report, mut pages) = tokio::join!(swap, read_on);
    assert_eq!(report.unwrap().kept, 0, "the query has left the old version");
    while let Some(page) = pages.next().await.unwrap() {
        records.extend(page.records);
    }
    assert_eq!(records.iter().filter(|byte| **byte == b'\n').count(), 1000);
    let calls: Vec<u64> = deployment.state().versions.iter().map(|version| version.calls).collect();
    assert_eq!(calls, [27, 1], "28 pages, the first of them from the old version");

    // The canceller that was handed out before still ends it.
    let mut pages = connection.query(trial("wait")).await.unwrap();
    let moved = pages.canceller();
    canceller.cancel();
    moved.cancel();
    assert!(pages.next().await.unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_cursor_the_new_version_cannot_read_stays_with_the_old_one() {
    let (deployment, connection) = deployed().await;
    let mut pages = connection.query(people()).await.unwrap();
    let mut count = pages.next().await.unwrap().unwrap().count;
    let swapped = tokio::spawn({
        let (deployment, next) = (deployment.clone(), version("1.0.0").await);
        async move { deployment.swap(&next, SwapOptions::default()).await }
    });
    while serving(&deployment) != "1.0.0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while let Some(page) = pages.next().await.unwrap() {
        count += page.count;
    }
    assert_eq!(count, 1000);
    drop(pages);
    assert_eq!(swapped.await.unwrap().unwrap().cancelled, 0);
    let state = deployment.state();
    let calls = |role| state.versions.iter().find(|version| version.role == role).map(|version| version.calls);
    assert_eq!((calls(Role::Serving), calls(Role::Previous)), (Some(1), Some(28)), "{state:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_the_time_is_over_is_cancelled_in_good_order() {
    let (deployment, connection) = deployed().await;
    let mut idle = connection.activity().await.unwrap();
    let mut busy = connection.activity().await.unwrap();
    let writing = tokio::spawn(async move { busy.create(&write("trials", "{\"how\":\"skip\"}\n{}\n")).await });
    let mut pages = connection.query(trial("wait")).await.unwrap();
    let canceller = pages.canceller();
    let reading = tokio::spawn(async move { pages.next().await });
    while deployment.state().versions[0].calls_in_flight < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let options = SwapOptions { drain: Duration::from_millis(100), ..SwapOptions::default() };
    let report = deployment.swap(&version("0.2.0").await, options).await.unwrap();
    assert_eq!((report.cancelled, report.kept), (3, 0));
    assert_eq!(writing.await.unwrap().unwrap(), [Outcome::Skipped, Outcome::Skipped], "a write answers its outcomes");
    let error = idle.query(&people()).await.unwrap_err();
    assert!(matches!(&error, CallError::Ended(ended) if ended.cause == Cause::Replaced), "{error}");
    // The read began again on the new version, where it waits again.
    while deployment.state().versions[0].calls_in_flight < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    canceller.cancel();
    assert!(reading.await.unwrap().unwrap_err().is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_may_go_on_where_the_operator_says_so() {
    let (deployment, connection) = deployed().await;
    let mut running = connection.activity().await.unwrap();
    let options = SwapOptions { drain: Duration::ZERO, leftovers: Leftovers::Keep, ..SwapOptions::default() };
    let report = deployment.swap(&version("0.2.0").await, options).await.unwrap();
    assert_eq!((report.cancelled, report.kept), (0, 1));
    assert_eq!(running.query(&people()).await.unwrap().count, 37);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_one_call_and_stops_the_drain_of_the_version_that_comes_back() {
    let (deployment, connection) = deployed().await;
    let mut running = connection.activity().await.unwrap();
    let swapped = tokio::spawn({
        let (deployment, next) = (deployment.clone(), version("0.2.0").await);
        async move { deployment.swap(&next, SwapOptions::default()).await }
    });
    while serving(&deployment) != "0.2.0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(deployment.rollback().unwrap().info().version, "0.1.0");
    assert_eq!(swapped.await.unwrap().unwrap().cancelled, 0);
    assert_eq!(roles(&deployment), [("0.1.0".to_owned(), Role::Serving), ("0.2.0".to_owned(), Role::Previous)]);
    assert_eq!(running.query(&people()).await.unwrap().count, 37);
    assert_eq!(deployment.rollback().unwrap().info().version, "0.2.0", "a second one takes the first one back");
}

/// Whether the activity is at its end because its version was replaced.
async fn is_ended(mut activity: Activity) {
    let waited = Instant::now();
    while activity.query(&people()).await.is_ok() {
        assert!(waited.elapsed() < Duration::from_secs(60), "the time of its version is over");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = activity.query(&people()).await.unwrap_err();
    assert!(matches!(&error, CallError::Ended(ended) if ended.cause == Cause::Replaced), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_rolled_back_or_withdrawn_has_as_little_time_as_one_that_was_replaced() {
    let (deployment, connection) = deployed().await;
    let options = SwapOptions { drain: Duration::from_millis(100), ..SwapOptions::default() };
    deployment.swap(&version("0.2.0").await, options.clone()).await.unwrap();
    let running = connection.activity().await.unwrap();
    deployment.rollback().unwrap();
    is_ended(running).await;

    let canary = Some(Canary { percent: 100, time: Duration::from_secs(600) });
    // Rolled back by somebody, given up by whoever asked for it.
    for rolled_back in [true, false] {
        let swapped = tokio::spawn({
            let (deployment, next, options) = (deployment.clone(), version("0.3.0").await, options.clone());
            async move { deployment.swap(&next, SwapOptions { canary, ..options }).await }
        });
        while !roles(&deployment).contains(&("0.3.0".to_owned(), Role::Canary(100))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let running = connection.activity().await.unwrap();
        assert_eq!(running.connector().info().version, "0.3.0");
        match rolled_back {
            true => drop(deployment.rollback().unwrap()),
            false => swapped.abort(),
        }
        assert!(!matches!(swapped.await, Ok(Ok(_))));
        is_ended(running).await;
    }
}

/// Calls the connection until told to stop; answers how many calls failed, and the last failure.
fn keep_calling(connection: &Connection, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<(u64, Option<CallError>)> {
    let (connection, stop) = (connection.clone(), Arc::clone(stop));
    tokio::spawn(async move {
        let (mut failed, mut last) = (0, None);
        while !stop.load(Ordering::Relaxed) {
            let called = async { connection.activity().await?.query(&people()).await };
            if let Err(error) = called.await {
                (failed, last) = (failed + 1, Some(error));
            }
        }
        (failed, last)
    })
}

/// What a canary of ten percent comes to, and how many calls failed meanwhile.
async fn try_out(old: Variant<'_>, canary: Variant<'_>, time: Duration) -> (Result<(), SwapError>, Deployment, u64) {
    let deployment = Deployment::new(&variant(old).await);
    let connection = open(&deployment, "people").await;
    let stop = Arc::<AtomicBool>::default();
    let caller = keep_calling(&connection, &stop);
    let options = SwapOptions { canary: Some(Canary { percent: 10, time }), ..SwapOptions::default() };
    let swapped = deployment.swap(&variant(canary).await, options).await.map(drop);
    stop.store(true, Ordering::Relaxed);
    let (failed, _) = caller.await.unwrap();
    (swapped, deployment, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_crashes_is_rolled_back_by_itself() {
    let started = Instant::now();
    let bad = Variant::version("0.2.0").with(Way::Trap, "query");
    let (swapped, deployment, failed) = try_out(Variant::version("0.1.0"), bad, Duration::from_secs(600)).await;
    let error = swapped.unwrap_err();
    let SwapError::Canary { faults, calls, old_faults: 0, .. } = error else { panic!("{error}") };
    assert!(faults >= 3 && faults == calls, "{faults} of {calls}");
    assert!(failed >= faults && failed < 20, "{failed} calls failed, {faults} when it was judged");
    assert!(started.elapsed() < Duration::from_secs(300), "not only when its time was over");
    assert_eq!(serving(&deployment), "0.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_calls_are_refused_is_rolled_back_though_it_is_not_to_blame() {
    let wrong = Variant::version("0.2.0").with(Way::Fail, "query");
    let (swapped, deployment, _) = try_out(Variant::version("0.1.0"), wrong, Duration::from_secs(600)).await;
    let error = swapped.unwrap_err();
    let SwapError::Canary { calls, errors, faults: 0, old_errors: 0, .. } = error else { panic!("{error}") };
    assert!(errors >= 10 && errors == calls, "{errors} of {calls}");
    assert_eq!(serving(&deployment), "0.1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_the_old_version_gets_too_are_not_held_against_a_canary() {
    let (old, new) = (Variant::version("0.1.0"), Variant::version("0.2.0"));
    let refused = |variant: Variant<'static>| variant.with(Way::Fail, "query");
    let (swapped, deployment, failed) = try_out(refused(old), refused(new), Duration::from_millis(500)).await;
    swapped.unwrap();
    assert_eq!(serving(&deployment), "0.2.0");
    assert!(failed > 0, "the canary was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_came_to_nothing_counts_as_a_call_that_failed() {
    let (deployment, connection) = deployed().await;
    let mut activity = connection.activity().await.unwrap();
    let errors = || deployment.state().versions[0].errors;
    for (records, counted) in [("{\"name\":\"Ada\"}\n{}\n", 0), ("{}\n", 1), ("{\"name\":\"Ada\"}\n", 1)] {
        let outcomes = activity.create(&write("people", records)).await.unwrap();
        assert_eq!(errors(), counted, "{outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_share_and_then_everything() {
    let (deployment, connection) = deployed().await;
    let canary = Some(Canary { percent: 25, time: Duration::from_secs(600) });
    let swapped = tokio::spawn({
        let (deployment, next) = (deployment.clone(), version("0.2.0").await);
        async move { deployment.swap(&next, SwapOptions { canary, ..SwapOptions::default() }).await }
    });
    while deployment.state().versions.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut on_canary = 0;
    for _ in 0..40 {
        on_canary += u32::from(connection.activity().await.unwrap().connector().info().version == "0.2.0");
    }
    assert_eq!(on_canary, 10);
    assert_eq!(roles(&deployment)[1], ("0.2.0".to_owned(), Role::Canary(25)));
    let error = deployment.swap(&version("0.3.0").await, SwapOptions::default()).await.unwrap_err();
    assert!(matches!(error, SwapError::Busy), "{error}");
    assert_eq!(deployment.rollback().unwrap().info().version, "0.1.0");
    assert!(matches!(swapped.await.unwrap(), Err(SwapError::RolledBack)));
    assert_eq!(connection.activity().await.unwrap().connector().info().version, "0.1.0");
}

/// A call as an observer is told of it: connection, version, function, object, counts, failure.
type Told = (String, String, &'static str, Option<String>, Tally, Option<&'static str>);

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Kept {
    calls: Mutex<Vec<Told>>,
    swaps: Mutex<Vec<Option<&'static str>>>,
    took: AtomicU64,
}

impl Observer for Kept {
    fn call_ended(&self, call: &CallEnded<'_>) {
        let version = call.connector.info().version.clone();
        let object = call.object.map(str::to_owned);
        self.calls.lock().unwrap().push((
            call.connection.to_owned(),
            version,
            call.call,
            object,
            call.tally,
            call.error,
        ));
        self.took.fetch_add(u64::try_from(call.took.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    fn swap_ended(&self, swap: &SwapEnded<'_>) {
        self.swaps.lock().unwrap().push(swap.error.map(SwapError::name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_of_an_activity_that_cannot_begin_and_no_version_is_blamed_for_a_lack_of_room() {
    let kept = Arc::<Kept>::default();
    let config = HostConfig { observer: Some(kept.clone()), pooling: false, activities: 1, ..HostConfig::default() };
    let host = Host::new(config).unwrap();
    let deployment = Deployment::new(&host.load(&wasm()).await.unwrap());
    let variables = Changing::with(&[("TOKEN", "t0ken")]);
    let mut config = ConnectionConfig::new("poor", r#"{"token": "[TOKEN]"}"#);
    config.variables = Arc::new(variables.clone());
    let connection = host.open(&deployment, config).await.unwrap();
    let only = connection.activity().await.unwrap();
    assert!(
        matches!(connection.activity().await, Err(CallError::Ended(ended)) if matches!(ended.cause, Cause::Full(1)))
    );
    assert_eq!((deployment.state().versions[0].calls, deployment.state().versions[0].errors), (0, 0));
    drop(only);
    variables.forget("TOKEN");
    while !matches!(connection.activity().await.unwrap_err(), CallError::Settings(_)) {}
    assert_eq!((deployment.state().versions[0].calls, deployment.state().versions[0].errors), (1, 1));
    let calls = kept.calls.lock().unwrap();
    let told: Vec<_> =
        calls.iter().map(|(connection, _, call, .., error)| (connection.as_str(), *call, *error)).collect();
    assert_eq!(told.first(), Some(&("poor", "configure", Some("full"))));
    assert_eq!(told.last(), Some(&("poor", "configure", Some("configuration"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_of_every_call_and_swap_and_the_host_of_what_it_uses() {
    let kept = Arc::<Kept>::default();
    let config = HostConfig { observer: Some(kept.clone()), pooling: false, ..HostConfig::default() };
    let host = Host::new(config).unwrap();
    let load = |variant: Variant<'static>| {
        let host = host.clone();
        async move { host.load(&variant.of(&wasm()).unwrap()).await.unwrap() }
    };
    let deployment = Deployment::new(&load(Variant::version("0.1.0")).await);
    let connection = host.open(&deployment, ConnectionConfig::new("people", "{}")).await.unwrap();
    let mut activity = connection.activity().await.unwrap();
    activity.query(&people()).await.unwrap();
    let status = host.status();
    assert_eq!((status.instances, status.connections), (1, 1));
    assert!(status.memory >= 64 << 10, "{status:?}");
    activity.create(&write("people", "{\"name\":\"Ada\"}\n{}\n")).await.unwrap();
    activity.query(&trial("trap")).await.unwrap_err();
    drop(activity);
    let bad = load(Variant::version("0.2.0").with(Way::Fail, "configure")).await;
    deployment.swap(&bad, SwapOptions::default()).await.unwrap_err();
    deployment.swap(&load(Variant::version("0.2.0")).await, SwapOptions::default()).await.unwrap();
    assert_eq!(*kept.swaps.lock().unwrap(), [Some("refused"), None]);
    {
        let calls = kept.calls.lock().unwrap();
        let told: Vec<_> =
            calls.iter().map(|(.., call, object, tally, error)| (*call, object.as_deref(), *tally, *error)).collect();
        let page = Tally { records: 37, ..Tally::default() };
        let written = Tally { records: 2, applied: 1, failed: 1, ..Tally::default() };
        let [query, create, trap, refused] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*query, ("query", Some("people"), page, None));
        assert_eq!(*create, ("create", Some("people"), written, None));
        assert_eq!(*trap, ("query", Some("trials"), Tally::default(), Some("trap")));
        assert_eq!(
            *refused,
            ("configure", None, Tally::default(), Some("configuration")),
            "the swap's check of settings"
        );
        let versions: Vec<_> =
            calls.iter().map(|(connection, version, ..)| (connection.as_str(), version.as_str())).collect();
        let [old, new] = ["0.1.0", "0.2.0"].map(|version| ("people", version));
        assert_eq!(versions, [old, old, old, new]);
    }
    drop(connection);
    let empty = || (host.status().instances, host.status().memory, host.status().connections) == (0, 0, 0);
    let waited = Instant::now();
    while !empty() {
        assert!(waited.elapsed() < Duration::from_secs(10), "{:?}", host.status());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
