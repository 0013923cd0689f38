//! Collection, singleton and item endpoints.

use std::fmt::Write as _;

use crate::facts::{Operation, QueryParam, Resource};
use crate::objects::{Access, Group, in_table, option};
use crate::{nodes, overrides};

/// Query parameters that choose whose record is meant, on single records and writes. Others that the documents list there are
/// copies of those of the collection.
const CONTEXT: &[&str] = &["channel_id"];

/// The collection endpoints, and that of a singleton.
pub(crate) fn reads(group: &Group<'_>) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for access in &group.accesses {
        for operation in access.resource.operations.iter().filter(|operation| in_table(operation)) {
            if let Some(single) = reads_all(group, access.resource, operation) {
                out.push(read(group, access, operation, single)?);
            }
        }
    }
    Ok(out)
}

/// Whether the operation reads the collection (`false`) or a singleton (`true`).
fn reads_all(group: &Group<'_>, resource: &Resource, operation: &Operation) -> Option<bool> {
    let at_collection = operation.path == resource.collection_path;
    match operation.verb.as_str() {
        "list" => at_collection.then_some(false),
        // The nested path to one element of a flat collection reads an item.
        "get" | "count" if resource.singleton() && at_collection => (group.accesses.len() == 1).then_some(true),
        "get" if keyed_from_outside(group, resource) => Some(true),
        _ => None,
    }
}

/// A singleton whose key is in its path and not in its record.
fn keyed_from_outside(group: &Group<'_>, resource: &Resource) -> bool {
    resource.kind == "keyed_singleton" && resource.key_fields.is_empty() && !group.parents.is_empty()
}

fn read(group: &Group<'_>, access: &Access<'_>, operation: &Operation, single: bool) -> Result<String, String> {
    let resource = access.resource;
    let (style, default_limit, max_limit) = match &resource.pagination {
        Some(paging) if !single => (paging.style.as_str(), paging.default_limit, paging.max_limit),
        _ => ("none", None, None),
    };
    let paging = match style {
        "v3_page" => "V3Page",
        "v3_page_or_cursor" => "V3Cursor",
        // Only `after`: it takes the last key, not an opaque cursor.
        "v3_cursor"
            if resource.pagination.as_ref().is_some_and(|p| !p.params.iter().any(|param| param == "before")) =>
        {
            "V3After"
        }
        "v3_cursor" => "V3Cursor",
        "v2_page" => "V2Page",
        "v3_page_undeclared" => "Undeclared",
        "none" => "None",
        other => return Err(format!("{}: unknown paging {other}", resource.key)),
    };
    let limited = resource.pagination.as_ref().is_some_and(|paging| paging.params.iter().any(|param| param == "limit"));
    let mut filters = String::new();
    let vague = |param: &&QueryParam| overrides::VAGUE_FILTERS.contains(&(resource.key.as_str(), param.name.as_str()));
    for filter in resource.query.iter().filter(|param| param.role == "filter" && !vague(param)) {
        let _ = write!(filters, "{},", self::filter(resource, filter)?);
    }
    let sort = sort(resource);
    let keyset = if paging == "V3Cursor" { None } else { keyset(group, resource, sort.as_ref()) };
    Ok(format!(
        "Read{{path:{:?},envelope:{},single:{single},paging:Paging::{paging},limited:{limited},max_limit:{max_limit:?},default_limit:{default_limit:?},\
         keyset:{},filters:&[{filters}],sort:{},includes:&{:?},include_with:{},include_limits:&{:?},select:{},concurrency:{:?}}},\n",
        access.path(&operation.path),
        envelope(operation),
        option(keyset),
        option(sort.map(|sort| sort.code())),
        includes(resource),
        include_with(resource),
        include_limits(resource),
        resource.query.iter().any(|param| param.name == "include_fields"),
        operation.concurrency_limit,
    ))
}

fn filter(resource: &Resource, param: &QueryParam) -> Result<String, String> {
    let op = match param.operator.as_str() {
        "eq" => "Eq",
        "not" => "Not",
        "in" => "In",
        "not_in" => "NotIn",
        "min" => "Min",
        "max" => "Max",
        "greater" => "Greater",
        "less" => "Less",
        "like" => "Like",
        other => return Err(format!("{}: unknown operator {other}", resource.key)),
    };
    let values: Vec<String> = param.values.iter().map(ToString::to_string).collect();
    Ok(format!(
        "Filter{{param:{:?},field:{:?},op:Op::{op},ty:Type::{},values:&{values:?},required:{}}}",
        param.name,
        filter_field(resource, &param.field),
        nodes::type_name(param.items.as_deref().unwrap_or(&param.ty)),
        param.required
    ))
}

/// The record's field that a filter compares.
pub(crate) fn filter_field<'a>(resource: &Resource, field: &'a str) -> &'a str {
    let found = overrides::FILTER_FIELDS.iter().find(|(key, named, _)| *key == resource.key && *named == field);
    found.map_or(field, |(_, _, field)| field)
}

struct Sort {
    joined: bool,
    direction: bool,
    fields: Vec<String>,
}

impl Sort {
    fn code(&self) -> String {
        format!("Sort{{joined:{},direction:{},fields:&{:?}}}", self.joined, self.direction, self.fields)
    }
}

fn sort(resource: &Resource) -> Option<Sort> {
    let param = resource.query.iter().find(|param| param.name == "sort")?;
    let has_direction = resource.query.iter().any(|param| param.name == "direction");
    let mut fields: Vec<String> = Vec::new();
    let mut joined = resource.version == "v2" && !has_direction;
    for value in param.values.iter().filter_map(|value| value.as_str()) {
        let (field, direction) = value.split_once(':').unwrap_or((value, ""));
        joined |= !direction.is_empty();
        if !fields.iter().any(|known| known == field) {
            fields.push(field.to_owned());
        }
    }
    Some(Sort { joined, direction: joined || has_direction, fields })
}

fn keyset(group: &Group<'_>, resource: &Resource, sort: Option<&Sort>) -> Option<String> {
    // The collection of one parent is short: it is not read in ranges.
    let key = *group.own_key().last().filter(|_| !resource.nested())?;
    let bound = |op: &str| {
        let found =
            resource.query.iter().find(|param| param.role == "filter" && param.operator == op && param.field == key);
        found.map(|param| param.name.as_str())
    };
    let (from, to) = (bound("min")?, bound("max")?);
    let by_key = sort.filter(|sort| resource.version == "v3" && sort.fields.iter().any(|field| field == key));
    let (pairs, ordered) = match by_key {
        Some(sort) if sort.joined => (format!("(\"sort\",\"{key}:asc\")"), true),
        Some(sort) if sort.direction => (format!("(\"sort\",{key:?}),(\"direction\",\"asc\")"), true),
        Some(_) => (format!("(\"sort\",{key:?})"), true),
        None => (String::new(), overrides::IN_ORDER_OF_ID.contains(&resource.key.as_str())),
    };
    Some(format!("Keyset{{field:{key:?},from:{from:?},to:{to:?},sort:&[{pairs}],ordered:{ordered}}}"))
}

/// The endpoint of one record.
pub(crate) fn item(group: &Group<'_>) -> Result<Option<String>, String> {
    for access in &group.accesses {
        let resource = access.resource;
        for operation in resource.operations.iter().filter(|operation| in_table(operation)) {
            let at_item = resource.item_path.as_ref() == Some(&operation.path);
            let of_flat = resource.singleton() && group.accesses.len() > 1;
            if operation.verb == "get" && (at_item || of_flat) && !keyed_from_outside(group, resource) {
                return Ok(Some(format!(
                    "Item{{path:{:?},envelope:{},includes:&{:?},include_with:{},query:&[{}],select:{},concurrency:{:?}}}",
                    access.path(&operation.path),
                    envelope(operation),
                    if declares(operation, "include") { includes(resource) } else { Vec::new() },
                    include_with(resource),
                    params(operation),
                    declares(operation, "include_fields"),
                    operation.concurrency_limit,
                )));
            }
        }
    }
    Ok(None)
}

fn declares(operation: &Operation, name: &str) -> bool {
    operation.query.iter().any(|param| param.trim_end_matches('!') == name)
}

fn includes(resource: &Resource) -> Vec<&str> {
    let params = resource.query.iter().filter(|param| param.name == "include");
    params.flat_map(|param| &param.values).filter_map(|value| value.as_str()).collect()
}

fn include_limits(resource: &Resource) -> Vec<(&'static str, u32)> {
    let own = overrides::INCLUDE_LIMITS.iter().filter(|(key, ..)| *key == resource.key);
    own.map(|(_, include, limit)| (*include, *limit)).collect()
}

/// The ways to read a sub-object's records inside of their parents' records.
pub(crate) fn embedded(group: &Group<'_>, parent: &Group<'_>) -> Option<String> {
    let nested = group.accesses.iter().find(|access| access.resource.nested())?.resource;
    let listed = parent.accesses.iter().find(|access| !access.resource.nested())?.resource;
    if nested.singleton() || nested.parent_params.len() != 1 {
        return None;
    }
    let offered = includes(listed);
    let known = overrides::EMBEDDED.iter().find(|(object, ..)| *object == group.name);
    if let Some((_, include, paths, total)) = known.filter(|(_, include, ..)| offered.contains(include)) {
        return Some(embedding(&parent.name, include, &format!("&{paths:?}"), &[], Some(total)));
    }
    let last = group.name.rsplit('/').next()?.replace('-', "_");
    let include = offered.into_iter().find(|include| *include == last)?;
    let inside = parent.model.and_then(|model| model.field(include)).and_then(|field| field.items.as_ref());
    let fields = group.model.map(|model| model.fields.as_slice()).unwrap_or_default();
    // Where the documents do not show what is inside, it is what the include is documented to bring: the records.
    let lacks: Vec<&str> = match inside {
        Some(inside) => fields.iter().map(|f| f.name.as_str()).filter(|name| inside.field(name).is_none()).collect(),
        None => Vec::new(),
    };
    Some(embedding(&parent.name, include, &format!("&[&[{include:?}]]"), &lacks, None))
}

fn embedding(parent: &str, include: &str, paths: &str, lacks: &[&str], total: Option<&str>) -> String {
    let paths = paths.replace(", [", ", &[").replace("&[[", "&[&[");
    format!("Embedded{{parent:{parent:?},include:{include:?},paths:{paths},lacks:&{lacks:?},total:{total:?}}}")
}

fn include_with(resource: &Resource) -> &'static str {
    // Consignments are embedded only in this form; the older form is a link.
    let structured = resource.query.iter().any(|param| param.name == "consignment_structure");
    if structured { "&[(\"consignment_structure\",\"object\")]" } else { "&[]" }
}

/// The query parameters of a single record, a write or a delete that the table keeps.
pub(crate) fn params(operation: &Operation) -> String {
    let mut out = String::new();
    for (name, required) in context(operation) {
        let _ = write!(out, "Param{{param:{name:?},field:{name:?},required:{required}}},");
    }
    out
}

/// Name of each, and whether it is required.
pub(crate) fn context(operation: &Operation) -> impl Iterator<Item = (&str, bool)> {
    let split = operation.query.iter().map(|param| match param.strip_suffix('!') {
        Some(name) => (name, true),
        None => (param.as_str(), false),
    });
    split.filter(|(name, _)| CONTEXT.contains(name))
}

/// What is around the answer's payload.
pub(crate) fn envelope(operation: &Operation) -> &'static str {
    let documented = operation.answer().and_then(|answer| answer.envelope.as_deref());
    match documented {
        Some("bare") => "Envelope::Bare",
        Some(_) => "Envelope::Data",
        None if operation.path.starts_with("/v2/") => "Envelope::Bare",
        None => "Envelope::Data",
    }
}
