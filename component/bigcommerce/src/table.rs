//! The API as data: the types of the table that the build generates from `facts.json`.
//!
//! Everything here is `'static` and lies in the component's data segment, so opening a connection parses nothing. What sets
//! one object apart from another is a field of these types; code that asks for an object by its name is a defect.

mod model;

use model::Packed;
pub use model::{Bounds, Field, Fields, Format, Node, Type};

/// Version of the Management API that serves an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Bare arrays, RFC 2822 dates, `min_`/`max_` filters.
    V2,
    /// `{data, meta}` envelopes, ISO 8601 dates, `field:op` filters.
    V3,
}

/// One object: one concept of the store, however many endpoints lead to it.
#[derive(Debug)]
pub struct Object {
    /// What callers pass: `products`, `products/images`, `v2/customers`.
    pub name: &'static str,
    /// The same for people: `Product images`.
    pub title: &'static str,
    /// Name of the object whose sub-object this is.
    pub parent: Option<&'static str>,
    /// API version of the endpoints that it is read from.
    pub version: Version,
    /// OAuth scopes of which a token needs one, where documented.
    pub scopes: &'static [&'static str],
    /// Fields that together name a record, parents' fields first. Empty for a singleton of the store, and where the
    /// API names no key. A dot steps into an object: `identity.variant_id`.
    pub key: &'static [&'static str],
    /// Fields that name the parent record. They are part of every record that this connector returns.
    pub parents: &'static [ParentKey],
    /// Fields by which people know a record, and of which the store mostly has each value once: `sku`, `name`. The best first.
    /// They are in what is sent and in what is read.
    pub natural: &'static [&'static str],
    /// Collection endpoints (or the endpoint of a singleton), the cheapest for a complete read first. Empty where records can
    /// only be read one by one.
    pub reads: &'static [Read],
    /// Ways to read the records inside of their parents' records.
    pub embedded: &'static [Embedded],
    /// The date of the last change, where records hold one of their own.
    pub modified: Option<Modified>,
    /// Endpoint of one record.
    pub item: Option<Item>,
    /// Ways to create, the one for many records first.
    pub create: &'static [Write],
    /// Ways to update, the one for many records first.
    pub update: &'static [Write],
    /// Ways to delete named records, the one for many records first. Operations that delete everything are not in the table.
    pub delete: &'static [Delete],
    /// The model of a record that is read. None for what can only be written.
    pub model: Option<&'static Node>,
}

/// Records that come inside of their parents' records if these are asked to include them.
#[derive(Debug)]
pub struct Embedded {
    /// The parent object: `products`.
    pub parent: &'static str,
    /// Value of `include` that brings them along: `images`.
    pub include: &'static str,
    /// Where they are in a parent's record: member names, through every element of the arrays on the way.
    pub paths: &'static [&'static [&'static str]],
    /// Fields that they lack there.
    pub lacks: &'static [&'static str],
    /// Field of the parent's record that is above zero if it has any.
    pub total: Option<&'static str>,
}

/// When a record was changed.
#[derive(Debug)]
pub struct Modified {
    /// Field with the date of the last change: `date_modified`.
    pub field: &'static str,
    /// Field with the date of the creation, which stands for the other where that one is empty.
    pub created: Option<&'static str>,
}

/// A field of a sub-object's record that names its parent record.
#[derive(Debug)]
pub struct ParentKey {
    /// Field in the sub-object's record, and path parameter: `product_id`.
    pub field: &'static str,
    /// Object to which the parent record belongs: `products`. Empty where no object of the table is its list: then the caller
    /// has to name the parent.
    pub object: &'static str,
    /// The parent's key field: `id`. Empty if `object` is.
    pub key: &'static str,
    /// Whether the API's records hold this field. If not, the connector puts it in.
    pub in_record: bool,
}

/// What is around the payload of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"data": payload, "meta": {...}}`.
    Data,
    /// The payload itself.
    Bare,
}

/// How an endpoint hands out a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// `page` and `limit`; the answer tells totals.
    V3Page,
    /// `after` and `limit`; the answer tells `meta.cursor_pagination`. `page` may be accepted as well.
    V3Cursor,
    /// `after` is the last key seen.
    V3After,
    /// `page` and `limit`; a bare array, no totals.
    V2Page,
    /// No paging is documented: everything comes at once, unless the answer's `meta.pagination` tells of more pages.
    None,
    /// The same, where the documented answer has a `meta.pagination`.
    Undeclared,
}

/// Reading in the order of the key, each request starting behind the last record seen. Works with every paging; where that is
/// `None` the endpoint takes no `limit` either, and an empty answer ends the reading.
#[derive(Debug)]
pub struct Keyset {
    /// Key field: `id`.
    pub field: &'static str,
    /// Parameter for "at least" (inclusive): `id:min`, `min_id`.
    pub from: &'static str,
    /// Parameter for "at most" (inclusive): `id:max`, `max_id`.
    pub to: &'static str,
    /// Sorting that must be asked for, as `(parameter, value)` pairs; empty where the endpoint sorts by the key by itself, or
    /// cannot be told to.
    pub sort: &'static [(&'static str, &'static str)],
    /// Whether answers are sure to come in the order of the key. If not, the order has to be checked, or a range of keys has to
    /// fit on one page.
    pub ordered: bool,
}

/// Comparison that a filter parameter makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Not,
    /// One of a comma list.
    In,
    /// None of a comma list.
    NotIn,
    /// At least.
    Min,
    /// At most.
    Max,
    /// More than.
    Greater,
    /// Less than.
    Less,
    /// Contains a text.
    Like,
}

/// A filter parameter of a collection endpoint.
#[derive(Debug)]
pub struct Filter {
    /// Parameter as sent: `id:in`, `min_date_created`.
    pub param: &'static str,
    /// Field that it compares. May be a field that records do not hold (`keyword`): then only the remote can evaluate it.
    pub field: &'static str,
    /// How it compares.
    pub op: Op,
    /// Type of one value. Filters on flags that are no `Boolean` take `1` and `0`.
    pub ty: Type,
    /// Values that it takes as JSON texts, where the API lists them.
    pub values: &'static [&'static str],
    /// Whether the collection cannot be read without it.
    pub required: bool,
}

/// How an endpoint takes an order.
#[derive(Debug)]
pub struct Sort {
    /// `sort=field:direction` if joined, else `sort=field&direction=asc`.
    pub joined: bool,
    /// Whether `direction` is accepted (always so when joined).
    pub direction: bool,
    /// Fields that can be sorted by.
    pub fields: &'static [&'static str],
}

/// A collection endpoint, or the endpoint of a singleton.
#[derive(Debug)]
pub struct Read {
    /// Path below the store, with parameters named after the fields that fill them: `/v3/catalog/products/{product_id}/images`.
    pub path: &'static str,
    /// What is around the payload.
    pub envelope: Envelope,
    /// The payload is one object rather than an array.
    pub single: bool,
    /// How it pages.
    pub paging: Paging,
    /// Whether it takes `limit`.
    pub limited: bool,
    /// Largest documented `limit`.
    pub max_limit: Option<u32>,
    /// Page size when no `limit` is sent.
    pub default_limit: Option<u32>,
    /// Reading by key ranges, where the filters for it are there.
    pub keyset: Option<Keyset>,
    /// Filters.
    pub filters: &'static [Filter],
    /// Sorting.
    pub sort: Option<Sort>,
    /// Values of `include`.
    pub includes: &'static [&'static str],
    /// Parameters that must come along with `include`.
    pub include_with: &'static [(&'static str, &'static str)],
    /// Largest pages that some values of `include` leave.
    pub include_limits: &'static [(&'static str, u32)],
    /// Whether `include_fields` trims records.
    pub select: bool,
    /// Documented limit of simultaneous requests per store.
    pub concurrency: Option<u32>,
}

/// The endpoint of one record.
#[derive(Debug)]
pub struct Item {
    /// Path below the store, parameters named after record fields: `/v3/catalog/products/{id}`.
    pub path: &'static str,
    /// What is around the payload.
    pub envelope: Envelope,
    /// Values of `include`.
    pub includes: &'static [&'static str],
    /// Parameters that must come along with `include`.
    pub include_with: &'static [(&'static str, &'static str)],
    /// Query parameters besides these.
    pub query: &'static [Param],
    /// Whether `include_fields` trims the record.
    pub select: bool,
    /// Documented limit of simultaneous requests per store.
    pub concurrency: Option<u32>,
}

/// HTTP method of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// Shape of a write's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// One record.
    Object,
    /// An array of records.
    Array,
    /// An array of records inside an object, under this name.
    Wrapped(&'static str),
    /// An array of bare values of this field of the records (`segments/shopper-profiles` takes ids).
    Values(&'static str),
    /// No body: everything stands in the path.
    Empty,
}

/// A field that goes into the query of a request and not into its body.
#[derive(Debug)]
pub struct Param {
    /// Parameter as sent.
    pub param: &'static str,
    /// Field that fills it.
    pub field: &'static str,
    /// Whether the request must not be sent without it.
    pub required: bool,
}

/// One way to create or update.
#[derive(Debug)]
pub struct Write {
    /// HTTP method.
    pub method: Method,
    /// Path below the store, parameters named after record fields.
    pub path: &'static str,
    /// Shape of the body.
    pub body: Body,
    /// Fields that go beside the list of `Body::Wrapped`, into the object around it: the records of one request agree in them.
    pub beside: &'static [&'static str],
    /// Query parameters.
    pub query: &'static [Param],
    /// Most records per request, where documented (1 for `Body::Object` and `Body::Empty`).
    pub max_items: Option<u32>,
    /// Creates what does not exist and updates what does.
    pub upsert: bool,
    /// Fields by which the remote finds the record that an upsert updates. Empty if `upsert` is false.
    pub match_on: &'static [&'static str],
    /// What is around the answer's payload.
    pub envelope: Envelope,
    /// Whether the answer holds the records: an array of them, or one, whatever the body was.
    pub answers_records: bool,
    /// The model of what the operation answers, where it does something rather than keeps a record: its answer is its own, and
    /// is the outcome of every record of the request. A list is held by `data`. None if it keeps records or says nothing.
    pub result: Option<&'static Node>,
    /// Documented limit of simultaneous requests per store.
    pub concurrency: Option<u32>,
    /// Lane in which requests go one after another, whatever their path and method, where the API's documents want that.
    pub lane: Option<&'static str>,
    /// Fields of which a record has to hold one.
    pub one_of: &'static [&'static str],
    /// Fields that the remote takes, and leaves as they are without a word.
    pub fixed: &'static [&'static str],
    /// Fields that must be there, those of the path and the query among them. The fields that `model` itself calls required are
    /// among them for a create or upsert; an update documents them for a whole record and takes a part of it.
    pub required: &'static [&'static str],
    /// Fields of the record that must not go into the body's records: they fill the path or the query, stand beside the list, or
    /// name the record to us alone.
    pub path_only: &'static [&'static str],
    /// The model of a record that is sent. None if the body holds bare values or nothing.
    pub model: Option<&'static Node>,
}

/// How a delete names its victims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBy {
    /// All key fields stand in the path.
    Path,
    /// A comma list of this key field in this parameter; the other key fields stand in the path.
    Filter {
        /// Parameter: `id:in`.
        param: &'static str,
        /// Key field: `id`.
        field: &'static str,
    },
    /// One record a request, every key field a parameter (`(field, parameter)`), so that no cross product can arise.
    Fields(&'static [(&'static str, &'static str)]),
    /// One record a request: the body is an object of this key field.
    BodyKey(&'static str),
    /// The body is an array of this key field's values.
    BodyIds(&'static str),
    /// The body is `{wrapper: [values of field]}`.
    WrappedIds {
        /// Name in the body.
        wrapper: &'static str,
        /// Key field.
        field: &'static str,
    },
}

/// One way to delete named records.
#[derive(Debug)]
pub struct Delete {
    /// Path below the store, parameters named after record fields.
    pub path: &'static str,
    /// How the victims are named.
    pub by: DeleteBy,
    /// Query parameters besides those.
    pub query: &'static [Param],
    /// Most records per request: documented, or the generator's modest default. 1 where the request names one record.
    pub max_items: Option<u32>,
    /// Documented limit of simultaneous requests per store.
    pub concurrency: Option<u32>,
    /// See `Write::lane`.
    pub lane: Option<&'static str>,
    /// The record is archived rather than deleted.
    pub archives: bool,
}

/// The member of a record in which a value of `include` puts what it brings along.
pub fn included_in(include: &str) -> &str {
    let named = INCLUDED_IN.iter().find(|(name, _)| *name == include).map(|(_, field)| *field);
    named.unwrap_or_else(|| include.split('.').next().unwrap_or(include))
}

impl Object {
    /// The date of the last change, if a query of this object takes `since`: records must be listed, and hold such a date.
    pub fn incremental(&self) -> Option<&Modified> {
        self.modified.as_ref().filter(|_| !self.reads.is_empty())
    }
}

impl Read {
    /// Whether a complete read delivers every record that exists throughout exactly once.
    pub fn is_stable(&self) -> bool {
        match &self.keyset {
            _ if self.single => true,
            // Ranges do not overlap and leave nothing out, and their order is checked where it is not sure.
            Some(_) => true,
            None => matches!(self.paging, Paging::V3Cursor | Paging::V3After | Paging::None),
        }
    }
}

// `NAMES: &[&str]`, `NODES: &[&Node]`, `INCLUDED_IN: &[(&str, &str)]`, and `OBJECTS: &[Object]`, sorted by name, parents before their sub-objects.
include!(concat!(env!("OUT_DIR"), "/objects.rs"));

/// The object of this name.
pub fn object(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name == name)
}
