//! `test`: does this connection work, and if not, what is to be done?

use serde_json::{Value, json};

use super::versions::{Told, look_for_newer};
use super::{print, print_json};
use crate::error::{Failure, Failures, Result};
use crate::remote;
use crate::session::Session;

/// Steps that were taken, in order.
struct Steps<'a> {
    session: &'a Session,
    json: bool,
    done: Vec<(String, bool)>,
    notes: Vec<String>,
}

impl Steps<'_> {
    fn put(&mut self, text: String, good: bool) -> Result<()> {
        if !self.json {
            print(&format!("{} {text}\n", if good { "ok  " } else { "FAIL" }))?;
        }
        self.done.push((text, good));
        Ok(())
    }

    /// Runs one step; a failure ends the test.
    fn check<T>(&mut self, name: &str, what: &str, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            // Whoever stops a test learns nothing about the connection.
            Err(_) if self.session.interrupt.asked() => {
                Err(Failure::new("stopped, as you asked").with("kind", "cancelled").into())
            }
            Err(failures) => {
                self.put(what.to_owned(), false)?;
                self.verdict(name, Some(&failures), json!({}))?;
                Err(failures)
            }
        }
    }

    fn verdict(&self, name: &str, failures: Option<&Failures>, more: Value) -> Result<()> {
        let works = failures.is_none();
        if !self.json {
            let word = if works { "works" } else { "does not work" };
            return print(&format!("Connection `{name}` {word}.\n"));
        }
        let steps: Vec<Value> = self.done.iter().map(|(text, good)| json!({ "step": text, "ok": good })).collect();
        let mut result = json!({ "connection": name, "ok": works, "steps": steps, "notes": self.notes });
        if let (Some(result), Value::Object(more)) = (result.as_object_mut(), more) {
            result.extend(more);
            if let Some(failures) = failures {
                result.insert("errors".into(), failures.0.iter().map(Failure::to_json).collect());
            }
        }
        print_json(&result)
    }
}

impl Told for Steps<'_> {
    fn step(&mut self, text: String) -> Result<()> {
        self.put(text, true)
    }

    fn note(&mut self, text: String) -> Result<()> {
        if !self.json {
            print(&format!("note {text}\n"))?;
        }
        self.notes.push(text);
        Ok(())
    }
}

pub(super) async fn run(session: &Session, name: &str) -> Result<()> {
    let mut steps = Steps { session, json: session.global.json, done: Vec::new(), notes: Vec::new() };
    let saved = steps.check(name, "the connection is in the project", session.project.connection(name))?;
    let variables = steps.check(name, "variables", session.variables())?;
    look_for_newer(session, &saved.connector, name, &mut steps).await?;
    let loaded = steps.check(name, "the connector is loaded", session.connector(Some(&saved.connector)).await)?;
    let info = loaded.connector.info();
    let digest = loaded.connector.digest();
    let short = digest.get(..19).unwrap_or(digest);
    steps.put(format!("connector {} {} ({}, {short})", info.name, info.version, loaded.source), true)?;

    let opened = session.open(&loaded, &saved, variables).await;
    let connection = steps.check(name, "settings", opened)?;
    steps.put("settings are complete and well formed".to_owned(), true)?;

    let began = std::time::Instant::now();
    let mut activity =
        steps.check(name, "an instance", connection.activity().await.map_err(|e| remote::call_failed(&e)))?;
    let _guard = session.interrupt.cancels(activity.canceller());
    let answer = activity.test().await.map_err(|e| remote::call_failed(&e));
    let identity = steps.check(name, &format!("answer of {}", info.title), answer)?;
    let time = began.elapsed().as_millis();
    steps.put(format!("{} answered as {} in {time} ms", info.title, identity.account), true)?;
    for warning in &identity.warnings {
        if !steps.json {
            print(&format!("note {warning}\n"))?;
        }
    }
    steps.verdict(name, None, json!({ "account": identity.account, "warnings": identity.warnings }))
}
