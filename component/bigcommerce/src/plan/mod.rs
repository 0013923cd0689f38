//! Decides how a query is run: which endpoint, what the remote evaluates, what is evaluated here, how it pages. Pure.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use self::condition::Checked;
use self::planner::Planner;
use crate::compare::Prepared;
use crate::cursor::{self, Position};
use crate::error::Error;
use crate::incremental::Watch;
use crate::settings::Settings;
use crate::table::{self, Embedded, Item, Keyset, Object, ParentKey, Read};
use crate::types::QueryRequest;
use crate::url::parameters;

mod condition;
pub(crate) use condition::{always_there, node_of};
mod list;
mod planner;
mod pushdown;
mod related;

/// Page size where no maximum is documented: what most of those that document one allow.
const UNDOCUMENTED_LIMIT: u32 = 250;
/// Records per page where no default is documented: what all of those that document one have.
const UNDOCUMENTED_DEFAULT: u32 = 50;

/// A query, ready to run.
#[derive(Debug)]
pub struct Plan {
    /// What is read.
    pub object: &'static Object,
    /// Where from.
    pub access: Access,
    /// Conditions evaluated here, on every record.
    pub local: Vec<(String, Prepared)>,
    /// The records are inside of those that are read.
    pub unfold: Option<Unfold>,
    /// What an incremental read begins with.
    pub watch: Option<Watch>,
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

    /// Whether every record read is one delivered.
    pub fn delivers_all(&self) -> bool {
        self.local.is_empty() && self.watch.is_none() && self.unfold.is_none()
    }

    /// Records per request.
    pub fn limit(&self) -> u32 {
        match &self.access {
            Access::List(list) => list.limit,
            Access::Items { .. } => 1,
        }
    }

    /// Records that a request asks for at most. A store that refused more is one that caps: what it grants is told by its answers.
    pub fn asked(&self) -> u32 {
        match &self.access {
            Access::List(list) if list.too_large.get() => list.limit.min(list.floor),
            _ => self.limit(),
        }
    }

    /// Notes that the store refused to give so many records at once. Says whether asking for fewer is worth a try.
    pub fn refused(&self, asked: u32) -> bool {
        match &self.access {
            Access::List(list) if list.read.limited && list.read.max_limit.is_none() && asked > list.floor => {
                list.too_large.set(true);
                true
            }
            _ => false,
        }
    }

    /// Goes on with the page size by which the pages of a cursor were counted, whatever would be planned today.
    pub fn keep_page_size(&mut self, position: &Position) {
        let Access::List(list) = &mut self.access else { return };
        match position {
            Position::Page(_, limit) => list.limit = *limit,
            Position::Parent { page, inner, .. } => {
                if let Position::Page(_, limit) = **inner {
                    list.limit = limit;
                }
                if let Parents::Walk(walk, _) = &mut list.parents
                    && let Some(walk) = Rc::get_mut(walk)
                {
                    walk.keep_page_size(page);
                }
            }
            _ => {}
        }
    }

    /// The parent's key fields that records lack, or may lack once the store has trimmed them, with their values as JSON, for
    /// the path parameters' values of a collection.
    pub fn injected(&self, parent: &[String]) -> Vec<(&'static str, String)> {
        let names: Vec<&str> = match &self.access {
            Access::List(list) => parameters(list.read.path).collect(),
            Access::Items { .. } => self.object.key.to_vec(),
        };
        names
            .into_iter()
            .zip(parent)
            .filter_map(|(name, value)| {
                let asked = |field: &str| self.keep.iter().flatten().any(|kept| kept == field);
                let lacks = |link: &ParentKey| !link.in_record || asked(link.field);
                let link = self.object.parents.iter().find(|link| link.field == name && lacks(link))?;
                let number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                Some((link.field, if number { value.clone() } else { Value::String(value.clone()).to_string() }))
            })
            .collect()
    }

    /// Whether its place among all records is told by a record's own key, or there is only one answer.
    pub fn by_key_or_once(&self) -> bool {
        self.unfold.is_none()
            && matches!(
                &self.access,
                Access::List(List { paging: Pages::Keyset { .. } | Pages::Once, parents: Parents::None, .. })
            )
    }
}

/// Sub-objects that are read inside of their parents' records.
#[derive(Debug)]
pub struct Unfold {
    /// Where they are.
    pub embedded: &'static Embedded,
    /// Their parent.
    pub link: &'static ParentKey,
    /// The path to the records of one parent, for a parent that does not hold all of them.
    pub nested: &'static Read,
}

/// How a collection is read.
#[derive(Debug)]
pub struct List {
    /// The endpoint.
    pub read: &'static Read,
    /// Parameters of every request: conditions, order, include, fields.
    pub query: Vec<(String, String)>,
    /// The parameter whose list of values is too long for one request; its parts stand where parents' keys do.
    pub split: Option<&'static str>,
    /// Records per request.
    pub limit: u32,
    /// Records per request when nothing is asked for.
    pub floor: u32,
    /// The store has refused larger pages than these, of which no document gives a maximum.
    pub too_large: Cell<bool>,
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
        /// Whether the endpoint has pages by number as well, and tells totals.
        numbered: bool,
        /// Whether full pages are read one after the other, rather than ranges several at once.
        chained: bool,
        /// The parameter that takes a list of keys, where records need not come in the order of their keys: what few keys lie
        /// between pages is asked for by it, many at once.
        late: Option<&'static str>,
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
    let conditions = request
        .filter
        .iter()
        .enumerate()
        .map(|(index, c)| Checked::new(object, index, c))
        .collect::<Result<Vec<_>, _>>()?;
    let watch = watch(object, request, settings)?;
    let mut planner = Planner {
        object,
        request,
        settings,
        conditions,
        watch,
        unfold: None,
        split: None,
        placed: std::collections::BTreeSet::new(),
        steps: Vec::new(),
    };
    planner.check_fields()?;
    let access = planner.access()?;
    planner.finish(access)
}

/// What an incremental read begins with, if one is asked for.
fn watch(object: &'static Object, request: &QueryRequest, settings: &Settings) -> Result<Option<Watch>, Error> {
    let Some(since) = &request.since else { return Ok(None) };
    let Some(dates) = object.incremental() else {
        let message = format!(
            "`{}` cannot be read incrementally: its records hold no date of their last change; read all of them instead",
            object.name
        );
        return Err(Error::unsupported(message).at("/since"));
    };
    Watch::new(object, dates, cursor::state_digest(request, settings), since).map(Some)
}
