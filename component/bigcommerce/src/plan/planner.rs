//! Chooses endpoint, parameters, order, paging and parents of a query.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::condition::{Checked, filter_for, narrow, parameter, path_has};
use super::{Access, List, Pages, Parents, Plan, UNDOCUMENTED_DEFAULT, UNDOCUMENTED_LIMIT, Unfold, plan};
use crate::cursor;
use crate::date::Instant;
use crate::error::Error;
use crate::incremental::Watch;
use crate::settings::Settings;
use crate::table::{self, Embedded, Filter, Item, Keyset, Object, Op, Paging, Read, Type, included_in};
use crate::types::{Condition, QueryRequest};
use crate::url::{MOST_QUERY, parameters};

/// Most records, or parents, that conditions may name at a time.
const MOST_COMBINATIONS: usize = 100_000;

pub(super) struct Planner<'a> {
    pub(super) object: &'static Object,
    pub(super) request: &'a QueryRequest,
    pub(super) settings: &'a Settings,
    pub(super) conditions: Vec<Checked<'a>>,
    pub(super) watch: Option<Watch>,
    pub(super) unfold: Option<Unfold>,
    /// Conditions that the request itself expresses: a parameter, a path, a range of keys.
    pub(super) placed: BTreeSet<usize>,
    /// A parameter whose values need several requests, and the values.
    pub(super) split: Option<(&'static str, Vec<String>)>,
    pub(super) steps: Vec<String>,
}

impl Planner<'_> {
    pub(super) fn check_fields(&self) -> Result<(), Error> {
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

    /// The values that conditions leave to a field, if they leave a known set: each once, and only what all of them allow.
    fn pinned(&self, field: &str) -> Option<Vec<String>> {
        let mut sets = self.conditions.iter().filter(|c| c.condition.field == field).filter_map(Checked::pins);
        let mut values = Vec::new();
        for value in sets.next()? {
            if !values.contains(value) {
                values.push(value.clone());
            }
        }
        sets.for_each(|set| values.retain(|value| set.contains(value)));
        Some(values)
    }

    /// Every combination of the values that conditions leave to these fields; none if one of the fields is open.
    ///
    /// # Errors
    /// There are too many.
    fn combinations(&self, fields: &[&str]) -> Result<Option<Vec<Vec<String>>>, Error> {
        let mut all = vec![Vec::new()];
        for field in fields {
            let Some(values) = self.pinned(field) else { return Ok(None) };
            if all.len().saturating_mul(values.len()) > MOST_COMBINATIONS {
                let message = format!(
                    "the conditions on the key of `{}` allow more than {MOST_COMBINATIONS} combinations: name fewer values",
                    self.object.name
                );
                return Err(Error::unsupported(message).at("/filter"));
            }
            all = all
                .iter()
                .flat_map(|key: &Vec<String>| values.iter().map(|v| key.iter().chain([v]).cloned().collect()))
                .collect();
        }
        Ok(Some(all))
    }

    /// Chooses the endpoint.
    pub(super) fn access(&mut self) -> Result<Access, Error> {
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
            Some(read) => match self.embedded(read)? {
                Some(access) => Ok(access),
                None => self.list(read),
            },
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
        // An endpoint that needs more than the key (the parent's as well) cannot serve; the collection does.
        let by_key = parameters(item.path).all(|name| self.object.key.contains(&name));
        // What only the collection's parameters can express is asked of the collection, where it can be.
        let beyond = |checked: &Checked<'_>| {
            let field = checked.condition.field.as_str();
            checked.prepared.is_none() && !item.query.iter().any(|param| param.field == field)
        };
        if !by_key || by_list || (!self.object.reads.is_empty() && self.conditions.iter().any(beyond)) {
            return Ok(None);
        }
        let Some(keys) = self.combinations(self.object.key)? else { return Ok(None) };
        if self.dense(&keys) {
            return Ok(None);
        }
        self.check_includes(item.includes)?;
        self.steps.push(format!("reads {} record(s) one by one from {}", keys.len(), item.path));
        let mut query = self.item_query(item)?;
        self.trimming(item.select, item.include_with, &mut query);
        Ok(Some(Access::Items { item, keys, query }))
    }

    /// Whether reading all records between the least and the greatest of these keys takes fewer requests than one for each.
    fn dense(&self, keys: &[Vec<String>]) -> bool {
        let [read, ..] = self.object.reads else { return false };
        if read.keyset.as_ref().is_none_or(|keyset| self.object.key != [keyset.field]) {
            return false;
        }
        let Some((least, greatest)) = hull(keys.iter().flatten()) else { return false };
        let pages = (greatest - least) / u128::from(self.limit(read)) + 2;
        pages < keys.len() as u128
    }

    /// Reads sub-objects inside of their parents' records, where those of several parents are wanted.
    fn embedded(&mut self, nested: &'static Read) -> Result<Option<Access>, Error> {
        let [name] = parameters(nested.path).collect::<Vec<_>>()[..] else { return Ok(None) };
        let one = self.pinned(name).is_some_and(|values| values.len() < 2);
        if one || !self.request.order_by.is_empty() || !self.request.include.is_empty() || nested.single {
            return Ok(None);
        }
        let dates = self.object.incremental().filter(|_| self.watch.is_some());
        let wanted: Vec<&str> = (self.request.fields.iter().map(String::as_str))
            .chain(self.conditions.iter().map(|c| c.condition.field.as_str()))
            .chain(dates.iter().flat_map(|dates| [dates.field].into_iter().chain(dates.created)))
            .collect();
        let serves = |embedded: &&Embedded| {
            embedded.lacks.is_empty()
                || !self.request.fields.is_empty() && wanted.iter().all(|field| !embedded.lacks.contains(field))
        };
        let found = self.object.embedded.iter().find(serves).and_then(|embedded| {
            Some((embedded, self.object.parents.iter().find(|p| p.field == name && p.object == embedded.parent)?))
        });
        let Some((embedded, link)) = found else { return Ok(None) };
        let filter = self.conditions.iter().filter(|c| c.condition.field == name);
        let request = QueryRequest {
            object: embedded.parent.to_owned(),
            filter: filter.map(|c| Condition { field: link.key.to_owned(), ..c.condition.clone() }).collect(),
            include: vec![embedded.include.to_owned()],
            page_size: self.request.page_size,
            ..QueryRequest::default()
        };
        let plan = plan(&request, self.settings)?;
        match plan.access {
            Access::List(list) if matches!(list.parents, Parents::None) || list.split.is_some() => {
                let step = format!("takes the records out of those of `{}`, which include them", embedded.parent);
                self.steps.extend([step].into_iter().chain(plan.steps));
                self.unfold = Some(Unfold { embedded, link, nested });
                Ok(Some(Access::List(list)))
            }
            _ => Ok(None),
        }
    }

    /// Records per request.
    fn limit(&self, read: &Read) -> u32 {
        let wanted = self.request.page_size.unwrap_or(self.settings.page_size).max(1);
        let most = if read.limited { read.max_limit } else { read.default_limit };
        let included = |(include, _): &&(&str, u32)| self.request.include.iter().any(|name| name == include);
        let cut = read.include_limits.iter().filter(included).map(|(_, limit)| *limit).min();
        wanted.min(most.unwrap_or(UNDOCUMENTED_LIMIT).max(1)).min(cut.unwrap_or(u32::MAX))
    }

    /// The query parameters of a single record's endpoint that conditions fill.
    fn item_query(&mut self, item: &'static Item) -> Result<Vec<(String, String)>, Error> {
        let mut query = Vec::new();
        for param in item.query {
            match self.pinned(param.field).as_deref() {
                Some([value]) => {
                    query.push((param.param.to_owned(), value.clone()));
                    let of_field = self.conditions.iter().filter(|c| c.condition.field == param.field);
                    self.placed.extend(of_field.map(Checked::index));
                }
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
        let mut limit = self.limit(read);
        let delivers_all = self.conditions.is_empty() && self.watch.is_none();
        if let Some(records) = self.request.max_records.filter(|_| delivers_all) {
            limit = limit.min(u32::try_from(records.max(1)).unwrap_or(limit));
        }
        let paging = match (keyset, read.paging) {
            _ if read.single => Pages::Once,
            (Some(keyset), _) => {
                let numbered = numbered(read, keyset);
                // Records with all that they include are large: full pages then, rather than several nearly full ones at once.
                let chained = !numbered && !self.request.include.is_empty();
                let late = self.late(read, keyset);
                self.steps
                    .extend(late.map(|param| format!("asks for the few keys between pages together (`{param}`)")));
                Pages::Keyset { keyset, from: range.0, to: range.1, numbered, chained, late }
            }
            (None, Paging::None | Paging::Undeclared) => Pages::Once,
            (None, Paging::V3Cursor) => Pages::Cursor,
            (None, Paging::V3After) => Pages::After(self.object.key.last().copied().unwrap_or("id")),
            (None, Paging::V3Page | Paging::V2Page) => Pages::Numbers,
        };
        let floor = read.default_limit.unwrap_or(UNDOCUMENTED_DEFAULT);
        let (split, parents) = match self.split.take() {
            Some((param, values)) => {
                let parts = parts(&values);
                self.steps.push(format!("in {} parts, several at once", parts.len()));
                (Some(param), Parents::Given(parts.into_iter().map(|part| vec![part]).collect()))
            }
            None => (None, parents),
        };
        Ok(Access::List(List {
            read,
            query,
            split,
            limit,
            floor,
            short_page_ends: read.max_limit.is_some(),
            paging,
            parents,
        }))
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
            let pages = if numbered(read, keyset) { "numbered pages, joined by" } else { "ranges of" };
            self.steps.push(format!("goes through {pages} `{}`, several at once", keyset.field));
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

    /// The parameter by which few keys are asked for at the end, if nothing depends on the order in which records come.
    fn late(&self, read: &'static Read, keyset: &Keyset) -> Option<&'static str> {
        let free = self.request.order_by.is_empty() && self.watch.is_none() && self.split.is_none();
        let taken = self.conditions.iter().any(|checked| checked.condition.field == keyset.field);
        let filter = filter_for(read, keyset.field, &[Op::In])?;
        (free && !taken && numbered(read, keyset)).then_some(filter.param)
    }

    /// Turns conditions into parameters where the endpoint has them; the rest must be evaluable here.
    fn push_down(
        &mut self,
        read: &'static Read,
        keyset: Option<&'static Keyset>,
        range: &mut (u128, u128),
        query: &mut Vec<(String, String)>,
    ) -> Result<(), Error> {
        // The parameters of the key ranges are taken, whatever else a condition on the key asks for.
        let mut used: BTreeSet<&str> = keyset.iter().flat_map(|keyset| [keyset.from, keyset.to]).collect();
        let mut steps = Vec::new();
        if let Some((param, value)) = self.since(read, &mut steps) {
            used.insert(param);
            query.push((param.to_owned(), value));
        }
        for checked in &self.conditions {
            let field = checked.condition.field.as_str();
            let index = checked.index();
            if keyset.is_some_and(|keyset| keyset.field == field) && narrow(range, checked) {
                steps.push(format!("the store evaluates the bounds of `{field}`"));
                self.placed.insert(index);
                continue;
            }
            if path_has(read, field) {
                continue;
            }
            let pushed = parameter(self.object, read, checked).filter(|(filter, _)| !used.contains(filter.param));
            // Part by part, records come in the order of the parts; and one that holds several of the values would come twice.
            let divisible = |filter: &Filter| {
                filter.op == Op::In
                    && self.split.is_none()
                    && parameters(read.path).next().is_none()
                    && self.request.order_by.iter().all(|order| order.field == field && keyset.is_some())
                    && checked.node.is_some_and(|node| node.ty != Type::Array)
            };
            let long = |value: &str| value.len() > MOST_QUERY;
            let hull = || match keyset {
                Some(keyset) if keyset.field == field && pushed.is_none() => hull(checked.pins()?.iter()),
                _ => None,
            };
            if let Some((least, greatest)) = hull() {
                *range = (range.0.max(least), range.1.min(greatest));
                steps.push(format!("reads what is between the least and the greatest `{field}`, and picks here"));
            } else if let Some((filter, value)) =
                pushed.as_ref().filter(|(filter, value)| long(value) && divisible(filter))
            {
                used.insert(filter.param);
                let mut values: Vec<String> = value.split(',').map(str::to_owned).collect();
                // In the order of a numeric key, as everything is read.
                values.sort_unstable_by_key(|value| value.parse::<u128>().unwrap_or_default());
                values.dedup();
                steps.push(format!("the store evaluates `{field}` ({}), {} values", filter.param, values.len()));
                self.placed.insert(index);
                self.split = Some((filter.param, values));
            } else if let Some((filter, _)) =
                pushed.as_ref().filter(|(_, value)| long(value) && checked.prepared.is_none())
            {
                let message = format!(
                    "the values of the condition on `{field}` do not fit into one request (`{}`), and records may come twice if they are asked for in parts: name fewer, and query several times",
                    filter.param
                );
                return Err(Error::unsupported(message).at(checked.pointer()));
            } else if let Some((filter, value)) = pushed.filter(|(_, value)| !long(value)) {
                used.insert(filter.param);
                query.push((filter.param.to_owned(), value));
                steps.push(format!("the store evaluates `{field}` ({})", filter.param));
                self.placed.insert(index);
            }
        }
        let missing = |filter: &&Filter| filter.required && !used.contains(filter.param);
        if let Some(filter) = read.filters.iter().find(missing) {
            let message = format!("`{}` can only be queried with a condition on `{}`", self.object.name, filter.field);
            return Err(Error::unsupported(message).at("/filter"));
        }
        self.steps.append(&mut steps);
        Ok(())
    }

    /// The parameter for what an incremental read skips, if the endpoint has one.
    fn since(&self, read: &'static Read, steps: &mut Vec<String>) -> Option<(&'static str, String)> {
        let (watch, dates) = (self.watch.as_ref()?, self.object.incremental()?);
        let Some(from) = watch.horizon().and_then(Instant::from_unix) else {
            steps.push("delivers everything, and a state from which the next read goes on".into());
            return None;
        };
        let since = format!("modified at {} or later (`{}`)", from.rfc3339(), dates.field);
        let Some(filter) = filter_for(read, dates.field, &[Op::Min, Op::Greater]) else {
            steps.push(format!("every record is read, and only what was {since} is delivered"));
            return None;
        };
        steps.push(format!("the store gives what was {since}, and what was delivered before is dropped here"));
        // A second more than needed, for stores that take "at least" for "more than".
        let param = Instant::from_unix(from.seconds() - 1).unwrap_or(from).rfc3339();
        Some((filter.param, param))
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
        if let Some(dates) = self.object.incremental().filter(|_| self.watch.is_some()) {
            fields.push(dates.field);
            fields.extend(dates.created);
        }
        // A record's own key comes back whether asked for or not, and some endpoints refuse to be asked for it.
        fields.retain(|field| self.object.key.last() != Some(field));
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
        if let Some(given) = self.combinations(&names)? {
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
            let open = names.iter().filter(|name| self.pinned(name).is_none());
            let open = open.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
            let message = format!("`{}` can only be queried with a condition on {open}", self.object.name);
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
        let mut plan = plan(&request, self.settings)?;
        // A parent's own key says where the walk stands.
        if let Access::List(List { paging: Pages::Keyset { late, .. }, .. }) = &mut plan.access {
            *late = None;
        }
        self.steps.push(format!("of every record of `{}`, several parents at once", object.name));
        self.steps.extend(plan.steps.iter().map(|step| format!("  {}: {step}", object.name)));
        Ok(Parents::Walk(Rc::new(plan), fields))
    }

    pub(super) fn finish(self, access: Access) -> Result<Plan, Error> {
        let object = self.object;
        let by_key = matches!(&access, Access::List(List { paging: Pages::Keyset { .. }, .. }));
        if self.watch.is_some() && !self.request.order_by.is_empty() && !by_key {
            let message =
                "an incremental read takes no order: pages that are ordered by what changes would miss records";
            return Err(Error::unsupported(message).at("/order-by/0"));
        }
        // Every condition is evaluated here as well where records hold its field: the remote's idea of equality may be wider.
        // Only what the path itself says needs no second look.
        let in_path = |c: &Checked<'_>| {
            c.pins().is_some()
                && match &access {
                    Access::List(list) => path_has(list.read, &c.condition.field),
                    Access::Items { .. } => object.key.contains(&c.condition.field.as_str()),
                }
        };
        let mut local = Vec::new();
        let mut here = Vec::new();
        for checked in self.conditions.into_iter().filter(|c| !in_path(c)) {
            let field = &checked.condition.field;
            let placed = self.placed.contains(&checked.index());
            match checked.prepared {
                Some(prepared) => {
                    if !placed {
                        here.push(format!("`{field}` is evaluated here, on each page"));
                    }
                    local.push((field.clone(), prepared));
                }
                None if placed => {}
                None => {
                    let message = format!(
                        "no condition of this kind on `{field}` is possible: neither can the store evaluate it for `{}`, nor can it be evaluated on the records",
                        object.name
                    );
                    return Err(Error::unsupported(message).at(checked.pointer()));
                }
            }
        }
        let (stable, note) = match &access {
            Access::Items { .. } => (true, None),
            Access::List(list) => {
                // Pages behind a cursor follow the order that was asked for, in which a record moves when it is changed.
                let moves = !self.request.order_by.is_empty() && matches!(list.paging, Pages::Cursor | Pages::After(_));
                let own = !matches!(list.paging, Pages::Numbers) && !moves && list.read.is_stable();
                // A walk is resumed at a parent's own key, or at a count of parents, which does not hold while parents change.
                let parents = !matches!(&list.parents, Parents::Walk(walk, _) if !walk.by_key_or_once());
                let note = (!own || !parents)
                    .then_some("pages that others' writes can shift: meanwhile a record may be missed or doubled");
                (own && parents, note)
            }
        };
        let mut steps = self.steps;
        steps.extend(here);
        steps.extend(note.map(str::to_owned));
        Ok(Plan {
            object,
            access,
            local,
            unfold: self.unfold,
            watch: self.watch,
            keep: (!self.request.fields.is_empty()).then(|| {
                let included = self.request.include.iter().map(|include| included_in(include).to_owned());
                let top = |field: &String| field.split('.').next().unwrap_or(field).to_owned();
                self.request.fields.iter().map(top).chain(included).collect()
            }),
            max_records: self.request.max_records,
            digest: cursor::digest(self.request, self.settings),
            steps,
            stable,
        })
    }
}

/// Whether a collection that is read by its key has pages by number in the same order, and tells totals.
fn numbered(read: &Read, keyset: &Keyset) -> bool {
    read.paging == Paging::V3Page && read.limited && keyset.ordered
}

/// The least and the greatest of these keys; none if there are none, or one is no whole number.
fn hull<'a>(keys: impl Iterator<Item = &'a String>) -> Option<(u128, u128)> {
    let mut hull: Option<(u128, u128)> = None;
    for key in keys {
        let key = key.parse().ok()?;
        hull = Some(hull.map_or((key, key), |(least, greatest)| (least.min(key), greatest.max(key))));
    }
    hull
}

/// Comma lists that fit into a request each. Cursors count them, so they are the same for every page size.
fn parts(values: &[String]) -> Vec<String> {
    let mut parts: Vec<(String, u32)> = Vec::new();
    for value in values {
        match parts.last_mut() {
            Some((part, count)) if *count < UNDOCUMENTED_LIMIT && part.len() + 1 + value.len() <= MOST_QUERY => {
                part.push(',');
                part.push_str(value);
                *count += 1;
            }
            _ => parts.push((value.clone(), 1)),
        }
    }
    parts.into_iter().map(|(part, _)| part).collect()
}
