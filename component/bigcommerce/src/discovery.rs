//! What the objects of the table can do, for people and hosts: activities, fields, conditions, schemas, nearest names. Pure.

use crate::compare::Comparison;
use crate::plan::{always_there, node_of};
use crate::schema::{self, Property, Schema};
use crate::table::{self, Body, Format, Node, OBJECTS, Object, Op, Paging, ParentKey, Read, Type, Write};
use crate::url::parameters;

/// An object, and what can be done with it.
#[derive(Clone, Copy, Debug)]
pub struct Listing {
    /// The object.
    pub object: &'static Object,
    /// Records can be read, all or one by one.
    pub query: bool,
    /// Records can be created.
    pub create: bool,
    /// Records can be changed.
    pub update: bool,
    /// Named records can be deleted.
    pub delete: bool,
}

/// A set of comparisons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set(u8);

/// All comparisons; their places are the bits of a set.
const COMPARISONS: [Comparison; 8] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::OneOf,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
    Comparison::Contains,
];

impl Set {
    const NONE: Self = Self(0);
    /// One value, or one of several.
    const PINS: Self = Self(0b101);
    const EQUALITY: Self = Self(0b111);
    const ORDER: Self = Self(0b111_1111);
    const ALL: Self = Self(0b1111_1111);

    fn of(holds: impl Fn(Comparison) -> bool) -> Self {
        let bits = COMPARISONS.iter().enumerate().filter(|(_, comparison)| holds(**comparison));
        Self(bits.fold(0, |set, (bit, _)| set | 1 << bit))
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn into_vec(self) -> Vec<Comparison> {
        let members = COMPARISONS.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        members.map(|(_, comparison)| *comparison).collect()
    }
}

/// A field that can be returned or compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name; a dot steps into an object.
    pub name: &'static str,
    /// Comparisons that a condition may use.
    pub comparisons: Vec<Comparison>,
    /// Those of them that the remote evaluates.
    pub pushed_down: Vec<Comparison>,
    /// Whether a query can be ordered by it.
    pub sortable: bool,
}

/// JSON Schemas of one record that goes in and one that comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivitySchema {
    /// Of what is passed in; for a query, of its conditions by field.
    pub request: String,
    /// Of what comes back.
    pub response: String,
}

/// Everything about an object. See the WIT package's `object-schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Fields that name a record.
    pub key: &'static [&'static str],
    /// Fields.
    pub fields: Vec<FieldInfo>,
    /// Related data that a query can bring along.
    pub includes: Vec<&'static str>,
    /// Whether a complete read delivers every record that exists throughout exactly once.
    pub stable: bool,
    /// Whether a query can deliver changes only.
    pub incremental: bool,
    /// Schemas of the activities that there are.
    pub query: Option<ActivitySchema>,
    /// See `query`.
    pub create: Option<ActivitySchema>,
    /// See `query`.
    pub update: Option<ActivitySchema>,
    /// See `query`.
    pub delete: Option<ActivitySchema>,
}

/// Every object, always in the same order.
pub fn objects() -> impl Iterator<Item = Listing> {
    OBJECTS.iter().map(|object| Listing {
        object,
        query: !object.reads.is_empty() || object.item.is_some(),
        create: !object.create.is_empty(),
        update: !object.update.is_empty(),
        delete: !object.delete.is_empty(),
    })
}

/// Everything about an object.
pub fn describe(object: &'static Object) -> Description {
    let readable = !object.reads.is_empty() || object.item.is_some();
    let fields = if readable { fields(object) } else { Vec::new() };
    let response = |required: &[&str]| schema::record(object.title, &properties(object), required, false);
    // What a write answers is the record, or at least what names it.
    let named: Vec<&'static str> = object.key.iter().map(|field| member(field)).collect();
    let written = response(&named);
    let write = |ways: &'static [Write], key: &[&'static str]| {
        ways.first().map(|way| ActivitySchema {
            request: matching(write_request(object, way, key), object),
            response: way.result.map_or_else(|| written.clone(), |result| acted(object, result)),
        })
    };
    let mut includes: Vec<&'static str> = object.item.iter().flat_map(|item| item.includes).copied().collect();
    for include in object.reads.iter().flat_map(|read| read.includes) {
        if !includes.contains(include) {
            includes.push(include);
        }
    }
    Description {
        key: object.key,
        includes,
        stable: is_stable(object),
        incremental: object.incremental().is_some(),
        query: readable.then(|| ActivitySchema { request: query_request(object, &fields), response: response(&[]) }),
        create: write(object.create, &[]),
        update: write(object.update, &named),
        delete: object.delete.first().map(|way| {
            let params = way.query.iter().map(|param| param.field);
            let needed: Vec<&'static str> = object.key.iter().copied().chain(params).collect();
            let properties: Vec<Property> = needed.iter().map(|name| property(object, name)).collect();
            let key =
                properties.iter().filter(|property| object.key.contains(&property.name)).copied().collect::<Vec<_>>();
            ActivitySchema {
                request: schema::record(object.title, &properties, &needed, false),
                response: schema::record(object.title, &key, object.key, false),
            }
        }),
        fields,
    }
}

/// The member of a record in which a field lies.
fn member(field: &'static str) -> &'static str {
    field.split('.').next().unwrap_or(field)
}

/// The schema of a parent's key, which the sub-object's records may lack.
fn parent_node(parent: &ParentKey) -> Option<&'static Node> {
    node_of(table::object(parent.object)?, parent.key)
}

/// What is known about a field, wherever the table knows it from.
fn property(object: &Object, name: &'static str) -> Property {
    let own = object.model.and_then(|model| model.field(name)).map(|field| field.node);
    let parents = || object.parents.iter().find(|parent| parent.field == name).and_then(parent_node);
    let filters = || object.reads.iter().flat_map(|read| read.filters).find(|filter| filter.field == name);
    let schema = match own.or_else(parents) {
        Some(node) => Schema::Node(node),
        None => filters().map_or(Schema::Type(Type::Any, &[]), |filter| Schema::Type(filter.ty, filter.values)),
    };
    Property { name, schema, read_only: false }
}

/// The properties of a record that is returned: those of the API's, and the parent's key.
fn properties(object: &Object) -> Vec<Property> {
    let mut out: Vec<Property> =
        object.parents.iter().filter(|parent| !parent.in_record).map(|parent| property(object, parent.field)).collect();
    out.extend(object.model.iter().flat_map(|model| model.fields).map(Property::from));
    if object.model.is_none() {
        let key = object.key.iter().map(|field| member(field));
        let missing: Vec<_> = key.filter(|field| !out.iter().any(|known| known.name == *field)).collect();
        out.extend(missing.into_iter().map(|field| property(object, field)));
    }
    out
}

/// The schema of what an operation answers that does something: its own answer, with the fields that name on what it was done.
fn acted(object: &Object, result: &'static Node) -> String {
    let names = object.key.iter().filter(|name| result.field(name).is_none()).map(|name| property(object, name));
    let properties: Vec<Property> = names.chain(result.fields.iter().map(Property::from)).collect();
    schema::record(object.title, &properties, object.key, false)
}

/// The schema of a record that is written; `key` are the members that name it.
fn write_request(object: &Object, way: &Write, key: &[&'static str]) -> String {
    let values = match way.body {
        Body::Values(field) => Some(field),
        _ => None,
    };
    let mut required: Vec<&'static str> = key.to_vec();
    for field in way.required.iter().copied().chain(values) {
        if !required.contains(&field) {
            required.push(field);
        }
    }
    let params = way.query.iter().map(|param| param.field);
    let mut properties: Vec<Property> = Vec::new();
    for name in required.iter().copied().chain(params) {
        let declared = way.model.is_some_and(|model| model.field(name).is_some());
        if !declared && !properties.iter().any(|known| known.name == name) {
            properties.push(property(object, name));
        }
    }
    properties.extend(way.model.iter().flat_map(|model| model.fields).map(|field| {
        // What names the record is asked of the caller, whoever sets it.
        Property { read_only: field.read_only && !required.contains(&field.name), ..Property::from(field) }
    }));
    schema::record(object.title, &properties, &required, false)
}

/// A schema with `x-match-on`: the sets of fields on which an upsert can match.
fn matching(mut schema: String, object: &'static Object) -> String {
    let sets = crate::upsert::match_on(object);
    if !sets.is_empty() && schema.ends_with('}') {
        let _ = schema.pop();
        // Names of fields are written in JSON as in Rust.
        schema.push_str(&format!(",\"x-match-on\":{sets:?}}}"));
    }
    schema
}

fn query_request(object: &'static Object, fields: &[FieldInfo]) -> String {
    let properties: Vec<Property> = fields
        .iter()
        .filter(|field| !field.comparisons.is_empty())
        .map(|field| match node_of(object, field.name) {
            Some(node) => Property { name: field.name, schema: Schema::Node(node), read_only: false },
            None => property(object, field.name),
        })
        .collect();
    schema::record(object.title, &properties, &needed_conditions(object), true)
}

/// Fields without a condition on which the object cannot be queried.
fn needed_conditions(object: &Object) -> Vec<&'static str> {
    let Some(read) = object.reads.first() else {
        return if object.item.is_some() { object.key.to_vec() } else { Vec::new() };
    };
    // Parents that are gone through know those above them; where the innermost cannot be, all of them have to be named.
    let listed = |name: &str| object.parents.iter().any(|parent| parent.field == name && !parent.object.is_empty());
    let all = parameters(read.path).last().is_some_and(|innermost| !listed(innermost));
    let mut out: Vec<&'static str> = parameters(read.path).filter(|name| all || !listed(name)).collect();
    for filter in read.filters.iter().filter(|filter| filter.required) {
        if !out.contains(&filter.field) {
            out.push(filter.field);
        }
    }
    out
}

fn fields(object: &'static Object) -> Vec<FieldInfo> {
    let mut names: Vec<&'static str> = Vec::new();
    let parents = object.parents.iter().map(|parent| parent.field);
    let model = object.model.iter().flat_map(|model| model.fields).map(|field| field.name);
    let filters = object.reads.iter().flat_map(|read| read.filters).map(|filter| filter.field);
    for name in object.key.iter().copied().chain(parents).chain(model).chain(filters) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| field(object, name)).collect()
}

fn field(object: &'static Object, name: &'static str) -> FieldInfo {
    let in_path = object.reads.iter().any(|read| takes(read.path, name));
    let first = object.reads.first();
    let mut pushed_down = first.map(|read| filtered(object, read, name)).unwrap_or_default();
    // The endpoint of one record serves if conditions name the whole key.
    let in_key = object.item.as_ref().is_some_and(|item| {
        takes(item.path, name) && parameters(item.path).all(|parameter| object.key.contains(&parameter))
    });
    if in_path || in_key {
        pushed_down = pushed_down.or(Set::PINS);
    }
    let local = node_of(object, name).map(local).unwrap_or_default();
    FieldInfo {
        name,
        comparisons: local.or(pushed_down).into_vec(),
        pushed_down: pushed_down.into_vec(),
        sortable: first.is_some_and(|read| {
            read.sort.as_ref().is_some_and(|sort| sort.fields.contains(&name))
                || read.keyset.as_ref().is_some_and(|keyset| keyset.field == name)
        }),
    }
}

fn takes(path: &str, name: &str) -> bool {
    parameters(path).any(|parameter| parameter == name)
}

/// What can be evaluated on a record.
fn local(node: &Node) -> Set {
    match (node.ty, node.format) {
        (Type::Object | Type::Array, _) => Set::NONE,
        (Type::Boolean, _) => Set::EQUALITY,
        (Type::Integer | Type::Number, _) | (_, Format::Date | Format::Decimal) => Set::ORDER,
        (Type::String | Type::Any, Format::Plain) => Set::ALL,
    }
}

/// What the remote evaluates, or a wider condition whose result is evaluated again on the page.
fn filtered(object: &Object, read: &Read, name: &str) -> Set {
    let has = |ops: &[Op]| read.filters.iter().any(|filter| filter.field == name && ops.contains(&filter.op));
    // What "equal" means for a point in time is not documented.
    let date = node_of(object, name).is_some_and(|node| node.format == Format::Date);
    let key = read.keyset.as_ref().is_some_and(|keyset| keyset.field == name);
    Set::of(|comparison| match comparison {
        Comparison::Equal => !date && has(&[Op::Eq, Op::In]),
        Comparison::NotEqual => !date && always_there(object, name) && has(&[Op::Not, Op::NotIn]),
        Comparison::OneOf => !date && has(&[Op::In]),
        Comparison::Less => key || has(&[Op::Less, Op::Max]),
        Comparison::LessOrEqual => key || has(&[Op::Max]),
        Comparison::Greater => key || has(&[Op::Greater, Op::Min]),
        Comparison::GreaterOrEqual => key || has(&[Op::Min]),
        Comparison::Contains => has(&[Op::Like]),
    })
}

/// Whether a complete read delivers every record that exists throughout exactly once.
fn is_stable(object: &Object) -> bool {
    let Some(read) = object.reads.first() else { return true };
    // Only parents that are read by key, or at once, can be gone through without a doubt.
    let walkable = |name: &str| {
        let Some(parent) = object.parents.iter().find(|parent| parent.field == name) else {
            return true;
        };
        let Some(above) = table::object(parent.object) else {
            return true;
        };
        let in_order =
            |read: &Read| read.is_stable() && (read.single || read.keyset.is_some() || read.paging == Paging::None);
        above.reads.first().is_some_and(in_order) && is_stable(above)
    };
    read.is_stable() && parameters(read.path).all(walkable)
}
