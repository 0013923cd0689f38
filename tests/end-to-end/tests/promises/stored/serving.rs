//! What a process that serves says of itself, held against what the store counted, and what it takes up while it runs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Emulator, Sizes};

use super::Folder;

/// More than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Between two questions: one client may not ask as often as it likes.
const PAUSE: Duration = Duration::from_millis(100);

/// A process that serves; killed when this is dropped.
pub(super) struct Serving {
    child: Child,
    pub(super) address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(folder: &Folder) -> Self {
        Self::start_with(folder, &[])
    }

    pub(super) fn start_with(folder: &Folder, arguments: &[&str]) -> Self {
        let mut command = folder.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(), "");
        let log = std::fs::File::create(folder.path().join("serve.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.to_owned(), child }
    }

    /// Status line, head and body of an answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn sockets(&self) -> usize {
        let metrics = self.ask("GET", "/metrics", "");
        let line = metrics.lines().find(|line| line.starts_with("connector_sockets"));
        line.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }
}

/// A project with one connection to this store, which keeps sockets for two seconds.
pub(super) fn project(store: &Emulator) -> Folder {
    let folder = Folder::new();
    let settings = serde_json::json!({ "store_hash": store.store_hash(), "access_token": "[token]", "keep_alive": true,
        "keep_alive_seconds": "2", "base_url": store.base_url() });
    let mut arguments = vec!["connection".to_owned(), "add".to_owned(), "shop".to_owned()];
    for (name, value) in settings.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        arguments.extend(["--set".to_owned(), format!("{name}={text}")]);
    }
    arguments.extend(["--grant".to_owned(), store.base_url()]);
    folder.good(&["variables", "set", "token", "--hidden"], store.token());
    folder.good(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), "");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gauge_of_sockets_tells_what_the_store_counts() {
    let store = Emulator::start(Config { https: false, ..Config::default() }).await.unwrap();
    let folder = project(&store);
    tokio::task::block_in_place(|| {
        let serving = Serving::start(&folder);
        assert_eq!(serving.sockets(), 0);
        let until = |told: &str, first: &dyn Fn(), holds: &dyn Fn(usize, usize) -> bool| {
            let begun = Instant::now();
            loop {
                first();
                // The store's count on both sides of the other: they were one moment's.
                let (before, gauge, after) = (store.connections_open(), serving.sockets(), store.connections_open());
                if before == after && holds(gauge, after) {
                    return;
                }
                assert!(begun.elapsed() < LONG, "{told}: the gauge tells {gauge}, the store {before} and {after}");
                std::thread::sleep(PAUSE);
            }
        };
        let query = || {
            let query = r#"{"object":"products","fields":["id"]}"#;
            let answer = serving.ask("POST", "/v1/connections/shop/query", query);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        };
        // Asked anew each time: on a busy machine, two seconds may pass before anybody looks.
        until("kept open", &query, &|gauge, open| gauge > 0 && gauge == open);
        until("after two seconds", &|| (), &|gauge, open| gauge == 0 && open == 0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_is_taken_up_by_a_process_that_serves() {
    let store = Emulator::start(Config { https: false, ..Config::default() }).await.unwrap();
    let folder = project(&store);
    tokio::task::block_in_place(|| {
        let serving = Serving::start(&folder);
        let status = || serving.ask("POST", "/v1/connections/shop/query", r#"{"object":"brands"}"#);
        assert!(status().starts_with("HTTP/1.1 200"));
        let until = |wanted: &dyn Fn(&str) -> bool| {
            let begun = Instant::now();
            while let answer = status()
                && !wanted(&answer)
            {
                assert!(begun.elapsed() < LONG, "{answer}");
                std::thread::sleep(PAUSE);
            }
        };
        folder.good(&["variables", "set", "token", "--hidden"], "wr0ng-token");
        until(&|answer| answer.contains("unauthorized"));
        folder.good(&["variables", "set", "token", "--hidden"], store.token());
        until(&|answer| answer.starts_with("HTTP/1.1 200"));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_client_goes_away_asks_the_store_for_nothing_more() {
    let sizes = Sizes { products: 5000, ..Sizes::default() };
    let store = Emulator::start(Config { https: false, sizes, ..Config::default() }).await.unwrap();
    let folder = project(&store);
    tokio::task::block_in_place(|| {
        let serving = Serving::start(&folder);
        let asked = || store.journal().count("GET", "/v3/catalog/products");
        let query = r#"{"object":"products","page_size":50}"#;
        let mut stream = TcpStream::connect(&serving.address).unwrap();
        write!(
            stream,
            "POST /v1/connections/shop/query HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             accept: application/x-ndjson\r\ncontent-length: {}\r\n\r\n{query}",
            query.len()
        )
        .unwrap();
        let mut first = [0; 1024];
        stream.read_exact(&mut first).unwrap();
        assert!(first.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first));
        drop(stream);
        let begun = Instant::now();
        loop {
            let before = asked();
            std::thread::sleep(Duration::from_secs(1));
            let status = serving.ask("GET", "/v1/connections/shop/status", "");
            if asked() == before && status.contains("\"in_flight\":0") {
                assert!((1..100).contains(&before), "{before} of 100 pages were read for nobody");
                break;
            }
            assert!(begun.elapsed() < LONG, "{before} pages, {status}");
        }
    });
}
