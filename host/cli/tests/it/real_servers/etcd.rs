//! A group of agents whose schedules a real etcd coordinates (Debian's `etcd-server`).

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::program;
use crate::schedules::times;
use crate::serving::Serving;
use crate::support::{Project, finish};

/// A running etcd; it ends with the test.
struct Etcd {
    program: Child,
    address: SocketAddr,
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
            let (address, peer) = (free(), free());
            let (client, peer) = (format!("http://{address}"), format!("http://{peer}"));
            let mut command = Command::new(&program);
            command.arg("--data-dir").arg(folder.path().join("data"));
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &format!("default={peer}")]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            let until = Instant::now() + Duration::from_secs(60);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if TcpStream::connect(address).is_ok() {
                    return Self { program: child, address, _folder: folder };
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("no etcd");
    }
}

/// An agent with a project and a store of its own.
fn agent(name: &str, coordinator: SocketAddr) -> (Project, Serving) {
    let project = Project::empty();
    project.scheduled("copy", "every = \"2s\"");
    let agents: String = ["a", "b", "c"]
        .map(|name| format!("[groups.g.agents.{name}]\nurl = \"https://{name}.example.com\"\n"))
        .concat();
    project.write("agents.toml", format!("[groups.g]\ncoordinator = \"http://{coordinator}\"\n{agents}"));
    let serving = project.keeps_schedules(&["--agent", name]);
    (project, serving)
}

#[test]
#[ignore = "needs `cargo xtask servers`"]
fn of_three_agents_one_runs_what_is_due_and_when_one_is_killed_the_rest_goes_on() {
    let etcd = Etcd::start();
    let mut agents = ["a", "b", "c"].map(|name| agent(name, etcd.address));
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
    let (project, serving) = agent("a", SocketAddr::from(([127, 0, 0, 1], 1)));
    let waited = Instant::now();
    loop {
        let listed = serving.read("/v1/operations");
        let reason = listed["items"][0]["not_run"]["reason"].as_str().unwrap_or("").to_owned();
        if reason.contains("cannot be reached") {
            break;
        }
        assert!(waited.elapsed() < Duration::from_secs(120), "{listed}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!times(&serving.stop(), "does not run").is_empty());
    assert_eq!(project.done(), 0);
}
