//! The activities that the project keeps under its connections.

use connector_store::{Saved, SavedActivity};
use serde_json::{Map, Value, json};

use crate::activity::Activity;
use crate::error::{Failure, Failures, Result, suggest};
use crate::project::failed;
use crate::session::Session;

/// Members that the store has besides the settings.
const KEPT_BESIDES: [&str; 3] = ["name", "connection", "revision"];

/// Those of a connection, by name.
pub(crate) fn of(session: &Session, saved: &Saved) -> Result<Vec<Activity>> {
    let Some(store) = session.project.store()? else { return Ok(Vec::new()) };
    let all = store.activities(saved).map_err(|error| failed(&error))?;
    all.into_iter().map(|kept| read(saved, kept)).collect()
}

/// One of them; names its neighbours if there is none of that name.
pub(crate) fn one(session: &Session, saved: &Saved, name: &str) -> Result<Activity> {
    read(saved, kept(session, saved, name)?)
}

/// The one that `connection/activity` names.
pub(crate) fn named(session: &Session, full_name: &str) -> Result<Activity> {
    let (saved, name) = split(session, full_name)?;
    one(session, &saved, name)
}

/// The connection and the activity of `connection/activity`.
pub(crate) fn split<'a>(session: &Session, full_name: &'a str) -> Result<(Saved, &'a str)> {
    let Some((connection, name)) = full_name.split_once('/') else {
        let failure = Failure::new(format!("`{full_name}` does not name an activity"));
        return Err(failure.hint("write CONNECTION/ACTIVITY").with("kind", "invalid-request").into());
    };
    Ok((session.project.connection(connection)?, name))
}

/// Keeps a new one.
///
/// # Errors
/// Everything that is wrong with it, or its name is taken.
pub(crate) fn add(session: &Session, saved: &Saved, activity: &Activity) -> Result<Activity> {
    activity.check()?;
    let store = session.project.made_store()?;
    store.add_activity(saved, &activity.name, &settings(activity)?).map_err(|error| failed(&error))?;
    one(session, saved, &activity.name)
}

/// Puts `activity` in the place of the one called `name`, whose revision it has.
///
/// # Errors
/// As [`add`]; somebody else has changed it meanwhile.
pub(crate) fn change(session: &Session, saved: &Saved, name: &str, activity: &Activity) -> Result<Activity> {
    activity.check()?;
    let mut before = kept(session, saved, name)?;
    if let Some(revision) = activity.revision {
        before.revision = revision;
    }
    let store = session.project.made_store()?;
    let new_name = if activity.name.is_empty() { name } else { &activity.name };
    store.change_activity(saved, &before, new_name, &settings(activity)?).map_err(|error| failed(&error))?;
    one(session, saved, new_name)
}

/// Makes a second one like it.
pub(crate) fn copy(session: &Session, saved: &Saved, name: &str, new_name: &str) -> Result<Activity> {
    let activity = one(session, saved, name)?;
    add(session, saved, &Activity { name: new_name.to_owned(), ..activity })
}

/// Forgets it.
pub(crate) fn delete(session: &Session, saved: &Saved, name: &str) -> Result<()> {
    kept(session, saved, name)?;
    let store = session.project.made_store()?;
    Ok(store.delete_activity(saved, name).map_err(|error| failed(&error))?)
}

fn kept(session: &Session, saved: &Saved, name: &str) -> Result<SavedActivity> {
    let all = match session.project.store()? {
        Some(store) => store.activities(saved).map_err(|error| failed(&error))?,
        None => Vec::new(),
    };
    let hint = suggest(name, all.iter().map(|activity| activity.name.as_str()));
    let missing = || {
        let failure = Failure::new(format!("the connection `{}` has no activity `{name}`", saved.name));
        Failure { hint, ..failure.with("kind", "not-found") }
    };
    Ok(all.into_iter().find(|activity| activity.name == name).ok_or_else(missing)?)
}

fn read(saved: &Saved, kept: SavedActivity) -> Result<Activity> {
    let SavedActivity { name, revision, settings: mut all } = kept;
    all.insert("name".to_owned(), json!(name));
    all.insert("connection".to_owned(), json!(saved.name));
    all.insert("revision".to_owned(), json!(revision));
    serde_json::from_value(Value::Object(all)).map_err(|error| {
        let failure = Failure::new(format!("cannot read the activity `{name}` of `{}`", saved.name));
        Failures::from(failure.causes_of(&error).hint("a newer program has perhaps written it"))
    })
}

/// What the store keeps as the activity's settings.
fn settings(activity: &Activity) -> Result<Map<String, Value>> {
    let all = serde_json::to_value(activity).map_err(|e| Failure::defect("cannot write an activity").causes_of(&e))?;
    let all = if let Value::Object(all) = all { all } else { Map::new() };
    Ok(all.into_iter().filter(|(key, _)| !KEPT_BESIDES.contains(&key.as_str())).collect())
}
