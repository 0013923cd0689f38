//! A process that serves, and who asks it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Project, Ran, finish};

/// The type of records.
pub(crate) const NDJSON: &str = "content-type: application/x-ndjson";

/// A process that serves.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

/// One request on a connection of its own: status and body.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let host = if headers.iter().any(|line| line.starts_with("host:")) { "" } else { "host: 127.0.0.1\r\n" };
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\n{host}{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Serving {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        Self::run(project.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()))
    }

    /// Serves with the component in this file, looks at it often.
    pub(crate) fn start_with(project: &Project, component: &str, arguments: &[&str]) -> Self {
        let often = ["serve", "--listen", "127.0.0.1:0", "--connector", component, "--look", "50ms"];
        Self::run(project.bare(&[&often, arguments].concat()))
    }

    pub(crate) fn run(mut command: Command) -> Self {
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.parse().unwrap(), child }
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        ask(self.address, method, path, headers, body)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn query(&self, query: &Value) -> (u16, Value) {
        let (status, body) =
            self.ask("POST", "/v1/connections/people/query", &["content-type: application/json"], &query.to_string());
        (status, serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}")))
    }

    pub(crate) fn post(&self, path: &str) -> (u16, String) {
        self.ask("POST", path, &[], "")
    }

    /// The versions of the deployment, as it tells them.
    pub(crate) fn versions(&self) -> Vec<Value> {
        let state: Value = serde_json::from_str(&self.get("/v1/deployments").1).unwrap();
        state[0]["versions"].as_array().unwrap().clone()
    }

    /// Waits until the version that serves has this digest.
    pub(crate) fn until_serves(&self, digest: &str) {
        let waited = Instant::now();
        while self.versions()[0]["digest"] != digest {
            assert!(waited.elapsed() < Duration::from_secs(60), "{:?}", self.versions());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// The same, and answers what it left.
    pub(crate) fn stop(self) -> Ran {
        self.terminate();
        finish(self.child)
    }

    /// A request with a JSON body: status and answer, null where that is empty.
    pub(crate) fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.ask(method, path, &["content-type: application/json"], &body.to_string());
        let answer = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
        (status, answer.unwrap_or_else(|e| panic!("{e}: {text}")))
    }

    /// What a path holds.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Value {
        let (status, text) = self.get(path);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}
