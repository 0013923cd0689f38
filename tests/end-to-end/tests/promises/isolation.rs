//! While a hostile connector runs, the well-behaved connections of the same host work on: no failed call, and about as fast.
//! [`ATTACKS`] is the list of what is made beside them; the table of `docs/security.md` names each, row by row.

mod attacks;
mod remote;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use connector_host::Connection;
use connector_host::contract::QueryRequest;
use end_to_end::{Bench, component, query, root};

use attacks::{ATTACKS, Attack, IN_PYTHON, NOT_MADE};
use remote::Remote;

/// Well-behaved connections, each of which makes one call after the other.
const CONNECTIONS: usize = 8;
/// For how long calls are counted; some hundred of them, of which the hundredth part is a few.
const ROUND: Duration = Duration::from_millis(700);
/// Rounds beside each attack, and undisturbed ones before it, of which the median counts: the machine has other things to do.
const ROUNDS: usize = 3;
/// How much slower the slowest hundredth of the calls may be.
const MOST: u32 = 5;
/// What an undisturbed p99 counts at the least: two ticks of the host's clock. A connector that computes is made to stop at a tick,
/// so whoever finds one on its processor waits for so long, however fast it is itself.
const FLOOR: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn eight_connections_work_on_while_a_hostile_one_runs() {
    work_on_beside("hostile", ATTACKS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs words.wasm: `cargo xtask guests`"]
async fn eight_connections_work_on_while_a_program_in_python_tries_what_it_can() {
    work_on_beside("words", IN_PYTHON).await;
}

#[test]
fn the_book_says_as_what_each_attack_is_made_beside_others() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("| attack |"));
    let rows: Vec<&str> = table.skip(2).take_while(|line| line.starts_with('|')).collect();
    let mut told = Vec::new();
    for row in &rows {
        let made_as = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        if !NOT_MADE.contains(&made_as) {
            told.extend(made_as.split(", ").map(|name| name.trim_matches('`')));
        }
    }
    let names = || [ATTACKS, IN_PYTHON].into_iter().flatten().map(|attack| attack.name);
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), names().collect::<BTreeSet<_>>());
    assert_eq!(names().count(), names().collect::<BTreeSet<_>>().len(), "two attacks of one name");
}

/// Makes each attack beside the well-behaved connections, and demands that these do not suffer by it.
async fn work_on_beside(connector: &str, attacks: &'static [Attack]) {
    let bench = Bench::new().await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(bench.connection().await);
    }
    let (connector, remote) = (component(connector), Remote::start().await);
    round(&connections).await;
    println!("| attack | undisturbed p99 | p99 meanwhile | ratio | calls | attacks |\n|--|--|--|--|--|--|");
    let (mut calm, mut slow) = (Vec::new(), Vec::new());
    for attack in attacks {
        let made = attack.prepare(&bench.host, &connector, &remote).await;
        while calm.len() < ROUNDS {
            calm.push(round(&connections).await.0);
        }
        let (mut disturbed, mut calls) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (made, host) = (made.clone(), bench.host.clone());
            let attacking = tokio::spawn(async move { made.again_and_again(&host).await });
            let (p99, count) = round(&connections).await;
            attacking.abort();
            let ended = attacking.await.unwrap_err();
            assert!(ended.is_cancelled(), "{}: {ended}", attack.name);
            disturbed.push(p99);
            calls += count;
        }
        let (name, count) = (attack.name, made.count());
        let (undisturbed, disturbed) = (median(&calm), median(&disturbed));
        let ratio = disturbed.as_secs_f64() / undisturbed.max(FLOOR).as_secs_f64();
        println!("| `{name}` | {undisturbed:.1?} | {disturbed:.1?} | {ratio:.2} | {calls} | {count} |");
        if disturbed > undisturbed.max(FLOOR) * MOST {
            slow.push(name);
        }
        calm.remove(0);
    }
    assert!(slow.is_empty(), "p99 of more than {MOST} times the undisturbed one: {slow:?}");
}

/// Calls of all connections for the length of a round, none of which may fail: p99, and how many there were.
async fn round(connections: &[Connection]) -> (Duration, usize) {
    let end = Instant::now() + ROUND;
    let tasks: Vec<_> = connections
        .iter()
        .cloned()
        .map(|connection| {
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let begun = Instant::now();
                    let request = QueryRequest { page_size: Some(10), max_records: Some(10), ..query("brands") };
                    let page = connection.activity().await.unwrap().query(&request).await.unwrap();
                    assert_eq!(page.count, 10);
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort_unstable();
    let rank = (times.len() * 99).div_ceil(100).saturating_sub(1);
    (times[rank], times.len())
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}
