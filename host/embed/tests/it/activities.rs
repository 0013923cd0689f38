//! Activities: side by side, cancelled, moved, dropped.

use std::time::{Duration, Instant};

use connector_host::contract::{ErrorKind, Outcome, QueryRequest, WrittenBy};
use connector_host::{CallError, Cause, Connection, ConnectionConfig, Effect, Host, HostConfig, Limits};

use crate::{connection, ended, people, plain, trial, wasm, write};

/// Every record of a query, and how many pages that took.
async fn read_all(connection: &Connection, request: QueryRequest) -> (Vec<u8>, u32) {
    let mut pages = connection.query(request).await.unwrap();
    let (mut records, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await.unwrap() {
        assert_eq!(page.records.iter().filter(|byte| **byte == b'\n').count(), page.count as usize);
        records.extend(page.records);
        count += 1;
    }
    assert_eq!(pages.cursor(), None);
    (records, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_activities_of_one_connection_run_side_by_side() {
    let connection = plain().await;
    let (expected, pages) = read_all(&connection, people()).await;
    assert_eq!((expected.iter().filter(|byte| **byte == b'\n').count(), pages), (1000, 28));
    let tasks: Vec<_> = (1..=8)
        .map(|index| {
            let connection = connection.clone();
            tokio::spawn(async move {
                read_all(&connection, QueryRequest { page_size: Some(index * 10), ..people() }).await.0
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_one_activity_leaves_the_others_alone() {
    let connection = plain().await;
    let mut running = Vec::new();
    for _ in 0..8 {
        let mut activity = connection.activity().await.unwrap();
        let canceller = activity.canceller();
        running.push((canceller, tokio::spawn(async move { activity.query(&trial("wait")).await })));
    }
    let (canceller, cancelled) = running.remove(3);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!cancelled.is_finished());
    canceller.cancel();
    canceller.cancel();
    let error = cancelled.await.unwrap().unwrap_err();
    assert!(error.is_cancelled() && matches!(error, CallError::Connector(_)), "{error:?}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(running.iter().all(|(_, task)| !task.is_finished()));
    assert_eq!(read_all(&connection, people()).await.1, 28);
    for (canceller, task) in running {
        canceller.cancel();
        assert!(task.await.unwrap().unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_goes_on_in_a_fresh_instance_by_its_cursor() {
    let connection = plain().await;
    let (expected, _) = read_all(&connection, people()).await;
    let (mut records, mut request) = (Vec::new(), people());
    loop {
        let page = connection.activity().await.unwrap().query(&request).await.unwrap();
        records.extend(page.records);
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(records, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_version_or_query_is_refused_as_data() {
    let connection = plain().await;
    let mut activity = connection.activity().await.unwrap();
    let cursor = activity.query(&people()).await.unwrap().next.unwrap();
    let newer = QueryRequest { cursor: Some(cursor.replacen('1', "2", 1)), ..people() };
    let Err(CallError::Connector(error)) = activity.query(&newer).await else { panic!() };
    assert_eq!(error.code.as_deref(), Some("cursor-version"));
    let other = QueryRequest { cursor: Some(cursor), fields: vec!["id".into()], ..people() };
    let Err(CallError::Connector(error)) = activity.query(&other).await else { panic!() };
    assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::InvalidRequest, Some("/cursor")));
    assert_eq!(activity.query(&people()).await.unwrap().count, 37, "a failure that is data does not end the activity");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_has_one_outcome_per_record_in_order() {
    let connection = plain().await;
    let mut activity = connection.activity().await.unwrap();
    let records =
        "{\"name\":\"A\",\"balance\":1.00}\n{\"id\":1,\"name\":\"B\"}\n{}\n{\"name\":\"unknown\"}\n{\"name\":\"C\"}\n";
    let outcomes = activity.create(&write("people", records)).await.unwrap();
    let short: Vec<String> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Applied(record) => record.clone(),
            Outcome::Failed(error) => error.pointer.clone().unwrap(),
            Outcome::Unknown(_) => "unknown".into(),
            Outcome::Skipped => "skipped".into(),
        })
        .collect();
    let expected =
        [r#"{"id":100000,"balance":1.00,"name":"A"}"#, "/id", "/name", "unknown", r#"{"id":100004,"name":"C"}"#];
    assert_eq!(short, expected);
    let mut stopping = write("people", "{\"id\":1}\n{\"id\":8}\n{\"id\":2}\n");
    stopping.continue_on_error = false;
    let outcomes = activity.update(&stopping).await.unwrap();
    assert!(matches!(&outcomes[..], [Outcome::Applied(_), Outcome::Failed(_), Outcome::Skipped]), "{outcomes:?}");
    let outcomes = activity.delete(&write("people", "{\"id\":1}\n{\"id\":8}\n")).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Applied(_))), "{outcomes:?}");
    let resolved = activity.resolve(WrittenBy::Create, &write("people", "{\"name\":\"unknown\"}\n")).await.unwrap();
    assert!(matches!(&resolved[..], [Outcome::Unknown(_)]));
    let Err(CallError::Connector(error)) = activity.create(&write("people", "{}\nnonsense\n")).await else { panic!() };
    assert_eq!(error.pointer.as_deref(), Some("/records/1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_describe_themselves() {
    let connection = plain().await;
    let names: Vec<String> = connection.list_objects().await.unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["people", "trials"]);
    let schema = connection.describe_object("people").await.unwrap();
    let request: serde_json::Value = serde_json::from_str(&schema.create.unwrap().request).unwrap();
    assert_eq!(request["required"], serde_json::json!(["name"]));
    assert_eq!(connection.explain(&people()).await.unwrap().requests, Some(0));
    let Err(CallError::Connector(error)) = connection.describe_object("peple").await else { panic!() };
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_activity_takes_no_further_calls() {
    let mut activity = plain().await.activity().await.unwrap();
    activity.canceller().cancel();
    let finding = ended(activity.create(&write("people", "{\"name\":\"A\"}\n")).await);
    assert_eq!((finding.cause, finding.effect), (Cause::Cancelled, Effect::NothingSent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_ignores_its_cancellation_is_ended_after_the_grace() {
    let mut config = ConnectionConfig::new("deaf", "{}");
    config.limits = Limits { cancel_grace: Duration::from_millis(200), ..Limits::default() };
    let mut activity = connection(config).await.activity().await.unwrap();
    let canceller = activity.canceller();
    let start = Instant::now();
    let task = tokio::spawn(async move { activity.query(&trial("deaf")).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    canceller.cancel();
    let error = task.await.unwrap().unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert!(matches!(ended(Err::<(), _>(error)).cause, Cause::CancelGrace(_)));
    assert!(start.elapsed() >= Duration::from_millis(250) && start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_a_call_ends_the_activity() {
    let mut activity = plain().await.activity().await.unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), activity.query(&trial("deaf"))).await;
    assert!(given_up.is_err());
    let finding = ended(activity.query(&people()).await);
    assert_eq!((finding.cause, finding.effect), (Cause::Over, Effect::NothingSent));
}

#[tokio::test(flavor = "multi_thread")]
async fn room_for_instances_is_bounded_and_given_back() {
    for pooling in [true, false] {
        room_is_bounded_and_given_back(pooling).await;
    }
}

/// A connection of a host of its own.
async fn small(activities: u32, pooling: bool) -> Connection {
    let host = Host::new(HostConfig { activities, pooling, ..HostConfig::default() }).unwrap();
    let connector = host.load(&wasm()).await.unwrap();
    host.open(&connector, ConnectionConfig::new("small", "{}")).await.unwrap()
}

async fn room_is_bounded_and_given_back(pooling: bool) {
    let connection = small(2, pooling).await;
    let (one, mut two) = (connection.activity().await.unwrap(), connection.activity().await.unwrap());
    let finding = ended(connection.activity().await);
    assert_eq!((finding.cause, finding.effect), (Cause::Full(2), Effect::NothingSent));
    assert_eq!(two.query(&people()).await.unwrap().count, 37, "those that are there are not disturbed");
    drop(one);
    let start = Instant::now();
    while connection.activity().await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(5), "dropping an activity gives its room back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // In the middle of a call, too.
    let busy = tokio::spawn(async move { two.query(&trial("loop")).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    busy.abort();
    let start = Instant::now();
    loop {
        if let (Ok(_), Ok(_)) = (connection.activity().await, connection.activity().await) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_an_activity_just_dropped_is_waited_for() {
    let connection = small(1, false).await;
    for _ in 0..50 {
        connection.test().await.unwrap();
    }
}

#[test]
fn a_call_that_is_torn_down_with_its_runtime_is_not_said_to_have_never_begun() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (around, outside) = (runtime(), runtime());
    let mut activity = around.block_on(async { plain().await.activity().await.unwrap() });
    let call = outside.spawn(async move { activity.create(&write("trials", "{\"how\":\"wait\"}\n")).await });
    std::thread::sleep(Duration::from_millis(500));
    around.shutdown_timeout(Duration::from_secs(5));
    let finding = ended(outside.block_on(call).unwrap());
    assert_eq!((&finding.cause, finding.effect), (&Cause::TornDown, Effect::EveryRecordUnknown), "{finding}");
}
