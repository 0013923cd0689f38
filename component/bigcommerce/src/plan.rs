//! Decides how a query is run: which endpoint, what the remote evaluates, what is evaluated here, how it pages. Pure.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;

use crate::compare::{Comparison, Prepared};
use crate::cursor;
use crate::date::Instant;
use crate::error::Error;
use crate::settings::Settings;
use crate::table::{self, Filter, Format, Item, Keyset, Node, Object, Op, Paging, Read, Type};
use crate::types::{Condition, QueryRequest};
use crate::url::{MOST_QUERY, parameters};

/// Page size of endpoints that document neither a maximum nor take more than this: what the API's own default is.
const UNDOCUMENTED_LIMIT: u32 = 250;

/// A query, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// What is read.
    pub object: &'static Object,
    /// Where from.
    pub access: Access,
    /// Conditions evaluated here, on every record.
    pub local: Vec<(String, Prepared)>,
    /// Fields of the records that are returned; all if none.
    pub keep: Option<Vec<String>>,
    /// Records wanted in all.
    pub max_records: Option<u64>,
    /// Digest of the request.
    pub digest: u64,
    /// For people.
    pub steps: Vec<String>,
    /// Whether a record that exists throughout is delivered exactly once.
    pub stable: bool,
}

/// Where records come from.
#[derive(Debug)]
pub enum Access {
    /// A collection, or the collections of many parents.
    List(List),
    /// Single records by their keys; each key in the order of `Object::key`.
    Items {
        /// The endpoint.
        item: &'static Item,
        /// Which records.
        keys: Vec<Vec<String>>,
        /// Parameters of every request.
        query: Vec<(String, String)>,
    },
}

impl Plan {
    /// For messages.
    pub fn what(&self) -> String {
        format!("read {}", self.object.name)
    }

    /// Records per request.
    pub fn limit(&self) -> u32 {
        match &self.access {
            Access::List(list) => list.limit,
            Access::Items { .. } => 1,
        }
    }

    /// The parent's key fields that records lack, with their values as JSON, for the path parameters' values of a collection.
    pub fn injected(&self, parent: &[String]) -> Vec<(&'static str, String)> {
        let Access::List(list) = &self.access else {
            return Vec::new();
        };
        let named = parameters(list.read.path).zip(parent);
        named
            .filter_map(|(name, value)| {
                let link = self.object.parents.iter().find(|link| link.field == name && !link.in_record)?;
                let number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                Some((link.field, if number { value.clone() } else { Value::String(value.clone()).to_string() }))
            })
            .collect()
    }

    fn by_key_or_once(&self) -> bool {
        matches!(
            &self.access,
            Access::List(List { paging: Pages::Keyset { .. } | Pages::Once, parents: Parents::None, .. })
        )
    }
}

/// How a collection is read.
#[derive(Debug)]
pub struct List {
    /// The endpoint.
    pub read: &'static Read,
    /// Parameters of every request: conditions, order, include, fields.
    pub query: Vec<(String, String)>,
    /// Records per request.
    pub limit: u32,
    /// Whether a page that is not full is the last one.
    pub short_page_ends: bool,
    /// How it pages.
    pub paging: Pages,
    /// Whose collections.
    pub parents: Parents,
}

/// How a collection pages.
#[derive(Clone, Debug)]
pub enum Pages {
    /// One answer holds everything.
    Once,
    /// By ranges of the key.
    Keyset {
        /// The endpoint's parameters for it.
        keyset: &'static Keyset,
        /// Least key wanted.
        from: u128,
        /// Greatest key wanted.
        to: u128,
    },
    /// By the cursor that every answer gives.
    Cursor,
    /// Behind the key of the last record.
    After(&'static str),
    /// By page numbers.
    Numbers,
}

/// Parent records whose collections are read.
#[derive(Debug)]
pub enum Parents {
    /// The path names no parent.
    None,
    /// These; each in the order of the path's parameters.
    Given(Vec<Vec<String>>),
    /// All there are: the parents' fields to read for the path's parameters.
    Walk(Rc<Plan>, Vec<&'static str>),
}

/// Finds an object by its name.
///
/// # Errors
/// There is none; the nearest name is suggested.
pub fn find(name: &str) -> Result<&'static Object, Error> {
    table::object(name).ok_or_else(|| {
        let hint = crate::suggest::object(name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Error::new(crate::error::Kind::NotFound, format!("there is no object `{name}`{hint}")).at("/object")
    })
}

/// Plans a query.
///
/// # Errors
/// What the request asks for and neither the remote nor this connector can do.
pub fn plan(request: &QueryRequest, settings: &Settings) -> Result<Plan, Error> {
    let object = find(&request.object)?;
    if object.reads.is_empty() && object.item.is_none() {
        return Err(Error::unsupported(format!(
            "`{}` cannot be queried: the API offers no way to read it",
            object.name
        ))
        .at("/object"));
    }
    if request.since.is_some() {
        return Err(
            Error::unsupported(format!("`{}` cannot be read incrementally by this version", object.name)).at("/since")
        );
    }
    let conditions = request
        .filter
        .iter()
        .enumerate()
        .map(|(index, c)| Checked::new(object, index, c))
        .collect::<Result<Vec<_>, _>>()?;
    let mut planner = Planner { object, request, settings, conditions, steps: Vec::new() };
    planner.check_fields()?;
    let access = planner.access()?;
    planner.finish(access)
}

/// A condition whose field exists and whose value fits.
struct Checked<'a> {
    condition: &'a Condition,
    index: usize,
    /// Schema of the field, if records hold it.
    node: Option<&'static Node>,
    /// Evaluates it here, if that is possible.
    prepared: Option<Prepared>,
    /// The values as texts that a parameter can hold.
    values: Vec<String>,
}

impl<'a> Checked<'a> {
    fn new(object: &'static Object, index: usize, condition: &'a Condition) -> Result<Self, Error> {
        let at = |part: &str| format!("/filter/{index}/{part}");
        let node = node_of(object, &condition.field);
        let filterable = object.reads.iter().any(|read| read.filters.iter().any(|f| f.field == condition.field));
        let parent = object.parents.iter().any(|parent| parent.field == condition.field);
        let key = object.key.contains(&condition.field.as_str());
        if node.is_none() && !filterable && !parent && !key {
            let hint = crate::suggest::field(object, &condition.field)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            return Err(
                Error::invalid(format!("`{}` has no field `{}`{hint}", object.name, condition.field)).at(at("field"))
            );
        }
        let value: Value = serde_json::from_str(&condition.value).map_err(|_| {
            Error::invalid(format!("the value of the condition on `{}` is not JSON", condition.field)).at(at("value"))
        })?;
        let values = match (&value, condition.op) {
            (Value::Array(items), Comparison::OneOf) => items.iter().map(plain).collect(),
            (_, Comparison::OneOf) => {
                return Err(
                    Error::invalid(format!("`one-of` on `{}` needs a JSON array", condition.field)).at(at("value"))
                );
            }
            (value, _) => vec![plain(value)],
        };
        let (ty, format) = node.map_or((Type::Any, Format::Plain), |node| (node.ty, node.format));
        if let Some(node) = node {
            check_enum(condition, node, &values).map_err(|error| error.at(at("value")))?;
        }
        let prepared = match (node, Prepared::new(condition.op, &condition.value, ty, format)) {
            (Some(_), Ok(prepared)) => Some(prepared),
            (None, Ok(prepared)) if parent || key => Some(prepared),
            (Some(node), Err(bad)) if scalar(node) => {
                let message = format!("the condition on `{}` makes no sense: {bad}", condition.field);
                return Err(Error::invalid(message).at(at("value")));
            }
            _ => None,
        };
        Ok(Self { condition, index, node, prepared, values })
    }

    fn pointer(&self) -> String {
        format!("/filter/{}", self.index)
    }

    /// The values, if this condition pins the field to a known set of them.
    fn pins(&self) -> Option<&[String]> {
        matches!(self.condition.op, Comparison::Equal | Comparison::OneOf).then_some(self.values.as_slice())
    }
}

fn scalar(node: &Node) -> bool {
    !matches!(node.ty, Type::Object | Type::Array)
}

/// The schema behind a field name; dots lead into objects.
fn node_of(object: &'static Object, path: &str) -> Option<&'static Node> {
    let mut node = object.model?;
    for name in path.split('.') {
        node = node.field(name)?.node;
    }
    Some(node)
}

/// A JSON value as the API's parameters write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Refuses a value that the API's list of values does not have, if it is only written differently: such a condition would hold
/// for no record, and nobody would know why.
fn check_enum(condition: &Condition, node: &Node, values: &[String]) -> Result<(), Error> {
    if node.values.is_empty() || !matches!(condition.op, Comparison::Equal | Comparison::OneOf | Comparison::NotEqual) {
        return Ok(());
    }
    let known: Vec<String> =
        node.values.iter().filter_map(|text| serde_json::from_str(text).ok()).map(|v: Value| plain(&v)).collect();
    for value in values {
        if !known.contains(value)
            && let Some(near) = known.iter().find(|known| known.eq_ignore_ascii_case(value))
        {
            return Err(Error::invalid(format!("`{}` is never `{value}`; did you mean `{near}`?", condition.field)));
        }
    }
    Ok(())
}

struct Planner<'a> {
    object: &'static Object,
    request: &'a QueryRequest,
    settings: &'a Settings,
    conditions: Vec<Checked<'a>>,
    steps: Vec<String>,
}

impl Planner<'_> {
    fn check_fields(&self) -> Result<(), Error> {
        let Some(model) = self.object.model.filter(|model| !model.fields.is_empty()) else {
            return Ok(());
        };
        for (index, name) in self.request.fields.iter().enumerate() {
            let known = model.field(name).is_some()
                || self.object.key.contains(&name.as_str())
                || self.object.parents.iter().any(|parent| parent.field == name)
                || self.request.include.contains(name);
            if !known {
                let hint = crate::suggest::field(self.object, name)
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                let message = format!("`{}` has no field `{name}`{hint}", self.object.name);
                return Err(Error::invalid(message).at(format!("/fields/{index}")));
            }
        }
        Ok(())
    }

    fn check_includes(&self, offered: &[&str]) -> Result<(), Error> {
        for (index, name) in self.request.include.iter().enumerate() {
            if !offered.contains(&name.as_str()) {
                let message = if offered.is_empty() {
                    format!("`{}` has nothing to include", self.object.name)
                } else {
                    format!("`{}` cannot include `{name}`; it can include {}", self.object.name, offered.join(", "))
                };
                return Err(Error::invalid(message).at(format!("/include/{index}")));
            }
        }
        Ok(())
    }

    fn pinned(&self, field: &str) -> Option<&[String]> {
        self.conditions.iter().filter(|c| c.condition.field == field).find_map(Checked::pins)
    }

    /// Chooses the endpoint.
    fn access(&mut self) -> Result<Access, Error> {
        if let Some(access) = self.items()? {
            return Ok(access);
        }
        // The parents that a path asks for are named by conditions; a flat endpoint asks for none, and is in front.
        let named = |read: &Read| parameters(read.path).all(|name| self.pinned(name).is_some());
        let takes = |read: &'static Read| {
            self.object.parents.iter().all(|parent| {
                self.pinned(parent.field).is_none()
                    || path_has(read, parent.field)
                    || filter_for(read, parent.field, &[Op::In, Op::Eq]).is_some()
            })
        };
        let asks = |read: &Read| read.filters.iter().filter(|f| f.required).any(|f| self.pinned(f.field).is_none());
        let reads = self.object.reads;
        let read = reads
            .iter()
            .find(|read: &&'static Read| named(read) && takes(read) && !asks(read))
            .or_else(|| reads.iter().find(|read| named(read) && !asks(read)))
            .or_else(|| reads.iter().find(|read| !asks(read)))
            .or_else(|| reads.first());
        match read {
            Some(read) => self.list(read),
            None => {
                let keys = self.object.key.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" and ");
                let message = format!(
                    "`{}` can only be read one by one: add a condition that {keys} equals a value, or is one of several",
                    self.object.name
                );
                Err(Error::unsupported(message).at("/filter"))
            }
        }
    }

    /// Single records, where conditions pin the whole key and no collection can be filtered by it.
    fn items(&mut self) -> Result<Option<Access>, Error> {
        let Some(item) = &self.object.item else { return Ok(None) };
        if self.object.key.is_empty() || !self.request.order_by.is_empty() {
            return Ok(None);
        }
        let by_list = self.object.reads.iter().any(|read| {
            self.object.key.iter().all(|key| path_has(read, key) || filter_for(read, key, &[Op::In, Op::Eq]).is_some())
        });
        let Some(pins) = self.object.key.iter().map(|key| self.pinned(key)).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        if by_list {
            return Ok(None);
        }
        let mut keys = vec![Vec::new()];
        for values in pins {
            keys = keys
                .iter()
                .flat_map(|key: &Vec<String>| values.iter().map(|v| key.iter().chain([v]).cloned().collect()))
                .collect();
        }
        self.check_includes(item.includes)?;
        self.steps.push(format!("reads {} record(s) one by one from {}", keys.len(), item.path));
        let mut query = self.item_query(item)?;
        self.trimming(item.select, item.include_with, &mut query);
        Ok(Some(Access::Items { item, keys, query }))
    }

    /// The query parameters of a single record's endpoint that conditions fill.
    fn item_query(&self, item: &'static Item) -> Result<Vec<(String, String)>, Error> {
        let mut query = Vec::new();
        for param in item.query {
            match self.pinned(param.field) {
                Some([value]) => query.push((param.param.to_owned(), value.clone())),
                _ if param.required => {
                    let message = format!(
                        "`{}` can only be queried with a condition that `{}` equals one value",
                        self.object.name, param.field
                    );
                    return Err(Error::unsupported(message).at("/filter"));
                }
                _ => {}
            }
        }
        Ok(query)
    }

    fn list(&mut self, read: &'static Read) -> Result<Access, Error> {
        let mut query = Vec::new();
        let mut range = (0, u128::MAX);
        self.steps.push(format!("reads {}", read.path));
        let keyset = self.order(read, &mut query)?;
        self.push_down(read, keyset, &mut range, &mut query)?;
        self.check_includes(read.includes)?;
        self.trimming(read.select, read.include_with, &mut query);
        let parents = self.parents(read)?;
        let wanted = self.request.page_size.unwrap_or(self.settings.page_size).max(1);
        let limit = wanted.min(read.max_limit.unwrap_or(UNDOCUMENTED_LIMIT).max(1));
        let paging = match (keyset, read.paging) {
            _ if read.single => Pages::Once,
            (Some(keyset), _) => Pages::Keyset { keyset, from: range.0, to: range.1 },
            (None, Paging::None) => Pages::Once,
            (None, Paging::V3Cursor) => Pages::Cursor,
            (None, Paging::V3After) => Pages::After(self.object.key.last().copied().unwrap_or("id")),
            (None, Paging::V3Page | Paging::V2Page) => Pages::Numbers,
        };
        Ok(Access::List(List { read, query, limit, short_page_ends: read.max_limit.is_some(), paging, parents }))
    }

    /// The order: the key's, where nothing else is asked, so that reading can go by key ranges.
    fn order(
        &mut self,
        read: &'static Read,
        query: &mut Vec<(String, String)>,
    ) -> Result<Option<&'static Keyset>, Error> {
        let nested = parameters(read.path).next().is_some();
        let by_key = |keyset: &&Keyset| match self.request.order_by.as_slice() {
            [] => true,
            [order] => order.field == keyset.field && !order.descending,
            _ => false,
        };
        if let Some(keyset) = read.keyset.as_ref().filter(by_key).filter(|_| !nested) {
            query.extend(keyset.sort.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            self.steps.push(format!("goes through ranges of `{}`, several at once", keyset.field));
            return Ok(Some(keyset));
        }
        match self.request.order_by.as_slice() {
            [] => Ok(None),
            [order] => {
                let sortable = read.sort.as_ref().filter(|sort| {
                    sort.fields.contains(&order.field.as_str()) && (sort.direction || !order.descending)
                });
                let (Some(sort), false) = (sortable, nested) else {
                    let fields = read
                        .sort
                        .as_ref()
                        .filter(|_| !nested)
                        .map(|sort| sort.fields.join(", "))
                        .filter(|f| !f.is_empty());
                    let offer = fields.map_or_else(
                        || "it has no order to choose".to_owned(),
                        |fields| format!("it can be ordered by {fields}"),
                    );
                    let message = format!(
                        "`{}` cannot be ordered by `{}` {}: {offer}",
                        self.object.name,
                        order.field,
                        if order.descending { "descending" } else { "ascending" }
                    );
                    return Err(Error::unsupported(message).at("/order-by/0"));
                };
                let direction = if order.descending { "desc" } else { "asc" };
                if sort.joined {
                    query.push(("sort".into(), format!("{}:{direction}", order.field)));
                } else {
                    query.push(("sort".into(), order.field.clone()));
                    if sort.direction {
                        query.push(("direction".into(), direction.into()));
                    }
                }
                self.steps.push(format!("the store orders by `{}` {direction}", order.field));
                Ok(None)
            }
            _ => Err(Error::unsupported(format!("`{}` can be ordered by one field only", self.object.name))
                .at("/order-by/1")),
        }
    }

    /// Turns conditions into parameters where the endpoint has them; the rest must be evaluable here.
    fn push_down(
        &mut self,
        read: &'static Read,
        keyset: Option<&'static Keyset>,
        range: &mut (u128, u128),
        query: &mut Vec<(String, String)>,
    ) -> Result<(), Error> {
        let mut used = BTreeSet::new();
        let mut steps = Vec::new();
        for checked in &self.conditions {
            let field = checked.condition.field.as_str();
            if keyset.is_some_and(|keyset| keyset.field == field) && narrow(range, checked) {
                steps.push(format!("the store evaluates the bounds of `{field}`"));
                continue;
            }
            if path_has(read, field) {
                continue;
            }
            let pushed = parameter(read, checked)
                .filter(|(filter, value)| !used.contains(filter.param) && value.len() <= MOST_QUERY);
            if let Some((filter, value)) = pushed {
                used.insert(filter.param);
                query.push((filter.param.to_owned(), value));
                steps.push(format!("the store evaluates `{field}` ({})", filter.param));
            } else if checked.prepared.is_some() {
                steps.push(format!("`{field}` is evaluated here, on each page"));
            } else {
                let message = format!(
                    "no condition of this kind on `{field}` is possible: neither can the store evaluate it for `{}`, nor can it be evaluated on the records",
                    self.object.name
                );
                return Err(Error::unsupported(message).at(checked.pointer()));
            }
        }
        for filter in read.filters.iter().filter(|filter| filter.required && !used.contains(filter.param)) {
            let message = format!("`{}` can only be queried with a condition on `{}`", self.object.name, filter.field);
            return Err(Error::unsupported(message).at("/filter"));
        }
        self.steps.append(&mut steps);
        Ok(())
    }

    /// `include`, and `include_fields` where the endpoint trims.
    fn trimming(&mut self, select: bool, include_with: &[(&str, &str)], query: &mut Vec<(String, String)>) {
        if !self.request.include.is_empty() {
            query.push(("include".into(), self.request.include.join(",")));
            query.extend(include_with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        }
        if self.request.fields.is_empty() {
            return;
        }
        if !select {
            self.steps.push("fields are trimmed here".into());
            return;
        }
        let mut fields: Vec<&str> = self
            .request
            .fields
            .iter()
            .map(String::as_str)
            .filter(|f| !self.request.include.iter().any(|i| i == f))
            .collect();
        let needed = self
            .conditions
            .iter()
            .filter(|c| c.node.is_some())
            .map(|c| c.condition.field.split('.').next().unwrap_or_default());
        fields.extend(needed);
        // The key comes back whether asked for or not, and some endpoints refuse to be asked for it.
        fields.retain(|field| !self.object.key.contains(field));
        fields.sort_unstable();
        fields.dedup();
        if !fields.is_empty() {
            query.push(("include_fields".into(), fields.join(",")));
            self.steps.push("the store trims the fields".into());
        }
    }

    fn parents(&mut self, read: &'static Read) -> Result<Parents, Error> {
        let names: Vec<&str> = parameters(read.path).collect();
        if names.is_empty() {
            return Ok(Parents::None);
        }
        if let Some(pins) = names.iter().map(|name| self.pinned(name)).collect::<Option<Vec<_>>>() {
            let mut given = vec![Vec::new()];
            for values in pins {
                given = given
                    .iter()
                    .flat_map(|key: &Vec<String>| values.iter().map(|v| key.iter().chain([v]).cloned().collect()))
                    .collect();
            }
            self.steps.push(format!("of {} parent record(s)", given.len()));
            return Ok(Parents::Given(given));
        }
        // The parents of the innermost parameter know the outer ones: theirs are part of their key.
        let last = names.last().copied().unwrap_or_default();
        let Some(parent) = self
            .object
            .parents
            .iter()
            .find(|parent| parent.field == last)
            .and_then(|p| Some((p, table::object(p.object)?)))
        else {
            let message = format!("`{}` can only be queried with a condition on `{last}`", self.object.name);
            return Err(Error::unsupported(message).at("/filter"));
        };
        let (link, object) = parent;
        let fields: Vec<&'static str> = names
            .iter()
            .map(|name| {
                if *name == link.field {
                    link.key
                } else {
                    object.parents.iter().find(|p| p.field == *name).map_or(link.key, |p| p.field)
                }
            })
            .collect();
        let renamed = |name: &str| {
            if name == link.field { link.key.to_owned() } else { name.to_owned() }
        };
        let filter = self
            .conditions
            .iter()
            .filter(|c| names.contains(&c.condition.field.as_str()))
            .map(|c| Condition { field: renamed(&c.condition.field), ..c.condition.clone() });
        let request = QueryRequest {
            object: object.name.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            filter: filter.collect(),
            ..QueryRequest::default()
        };
        let plan = plan(&request, self.settings)?;
        self.steps.push(format!("of every record of `{}`, several parents at once", object.name));
        self.steps.extend(plan.steps.iter().map(|step| format!("  {}: {step}", object.name)));
        Ok(Parents::Walk(Rc::new(plan), fields))
    }

    fn finish(self, access: Access) -> Result<Plan, Error> {
        let object = self.object;
        // Every condition is evaluated here as well where records hold its field: the remote's idea of equality may be wider.
        let in_path = |field: &str| match &access {
            Access::List(list) => path_has(list.read, field),
            Access::Items { .. } => object.key.contains(&field),
        };
        let local = self.conditions.into_iter().filter(|c| c.node.is_some_and(scalar) && !in_path(&c.condition.field));
        let local: Vec<_> = local.filter_map(|c| Some((c.condition.field.clone(), c.prepared?))).collect();
        let (stable, note) = match &access {
            Access::Items { .. } => (true, None),
            Access::List(list) => {
                let own = !matches!(list.paging, Pages::Numbers);
                // A walk is resumed at a parent's own key, or at a count of parents, which does not hold while parents change.
                let parents = !matches!(&list.parents, Parents::Walk(walk, _) if !walk.by_key_or_once());
                let note = (!own || !parents)
                    .then_some("pages by offset: while others write, a record may be missed or doubled");
                (own && parents, note)
            }
        };
        let mut steps = self.steps;
        steps.extend(note.map(str::to_owned));
        Ok(Plan {
            object,
            access,
            local,
            keep: (!self.request.fields.is_empty()).then(|| self.request.fields.clone()),
            max_records: self.request.max_records,
            digest: cursor::digest(self.request),
            steps,
            stable,
        })
    }
}

fn path_has(read: &Read, field: &str) -> bool {
    parameters(read.path).any(|name| name == field)
}

fn filter_for(read: &'static Read, field: &str, ops: &[Op]) -> Option<&'static Filter> {
    ops.iter().find_map(|op| read.filters.iter().find(|filter| filter.field == field && filter.op == *op))
}

/// Narrows a key range by a condition on the key, if it is a bound.
fn narrow(range: &mut (u128, u128), checked: &Checked<'_>) -> bool {
    let Some(bound) = checked.values.first().and_then(|value| value.parse::<u128>().ok()) else {
        return false;
    };
    match checked.condition.op {
        Comparison::GreaterOrEqual => range.0 = range.0.max(bound),
        Comparison::Greater => range.0 = range.0.max(bound.saturating_add(1)),
        Comparison::LessOrEqual => range.1 = range.1.min(bound),
        Comparison::Less => range.1 = range.1.min(bound.saturating_sub(1)),
        _ => return false,
    }
    true
}

/// The parameter that makes the remote evaluate a condition, or a wider one: what comes back is checked here again.
fn parameter(read: &'static Read, checked: &Checked<'_>) -> Option<(&'static Filter, String)> {
    let (ops, list): (&[Op], bool) = match checked.condition.op {
        Comparison::Equal => (&[Op::Eq, Op::In], false),
        Comparison::NotEqual => (&[Op::Not, Op::NotIn], false),
        Comparison::Less => (&[Op::Less, Op::Max], false),
        Comparison::LessOrEqual => (&[Op::Max], false),
        Comparison::Greater => (&[Op::Greater, Op::Min], false),
        Comparison::GreaterOrEqual => (&[Op::Min], false),
        Comparison::OneOf => (if checked.values.len() == 1 { &[Op::In, Op::Eq] } else { &[Op::In] }, true),
        Comparison::Contains => (&[Op::Like], false),
    };
    let filter = filter_for(read, &checked.condition.field, ops)?;
    let date = checked.node.is_some_and(|node| node.format == Format::Date);
    // What "equal" means for dates is not documented: a day, or an instant.
    if date && !matches!(filter.op, Op::Min | Op::Max | Op::Greater | Op::Less) {
        return None;
    }
    let comma = |value: &String| value.contains(',');
    if checked.values.is_empty()
        || ((list || matches!(filter.op, Op::In | Op::NotIn)) && checked.values.iter().any(comma))
    {
        return None;
    }
    let values: Option<Vec<String>> = checked.values.iter().map(|value| written(filter, checked.node, value)).collect();
    let value = values?.join(",");
    // An empty parameter is no condition for some endpoints; null has no notation.
    (!value.is_empty() && checked.condition.value.trim() != "null").then_some((filter, value))
}

/// A value as this filter takes it.
fn written(filter: &Filter, node: Option<&Node>, value: &str) -> Option<String> {
    if let Some(node) = node {
        match (node.format, node.ty) {
            (Format::Date, _) => {
                // To the second, rounded away from what is wanted: what comes back too much is dropped here.
                let instant = Instant::parse(value)?;
                let up = matches!(filter.op, Op::Max | Op::Less) && instant.nanos() > 0;
                return Instant::from_unix(instant.seconds() + i64::from(up)).map(Instant::rfc3339);
            }
            (_, Type::Boolean) if filter.ty != Type::Boolean => {
                return match value {
                    "true" => Some("1".into()),
                    "false" => Some("0".into()),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    if filter.values.is_empty() {
        return Some(value.to_owned());
    }
    // `New` in records is `new` in the filter.
    filter
        .values
        .iter()
        .map(|text| text.trim_matches('"'))
        .find(|known| known.eq_ignore_ascii_case(value))
        .map(str::to_owned)
}
