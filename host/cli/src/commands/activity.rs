//! `activity`: queries and writes that are kept under their connections, looked at, changed and run.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{print, print_json, query, write};
use crate::activities;
use crate::activity::{Activity, Mode};
use crate::args::{Activities, ActivityChanges as Changes, Delete, How, Query, Verb, Write, WriteOptions};
use crate::error::{Failure, Result};
use crate::output::table::{base, terminal_width};
use crate::session::Session;

pub(super) async fn run(session: &Session, command: Activities) -> Result<()> {
    use Activities as Typed;
    match command {
        Typed::List { connection } => list(session, connection.as_deref()),
        Typed::Add { name, verb, object, changes } => {
            let (saved, own) = activities::split(session, &name)?;
            let mut activity = Activity { name: own.to_owned(), ..Activity::new(&saved.name, verb, object) };
            apply(&mut activity, *changes);
            told(session, &activities::add(session, &saved, &activity)?, "kept")
        }
        Typed::Show { name } => show(session, &activities::named(session, &name)?),
        Typed::Edit { name, object, changes, unset } => {
            let (saved, own) = activities::split(session, &name)?;
            let mut activity = without(activities::one(session, &saved, own)?, &unset)?;
            activity.object = object.unwrap_or(activity.object);
            apply(&mut activity, *changes);
            told(session, &activities::change(session, &saved, own, &activity)?, "changed")
        }
        Typed::Copy { name, new_name } => {
            let (saved, own) = activities::split(session, &name)?;
            told(session, &activities::copy(session, &saved, own, &new_name)?, "a copy")
        }
        Typed::Rename { name, new_name } => {
            let (saved, own) = activities::split(session, &name)?;
            let activity = Activity { name: new_name, ..activities::one(session, &saved, own)? };
            told(session, &activities::change(session, &saved, own, &activity)?, "renamed")
        }
        Typed::Delete { name } => {
            let (saved, own) = activities::split(session, &name)?;
            activities::delete(session, &saved, own)?;
            if session.global.json {
                return print_json(&json!({ "deleted": own, "connection": saved.name }));
            }
            print(&format!("Activity `{name}` is deleted.\n"))
        }
        Typed::Run { name, how } => begin(session, activities::named(session, &name)?, how).await,
    }
}

fn list(session: &Session, connection: Option<&str>) -> Result<()> {
    let connections = match connection {
        Some(name) => vec![session.project.connection(name)?],
        None => session.project.connections()?,
    };
    let mut all = Vec::new();
    for saved in &connections {
        all.extend(activities::of(session, saved)?);
    }
    if session.global.json {
        return print_json(&json!(all));
    }
    if all.is_empty() {
        session.note("there are no activities; `connector activity add CONNECTION/ACTIVITY --object OBJECT` makes one");
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["activity", "verb", "object"]);
    for activity in all {
        let verb = word(&activity);
        table.add_row([format!("{}/{}", activity.connection, activity.name), verb, activity.object]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

fn word(activity: &Activity) -> String {
    super::describe::word(activity.verb).to_owned()
}

fn show(session: &Session, activity: &Activity) -> Result<()> {
    if session.global.json {
        return print_json(&json!(activity));
    }
    let Value::Object(members) = json!(activity) else { return Ok(()) };
    let width = members.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join("; ")
            }
            other => other.to_string(),
        };
        format!("{key:width$}  {text}\n")
    };
    print(&members.iter().map(line).collect::<String>())
}

fn told(session: &Session, activity: &Activity, what: &str) -> Result<()> {
    if session.global.json {
        return print_json(&json!(activity));
    }
    print(&format!("Activity `{}/{}` is {what}.\n", activity.connection, activity.name))
}

/// Puts what was typed into an activity; what was not typed stays.
fn apply(activity: &mut Activity, changes: Changes) {
    let Changes { fields, conditions, order, include, incremental, page_size, limit, upsert, match_on, .. } = changes;
    for (member, typed) in [
        (&mut activity.fields, fields),
        (&mut activity.conditions, conditions),
        (&mut activity.order_by, order),
        (&mut activity.include, include),
        (&mut activity.match_on, match_on),
    ] {
        if !typed.is_empty() {
            *member = typed;
        }
    }
    activity.incremental |= incremental;
    activity.continue_on_error |= changes.continue_on_error;
    activity.page_size = page_size.or(activity.page_size);
    activity.max_records = limit.or(activity.max_records);
    activity.batch_size = changes.batch.or(activity.batch_size);
    if upsert {
        activity.mode = Mode::Upsert;
    }
}

/// The activity without these members.
fn without(activity: Activity, members: &[String]) -> Result<Activity> {
    let mut all = json!(activity);
    for member in members {
        let gone = all.as_object_mut().and_then(|all| all.remove(member));
        if gone.is_none() || ["name", "connection", "object", "revision"].contains(&member.as_str()) {
            return Err(Failure::new(format!("the activity `{}` has no `{member}` to take away", activity.name)).into());
        }
    }
    Ok(serde_json::from_value(all).map_err(|e| Failure::defect("cannot change the activity").causes_of(&e))?)
}

/// Runs it as the command of its verb does.
async fn begin(session: &Session, activity: Activity, how: How) -> Result<()> {
    let Some(verb) = activity.write_verb() else { return begin_query(session, activity, how).await };
    for (name, is_set) in [
        ("--output", how.output.is_some()),
        ("--format", how.format.is_some()),
        ("--since", how.since.is_some()),
        ("--explain", how.explain),
    ] {
        refuse(&activity, name, is_set)?;
    }
    let input = how.input.unwrap_or_else(|| PathBuf::from("-"));
    let batch = activity.batch();
    let options = WriteOptions {
        name: activity.connection,
        object: activity.object,
        input_format: None,
        outcomes: how.outcomes,
        continue_on_error: activity.continue_on_error,
        dry_run: how.dry_run,
        batch,
        from_row: None,
        only_skipped: false,
    };
    match verb {
        Verb::Delete => write::delete(session, Delete { options, input: Some(input), ids: Vec::new() }).await,
        Verb::Create | Verb::Update => {
            let upsert = activity.mode == Mode::Upsert;
            let write = Write { options, input, upsert, match_on: activity.match_on };
            write::create_or_update(session, write, verb).await
        }
    }
}

async fn begin_query(session: &Session, activity: Activity, how: How) -> Result<()> {
    for (name, is_set) in
        [("--input", how.input.is_some()), ("--outcomes", how.outcomes.is_some()), ("--dry-run", how.dry_run)]
    {
        refuse(&activity, name, is_set)?;
    }
    if activity.incremental != how.since.is_some() && !how.explain {
        let failure = match activity.incremental {
            true => Failure::new("an incremental query needs to know where the last one ended")
                .hint("name the file that holds the state, or shall hold it: --since STATE-FILE"),
            false => Failure::new(format!("the query `{}` is not incremental", activity.name))
                .hint("`connector activity edit … --incremental` makes it so"),
        };
        return Err(failure.into());
    }
    let query = Query {
        name: activity.connection,
        object: activity.object,
        fields: activity.fields,
        conditions: activity.conditions,
        order: activity.order_by,
        limit: activity.max_records,
        include: activity.include,
        page_size: activity.page_size,
        cursor: None,
        since: how.since,
        explain: how.explain,
        format: how.format,
        output: how.output,
    };
    query::run(session, query).await
}

fn refuse(activity: &Activity, option: &str, is_set: bool) -> Result<()> {
    if !is_set {
        return Ok(());
    }
    let failure = Failure::new(format!("{option} does not go with the activity `{}`", activity.name));
    Err(failure.cause(format!("it is {}", activity.verb.article())).into())
}
