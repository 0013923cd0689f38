//! Attacks on processor, memory and the runtime's own tables.

use std::time::{Duration, Instant};

use connector_host::{Cause, Effect, Limits, OpenError};

use super::{Attack, FUNCTIONS, describing, hostile};
use crate::host;

const SHORT: Duration = Duration::from_millis(100);

fn little_time() -> Limits {
    Limits { compute_time: SHORT, ..Limits::default() }
}

fn little_memory() -> Limits {
    Limits { memory: 16 << 20, ..Limits::default() }
}

/// An attack that ends in the same way in every function: under which limits, and what is told of it.
async fn ends_everywhere(how: &str, limits: Limits, told: &str) {
    for function in FUNCTIONS {
        let finding = Attack { function, limits: limits.clone(), ..Attack::new(how) }.ended().await;
        let unknown = ["create", "update", "delete"].contains(&function);
        assert_eq!(finding.effect, if unknown { Effect::EveryRecordUnknown } else { Effect::Read }, "{function}");
        let expected = format!("hostile 0.1.0: {function} {told}");
        assert!(finding.to_string().starts_with(&expected), "{finding}\nexpected: {expected}");
    }
    let attack = Attack { function: "configure", limits, ..Attack::new(how) };
    let Err(OpenError::Ended(finding)) = attack.open().await else { panic!() };
    assert_eq!(finding.effect, Effect::NothingSent);
    assert!(finding.to_string().starts_with(&format!("hostile 0.1.0: configure {told}")), "{finding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_in_any_function_ends_with_the_computing_time() {
    ends_everywhere("loop", little_time(), "computed for more than 0.1 s (limit `compute_time`)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_the_host_again_and_again_is_computing_too() {
    for how in ["busy", "busy-polling"] {
        ends_everywhere(how, little_time(), "computed for more than 0.1 s (limit `compute_time`)").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_bomb_in_any_function_ends_with_the_memory() {
    ends_everywhere("memory", little_memory(), "needed more than its 16 MiB of memory (limit `memory`)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_overflow_in_any_function_ends_with_the_stack() {
    let told = "called itself too deeply for its 512 KiB of stack (`stack` of the host's configuration)";
    ends_everywhere("stack", Limits::default(), told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_any_function_is_told_as_one() {
    ends_everywhere("trap", Limits::default(), "crashed: wasm trap: wasm `unreachable` instruction executed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pollables_that_are_never_dropped_end_with_the_resources() {
    let told = "held more than 1000 requests, streams, pollables and the like at once (limit `resources`)";
    ends_everywhere("pollables", Limits { resources: 1000, ..Limits::default() }, told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_waits_for_ever_ends_with_the_call() {
    let limits = Limits { call_time: SHORT, cancel_grace: SHORT, ..Limits::default() };
    let begun = Instant::now();
    let finding = Attack { limits, ..Attack::new("deaf") }.ended().await;
    assert_eq!(finding.to_string(), "hostile 0.1.0: query took longer than 0.1 s (limit `call_time`)");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_while_it_describes_itself_makes_it_no_connector() {
    for (how, told) in [
        ("loop", "computed for more than 5 s (limit `compute_time`)"),
        ("memory", "needed more than its 256 MiB of memory (limit `memory`)"),
        ("stack", "called itself too deeply for its 512 KiB of stack"),
        ("trap", "crashed: wasm trap: wasm `unreachable` instruction executed"),
        ("huge", "handed over more than 1 MiB at once (limit `answer_bytes`)"),
        ("name", "its name is not 1 to 64 lower-case letters"),
        ("version", "its version is not one like `1.2.3`"),
        ("title", "its title is longer than 256 bytes, or holds control characters"),
        ("schema", "its settings schema is not a JSON object"),
        ("origins", "origins: "),
    ] {
        let error = describing(how).await.expect_err(how).to_string();
        let expected = format!("this connector does not describe itself: {told}");
        assert!(error.starts_with(&expected), "{how}: {error}");
    }
    assert_eq!(describing("nothing").await.unwrap().info().name, "hostile");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attack_leaves_its_place_to_the_next() {
    // As many as there are places, and more.
    let (attack, connector) = (Attack { limits: little_memory(), ..Attack::new("memory") }, hostile().await);
    let connection = attack.open().await.unwrap();
    for _ in 0..100 {
        let result = super::call(&connection, "query").await;
        assert!(
            matches!(&result, Err(connector_host::CallError::Ended(found)) if found.cause == Cause::Memory(16 << 20))
        );
    }
    assert_eq!(host().load(&crate::component("hostile")).await.unwrap().digest(), connector.digest());
}
