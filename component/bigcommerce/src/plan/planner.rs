//! Chooses endpoint, parameters, order, paging and parents of a query.

use std::collections::BTreeSet;

use super::condition::{Checked, filter_for, path_has};
use super::{Access, List, Pages, Parents, Plan, UNDOCUMENTED_LIMIT, Unfold};
use crate::cursor;
use crate::error::Error;
use crate::incremental::Watch;
use crate::settings::Settings;
use crate::table::{Item, Object, Op, Read, included_in};
use crate::types::QueryRequest;
use crate::url::parameters;

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
    /// A parameter whose values need several requests, and the values of each.
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

    pub(super) fn check_includes(&self, offered: &[&str]) -> Result<(), Error> {
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
    pub(super) fn pinned(&self, field: &str) -> Option<Vec<String>> {
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
    pub(super) fn combinations(&self, fields: &[&str]) -> Result<Option<Vec<Vec<String>>>, Error> {
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

    /// Records per request.
    pub(super) fn limit(&self, read: &Read) -> u32 {
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

/// The least and the greatest of these keys; none if there are none, or one is no whole number.
pub(super) fn hull<'a>(keys: impl Iterator<Item = &'a String>) -> Option<(u128, u128)> {
    let mut hull: Option<(u128, u128)> = None;
    for key in keys {
        let key = key.parse().ok()?;
        hull = Some(hull.map_or((key, key), |(least, greatest)| (least.min(key), greatest.max(key))));
    }
    hull
}
