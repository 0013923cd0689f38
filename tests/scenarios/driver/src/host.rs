//! A host under test: the command that starts its runner, and the running one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// How long one command may take. Generous: the machine may be busy, and a first `connect` compiles.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a host's runner is started.
#[derive(Clone, Debug)]
pub struct Host {
    /// `rust`, `node`, `python`.
    pub name: String,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// What `/proc` counts processor time in, in milliseconds.
const TICK: u64 = 10;

/// A runner that has been started. It ends when it is dropped.
#[derive(Debug)]
pub struct Runner {
    child: Child,
    stdin: ChildStdin,
    replies: Receiver<String>,
    log: PathBuf,
}

impl Host {
    /// Starts its runner. What that says on stderr goes to a file in this folder.
    ///
    /// # Errors
    /// If the program does not start.
    pub fn start(&self, logs: &Path) -> Result<Runner> {
        let Some((program, arguments)) = self.command.split_first() else { bail!("no command for {}", self.name) };
        std::fs::create_dir_all(logs).with_context(|| format!("cannot create {}", logs.display()))?;
        let log = logs.join(format!("{}.log", self.name));
        let stderr = File::options().create(true).append(true).open(&log)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("the runner of {} does not start: {program}", self.name))?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, replies) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Runner { child, stdin, replies, log })
    }
}

impl Runner {
    /// Processor time, user and system, that all threads of the runner's process have taken, and its children that have ended; `None`
    /// where the system does not tell.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The program's name stands in parentheses and may hold anything. Behind it come eleven fields, then four times in ticks.
        let times = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        let ticks = times.map(|ticks| ticks.parse::<u64>().ok()).sum::<Option<u64>>()?;
        Some(Duration::from_millis(TICK * ticks))
    }

    /// Hands it a command and waits for the reply.
    ///
    /// # Errors
    /// If it ends, is not done in three minutes, or says something else than JSON.
    pub fn ask(&mut self, command: &Value) -> Result<Value> {
        let log = self.log.display();
        writeln!(self.stdin, "{command}").with_context(|| format!("the runner has ended; {log} may say why"))?;
        match self.replies.recv_timeout(PATIENCE) {
            Ok(line) => serde_json::from_str(&line).with_context(|| format!("the runner's reply is not JSON: {line}")),
            Err(RecvTimeoutError::Disconnected) => bail!("the runner ended without a reply; {log} may say why"),
            Err(RecvTimeoutError::Timeout) => bail!("no reply in {} s; {log} may say why", PATIENCE.as_secs()),
        }
    }

    /// The versions that it runs on, for people: `wasmtime 48.0.8`.
    ///
    /// # Errors
    /// If it does not tell.
    pub fn versions(&mut self) -> Result<String> {
        let reply = self.ask(&json!({ "do": "hello" }))?;
        let versions = reply.pointer("/ok/versions").and_then(Value::as_object);
        let versions = versions.with_context(|| format!("`hello` tells no versions: {reply}"))?;
        let told = versions.iter().map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default()));
        Ok(told.collect::<Vec<_>>().join(", "))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
