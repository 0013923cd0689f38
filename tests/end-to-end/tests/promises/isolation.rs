//! While a hostile connector runs, the well-behaved connections of the same host work on: no failed call, and about as fast.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use connector_host::contract::{QueryRequest, WriteRequest};
use connector_host::{Connection, ConnectionConfig, Connector, Grant, Host, Limits};
use end_to_end::{Bench, component, query};
use serde_json::json;

/// Well-behaved connections, each of which makes one call after the other.
const CONNECTIONS: usize = 8;
/// For how long calls are counted; some hundred of them, of which the hundredth part is a few.
const ROUND: Duration = Duration::from_millis(700);
/// Rounds of each kind, of which the median counts: the machine has other things to do.
const ROUNDS: usize = 3;
/// How much slower the slowest hundredth of the calls may be.
const MOST: u32 = 5;
/// What an undisturbed p99 counts at the least: two ticks of the host's clock. A connector that computes is made to stop at a tick,
/// so whoever finds one on its processor waits for so long, however fast it is itself.
const FLOOR: Duration = Duration::from_millis(20);

/// What is attacked, how, and in which function. Those that end are made again and again.
const ATTACKS: [(&str, &str); 18] = [
    ("loop", "query"),
    ("busy", "query"),
    ("busy-polling", "query"),
    ("memory", "query"),
    ("stack", "query"),
    ("trap", "create"),
    ("pollables", "query"),
    ("deaf", "query"),
    ("log", "query"),
    ("log-long", "query"),
    ("error-huge", "query"),
    ("huge-page", "query"),
    ("new-cursors", "query"),
    ("million-outcomes", "create"),
    ("unread", "query"),
    ("requests", "query"),
    ("held-addresses", "query"),
    ("permits", "query"),
];

#[tokio::test(flavor = "multi_thread")]
async fn eight_connections_work_on_while_a_hostile_one_runs() {
    let bench = Bench::new().await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(bench.connection().await);
    }
    let hostile = bench.host.load(&component("hostile")).await.unwrap();
    // Nobody takes the sockets, so whoever asks waits.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    round(&connections).await;
    println!("| attack | undisturbed p99 | p99 meanwhile | ratio | calls | attacks |\n|--|--|--|--|--|--|");
    let mut slow = Vec::new();
    for (how, function) in ATTACKS {
        let (mut calm, mut disturbed, mut calls, mut attacks) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..ROUNDS {
            calm.push(round(&connections).await.0);
            let connection = open(&bench.host, &hostile, how, function, &url).await;
            let attack = tokio::spawn(async move {
                loop {
                    ATTACKS_MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    make(&connection, function).await;
                }
            });
            let (p99, count) = round(&connections).await;
            attack.abort();
            let _ = attack.await;
            attacks += ATTACKS_MADE.swap(0, std::sync::atomic::Ordering::Relaxed);
            disturbed.push(p99);
            calls += count;
        }
        let (calm, disturbed) = (median(calm), median(disturbed));
        let ratio = disturbed.as_secs_f64() / calm.max(FLOOR).as_secs_f64();
        println!("| `{how}` | {calm:.1?} | {disturbed:.1?} | {ratio:.2} | {calls} | {attacks} |");
        if disturbed > calm.max(FLOOR) * MOST {
            slow.push(how);
        }
        assert!(attacks > 0, "{how} was not made");
    }
    assert!(slow.is_empty(), "p99 of more than {MOST} times the undisturbed one: {slow:?}");
}

/// How often the attack under way was made.
static ATTACKS_MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn open(host: &Host, connector: &Connector, how: &str, function: &str, url: &str) -> Connection {
    let settings = json!({ "how": how, "in": function, "url": url });
    let mut config = ConnectionConfig::new("hostile", settings.to_string());
    config.grants = vec![Grant::extra(url.parse().unwrap())];
    // Short enough that each attack is made to its end, and made again.
    let second = Duration::from_secs(1);
    config.limits = Limits { compute_time: second, call_time: second, cancel_grace: second, ..Limits::default() };
    host.open(connector, config).await.unwrap()
}

/// One attack. How it ends is the subject of other tests.
async fn make(connection: &Connection, function: &str) {
    let Ok(mut activity) = connection.activity().await else { return };
    if function == "create" {
        let _ = activity.create(&WriteRequest::new("anything", "{\"id\":1}\n")).await;
        return;
    }
    let mut request = query("anything");
    while let Ok(page) = activity.query(&request).await {
        request.cursor = page.next;
        if request.cursor.is_none() {
            break;
        }
    }
}
