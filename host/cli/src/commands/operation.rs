//! `operation`: the operations of the project.

use serde_json::{Value, json};

use super::{print, print_json};
use crate::args::Operation as Command;
use crate::error::{Failures, Result};
use crate::operation::changes::Changes;
use crate::operation::{check, due, files, preview};
use crate::output::table::{base, terminal_width};
use crate::session::Session;

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List => list(session),
        Command::Show { name } => {
            let saved = files::load(&session.project, &name)?;
            let mut value = saved.value.clone();
            if let Value::Object(map) = &mut value {
                map.insert("revision".to_owned(), json!(saved.revision));
                let schedule = saved.operation().ok().and_then(|operation| operation.schedule);
                for (key, told) in due::told(&session.project, &name, schedule.as_ref())? {
                    // The schedule itself stands there as the file has it.
                    map.entry(key).or_insert(told);
                }
            }
            print_json(&value)
        }
        Command::Check { name } => {
            let names = match name {
                Some(name) => vec![name],
                None => files::names(&session.project)?,
            };
            let mut failures = Vec::new();
            for name in &names {
                let checked = match files::load(&session.project, name) {
                    Ok(saved) => match saved.operation() {
                        Ok(operation) => check(session, name, &operation).await.map_err(|all| saved.place(all)),
                        Err(failures) => Err(failures),
                    },
                    Err(failures) => Err(failures),
                };
                match checked {
                    Ok(()) => session.note(format!("{name}: nothing is wrong with it")),
                    Err(more) => failures.extend(more.0),
                }
            }
            Failures::check(failures)
        }
        Command::Preview { name, limit } => {
            let saved = files::load(&session.project, &name)?;
            let operation = saved.operation()?;
            let rows = preview(session, &operation, limit).await.map_err(|failures| saved.place(failures))?;
            if session.global.json {
                return print_json(&json!({ "rows": rows }));
            }
            let mut text = String::new();
            for row in &rows {
                text.push_str(&row.words());
            }
            print(&text)
        }
        Command::Delete { name } => {
            Changes::begin(&session.project)?.delete(&name)?;
            session.note(format!("the operation {name} is deleted"));
            Ok(())
        }
    }
}

fn list(session: &Session) -> Result<()> {
    let mut items = Vec::new();
    for name in files::names(&session.project)? {
        items.push(match files::load(&session.project, &name).and_then(|saved| saved.operation()) {
            Ok(operation) => {
                let mut item = due::told(&session.project, &name, operation.schedule.as_ref())?;
                item.extend([
                    ("name".to_owned(), json!(name)),
                    ("description".to_owned(), json!(operation.description)),
                    ("source".to_owned(), json!(operation.source.words())),
                    ("target".to_owned(), json!(operation.target.words())),
                ]);
                Value::Object(item)
            }
            Err(failures) => json!({ "name": name, "problem": failures.in_one_line() }),
        });
    }
    if session.global.json {
        return print_json(&json!({ "items": items }));
    }
    if items.is_empty() {
        session.note("there are no operations; write one into operations/NAME.toml");
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["operation", "source", "target", "next run", "description"]);
    for item in &items {
        let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let last = if item.get("problem").is_some() { text("problem") } else { text("description") };
        table.add_row([text("name"), text("source"), text("target"), text("next_run"), last]);
    }
    print(&format!("{}\n", table.trim_fmt()))?;
    for item in items.iter().filter(|item| item.get("not_run").is_some()) {
        let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        session.note(format!("{} was due at {}: {}", text("/name"), text("/not_run/due"), text("/not_run/reason")));
    }
    Ok(())
}
