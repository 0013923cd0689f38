//! `describe`: fields, conditions and schemas of one object.

use std::collections::BTreeMap;

use connector_host::contract::{ActivitySchema, Comparisons, Consistency, Field, ObjectSchema};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{print, print_json, print_raw};
use crate::args::Activity;
use crate::error::{Failure, Result};
use crate::output::table::{base, terminal_width};
use crate::session::{self, Session, parse_schema};

const COMPARISONS: [(&str, Comparisons); 8] = [
    ("=", Comparisons::EQUAL),
    ("!=", Comparisons::NOT_EQUAL),
    ("<", Comparisons::LESS),
    ("<=", Comparisons::LESS_OR_EQUAL),
    (">", Comparisons::GREATER),
    (">=", Comparisons::GREATER_OR_EQUAL),
    ("in", Comparisons::ONE_OF),
    ("contains", Comparisons::CONTAINS),
];

pub(super) async fn run(session: &Session, name: &str, object: &str, schema: Option<Activity>) -> Result<()> {
    let connection = session.connection(name).await?;
    let described = session::describe(&connection, object).await?;
    if let Some(activity) = schema {
        return print_schema(&described, object, activity);
    }
    if session.global.json {
        print_json(&json!(for_programs(&described, object)?))
    } else {
        print(&as_text(&described, object)?)
    }
}

/// The schemas of an activity.
pub(crate) fn activity_schema(described: &ObjectSchema, activity: Activity) -> Option<&ActivitySchema> {
    match activity {
        Activity::Query => described.query.as_ref(),
        Activity::Create => described.create.as_ref(),
        Activity::Update => described.update.as_ref(),
        Activity::Delete => described.delete.as_ref(),
    }
}

/// The activity's name.
pub(super) fn word(activity: Activity) -> &'static str {
    match activity {
        Activity::Query => "query",
        Activity::Create => "create",
        Activity::Update => "update",
        Activity::Delete => "delete",
    }
}

const ALL: [Activity; 4] = [Activity::Query, Activity::Create, Activity::Update, Activity::Delete];

/// The failure of an activity that an object does not have.
pub(crate) fn not_offered(described: &ObjectSchema, object: &str, activity: Activity) -> Failure {
    let offered: Vec<&str> = ALL.into_iter().filter(|a| activity_schema(described, *a).is_some()).map(word).collect();
    Failure::new(format!("the object `{object}` has no {}", word(activity)))
        .hint(if offered.is_empty() {
            "it offers nothing".to_owned()
        } else {
            format!("it offers: {}", offered.join(", "))
        })
        .with("kind", "unsupported")
}

/// A promise of consistency: its name, and what it means.
pub(crate) fn consistency(consistency: Consistency) -> (&'static str, &'static str) {
    match consistency {
        Consistency::Stable => {
            ("stable", "a record that exists throughout is delivered exactly once, whatever others write meanwhile")
        }
        Consistency::BestEffort => (
            "best-effort",
            "while others write, a record may be missed or doubled: the remote's paging allows no promise",
        ),
    }
}

fn print_schema(described: &ObjectSchema, object: &str, activity: Activity) -> Result<()> {
    let schema = activity_schema(described, activity).ok_or_else(|| not_offered(described, object, activity))?;
    // The texts as they are: their order and their numbers are the connector's.
    let raw = |text: &str| {
        RawValue::from_string(text.to_owned())
            .map_err(|e| Failure::defect("the connector's schema is no JSON").causes_of(&e))
    };
    let (request, response) = (raw(&schema.request)?, raw(&schema.response)?);
    print_raw(&format!("{{\"request\":{request},\"response\":{response}}}\n"))
}

fn comparisons(of: Comparisons) -> Vec<&'static str> {
    COMPARISONS.iter().filter(|(_, flag)| of.contains(*flag)).map(|(symbol, _)| *symbol).collect()
}

/// An object for programs.
#[derive(Serialize, ToSchema)]
pub(crate) struct DescribedObject {
    /// By the activities that it offers.
    activities: BTreeMap<&'static str, DescribedActivity>,
    /// `stable` or `best-effort`.
    consistency: &'static str,
    fields: Vec<DescribedField>,
    includes: Vec<String>,
    incremental: bool,
    key: Vec<String>,
    object: String,
    /// Their names, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub_objects: Option<Vec<String>>,
}

/// JSON Schemas of an activity.
#[derive(Serialize, ToSchema)]
struct DescribedActivity {
    request: Value,
    response: Value,
}

/// What conditions can be put on a field.
#[derive(Serialize, ToSchema)]
struct DescribedField {
    comparisons: Vec<&'static str>,
    name: String,
    /// Those that the remote evaluates.
    pushed_down: Vec<&'static str>,
    sortable: bool,
}

/// The object for programs.
pub(crate) fn for_programs(described: &ObjectSchema, object: &str) -> Result<DescribedObject> {
    let mut activities = BTreeMap::new();
    for activity in ALL {
        if let Some(schema) = activity_schema(described, activity) {
            let (request, response) = (parse_schema(&schema.request)?, parse_schema(&schema.response)?);
            let (request, response) = (request.root().clone(), response.root().clone());
            activities.insert(word(activity), DescribedActivity { request, response });
        }
    }
    let field = |field: &Field| DescribedField {
        comparisons: comparisons(field.comparisons),
        name: field.name.clone(),
        pushed_down: comparisons(field.pushed_down),
        sortable: field.sortable,
    };
    Ok(DescribedObject {
        activities,
        consistency: consistency(described.consistency).0,
        fields: described.fields.iter().map(field).collect(),
        includes: described.includes.clone(),
        incremental: described.incremental,
        key: described.key.clone(),
        object: object.to_owned(),
        sub_objects: None,
    })
}

fn as_text(described: &ObjectSchema, object: &str) -> Result<String> {
    let offered: Vec<&str> = ALL.into_iter().filter(|a| activity_schema(described, *a).is_some()).map(word).collect();
    let or_none = |list: &[String]| {
        if list.is_empty() { "none".to_owned() } else { list.join(", ") }
    };
    let (promise, meaning) = consistency(described.consistency);
    let mut text = format!("object       {object}\nactivities   {}\n", offered.join(", "));
    text.push_str(&format!("key          {}\n", or_none(&described.key)));
    text.push_str(&format!("includes     {}\n", or_none(&described.includes)));
    text.push_str(&format!("consistency  {promise}: {meaning}\n"));
    let changes = if described.incremental { "can be read" } else { "cannot be read by themselves" };
    text.push_str(&format!("changes      {changes}\n"));

    let mut schemas = Vec::new();
    for activity in ALL {
        let schema = activity_schema(described, activity);
        let side = |s: &ActivitySchema| {
            if activity == Activity::Query { s.response.clone() } else { s.request.clone() }
        };
        schemas.push(schema.map(|s| parse_schema(&side(s))).transpose()?);
    }
    let types = |schema: &Option<crate::schema::Schema>, field: &str| {
        schema.as_ref().and_then(|s| Some(s.types(s.property(s.root(), field)?).words()))
    };
    let mut names: Vec<&str> = described.fields.iter().map(|f| f.name.as_str()).collect();
    for schema in schemas.iter().flatten() {
        for (name, _) in schema.properties(schema.root()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let mut table = base(terminal_width());
    table.set_header(["field", "value", "conditions", "order", "create", "update"]);
    for name in names {
        let field = described.fields.iter().find(|f| f.name == name);
        let value = schemas.iter().find_map(|s| types(s, name)).unwrap_or_default();
        let taken = |index: usize| schemas.get(index).and_then(|s| types(s, name)).map_or("", |_| "yes").to_owned();
        table.add_row([
            name.to_owned(),
            value,
            field.map(|f| comparisons(f.comparisons).join(" ")).unwrap_or_default(),
            field.map_or("", |f| if f.sortable { "yes" } else { "" }).to_owned(),
            taken(1),
            taken(2),
        ]);
    }
    text.push_str(&format!("{}\n", table.trim_fmt()));
    Ok(text)
}
