//! `describe`: fields, conditions and schemas of one object.

use connector_host::contract::{ActivitySchema, Comparisons, Consistency, ObjectSchema};
use serde_json::value::RawValue;
use serde_json::{Value, json};

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
    if session.global.json { print_json(&as_json(&described, object)?) } else { print(&as_text(&described, object)?) }
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

/// The object for programs.
pub(crate) fn as_json(described: &ObjectSchema, object: &str) -> Result<Value> {
    let mut activities = serde_json::Map::new();
    for activity in ALL {
        if let Some(schema) = activity_schema(described, activity) {
            let (request, response) = (parse_schema(&schema.request)?, parse_schema(&schema.response)?);
            activities.insert(word(activity).into(), json!({ "request": request.root(), "response": response.root() }));
        }
    }
    let fields: Vec<Value> = described
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name,
                "comparisons": comparisons(field.comparisons),
                "pushed_down": comparisons(field.pushed_down),
                "sortable": field.sortable,
            })
        })
        .collect();
    Ok(json!({
        "object": object,
        "key": described.key,
        "fields": fields,
        "includes": described.includes,
        "consistency": consistency(described.consistency).0,
        "incremental": described.incremental,
        "activities": activities,
    }))
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
