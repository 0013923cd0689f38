//! `objects`: what a connection can read and write.

use connector_host::contract::{Activities, ObjectInfo};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{print, print_json};
use crate::error::{Failure, Result};
use crate::output::table::{base, terminal_width};
use crate::progress::counted;
use crate::remote;
use crate::session::Session;

const NAMES: [(&str, Activities); 4] = [
    ("query", Activities::QUERY),
    ("create", Activities::CREATE),
    ("update", Activities::UPDATE),
    ("delete", Activities::DELETE),
];

/// An object for programs.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListedObject {
    activities: Vec<&'static str>,
    name: String,
    /// The object whose sub-object it is.
    parent: Option<String>,
    title: String,
}

/// The objects for programs.
pub(crate) fn listed(objects: &[ObjectInfo]) -> Vec<ListedObject> {
    let one = |object: &ObjectInfo| ListedObject {
        activities: NAMES.iter().filter(|(_, flag)| object.activities.contains(*flag)).map(|(name, _)| *name).collect(),
        name: object.name.clone(),
        parent: object.parent.clone(),
        title: object.title.clone(),
    };
    objects.iter().map(one).collect()
}

pub(super) async fn run(session: &Session, name: &str, search: Option<&str>) -> Result<()> {
    let connection = session.connection(name).await?;
    let mut objects = connection.list_objects().await.map_err(|e| remote::call_failed(&e))?;
    if let Some(search) = search {
        let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
        objects.retain(|object| {
            let text = format!("{} {}", object.name, object.title).to_lowercase();
            words.iter().all(|word| text.contains(word))
        });
        if objects.is_empty() && !session.global.json {
            return Err(Failure::new(format!("no object has `{search}` in its name or title")).into());
        }
    }
    if session.global.json {
        return print_json(&json!(listed(&objects)));
    }
    let mut table = base(terminal_width());
    table.set_header(["object", "title", "query", "create", "update", "delete"]);
    for object in &objects {
        let mark = |flag: Activities| if object.activities.contains(flag) { "yes" } else { "" }.to_owned();
        let mut row = vec![object.name.clone(), object.title.clone()];
        row.extend(NAMES.iter().map(|(_, flag)| mark(*flag)));
        table.add_row(row);
    }
    print(&format!("{}\n", table.trim_fmt()))?;
    session.note(counted(objects.len() as u64, "object"));
    Ok(())
}
