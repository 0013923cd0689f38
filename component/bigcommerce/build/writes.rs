//! Ways to create, update and delete.

use std::cmp::Reverse;

use crate::facts::{Operation, Resource, Schema};
use crate::nodes::Nodes;
use crate::objects::{Access, Group, in_table, option};
use crate::{overrides, reads};

/// Records per delete request where no maximum is documented. Small enough for every URL, large enough to save most requests.
const DELETED_AT_ONCE: u32 = 50;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Create,
    Update,
}

/// Ways to create: plain ones before upserts, many records before one.
pub(crate) fn creates(group: &Group<'_>, nodes: &mut Nodes) -> Result<Vec<String>, String> {
    let mut found = ways(group, &["create", "action", "upload", "upsert"]);
    if group.key.is_empty() && group.accesses.iter().any(|access| access.resource.singleton()) {
        // A singleton of the store is always there.
        found.retain(|(_, operation)| verb(operation) != "upsert");
    }
    found.sort_by_key(|(_, operation)| (verb(operation) == "upsert", !is_batch(operation)));
    found.into_iter().map(|(access, operation)| write(group, access, operation, Purpose::Create, nodes)).collect()
}

/// Ways to update: many records before one, the larger batch first.
pub(crate) fn updates(group: &Group<'_>, nodes: &mut Nodes) -> Result<Vec<String>, String> {
    let mut found = ways(group, &["update", "upsert"]);
    let max = |operation: &Operation| operation.body.as_ref().and_then(|body| body.max_items).unwrap_or_default();
    found.sort_by_key(|(_, operation)| (!is_batch(operation), Reverse(max(operation))));
    found.into_iter().map(|(access, operation)| write(group, access, operation, Purpose::Update, nodes)).collect()
}

fn ways<'a, 'g>(group: &'g Group<'a>, verbs: &[&str]) -> Vec<(&'g Access<'a>, &'a Operation)> {
    let mut out = Vec::new();
    for access in &group.accesses {
        for operation in &access.resource.operations {
            if in_table(operation) && verbs.contains(&verb(operation)) {
                out.push((access, operation));
            }
        }
    }
    out
}

/// What the operation does for a caller.
fn verb(operation: &Operation) -> &str {
    let plain = overrides::PLAIN_CREATES.contains(&(operation.method.as_str(), operation.path.as_str()));
    if plain { "create" } else { operation.verb.as_str() }
}

/// Does something rather than keeps what it is sent: its answer is its own.
fn acts(operation: &Operation) -> bool {
    operation.verb == "action"
}

/// Simultaneous requests per store, as documented.
fn concurrency(operation: &Operation) -> Option<u32> {
    if lane(operation).is_some() { Some(1) } else { operation.concurrency_limit }
}

fn shape(operation: &Operation) -> &str {
    let one = overrides::ONE_BY_ONE.contains(&(operation.method.as_str(), operation.path.as_str()));
    operation.body.as_ref().filter(|_| !one).map_or("object", |body| body.shape.as_str())
}

fn is_batch(operation: &Operation) -> bool {
    shape(operation) != "object"
}

/// Path parameters of a path that is named after fields.
fn path_fields(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// The member of a record in which a field lies.
fn member(field: &str) -> &str {
    field.split('.').next().unwrap_or(field)
}

fn add(list: &mut Vec<String>, field: &str) {
    if !list.iter().any(|known| known == field) {
        list.push(field.to_owned());
    }
}

fn write(
    group: &Group<'_>,
    access: &Access<'_>,
    operation: &Operation,
    purpose: Purpose,
    nodes: &mut Nodes,
) -> Result<String, String> {
    let resource = access.resource;
    let path = access.path(&operation.path);
    let upsert = verb(operation) == "upsert";
    let wrapper = operation.body.as_ref().and_then(|body| body.wrapper.as_deref());
    let source = match purpose {
        Purpose::Create if acts(operation) => resource.schemas.action.as_ref(),
        Purpose::Create => resource.schemas.create.as_ref(),
        // A batch that does either has one body, which names its records; that of an update by its path does not.
        Purpose::Update if upsert && is_batch(operation) && resource.schemas.create.is_some() => {
            resource.schemas.create.as_ref()
        }
        Purpose::Update => resource.schemas.update.as_ref(),
    };
    let mut model = source.filter(|schema| !schema.fields.is_empty()).cloned();
    let own_key = group.own_key().last().map(|field| (*field).to_owned());
    let body = match (shape(operation), wrapper) {
        _ if operation.body.is_none() => "Body::Empty".to_owned(),
        ("object", _) => "Body::Object".to_owned(),
        ("array", _) | ("object_or_array", _) => "Body::Array".to_owned(),
        // A singleton with one list in it is an object like others.
        ("wrapped_array", Some(wrapper)) if resource.singleton() => {
            model = source.map(|item| list_in_object(wrapper, item));
            "Body::Object".to_owned()
        }
        ("wrapped_array", Some(wrapper)) => format!("Body::Wrapped({wrapper:?})"),
        ("array_of_string" | "array_of_integer", _) => format!("Body::Values({:?})", own_key.unwrap_or_default()),
        (other, _) => return Err(format!("{} {}: unknown body {other}", operation.method, operation.path)),
    };
    let many = !matches!(body.as_str(), "Body::Object" | "Body::Empty");
    let match_on = match_on(group, operation);
    let required = required(group, operation, &path, purpose, model.as_ref(), &match_on, many);
    let beside = operation.body.as_ref().map(|body| body.wrapper_siblings.as_slice()).unwrap_or_default();
    if let Some(model) = &mut model {
        complete(model, group, &required, &path, operation);
        model.fields.extend(beside.iter().map(|name| Schema {
            name: name.clone(),
            ty: Some("string".into()),
            ..Schema::default()
        }));
    }
    let most = overrides::MOST.iter().find(|(method, path, _)| *method == operation.method && *path == operation.path);
    let most = most.map(|(_, _, most)| *most).or(operation.body.as_ref().and_then(|body| body.max_items));
    let mut path_only = path_only(group, operation, &path, purpose, model.as_ref(), &required);
    let finds = |field: &String| {
        match_on.contains(field) || listed(overrides::ALTERNATIVES, operation).contains(&field.as_str())
    };
    path_only.retain(|field| path_fields(&path).any(|name| name == field) || !finds(field));
    beside.iter().for_each(|field| add(&mut path_only, field));
    Ok(format!(
        "Write{{method:Method::{},path:{path:?},body:{body},beside:&{beside:?},query:&[{}],max_items:{:?},upsert:{upsert},\
         match_on:&{match_on:?},envelope:{},answers_records:{},result:{},concurrency:{:?},lane:{:?},\
         one_of:&{:?},fixed:&{:?},required:&{required:?},\
         path_only:&{path_only:?},model:{}}},\n",
        if operation.method == "POST" { "Post" } else { "Put" },
        reads::params(operation),
        if many { most } else { Some(1) },
        reads::envelope(operation),
        answers_records(operation, many),
        option(result(resource, operation).map(|result| nodes.add(&result, &resource.version))),
        concurrency(operation),
        lane(operation),
        listed(overrides::ALTERNATIVES, operation),
        listed(overrides::FIXED, operation),
        option(model.map(|model| nodes.add(&model, &resource.version))),
    ))
}

/// What an operation that acts answers with. None if it says nothing.
fn result(resource: &Resource, operation: &Operation) -> Option<Schema> {
    let (code, answer) = operation.success.iter().next().filter(|_| acts(operation))?;
    // Some declare a body for a 204.
    (code != "204" && answer.envelope.is_some()).then(|| {
        let schema = resource.schemas.read.clone().unwrap_or_default();
        if answer.shape == "array" { list_in_object("data", &schema) } else { schema }
    })
}

fn list_in_object(name: &str, item: &Schema) -> Schema {
    let list = Schema {
        name: name.to_owned(),
        ty: Some("array".to_owned()),
        required: true,
        items: Some(Box::new(item.clone())),
        ..Schema::default()
    };
    Schema { ty: Some("object".to_owned()), fields: vec![list], ..Schema::default() }
}

fn match_on(group: &Group<'_>, operation: &Operation) -> Vec<String> {
    if verb(operation) != "upsert" {
        return Vec::new();
    }
    let known =
        overrides::MATCH_ON.iter().find(|(method, path, _)| *method == operation.method && *path == operation.path);
    known.map_or_else(|| group.key.clone(), |(_, _, fields)| fields.iter().map(|field| (*field).to_owned()).collect())
}

/// What a table of `(method, path, fields)` says of an operation.
fn listed(table: &'static [(&str, &str, &[&str])], operation: &Operation) -> &'static [&'static str] {
    let found = table.iter().find(|(method, path, _)| *method == operation.method && *path == operation.path);
    found.map_or(&[][..], |(_, _, fields)| *fields)
}

fn lane(operation: &Operation) -> Option<&'static str> {
    let mut lanes = overrides::LANES.iter();
    lanes.find(|(method, path, _)| *method == operation.method && *path == operation.path).map(|(_, _, lane)| *lane)
}

/// The fields by which people know a record: texts that are sent and that come back.
pub(crate) fn natural(group: &Group<'_>) -> Vec<&'static str> {
    let text = |field: Option<&Schema>| field.is_some_and(|field| field.ty.as_deref().is_none_or(|ty| ty == "string"));
    let sent = |name: &str| {
        let mut models = group.accesses.iter().filter_map(|access| access.resource.schemas.create.as_ref());
        models.any(|model| text(model.field(name).filter(|field| !field.read_only)))
    };
    let read = |name: &str| group.model.is_some_and(|model| text(model.field(name)));
    let all = overrides::NATURAL.iter().copied();
    all.filter(|name| !group.key.iter().any(|key| key == name) && sent(name) && read(name)).collect()
}

fn required(
    group: &Group<'_>,
    operation: &Operation,
    path: &str,
    purpose: Purpose,
    model: Option<&Schema>,
    match_on: &[String],
    many: bool,
) -> Vec<String> {
    let upsert = verb(operation) == "upsert";
    let mut out: Vec<String> = Vec::new();
    path_fields(path).for_each(|field| add(&mut out, field));
    reads::context(operation).filter(|(_, required)| *required).for_each(|(field, _)| add(&mut out, field));
    // What names the record; for an upsert that creates, unless the remote makes the key.
    let named = if upsert { match_on } else { &group.key };
    if purpose == Purpose::Update || (upsert && match_on != ["id"]) {
        named.iter().for_each(|field| add(&mut out, member(field)));
    }
    if purpose == Purpose::Create || upsert {
        let fields = model.iter().flat_map(|model| &model.fields);
        fields.filter(|field| field.required && !field.read_only).for_each(|field| add(&mut out, &field.name));
    }
    if purpose == Purpose::Create {
        listed(overrides::CREATE_NEEDS, operation).iter().for_each(|field| add(&mut out, field));
    }
    // The text of an upsert lists what updating needs.
    if purpose == Purpose::Update || !upsert {
        let documented = operation.body.iter().flat_map(|body| &body.documented_required);
        documented.for_each(|field| add(&mut out, field));
    }
    out.retain(|field| !listed(overrides::ALTERNATIVES, operation).contains(&field.as_str()));
    if let Some(model) = model
        && many
        && purpose == Purpose::Update
        && !upsert
    {
        // Parents' fields belong into a batch only if the model has them, or the path.
        let parents: Vec<&str> = group.parents.iter().map(|parent| parent.field.as_str()).collect();
        let in_path: Vec<&str> = path_fields(path).collect();
        out.retain(|field| {
            !parents.contains(&field.as_str()) || in_path.contains(&field.as_str()) || model.field(field).is_some()
        });
    }
    out
}

/// Declares what the body has to hold and the model of the documents lacks: the key in a batch, what an upsert creates from.
fn complete(model: &mut Schema, group: &Group<'_>, required: &[String], path: &str, operation: &Operation) {
    let in_path: Vec<&str> = path_fields(path).collect();
    let in_query: Vec<&str> = reads::context(operation).map(|(name, _)| name).collect();
    for field in required {
        if in_path.contains(&field.as_str()) || in_query.contains(&field.as_str()) || model.field(field).is_some() {
            continue;
        }
        let known = group.model.and_then(|model| model.field(field)).cloned();
        let mut added =
            known.unwrap_or_else(|| Schema { name: field.clone(), ty: Some("any".into()), ..Schema::default() });
        added.required = true;
        added.read_only = false;
        model.fields.insert(0, added);
    }
    let read_only = operation.body.iter().flat_map(|body| &body.documented_read_only);
    for name in read_only.filter(|name| !required.contains(name)) {
        if let Some(field) = model.fields.iter_mut().find(|field| field.name == *name) {
            field.read_only = true;
        }
    }
}

/// Fields that a record may hold for us and that the body must not hold.
fn path_only(
    group: &Group<'_>,
    operation: &Operation,
    path: &str,
    purpose: Purpose,
    model: Option<&Schema>,
    required: &[String],
) -> Vec<String> {
    let mut out = Vec::new();
    let in_path: Vec<&str> = path_fields(path).collect();
    for field in &in_path {
        if model.is_none_or(|model| model.field(field).is_none_or(|field| field.read_only)) {
            add(&mut out, field);
        }
    }
    reads::context(operation).for_each(|(field, _)| add(&mut out, field));
    if purpose == Purpose::Update {
        for field in group.key.iter().map(|field| member(field)) {
            let declared = model.is_none_or(|model| model.field(field).is_some());
            if !declared && !required.iter().any(|name| name == field) {
                add(&mut out, field);
            }
        }
    }
    out
}

fn answers_records(operation: &Operation, many: bool) -> bool {
    if acts(operation)
        || overrides::ANSWERS_SOMETHING_ELSE.contains(&(operation.method.as_str(), operation.path.as_str()))
    {
        return false;
    }
    // A batch that is answered with one object got an acknowledgement, or the record around the batch.
    match operation.answer().map(|answer| answer.shape.as_str()) {
        Some("array") => true,
        Some("object") => !many,
        _ => false,
    }
}

/// Ways to delete named records: many before one.
pub(crate) fn deletes(group: &Group<'_>) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let ways = ways(group, &["delete"]);
    let by_path =
        ways.iter().any(|(_, operation)| operation.delete.as_ref().is_some_and(|delete| delete.by == "id_path"));
    for (access, operation) in ways {
        let Some(delete) = &operation.delete else { continue };
        let path = access.path(&operation.path);
        let named = match delete.by.as_str() {
            "id_path" => Some("DeleteBy::Path".to_owned()),
            // Its path must name whose it is: without a parent it would be the store's only one.
            "singleton" if path_fields(&path).next().is_some() => Some("DeleteBy::Path".to_owned()),
            "query_filter" => by_filter(group, access.resource, &delete.filters, &path, by_path),
            "body_ids" => by_body(group, operation),
            "body_key" => group.own_key().last().map(|field| format!("DeleteBy::BodyKey({field:?})")),
            // `all` names nobody.
            _ => None,
        };
        let by = named
            .ok_or_else(|| format!("DELETE {}: it cannot name its records: exclude it, and say why", operation.path))?;
        let one = !by.starts_with("DeleteBy::Filter") && !by.contains("Ids");
        let max_items = if one { 1 } else { delete.max_items.unwrap_or(DELETED_AT_ONCE) };
        // Beside a filter that names records, a second one would be a condition.
        let query = if by == "DeleteBy::Path" { reads::params(operation) } else { String::new() };
        let code = format!(
            "Delete{{path:{path:?},by:{by},query:&[{query}],max_items:Some({max_items}),concurrency:{:?},lane:{:?},archives:{}}},\n",
            concurrency(operation),
            lane(operation),
            delete.semantics.as_deref() == Some("archive"),
        );
        out.push((one, code));
    }
    out.sort_by_key(|(one, _)| *one);
    Ok(out.into_iter().map(|(_, code)| code).collect())
}

/// The way to name records by filters. None where filters can only describe records.
fn by_filter(group: &Group<'_>, resource: &Resource, filters: &[String], path: &str, by_path: bool) -> Option<String> {
    let in_path: Vec<&str> = path_fields(path).collect();
    let open: Vec<&String> = group.key.iter().filter(|field| !in_path.contains(&field.as_str())).collect();
    let filter = |field: &str, operator: &str| {
        filters.iter().find(|param| {
            let (name, op) = param.split_once(':').unwrap_or((param.as_str(), ""));
            op == operator && reads::filter_field(resource, name) == field
        })
    };
    if let [field] = open.as_slice()
        && let Some(param) = filter(field, "in")
    {
        return Some(format!("DeleteBy::Filter{{param:{param:?},field:{field:?}}}"));
    }
    if by_path || open.is_empty() {
        return None;
    }
    let pairs: Option<Vec<String>> = open
        .iter()
        .map(|field| filter(field, "").or_else(|| filter(field, "in")).map(|param| format!("({field:?},{param:?})")))
        .collect();
    pairs.map(|pairs| format!("DeleteBy::Fields(&[{}])", pairs.join(",")))
}

fn by_body(group: &Group<'_>, operation: &Operation) -> Option<String> {
    let field = *group.own_key().last()?;
    Some(match operation.body.as_ref().and_then(|body| body.wrapper.as_deref()) {
        Some(wrapper) => format!("DeleteBy::WrappedIds{{wrapper:{wrapper:?},field:{field:?}}}"),
        None => format!("DeleteBy::BodyIds({field:?})"),
    })
}
