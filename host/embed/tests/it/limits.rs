//! A connector that misbehaves costs its own activity a clear error, and nobody else anything.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_host::contract::{Outcome, WriteRequest, WrittenBy};
use connector_host::{CallError, Cause, ConnectionConfig, Effect, Ended, Limits};

use crate::{Changing, connection, ended, people, plain, trial, write};

fn limited(limits: Limits) -> ConnectionConfig {
    ConnectionConfig { limits, ..ConnectionConfig::new("limited", "{}") }
}

/// Runs a trial; the finding it ends in.
async fn try_out(limits: Limits, how: &str) -> Ended {
    let mut activity = connection(limited(limits)).await.activity().await.unwrap();
    let finding = match activity.query(&trial(how)).await {
        Err(CallError::Ended(finding)) => finding,
        other => panic!("{other:?}"),
    };
    assert_eq!((finding.connector.as_str(), finding.version.as_str(), finding.call), ("fixed", "0.1.0", "query"));
    assert_eq!(finding.effect, Effect::Read);
    let Err(CallError::Ended(next)) = activity.query(&people()).await else { panic!() };
    assert_eq!(next.cause, Cause::Over, "the activity is over");
    assert_eq!(plain().await.activity().await.unwrap().query(&people()).await.unwrap().count, 37);
    finding
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_a_finding_with_the_name_of_the_connector() {
    let finding = try_out(Limits::default(), "trap").await;
    assert!(matches!(&finding.cause, Cause::Trap(why) if why.contains("unreachable")), "{finding}");
    assert!(finding.to_string().starts_with("fixed 0.1.0: query crashed"), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_write_makes_every_record_unknown() {
    let mut activity = plain().await.activity().await.unwrap();
    let Err(CallError::Ended(finding)) = activity.create(&write("trials", "{\"how\":\"trap\"}\n")).await else {
        panic!()
    };
    assert_eq!(finding.effect, Effect::EveryRecordUnknown);
    assert!(finding.to_string().ends_with("what became of its records is unknown"), "{finding}");
    let mut activity = plain().await.activity().await.unwrap();
    let checked = WriteRequest { validate_only: true, ..write("trials", "{\"how\":\"trap\"}\n") };
    assert_eq!(ended(activity.create(&checked).await).effect, Effect::NothingSent, "a check sends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_and_does_not_end_when_it_is_cancelled_is_ended() {
    let limit = Duration::from_millis(200);
    let start = Instant::now();
    let finding = try_out(Limits { call_time: limit, cancel_grace: limit, ..Limits::default() }, "deaf").await;
    assert_eq!(finding.cause, Cause::CallTime(limit));
    assert!(start.elapsed() >= limit * 2 && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_time_is_over_is_cancelled_and_answers_its_outcomes() {
    let limit = Duration::from_millis(200);
    let connection = connection(limited(Limits { call_time: limit, ..Limits::default() })).await;
    let mut activity = connection.activity().await.unwrap();
    let start = Instant::now();
    let outcomes = activity.create(&write("trials", "{\"how\":\"skip\"}\n{}\n")).await.unwrap();
    assert_eq!(outcomes, [Outcome::Skipped, Outcome::Skipped]);
    assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let finding = ended(activity.create(&write("people", "{\"name\":\"A\"}\n")).await);
    assert_eq!((finding.cause, finding.effect), (Cause::LateBefore(limit), Effect::NothingSent));

    // An answer that only says `cancelled` would not say by whom.
    let mut activity = connection.activity().await.unwrap();
    let finding = ended(activity.create(&write("trials", "{\"how\":\"wait\"}\n")).await);
    assert_eq!((finding.cause, finding.effect), (Cause::CallTime(limit), Effect::NothingSent));
    let mut activity = connection.activity().await.unwrap();
    let finding = ended(activity.query(&trial("wait")).await);
    assert_eq!((finding.cause, finding.effect), (Cause::CallTime(limit), Effect::Read));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_one_outcome_per_record_is_an_error() {
    let connection = plain().await;
    for (how, outcomes) in [("few", 1), ("many", 3)] {
        let mut activity = connection.activity().await.unwrap();
        let request = write("trials", &format!("{{\"how\":\"{how}\"}}\n\n{{}}"));
        let finding = ended(activity.create(&request).await);
        assert_eq!(finding.cause, Cause::Outcomes { records: 2, outcomes });
        assert_eq!(finding.effect, Effect::EveryRecordUnknown);
        let told = format!("fixed 0.1.0: create answered {outcomes} outcomes for 2 records; what became of");
        assert!(finding.to_string().starts_with(&told), "{finding}");
        assert_eq!(ended(activity.query(&people()).await).cause, Cause::Over, "the activity is over");
        let mut activity = connection.activity().await.unwrap();
        let finding = ended(activity.resolve(WrittenBy::Create, &request).await);
        assert_eq!((finding.cause, finding.effect), (Cause::Outcomes { records: 2, outcomes }, Effect::Read));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_computes_for_ever_is_ended() {
    let limit = Duration::from_millis(200);
    let start = Instant::now();
    let finding = try_out(Limits { compute_time: limit, ..Limits::default() }, "loop").await;
    assert_eq!(finding.cause, Cause::ComputeTime(limit));
    assert!(start.elapsed() >= limit && start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_connector_that_computes_lets_others_work_even_on_one_thread() {
    let connection = connection(limited(Limits { compute_time: Duration::from_secs(60), ..Limits::default() })).await;
    let mut looping = connection.activity().await.unwrap();
    let busy = tokio::spawn(async move { looping.query(&trial("loop")).await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let start = Instant::now();
    assert_eq!(connection.activity().await.unwrap().query(&people()).await.unwrap().count, 37);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(!busy.is_finished());
    busy.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_wants_too_much_memory_is_told_so() {
    let limit = 16 << 20;
    let finding = try_out(Limits { memory: limit, ..Limits::default() }, "memory").await;
    assert_eq!(finding.cause, Cause::Memory(limit));
}

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_are_counted_and_hold_no_hidden_values() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // One thread, so that the activity's task logs here too.
    let _logging = tracing::subscriber::set_default(subscriber);
    let mut config = ConnectionConfig::new("logging", r#"{"token": "[api-token]"}"#);
    config.variables = Arc::new(Changing::with(&[("api-token", "s3cret-value")]));
    config.limits = Limits { log_lines: 10, ..Limits::default() };
    let mut activity = connection(config).await.activity().await.unwrap();
    let Err(CallError::Connector(error)) = activity.query(&trial("log")).await else { panic!() };
    assert_eq!(error.message, "the token is ****");
    let text = lines.text();
    let own: Vec<&str> = text.lines().filter(|line| line.contains("line ")).collect();
    assert_eq!(own.len(), 10, "{text}");
    assert!(
        own[0].contains("line 0: ****") && own[0].contains("logging") && own[0].contains("token=\"****\""),
        "{}",
        own[0]
    );
    assert!(text.contains("dropped=4990"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
