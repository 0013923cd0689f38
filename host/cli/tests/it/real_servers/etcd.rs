//! A group of agents whose schedules a real etcd coordinates (Debian's `etcd-server`), without users and with them.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::json;

use super::program;
use crate::schedules::times;
use crate::serving::{Serving, ask};
use crate::support::{Project, finish};

/// A running etcd; it ends with the test.
struct Etcd {
    program: Child,
    /// Without TLS.
    address: SocketAddr,
    /// With TLS, by a certificate that is its own authority.
    encrypted: SocketAddr,
    certificate: String,
    _folder: tempfile::TempDir,
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Etcd {
    fn start() -> Self {
        let program = program("etcd-server", "etcd");
        // Free a moment ago; another program may be faster, so a few are tried.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let (address, encrypted, peer) = (free(), free(), free());
            let (client, peer) = (format!("http://{address}"), format!("http://{peer}"));
            let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            let (certificate, key) = (folder.path().join("etcd.pem"), folder.path().join("etcd.key"));
            std::fs::write(&certificate, own.cert.pem()).unwrap();
            std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
            let mut command = Command::new(&program);
            command.arg("--data-dir").arg(folder.path().join("data"));
            command.arg("--cert-file").arg(certificate).arg("--key-file").arg(key);
            let listen = format!("{client},https://{encrypted}");
            command.args(["--listen-client-urls", &listen, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &format!("default={peer}")]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            let until = Instant::now() + Duration::from_secs(60);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if [address, encrypted].iter().all(|address| TcpStream::connect(address).is_ok()) {
                    let certificate = own.cert.pem();
                    return Self { program: child, address, encrypted, certificate, _folder: folder };
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("no etcd");
    }

    /// From now on it asks who asks: `agent` may use what is below `/connector/`.
    fn wants_users(&self) {
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let below =
            json!({ "permType": "READWRITE", "key": base64("/connector/"), "range_end": base64("/connector0") });
        for (what, body) in [
            ("user/add", json!({ "name": "root", "password": "r00t" })),
            ("role/add", json!({ "name": "root" })),
            ("user/grant", json!({ "user": "root", "role": "root" })),
            ("user/add", json!({ "name": "agent", "password": PASSWORD })),
            ("role/add", json!({ "name": "agent" })),
            ("role/grant", json!({ "name": "agent", "perm": below })),
            ("user/grant", json!({ "user": "agent", "role": "agent" })),
            ("enable", json!({})),
        ] {
            let (status, answer) = ask(self.address, "POST", &format!("/v3/auth/{what}"), &[], &body.to_string());
            assert_eq!(status, 200, "{what}: {answer}");
        }
    }
}

const PASSWORD: &str = "s3cret-of-etcd";

/// An agent with a project and a store of its own. `coordinator`: its line in the file of agents.
fn agent(name: &str, coordinator: &str) -> (Project, Serving) {
    let project = Project::empty();
    let serving = joins(&project, name, coordinator);
    (project, serving)
}

fn joins(project: &Project, name: &str, coordinator: &str) -> Serving {
    project.scheduled("copy", "every = \"2s\"");
    let agents: String = ["a", "b", "c"]
        .map(|name| format!("[groups.g.agents.{name}]\nurl = \"https://{name}.example.com\"\n"))
        .concat();
    project.write("agents.toml", format!("[groups.g]\ncoordinator = {coordinator}\n{agents}"));
    project.keeps_schedules(&["--agent", name])
}

/// Waits until a process tells why nothing runs, in these words.
fn until_told(serving: &Serving, words: &str) {
    let waited = Instant::now();
    loop {
        let listed = serving.read("/v1/operations");
        let reason = listed["items"][0]["not_run"]["reason"].as_str().unwrap_or("").to_owned();
        if reason.contains(words) {
            return;
        }
        assert!(waited.elapsed() < Duration::from_secs(120), "{listed}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs `cargo xtask servers`"]
fn of_three_agents_one_runs_what_is_due_and_when_one_is_killed_the_rest_goes_on() {
    let etcd = Etcd::start();
    let mut agents = ["a", "b", "c"].map(|name| agent(name, &format!("\"http://{}\"", etcd.address)));
    let done = |agents: &[(Project, Serving)]| agents.iter().map(|(project, _)| project.done()).sum::<usize>();
    let until = |agents: &[(Project, Serving)], count: usize| {
        let waited = Instant::now();
        while done(agents) < count {
            assert!(waited.elapsed() < Duration::from_secs(120), "{} of {count} runs", done(agents));
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until(&agents, 4);
    agents[0].1.child.kill().unwrap();
    let before = done(&agents);
    until(&agents, before + 3);
    let all = agents.map(|(project, serving)| (project, serving));
    let mut ran = Vec::new();
    let mut runs = 0;
    for (index, (project, serving)) in all.into_iter().enumerate() {
        let left = if index == 0 { finish(serving.child) } else { serving.stop() };
        ran.extend(times(&left, "and runs"));
        runs += project.run(&["runs", "list", "--json"]).good().json()["items"].as_array().unwrap().len();
    }
    let once: BTreeSet<&String> = ran.iter().collect();
    assert_eq!(once.len(), ran.len(), "a time ran twice: {ran:?}");
    assert!(ran.len() >= 7, "{ran:?}");
    // One that is killed between its run's begin and the line that tells it.
    assert!((ran.len()..=ran.len() + 1).contains(&runs), "{runs} runs, {ran:?}");
}

#[test]
#[ignore = "needs `cargo xtask servers`"]
fn without_its_coordinator_nothing_runs_and_the_reason_is_told() {
    // Shorter than the tries: the next time is claimed as soon as something has come of one.
    let (project, serving) = agent("a", "\"http://127.0.0.1:1\"");
    until_told(&serving, "cannot be reached");
    assert!(!times(&serving.stop(), "does not run").is_empty());
    assert_eq!(project.done(), 0);
}

#[test]
#[ignore = "needs `cargo xtask servers`"]
fn a_coordinator_with_users_and_a_certificate_of_its_own_is_asked_with_both_and_what_is_missing_is_told() {
    let etcd = Etcd::start();
    etcd.wants_users();
    let url = format!("url = \"https://{}\"", etcd.encrypted);
    let user = "user = \"agent\", password = \"[etcd_password]\"";
    let coordinator = |rest: &str| format!("{{ {url}{rest} }}");
    for (password, rest, words) in [
        (PASSWORD, format!(", {user}"), "certificate"),
        (PASSWORD, ", ca-file = \"etcd.pem\"".to_owned(), "wants a user"),
        ("s3cret-wrong", format!(", {user}, ca-file = \"etcd.pem\""), "does not take the user `agent`"),
        (PASSWORD, format!(", {user}, ca-file = \"etcd.pem\""), ""),
    ] {
        let project = Project::empty();
        project.write("etcd.pem", &etcd.certificate);
        project.run_with(&["variables", "set", "etcd_password", "--hidden"], password).good();
        let serving = joins(&project, "a", &coordinator(&rest));
        if words.is_empty() {
            let waited = Instant::now();
            while project.done() < 2 {
                assert!(waited.elapsed() < Duration::from_secs(120), "{}", serving.read("/v1/operations"));
                std::thread::sleep(Duration::from_millis(100));
            }
        } else {
            until_told(&serving, words);
        }
        let left = serving.stop();
        assert!(!left.stderr.contains("s3cret") && !left.stderr.contains(PASSWORD), "{left:#?}");
    }
}
