//! Plays one scenario on one host: a store of its own, one step after the other, everything checked.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bigcommerce_emulator::Emulator;
use serde_json::{Value, json};

use crate::answer::short;
use crate::fill::Places;
use crate::host::Runner;
use crate::protocol::{Command, Connect, Variable};
use crate::proxy::Proxy;
use crate::scenario::{Component, Scenario, Step};
use crate::store;

/// How long sockets may take to close once a connection is closed.
const CLOSING: Duration = Duration::from_secs(20);

/// What scenarios are played with.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The folder of the components.
    pub components: PathBuf,
}

/// A scenario under way.
struct Play<'a> {
    stage: &'a Stage,
    scenario: &'a Scenario,
    store: Emulator,
    places: Places,
    /// Values that must not be shown.
    secrets: Vec<String>,
}

impl Stage {
    /// Plays a scenario.
    ///
    /// # Errors
    /// What does not hold, and in which step.
    pub fn play(&self, scenario: &Scenario, runner: &mut Runner) -> Result<()> {
        let store = store::start(&scenario.store)?;
        let proxy = Proxy::start(([127, 0, 0, 1], store.port()).into())?;
        let mut places = Places::default();
        places.set("base-url", store.base_url());
        places.set("https-url", store.https_url());
        places.set("store-hash", store.store_hash());
        places.set("token", store.token());
        places.set("proxy-url", proxy.url());
        places.set("closed-url", closed()?);
        let mut play = Play { stage: self, scenario, store, places, secrets: Vec::new() };
        for (number, step) in (1..).zip(&scenario.step) {
            play.step(step, runner).with_context(|| format!("step {number}"))?;
        }
        let closed = runner.ask(&json!({ "do": "close" }))?;
        ensure!(closed.get("ok").is_some(), "`close` failed: {closed}");
        play.end(proxy.carried())
    }

    fn component(&self, component: Component) -> String {
        self.components.join(format!("{}.wasm", component.name())).display().to_string()
    }
}

impl Play<'_> {
    fn step(&mut self, step: &Step, runner: &mut Runner) -> Result<()> {
        step.before.apply(&self.store)?;
        self.store.journal().clear();
        let mut command = step.call.clone();
        self.complete(&mut command);
        let mut command = serde_json::to_value(command)?;
        self.places.fill(&mut command);
        let begun = Instant::now();
        let reply = runner.ask(&command)?;
        let took = begun.elapsed();
        if let Some(secret) = self.secrets.iter().find(|secret| reply.to_string().contains(secret.as_str())) {
            bail!("the reply shows the secret {secret:?}");
        }
        step.answer.judge(&reply).with_context(|| format!("the reply to {}", short(&command)))?;
        step.seen.judge(&self.store.journal().entries())?;
        step.stored.iter().try_for_each(|stored| stored.judge(&self.store))?;
        let least = Duration::from_millis(step.takes_at_least_ms);
        ensure!(took >= least, "it took {} ms, less than {} ms", took.as_millis(), least.as_millis());
        for place in ["next", "state"] {
            if let Some(text) = reply.pointer(&format!("/ok/{place}")).and_then(Value::as_str) {
                self.places.set(place, text);
            }
        }
        Ok(())
    }

    /// Fills in what every connection has, and notes what is hidden.
    fn complete(&mut self, command: &mut Command) {
        match command {
            Command::Connect(connect) => {
                if connect.component.is_empty() {
                    connect.component = self.stage.component(self.scenario.component);
                }
                if self.scenario.component == Component::Bigcommerce {
                    usual(connect);
                }
                let hidden = connect.variables.values().filter(|variable| variable.hidden);
                let mut hidden: Vec<Value> = hidden.map(|variable| json!(variable.value)).collect();
                hidden.iter_mut().for_each(|value| self.places.fill(value));
                self.secrets = hidden.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
            }
            Command::SetVariable { value, .. } => self.secrets.push(value.clone()),
            _ => {}
        }
    }

    /// What must hold once the connection is closed.
    fn end(&self, proxied: usize) -> Result<()> {
        self.scenario.sockets.judge(&self.store, proxied)?;
        ensure!(self.store.store().wipes() == 0, "a request wiped a collection");
        ensure!(self.store.pending_faults() == 0, "a fault did not strike: the scenario tests less than it says");
        let violations = self.store.violations();
        ensure!(violations.is_empty(), "requests that the API does not document: {violations:?}");
        let begun = Instant::now();
        while self.store.connections_open() > 0 {
            ensure!(begun.elapsed() < CLOSING, "{} sockets stay open after `close`", self.store.connections_open());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// The settings, variables and grants of a connection to the store, where the scenario says nothing else.
fn usual(connect: &mut Connect) {
    let settings = [("store_hash", "<store-hash>"), ("access_token", "[token]"), ("base_url", "<base-url>")];
    for (name, value) in settings {
        connect.settings.entry(name).or_insert_with(|| json!(value));
    }
    let token = || Variable { value: "<token>".to_owned(), hidden: true };
    connect.variables.entry("token".to_owned()).or_insert_with(token);
    connect.grant.get_or_insert_with(|| vec!["<base-url>".to_owned()]);
}

/// An address where nobody listens.
fn closed() -> Result<String> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0")?.local_addr()?))
}
