//! `serve`: answers while it stays, says what it does, and comes to an orderly end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::{NDJSON, Serving};
use crate::support::{Project, finish, fixed};

#[test]
fn records_are_read_and_written_over_http_and_the_process_ends_in_good_order() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    assert_eq!(serving.get("/healthz"), (200, "ok\n".into()));
    let (status, page) = serving.query(&json!({ "object": "people", "fields": ["id"], "page_size": 2,
        "filter": [{ "field": "id", "op": "greater", "value": 3 }] }));
    assert_eq!((status, page["records"][0]["id"].as_u64()), (200, Some(4)), "{page}");
    let next = page["next"].as_str().unwrap();
    let (_, more) = serving.query(&json!({ "object": "people", "fields": ["id"], "page_size": 2, "cursor": next,
        "filter": [{ "field": "id", "op": "greater", "value": 3 }] }));
    assert!(more["records"][0]["id"].as_u64() > page["records"][1]["id"].as_u64(), "{more}");
    let path = "/v1/connections/people/create?object=people&dry_run=true";
    let (status, outcomes) = serving.ask("POST", path, &[NDJSON], "{\"name\":\"Ada\"}\n");
    assert_eq!((status, outcomes.trim()), (200, "{\"outcomes\":[{\"row\":1,\"outcome\":\"skipped\"}\n]}"));
    let records = "{\"name\":\"Ada\"}\n{\"age\":3}\n";
    let path = "/v1/connections/people/resolve/create?object=people";
    let (status, outcomes) = serving.ask("POST", path, &[NDJSON], records);
    let outcomes: Value = serde_json::from_str(&outcomes).unwrap();
    let words: Vec<_> =
        outcomes["outcomes"].as_array().unwrap().iter().map(|row| (&row["row"], &row["outcome"])).collect();
    assert_eq!(
        (status, words),
        (200, vec![(&json!(1), &json!("applied")), (&json!(2), &json!("failed"))]),
        "{outcomes}"
    );
    let (status, other) =
        serving.ask("POST", "/v1/connections/people/resolve/upsert?object=people", &[NDJSON], records);
    assert!(status == 404 && other.contains("written by create, update or delete"), "{status} {other}");
    let (status, state) = serving.get("/v1/deployments");
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((status, &state[0]["versions"][0]["role"]), (200, &json!("serving")));
    serving.stop().good();
}

#[test]
fn what_is_wrong_is_told_with_the_status_that_fits() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    let (status, error) = serving.query(&json!({ "object": "nothing" }));
    assert!(status == 404 || status == 400, "{status} {error}");
    assert!(error["errors"][0]["message"].as_str().unwrap().contains("nothing"), "{error}");
    assert_eq!(serving.query(&json!({ "object": "people", "wrong": 1 })).0, 400);
    let (status, error) = serving.get("/v1/connections/poeple/status");
    assert!(status == 404 && error.contains("did you mean `people`"), "{status} {error}");
    assert_eq!(serving.ask("GET", "/v1/connections", &["host: evil.example"], "").0, 403);
    assert_eq!(serving.ask("GET", "/v1/connections", &["origin: http://evil.example"], "").0, 403);
    assert_eq!(serving.ask("GET", "/v1/connections", &["origin: http://127.0.0.1"], "").0, 200, "its own page");
    assert_eq!(serving.ask("POST", "/v1/deployments/fixed/rollback", &[], "").0, 409);
    serving.stop().good();
}

#[test]
fn a_token_guards_everything_but_the_health() {
    let project = Project::with_people();
    let token = project.write("token", "0123456789abcdef0123\n");
    let serving = Serving::start(&project, &["--token-file", &token]);
    assert_eq!(serving.get("/healthz").0, 200);
    assert_eq!(serving.get("/metrics").0, 401);
    assert_eq!(serving.ask("GET", "/metrics", &["authorization: Bearer 0123456789abcdef0123"], "").0, 200);
    let ran = serving.stop().good();
    assert!(!ran.stderr.contains("0123456789abcdef"), "{ran:#?}");
    project.run(&["serve", "--listen", "0.0.0.0:0"]).bad(1, &["other machines", "--token-file"]);
}

#[test]
fn prometheus_finds_calls_records_and_what_the_host_uses() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &[]);
    serving.query(&json!({ "object": "people", "fields": ["id"] }));
    serving.query(&json!({ "object": "made-up" }));
    let (status, metrics) = serving.get("/metrics");
    assert!(!metrics.contains("made-up") && metrics.contains("connector_object=\"_OTHER\""), "{metrics}");
    assert_eq!(status, 200);
    let line = |name: &str, label: &str| {
        let found = metrics.lines().find(|line| line.starts_with(name) && line.contains(label));
        found.unwrap_or_else(|| panic!("no {name} with {label} in {metrics}"))
    };
    assert!(line("connector_call_duration_seconds_count", "connector_call=\"query\"").ends_with(" 1"));
    assert!(line("connector_records_total", "connector_object=\"people\"").rsplit(' ').next().unwrap() != "0");
    assert!(line("connector_connections", "").ends_with(" 1"));
    line("connector_instances", "");
    line("connector_memory_bytes", "");
    line("connector_sockets", "");
    line("connector_version_activities", "connector_role=\"serving\"");
    serving.stop().good();
}

/// The component with one more section, which changes its digest and nothing else.
fn another(component: &[u8]) -> Vec<u8> {
    [component, b"\0\x08\x07another"].concat()
}

#[test]
fn a_version_that_is_put_in_use_takes_over_without_a_failed_call_and_can_be_rolled_back() {
    let project = Project::with_people();
    let component = std::fs::read(fixed()).unwrap();
    let current = project.write("current.wasm", &component);
    let put_in_use = |bytes: &[u8]| {
        let next = project.write("next.wasm", bytes);
        std::fs::rename(next, &current).unwrap();
    };
    let serving = Serving::start_with(&project, &current, &["--self-test", "people"]);
    let first = serving.versions()[0]["digest"].as_str().unwrap().to_owned();
    let (stop, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (status, page) = serving.query(&json!({ "object": "people", "fields": ["id"] }));
                    assert_eq!((status, page["count"].as_u64()), (200, Some(100)), "{page}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        put_in_use(&another(&component));
        let waited = Instant::now();
        while serving.versions()[0]["digest"] == first.as_str() {
            assert!(waited.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(20));
        }
        let so_far = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < so_far + 8 {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let second = serving.versions()[0]["digest"].as_str().unwrap().to_owned();
    assert_ne!(first, second);

    put_in_use(b"no component");
    let waited = Instant::now();
    while !serving.get("/v1/deployments").1.contains("not a WebAssembly file") {
        assert!(waited.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, told) = serving.post("/v1/deployments/fixed/swap");
    assert!(status == 409 && told.contains("not a WebAssembly file"), "{status} {told}");
    assert_eq!(serving.versions()[0]["digest"], second.as_str());

    let (status, told) = serving.post("/v1/deployments/fixed/rollback");
    assert!(status == 200 && told.contains(&first), "{status} {told}");
    serving.until_serves(&first);
    put_in_use(&another(&component));
    serving.until_serves(&second);
    serving.stop().good().says(&["the version that serves goes on"]);
}

#[test]
fn a_call_under_way_answers_when_the_process_is_asked_to_end() {
    let project = Project::with_people();
    let serving = Serving::start(&project, &["--grace", "100ms"]);
    std::thread::scope(|scope| {
        // Waits until it is cancelled, and then answers that nothing was sent.
        let writing = scope.spawn(|| {
            let path = "/v1/connections/people/create?object=trials";
            serving.ask("POST", path, &[NDJSON], "{\"how\":\"skip\"}\n")
        });
        let waited = Instant::now();
        while serving.versions()[0]["calls_in_flight"] != 1 {
            assert!(waited.elapsed() < Duration::from_secs(60), "{:?}", serving.versions());
            std::thread::sleep(Duration::from_millis(20));
        }
        serving.terminate();
        let (status, outcomes) = writing.join().unwrap();
        assert!(status == 200 && outcomes.contains("skipped"), "{status} {outcomes}");
    });
    finish(serving.child).good();
}

#[test]
fn a_client_that_has_sent_half_a_request_does_not_hold_up_the_end() {
    let project = Project::with_people();
    let mut serving = Serving::start(&project, &["--grace", "100ms"]);
    let mut half = TcpStream::connect(serving.address).unwrap();
    half.write_all(b"POST /v1/connections/people/query HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .unwrap();
    // Answered after the half was taken: what is accepted first is served first.
    assert_eq!(serving.get("/healthz").0, 200);
    serving.terminate();
    let asked = Instant::now();
    while serving.child.try_wait().unwrap().is_none() {
        if asked.elapsed() > Duration::from_secs(60) {
            serving.child.kill().unwrap();
            panic!("it waits for the other half");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    finish(serving.child).good();
    drop(half);
}

#[test]
fn traces_and_metrics_reach_a_collector() {
    let project = Project::with_people();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in collector.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || collect(stream.unwrap(), &sender));
        }
    });
    let mut command = project.command(&["query", "people", "people", "--limit", "1"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    crate::support::run(&mut command).good();
    let mut seen = (false, false);
    while seen != (true, true) {
        let (path, body) = bodies.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|e| panic!("{e}: {seen:?}"));
        let holds = |text: &str| body.windows(text.len()).any(|window| window == text.as_bytes());
        // Protobuf holds texts as they are.
        seen.0 |= path == "/v1/traces" && holds("activity") && holds("connector.object") && holds("people");
        seen.1 |= path == "/v1/metrics" && holds("connector.call.duration") && holds("connector.records");
    }
}

/// Takes requests off one connection: path and body.
fn collect(stream: TcpStream, sender: &mpsc::Sender<(String, Vec<u8>)>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut path, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 0 && line != "\r\n" {
            if let Some(rest) = line.strip_prefix("POST ") {
                path = rest.split(' ').next().unwrap().to_owned();
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if path.is_empty() || reader.read_exact(&mut body).is_err() || sender.send((path, body)).is_err() {
            return;
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_version_that_the_project_puts_in_use_takes_over_and_a_bad_one_does_not() {
    let project = Project::with_people();
    let versions = |args: &[&str]| crate::support::run(&mut project.bare(&[&["versions"], args].concat())).good();
    let install = |version: &str| {
        project.write("new.wasm", crate::versions::component(connector_fixed::variant::Variant::version(version)));
        versions(&["install", "new.wasm", "--use"]);
        let list = versions(&["list", "--json"]).json();
        let found = list.as_array().unwrap().iter().find(|row| row["version"] == version).unwrap();
        found["digest"].as_str().unwrap().to_owned()
    };
    let first = install("1.0.0");
    let serving = Serving::run(project.bare(&["serve", "--listen", "127.0.0.1:0", "--look", "50ms"]));
    serving.until_serves(&first);
    let second = install("2.0.0");
    serving.until_serves(&second);
    versions(&["rollback"]);
    serving.until_serves(&first);

    // Going back is written down: the next process begins with the version that this one went back to.
    versions(&["use", "2.0.0"]);
    serving.until_serves(&second);
    let (status, told) = serving.post("/v1/deployments/fixed/rollback");
    assert!(status == 200 && told.contains("\"not_kept\":null"), "{status} {told}");
    serving.until_serves(&first);
    serving.stop();
    let serving = Serving::run(project.bare(&["serve", "--listen", "127.0.0.1:0", "--look", "50ms"]));
    assert_eq!(serving.versions()[0]["digest"], first);
    let list = versions(&["list", "--json"]).json();
    let first_row = list.as_array().unwrap().iter().find(|row| row["version"] == "1.0.0").unwrap();
    assert_eq!(first_row["state"], "in use");

    // What is damaged on the disk does not take over.
    project.write(&format!("connectors/{}.wasm", second.replace(':', "-")), "damaged");
    let refused = crate::support::run(&mut project.bare(&["versions", "use", "2.0.0"]));
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert_eq!(serving.post("/v1/deployments/fixed/swap").0 / 100, 4);
    serving.until_serves(&first);
    serving.stop();
}

#[test]
fn a_version_that_was_given_up_or_failed_its_self_test_is_not_what_the_next_process_begins_with() {
    use connector_fixed::variant::{Variant, Way};
    for how in [["--canary", "50%:60m"], ["--self-test", "people"]] {
        let project = Project::with_people();
        let versions = |args: &[&str]| crate::support::run(&mut project.bare(&[&["versions"], args].concat())).good();
        let install = |variant: Variant<'_>| {
            project.write("new.wasm", crate::versions::component(variant));
            versions(&["install", "new.wasm", "--use"]);
        };
        let in_use = || {
            let list = versions(&["list", "--json"]).json();
            let row = list.as_array().unwrap().iter().find(|row| row["state"] == "in use").unwrap();
            row["version"].as_str().unwrap().to_owned()
        };
        install(Variant::version("1.0.0"));
        let serve = [&["serve", "--listen", "127.0.0.1:0", "--look", "50ms"], &how[..]].concat();
        let serving = Serving::run(project.bare(&serve));
        install(Variant::version("2.0.0").with(Way::Trap, "test"));
        let waited = Instant::now();
        while in_use() != "1.0.0" {
            assert!(waited.elapsed() < Duration::from_secs(60), "{how:?}: {:?}", serving.versions());
            for _ in 0..4 {
                serving.post("/v1/connections/people/test");
            }
        }
        assert_eq!(serving.versions()[0]["version"], "1.0.0");
        assert!(serving.get("/v1/deployments").1.contains("does not take over"), "{how:?}");
        serving.stop();
    }
}

/// Begins a query that goes on until who asked has gone.
fn hang(serving: &Serving) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address).unwrap();
    let query =
        json!({ "object": "trials", "filter": [{ "field": "how", "op": "equal", "value": "wait" }] }).to_string();
    let head = "POST /v1/connections/people/query HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{query}", query.len()).unwrap();
    let waited = Instant::now();
    while serving.versions()[0]["calls_in_flight"] != 1 {
        assert!(waited.elapsed() < Duration::from_secs(60), "{:?}", serving.versions());
        std::thread::sleep(Duration::from_millis(20));
    }
    stream
}

#[test]
fn a_version_takes_over_while_another_one_still_drains() {
    let project = Project::with_people();
    let component = std::fs::read(fixed()).unwrap();
    let (second, third) = (another(&component), another(&another(&component)));
    let current = project.write("current.wasm", &component);
    let serving = Serving::start_with(&project, &current, &[]);
    let hanging = hang(&serving);
    for bytes in [second, third] {
        let before = serving.versions()[0]["digest"].as_str().unwrap().to_owned();
        std::fs::rename(project.write("next.wasm", bytes), &current).unwrap();
        let waited = Instant::now();
        while serving.versions()[0]["digest"] == before.as_str() {
            assert!(waited.elapsed() < Duration::from_secs(60), "{:?}", serving.versions());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let draining = serving.versions().iter().filter(|version| version["role"] == "draining").count();
    assert_eq!(draining, 1, "{:?}", serving.versions());
    drop(hanging);
    serving.stop().good();
}

#[test]
fn a_version_for_which_there_was_no_room_is_tried_again() {
    let project = Project::with_people();
    let component = std::fs::read(fixed()).unwrap();
    let current = project.write("current.wasm", &component);
    let serving = Serving::start_with(&project, &current, &["--activities", "1"]);
    let first = serving.versions()[0]["digest"].as_str().unwrap().to_owned();
    let hanging = hang(&serving);
    std::fs::rename(project.write("next.wasm", another(&component)), &current).unwrap();
    let waited = Instant::now();
    while !serving.get("/v1/deployments").1.contains("runs 1 activities already") {
        assert!(waited.elapsed() < Duration::from_secs(60), "{}", serving.get("/v1/deployments").1);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(serving.versions()[0]["digest"], first.as_str());
    drop(hanging);
    let waited = Instant::now();
    while serving.versions()[0]["digest"] == first.as_str() {
        assert!(waited.elapsed() < Duration::from_secs(60), "{}", serving.get("/v1/deployments").1);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(serving.get("/v1/deployments").1.contains("\"refused\":null"));
    serving.stop();
}
