//! The attacks that are made beside well-behaved connections, in one list. What each of them is held back by is the subject of other
//! tests; here each has to be made, and to end as it should if it ends while it is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use connector_host::contract::{QueryRequest, WriteRequest};
use connector_host::{CallError, Connection, ConnectionConfig, Connector, Grant, Host, Limits};
use end_to_end::Memory;
use serde_json::json;

use super::remote::Remote;

/// An attack that may be made in several ways, one after the other, again and again.
pub(super) struct Attack {
    /// The name by which the book calls it.
    pub(super) name: &'static str,
    ways: &'static [Way],
}

/// One way to make an attack.
struct Way {
    /// The function that makes it; `describe` is made by loading the component.
    function: &'static str,
    /// The hostile connector's name of it, or the object of the connector in Python.
    how: &'static str,
    /// Where it goes, for the attacks over the network: a path of [`Remote`], or [`FORBIDDEN`].
    to: &'static str,
    /// What is told of it in the end, if it has one and anybody is told.
    told: &'static str,
}

/// An address that is not granted.
const FORBIDDEN: &str = "forbidden";

const fn attack(name: &'static str, ways: &'static [Way]) -> Attack {
    Attack { name, ways }
}

const fn query(how: &'static str, told: &'static str) -> Way {
    made_in("query", how, told)
}

const fn create(how: &'static str, told: &'static str) -> Way {
    made_in("create", how, told)
}

const fn made_in(function: &'static str, how: &'static str, told: &'static str) -> Way {
    Way { function, how, to: "/silent", told }
}

const fn fetch(to: &'static str, told: &'static str) -> Way {
    Way { function: "query", how: "fetch", to, told }
}

/// What stands in the book for what is not made beside others: it never gets as far as to run, or it is this test itself.
pub(super) const NOT_MADE: [&str; 2] = ["never runs", "all of them"];

/// What the connector `hostile` does.
pub(super) const ATTACKS: &[Attack] = &[
    attack("loop", &[query("loop", "`compute_time`")]),
    attack("busy", &[query("busy", "`compute_time`")]),
    attack("busy-polling", &[query("busy-polling", "`compute_time`")]),
    attack("deaf", &[query("deaf", "`call_time`")]),
    attack("memory", &[query("memory", "`memory`")]),
    attack("stack", &[query("stack", "of stack")]),
    attack("trap", &[create("trap", "crashed")]),
    attack("pollables", &[query("pollables", "`resources`")]),
    attack("requests", &[query("requests", "`resources`")]),
    attack(
        "held",
        &[
            query("held-fields", "`held_bytes`"),
            query("held-addresses", "`held_bytes`"),
            query("held-bodies", "`held_bytes`"),
        ],
    ),
    attack(
        "describing",
        &[
            made_in("describe", "memory", "`memory`"),
            made_in("describe", "stack", "of stack"),
            made_in("describe", "trap", "crashed"),
            made_in("describe", "huge", "`answer_bytes`"),
        ],
    ),
    attack("huge-page", &[query("huge-page", "")]),
    attack("million-outcomes", &[create("million-outcomes", "`memory`")]),
    attack(
        "records",
        &[
            query("no-json", "is no JSON object"),
            query("no-object", "is no JSON object"),
            query("broken-line", "is no JSON object"),
            query("unclosed", "is not closed"),
            query("no-utf8", "not UTF-8"),
            query("count", "holds 3"),
        ],
    ),
    attack(
        "outcomes",
        &[
            create("few-outcomes", "0 outcomes for 1 records"),
            create("many-outcomes", "2 outcomes for 1 records"),
            create("outcome-no-json", "is no JSON object"),
        ],
    ),
    attack("cursors", &[query("same-cursor", "leads back"), query("round-of-cursors", "leads back")]),
    attack("new-cursors", &[query("new-cursors", "")]),
    attack("error-huge", &[query("error-huge", "xxx…")]),
    attack("errors", &[query("error-control", "gone next line"), made_in("configure", "many-errors", "wrong 0")]),
    attack(
        "secrets",
        &[
            query("error-secret", "the token is ****"),
            made_in("test", "answer-secret", ""),
            create("outcome-secret", ""),
            query("log-secret", ""),
        ],
    ),
    attack("log", &[query("log", "")]),
    attack("log-long", &[query("log-long", "")]),
    attack("log-control", &[query("log-control", "")]),
    attack(
        "header-lines",
        &[
            query("header-newline", "InvalidSyntax"),
            query("header-name", "InvalidSyntax"),
            query("host-header", "Forbidden"),
        ],
    ),
    attack(
        "header-size",
        &[query("header-huge", "`header_bytes`"), query("header-many", "HttpRequestHeaderSectionSize")],
    ),
    attack(
        "answer-header-size",
        &[
            fetch("/many-fields", "HttpResponseHeaderSectionSize"),
            fetch("/huge-field", "HttpResponseHeaderSectionSize"),
        ],
    ),
    attack("forbidden", &[fetch(FORBIDDEN, "HttpRequestDenied")]),
    attack("redirect", &[fetch("/redirect", "answered: 302")]),
    attack(
        "bodies",
        &[
            fetch("/body", "`response_body`"),
            Way { function: "query", how: "upload", to: "/upload", told: "`request_body`" },
        ],
    ),
    attack("unread", &[query("unread", "`call_time`")]),
    attack("unfinished", &[query("unfinished", "`call_time`")]),
    attack("permits", &[query("permits", "`call_time`")]),
];

/// What the connector `words`, in Python, does: its objects are what it tries.
pub(super) const IN_PYTHON: &[Attack] = &[
    attack("attempts", &[query("attempts", "")]),
    attack("exit", &[query("exit", "ended itself")]),
    attack("print", &[query("print", "")]),
];

/// An attack that is ready to be made.
#[derive(Clone)]
pub(super) struct Made {
    ways: Arc<Vec<Ready>>,
}

struct Ready {
    way: &'static Way,
    on: On,
    count: AtomicU64,
}

/// What an attack is made on.
enum On {
    /// Calls of this connection.
    Calls(Connection),
    /// Settings that no connection can be opened with, as the connector finds.
    Opening(Box<(Connector, ConnectionConfig)>),
    /// Loading this component.
    Loading(Vec<u8>),
}

impl Attack {
    /// Loads and opens what it takes. `component`: the hostile connector's bytes.
    pub(super) async fn prepare(&self, host: &Host, component: &[u8], remote: &Remote) -> Made {
        let connector = host.load(component).await.unwrap();
        let mut ways = Vec::new();
        for way in self.ways {
            let on = match way.function {
                "describe" => {
                    let wasm = describing(component, way.how);
                    // So that it is compiled.
                    host.load(&wasm).await.expect_err(way.how);
                    On::Loading(wasm)
                }
                "configure" => On::Opening(Box::new((connector.clone(), config(&connector, way, remote)))),
                _ => On::Calls(host.open(&connector, config(&connector, way, remote)).await.unwrap()),
            };
            ways.push(Ready { way, on, count: AtomicU64::new(0) });
        }
        Made { ways: Arc::new(ways) }
    }
}

impl Made {
    /// Makes the attack, in all its ways, for ever.
    pub(super) async fn again_and_again(&self, host: &Host) {
        loop {
            for ready in self.ways.iter() {
                ready.count.fetch_add(1, Ordering::Relaxed);
                let told = ready.make(host).await;
                let Way { how, told: expected, .. } = ready.way;
                // On a machine that has other things to do, time may be over first.
                assert!(told.contains(expected) || told.contains("_time`"), "{how}: {told}");
            }
        }
    }

    /// How often it was made: at least once in each way.
    pub(super) fn count(&self) -> u64 {
        let count = |ready: &Ready| ready.count.load(Ordering::Relaxed);
        for ready in self.ways.iter() {
            assert!(count(ready) > 0, "{} was not made", ready.way.how);
        }
        self.ways.iter().map(count).sum()
    }
}

impl Ready {
    /// Makes it once; what is told of it.
    async fn make(&self, host: &Host) -> String {
        let told = match &self.on {
            On::Loading(wasm) => host.load(wasm).await.err().map(|error| error.to_string()),
            On::Opening(what) => {
                let (connector, config) = (&what.0, what.1.clone());
                host.open(connector, config).await.err().map(|error| error.to_string())
            }
            On::Calls(connection) => call(connection, self.way).await.err().map(|error| error.to_string()),
        };
        told.unwrap_or_default()
    }
}

async fn call(connection: &Connection, way: &Way) -> Result<(), CallError> {
    match way.function {
        "test" => connection.test().await.map(drop),
        "create" => {
            let request = WriteRequest::new("anything", "{\"id\":1}\n");
            connection.activity().await?.create(&request).await.map(drop)
        }
        "query" => {
            let mut pages = connection.query(QueryRequest::new(way.how)).await?;
            while pages.next().await?.is_some() {}
            Ok(())
        }
        other => panic!("there is no function `{other}`"),
    }
}

fn config(connector: &Connector, way: &Way, remote: &Remote) -> ConnectionConfig {
    let url = if way.to == FORBIDDEN { remote.forbidden() } else { remote.url(way.to) };
    let mut settings = json!({ "token": "[token]" });
    if connector.info().name == "hostile" {
        settings = json!({ "how": way.how, "in": way.function, "url": url, "token": "[token]" });
    }
    let mut config = ConnectionConfig::new("hostile", settings.to_string());
    config.grants = remote.granted().map(Grant::extra).collect();
    let variables = Memory::default();
    variables.set("token", "s3cret-value");
    config.variables = Arc::new(variables);
    // Short enough that most are made to their end, and made again.
    let short = Duration::from_millis(500);
    config.limits = Limits {
        compute_time: short,
        call_time: short,
        cancel_grace: Duration::from_millis(100),
        held_bytes: 8 << 20,
        response_body: 100_000,
        request_body: 100_000,
        ..Limits::default()
    };
    config
}

/// The hostile component with an attack in `describe`: the name of one that stands in it is written over.
fn describing(component: &[u8], how: &str) -> Vec<u8> {
    let text = |how: &str| format!("{:.<32}", format!("describe does: {how}")).into_bytes();
    let (from, to) = (text("nothing"), text(how));
    let mut wasm = component.to_vec();
    let at = wasm.windows(from.len()).position(|bytes| bytes == from).expect("the text to write over");
    wasm[at..at + from.len()].copy_from_slice(&to);
    wasm
}
