//! Answers that are not what the contract says: too large, malformed, without an end, of the wrong number.

use connector_host::contract::QueryRequest;
use connector_host::{CallError, Cause, Effect, Limits, OpenError};

use super::Attack;

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_none_are_noticed_without_parsing_them() {
    for (how, told) in [
        ("no-json", "answered a page whose line 2 is no JSON object"),
        ("no-object", "answered a page whose line 1 is no JSON object"),
        ("broken-line", "answered a page whose line 1 is no JSON object"),
        ("unclosed", "answered a page whose last line, 1, is not closed"),
        ("no-utf8", "answered a page that is not UTF-8"),
        ("count", "answered a page that says it holds 1000 records and holds 3"),
    ] {
        let finding = Attack::new(how).ended().await;
        assert_eq!(finding.to_string(), format!("hostile 0.1.0: query {told}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_never_copied() {
    let limits = Limits { answer_bytes: 1 << 20, ..Limits::default() };
    for (how, function, effect) in [
        ("huge-page", "query", Effect::Read),
        ("million-outcomes", "create", Effect::EveryRecordUnknown),
        ("error-huge", "test", Effect::Read),
    ] {
        let limits = Limits { memory: 4 << 30, ..limits.clone() };
        let finding = Attack { function, limits, ..Attack::new(how) }.ended().await;
        assert_eq!((&finding.cause, finding.effect), (&Cause::Answer(1 << 20), effect), "{how}");
        let told = format!("hostile 0.1.0: {function} handed over more than 1 MiB at once (limit `answer_bytes`)");
        assert!(finding.to_string().starts_with(&told), "{finding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_is_cut_and_cannot_rewrite_a_terminal() {
    let limits = Limits { message_bytes: 100, ..Limits::default() };
    let told = Attack { limits: limits.clone(), ..Attack::new("error-huge") }.told().await;
    assert_eq!(told, format!("{}…", "x".repeat(100)));
    assert_eq!(Attack::new("error-control").told().await, " [2Jgone next line");
    let attack = Attack { function: "configure", limits, ..Attack::new("many-errors") };
    let Err(OpenError::Settings(errors)) = attack.open().await else { panic!() };
    assert_eq!(errors.len(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_do_not_fit_the_records_are_an_error() {
    for (how, told) in [
        ("few-outcomes", "answered 1 outcomes for 2 records"),
        ("many-outcomes", "answered 3 outcomes for 2 records"),
        ("outcome-no-json", "answered an outcome for record 1 that is no JSON object"),
    ] {
        for function in ["create", "update", "delete"] {
            let finding = Attack { function, ..Attack::new(how) }.ended().await;
            let expected = format!("hostile 0.1.0: {function} {told}; what became of its records is unknown");
            assert_eq!(finding.to_string(), expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_leads_back_to_where_it_has_been_is_ended() {
    for (how, most) in [("same-cursor", 2), ("round-of-cursors", 20)] {
        let mut pages = Attack::new(how).open().await.unwrap().query(QueryRequest::new("anything")).await.unwrap();
        let mut count = 0;
        let finding = loop {
            match pages.next().await {
                Ok(Some(_page)) => count += 1,
                Err(CallError::Ended(finding)) => break finding,
                other => panic!("{how}: {other:?}"),
            }
            assert!(count <= most, "{how}: {count} pages");
        };
        assert_eq!(finding.cause, Cause::Cursor);
        let told = "query answered a cursor that leads back to where it has been, so that the query would never end";
        assert_eq!(finding.to_string(), format!("hostile 0.1.0: {told}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_end_is_ended_by_its_caller() {
    let connection = Attack::new("new-cursors").open().await.unwrap();
    let mut pages = connection.query(QueryRequest::new("anything")).await.unwrap();
    for _ in 0..100 {
        assert!(pages.next().await.unwrap().is_some());
    }
    pages.canceller().cancel();
    assert!(pages.next().await.unwrap_err().is_cancelled());
}
