//! `test`: does this connection work, and if not, what is to be done?

use connector_host::contract::Identity;
use serde_json::{Value, json};

use super::{print, print_json};
use crate::draft::Draft;
use crate::error::{Failure, Result};
use crate::session::Session;
use crate::testing::{self, Told, check};

/// Steps that were taken, in order.
struct Steps {
    json: bool,
    done: Vec<(String, bool)>,
    notes: Vec<String>,
}

impl Told for Steps {
    fn step(&mut self, text: String, good: bool) -> Result<()> {
        if !self.json {
            print(&format!("{} {text}\n", if good { "ok  " } else { "FAIL" }))?;
        }
        self.done.push((text, good));
        Ok(())
    }

    fn note(&mut self, text: String) -> Result<()> {
        if !self.json {
            print(&format!("note {text}\n"))?;
        }
        self.notes.push(text);
        Ok(())
    }
}

impl Steps {
    fn verdict(&self, name: &str, tested: &Result<Identity>) -> Result<()> {
        if !self.json {
            for warning in tested.iter().flat_map(|identity| &identity.warnings) {
                print(&format!("note {warning}\n"))?;
            }
            let word = if tested.is_ok() { "works" } else { "does not work" };
            return print(&format!("Connection `{name}` {word}.\n"));
        }
        let steps: Vec<Value> = self.done.iter().map(|(text, good)| json!({ "step": text, "ok": good })).collect();
        let mut result = json!({ "connection": name, "ok": tested.is_ok(), "steps": steps, "notes": self.notes });
        if let Some(result) = result.as_object_mut() {
            match tested {
                Ok(identity) => {
                    result.insert("account".into(), json!(identity.account));
                    result.insert("warnings".into(), json!(identity.warnings));
                }
                Err(failures) => {
                    result.insert("errors".into(), failures.0.iter().map(Failure::to_json).collect());
                }
            }
        }
        print_json(&result)
    }
}

pub(super) async fn run(session: &Session, name: &str) -> Result<()> {
    let mut steps = Steps { json: session.global.json, done: Vec::new(), notes: Vec::new() };
    let saved = check(session, &mut steps, "the connection is in the project", session.project.connection(name));
    let tested = match saved {
        Ok(saved) => testing::run(session, &Draft::from(saved), &mut steps).await,
        Err(failures) => Err(failures),
    };
    if !session.interrupt.asked() || tested.is_ok() {
        steps.verdict(name, &tested)?;
    }
    tested.map(drop)
}
