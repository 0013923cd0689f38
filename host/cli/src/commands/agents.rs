//! `agents`, and the test of a connection by all agents of a group.

use serde_json::{Value, json};

use super::{print, print_json};
use crate::agents::testing::Tested;
use crate::agents::{Group, ask};
use crate::error::{Failure, Failures, Result};
use crate::output::table::{base, terminal_width};
use crate::session::Session;

/// Lists the agents of the active environment's group, as they answer now.
pub(super) async fn list(session: &Session) -> Result<()> {
    let group = Group::must(session, None)?;
    let items = ask::list(session, &group, None).await?;
    if session.global.json {
        return print_json(&json!({ "items": items, "group": group.name }));
    }
    let mut table = base(terminal_width());
    table.set_header(["agent", "address", "version", "connectors", "answered in"]);
    for item in &items {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let time =
            item.get("milliseconds").and_then(Value::as_u64).map_or("no answer".to_owned(), |ms| format!("{ms} ms"));
        table.add_row([text("name"), text("url"), text("version"), connectors(item), time]);
    }
    print(&format!("{}\n", table.trim_fmt()))?;
    for item in &items {
        for line in item.get("errors").map(told).unwrap_or_default() {
            session.note(line);
        }
    }
    Ok(())
}

fn connectors(agent: &Value) -> String {
    let all = agent.get("connectors").and_then(Value::as_array).into_iter().flatten();
    let text = |one: &Value, key: &str| one.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let words = all.map(|one| {
        let digest = text(one, "digest");
        let short: String = digest.chars().take(19).collect();
        format!("{} {} ({short})", text(one, "name"), text(one, "version"))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Errors of an agent for people: what, and what to do.
fn told(errors: &Value) -> Vec<String> {
    let text = |error: &Value, key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let line = |error: &Value| {
        let causes = error.get("causes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let what = text(error, "message").into_iter().chain(causes.map(str::to_owned)).collect::<Vec<_>>().join(": ");
        text(error, "hint").map_or(what.clone(), |hint| format!("{what}; {hint}"))
    };
    errors.as_array().into_iter().flatten().map(line).collect()
}

/// Tests a saved connection by every agent.
pub(super) async fn test(session: &Session, name: &str) -> Result<()> {
    let group = Group::must(session, None)?;
    let saved = session.project.connection(name)?;
    let grants: Vec<String> = saved.grants.iter().map(ToString::to_string).collect();
    let body =
        json!({ "connector": saved.connector, "name": saved.name, "settings": saved.settings, "grants": grants });
    let environment = session.global.environment.as_deref();
    let json = session.global.json;
    let mut tell = |event: &str, data: Value| {
        let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let good = data.get("ok") == Some(&Value::Bool(true));
        let line = match event {
            _ if json => return Ok(()),
            "step" => format!("{} {}: {}\n", if good { "ok  " } else { "FAIL" }, text("agent"), text("text")),
            "note" => format!("note {}: {}\n", text("agent"), text("text")),
            _ => {
                let mut line = format!("{}: {}\n", text("agent"), if good { "works" } else { "does not work" });
                for reason in data.get("errors").map(told).unwrap_or_default() {
                    line.push_str(&format!("     {reason}\n"));
                }
                line
            }
        };
        print(&line)
    };
    let verdict = Tested { session, group: &group, environment, body }.run(&mut tell).await?;
    let good = verdict.get("ok") == Some(&Value::Bool(true));
    if json {
        print_json(&verdict)?;
    } else {
        let word = if good { "works on all agents" } else { "does not work on all agents" };
        print(&format!("Connection `{name}` {word} of the group `{}`.\n", group.name))?;
    }
    if good {
        return Ok(());
    }
    let errors = verdict.get("errors").map(told).unwrap_or_default();
    Failures::check(errors.into_iter().map(Failure::new).collect())
}
