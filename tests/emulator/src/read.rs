//! Lists, single records, singletons and counts.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::answer::{Answer, Outcome, Refusal};
use crate::carts;
use crate::config::{Empty, Switches};
use crate::data::schema;
use crate::facts::{Kind, Resource, Verb, find, resources};
use crate::filter::{Filter, Op, order_of};
use crate::include;
use crate::json;
use crate::paging::{self, Cut, Plan, Start};
use crate::store::{Key, Row, State, Table};
use crate::tables::tables;
use crate::world::{Call, Target, World};

/// Answers GET requests.
pub(crate) fn answer(world: &World, call: &Call<'_>) -> Outcome {
    let resource = call.resource();
    match (resource.kind, call.route.operation.verb) {
        (Kind::Count, _) => count(world, call),
        (_, Verb::List) => list(world, call),
        (Kind::Singleton | Kind::KeyedSingleton, _) => single(world, call),
        _ => get(world, call),
    }
}

/// The order of a list.
#[derive(Clone, Debug, Default)]
struct Sort {
    /// Field; `None` for the key.
    field: Option<String>,
    descending: bool,
}

impl Sort {
    fn of(call: &Call<'_>, key_fields: &[String]) -> Result<Self, Refusal> {
        let param = call.resource().query.iter().find(|p| p.name == "sort" && p.role == "sort");
        let takes_direction = call.resource().query.iter().any(|p| p.name == "direction");
        let mut sort = Self::default();
        if let (Some(param), Some(value)) = (param, call.param("sort")) {
            let (field, direction) = value.split_once(':').unwrap_or((value, ""));
            let known = param.values.iter().any(|v| v.as_str().is_some_and(|v| v == value || v == field));
            if !known && !param.values.is_empty() {
                return Err(Refusal::invalid("sort", format!("{value} is no field to sort by.")));
            }
            sort.descending = direction == "desc";
            sort.field = (key_fields != [field]).then(|| field.to_owned());
        }
        match call.param("direction").filter(|_| takes_direction) {
            Some("desc") => sort.descending = true,
            Some("asc") | None => {}
            Some(other) => return Err(Refusal::invalid("direction", format!("{other} is no direction."))),
        }
        Ok(sort)
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let by_key = || (&a.key, &a.parents).cmp(&(&b.key, &b.parents));
        match &self.field {
            None => by_key(),
            Some(field) => order_of(field, a.record.get(field), b.record.get(field)).then_with(by_key),
        }
    }

    /// What a cursor behind this row holds.
    fn cursor(&self, row: &Row, plain: bool) -> String {
        if plain {
            return json::plain(&row.key.to_json()).into_owned();
        }
        let value = self.field.as_ref().and_then(|f| row.record.get(f)).unwrap_or("null");
        let parents = Key::Many(row.parents.clone()).to_json();
        paging::seal(&format!("[{value},{},{parents}]", row.key.to_json()))
    }

    /// Order of a row relative to the place that a cursor names.
    fn against(&self, row: &Row, place: &(String, Key, Vec<Key>)) -> Ordering {
        let (value, key, parents) = place;
        let by_key = || (&row.key, &row.parents).cmp(&(key, parents));
        let order = match &self.field {
            None => by_key(),
            Some(field) => order_of(field, row.record.get(field), Some(value)).then_with(by_key),
        };
        if self.descending { order.reverse() } else { order }
    }
}

/// Reads a cursor back.
fn open_cursor(text: &str, plain: bool) -> Option<(String, Key, Vec<Key>)> {
    if plain {
        // Behind every row of this key, whoever its parents are.
        return Some(("null".to_owned(), Key::from_plain(text), vec![Key::Many(Vec::new())]));
    }
    let inner = paging::unseal(text)?;
    let parts = json::elements(&inner).ok()?;
    let key = |text: &str| match json::elements(text) {
        Ok(parts) => Some(Key::Many(parts.iter().filter_map(|p| Key::from_json(p)).collect())),
        Err(_) => Key::from_json(text),
    };
    let [value, own, above] = parts.as_slice() else { return None };
    let Key::Many(parents) = key(above)? else { return None };
    Some(((*value).to_owned(), key(own)?, parents))
}

/// The rows of a list before it is cut into pages.
enum Rows<'a> {
    /// A part of the table, in the order of the keys.
    Run(&'a [Arc<Row>]),
    /// All rows of the table, in another order.
    Order(&'a [Arc<Row>], Arc<[u32]>),
    /// Rows picked one by one.
    Picked(Vec<Arc<Row>>),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Run(rows) => rows.len(),
            Self::Order(_, order) => order.len(),
            Self::Picked(rows) => rows.len(),
        }
    }

    fn get(&self, at: usize, descending: bool) -> Option<&Arc<Row>> {
        let at = if descending { self.len().checked_sub(at + 1)? } else { at };
        match self {
            Self::Run(rows) => rows.get(at),
            Self::Order(rows, order) => order.get(at).and_then(|i| rows.get(*i as usize)),
            Self::Picked(rows) => rows.get(at),
        }
    }

    /// The first position whose row comes behind the cursor's place (or at it, if `inclusive`).
    fn behind(&self, sort: &Sort, place: &(String, Key, Vec<Key>), inclusive: bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let order = self.get(middle, sort.descending).map_or(Ordering::Greater, |row| sort.against(row, place));
            let before = if inclusive { order.is_lt() } else { order.is_le() };
            if before { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Conditions of the request; required ones must be there.
pub(crate) fn filters(call: &Call<'_>, switches: &Switches) -> Result<Vec<Filter>, Refusal> {
    let resource = call.resource();
    for param in resource.query.iter().filter(|p| p.required && p.role == "filter") {
        if call.param(&param.name).is_none() {
            return Err(Refusal::invalid(&param.name, format!("{} is required.", param.name)));
        }
    }
    conditions(resource, call, switches)
}

/// What a request's parameters make of the filters of this resource, and whatever its lists leave out by themselves.
fn conditions(resource: &Resource, call: &Call<'_>, switches: &Switches) -> Result<Vec<Filter>, Refusal> {
    let mut filters = Vec::new();
    for (name, value) in call.query.iter().filter(|(_, v)| !v.is_empty()) {
        if let Some(filter) = Filter::of(resource, name, value) {
            filters.push(filter?.with_like(switches.like));
        }
    }
    if resource.key == "v2:/orders" && !switches.list_archived_orders {
        filters.push(Filter::parse(resource, "is_deleted", "not", "is_deleted", "true", false)?);
    }
    Ok(filters)
}

/// Rows that pass the conditions, in the order asked for.
fn select<'a>(table: &'a Table, target: &Target, mut filters: Vec<Filter>, sort: &Sort) -> Rows<'a> {
    let key_fields = &target.spec.key_fields;
    let sorted = |mut rows: Vec<Arc<Row>>, already: bool| {
        if !already || sort.field.is_some() {
            rows.sort_by(|a, b| sort.compare(a, b));
        }
        Rows::Picked(rows)
    };
    let pass = |filters: &[Filter], row: &Row| filters.iter().all(|f| f.passes(&row.record));
    if target.access.nested && !target.parents.is_empty() {
        let mut rows = table.below(&target.parents);
        rows.retain(|row| pass(&filters, row));
        return sorted(rows, true);
    }
    if let Some(keys) = filters.iter().find_map(|f| f.keys(key_fields)) {
        let rows: Vec<_> = keys.iter().filter_map(|k| table.get_anywhere(k).cloned()).collect();
        return sorted(rows.into_iter().filter(|row| pass(&filters, row)).collect(), true);
    }
    let index = target.spec.index_field;
    if let Some(named) = filters.iter().find(|f| index == Some(f.field.as_str()) && matches!(f.op, Op::Eq | Op::In)) {
        let parents: BTreeSet<Key> = named.values.iter().map(|v| Key::from_plain(v)).collect();
        let rows = parents.iter().flat_map(|p| table.naming(p)).filter(|row| pass(&filters, row)).collect();
        return sorted(rows, false);
    }
    let (mut from, mut to): (Option<Key>, Option<Key>) = (None, None);
    filters.retain(|filter| match filter.key_range(key_fields) {
        Some((low, high)) => {
            from = from.take().max(low);
            to = match (to.take(), high) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            false
        }
        None => true,
    });
    let run = table.rows().get(table.range(from.as_ref(), to.as_ref())).unwrap_or_default();
    match &sort.field {
        _ if !filters.is_empty() => sorted(run.iter().filter(|row| pass(&filters, row)).cloned().collect(), true),
        None => Rows::Run(run),
        Some(field) if run.len() == table.rows().len() => {
            let order = table.order_by(field, |rows| {
                let mut order: Vec<u32> = (0..rows.len() as u32).collect();
                let row = |i: &u32| rows.get(*i as usize);
                order.sort_by(|a, b| match (row(a), row(b)) {
                    (Some(a), Some(b)) => sort.compare(a, b),
                    _ => Ordering::Equal,
                });
                order
            });
            Rows::Order(run, order)
        }
        Some(_) => sorted(run.to_vec(), false),
    }
}

fn list(world: &World, call: &Call<'_>) -> Outcome {
    let switches = world.switches();
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let filters = filters(call, &switches)?;
    let sort = Sort::of(call, &target.spec.key_fields)?;
    let plan = paging::plan(call, &switches)?;
    let shape = Shape::of(call);
    let (cut, page, included) = {
        let state = world.read();
        if !target.parents_exist(&state) {
            return Err(Refusal::not_found());
        }
        let mut rows = select(state.table(target.access.table), &target, filters, &sort);
        if let (Some(first), Rows::Picked(picked)) = (target.own.first(), &mut rows) {
            // A path that names a part of the key lists what has it.
            picked.retain(|row| matches!(&row.key, Key::Many(parts) if parts.first() == Some(first)));
        }
        let (cut, page) = cut_page(&rows, &plan, &sort)?;
        let page: Vec<Arc<Row>> = page.into_iter().cloned().collect();
        // What is included lies in other tables, so it is picked under the same lock.
        let texts = |row: &Arc<Row>| shape.text(Some(&state), call, row, world);
        let included: Option<Vec<Bytes>> = (!shape.include.is_empty()).then(|| page.iter().map(texts).collect());
        (cut, page, included)
    };
    let texts = included.unwrap_or_else(|| page.iter().map(|row| shape.text(None, call, row, world)).collect());
    Ok(assemble(call, &switches, &plan, &cut, &texts))
}

fn cut_page<'a>(rows: &'a Rows<'_>, plan: &Plan, sort: &Sort) -> Result<(Cut, Vec<&'a Arc<Row>>), Refusal> {
    let total = rows.len();
    let place = |cursor: &str| {
        let wrong = || Refusal::invalid("after", "The cursor is not valid.");
        open_cursor(cursor, plan.plain_cursor).ok_or_else(wrong)
    };
    let (first, end) = match &plan.start {
        Start::All => (0, total),
        Start::Page(page) => {
            let first = (page - 1).saturating_mul(plan.limit).min(total);
            (first, first.saturating_add(plan.limit).min(total))
        }
        Start::After(cursor) => {
            let first = rows.behind(sort, &place(cursor)?, false);
            (first, first.saturating_add(plan.limit).min(total))
        }
        Start::Before(cursor) => {
            let end = rows.behind(sort, &place(cursor)?, true);
            (end.saturating_sub(plan.limit), end)
        }
    };
    let page: Vec<_> = (first..end).filter_map(|at| rows.get(at, sort.descending)).collect();
    let ends = match (page.first(), page.last()) {
        (Some(a), Some(b)) => Some((sort.cursor(a, plan.plain_cursor), sort.cursor(b, plan.plain_cursor))),
        _ => None,
    };
    Ok((Cut { total, first, count: page.len(), ends }, page))
}

fn assemble(call: &Call<'_>, switches: &Switches, plan: &Plan, cut: &Cut, texts: &[Bytes]) -> Answer {
    let (status, envelope, _) = call.route.operation.plain_success();
    let v2 = call.resource().is_v2();
    if texts.is_empty() {
        let past_end = matches!(plan.start, Start::Page(n) if n > 1);
        let empty = match (v2, past_end) {
            (true, _) => switches.v2_past_end,
            (false, true) => switches.v3_past_end,
            (false, false) => Empty::List,
        };
        let declared = switches.empty_lists_no_content && call.route.operation.success.contains_key("204");
        match empty {
            Empty::NoContent => return Answer::empty(204),
            Empty::NotFound => return Refusal::not_found().answer(&call.route.operation.path),
            Empty::List if declared => return Answer::empty(204),
            Empty::List => {}
        }
    }
    let size: usize = texts.iter().map(|t| t.len() + 1).sum();
    let mut body = BytesMut::with_capacity(size + 1024);
    let enveloped = envelope.starts_with("data");
    body.extend_from_slice(if enveloped { b"{\"data\":[" } else { b"[" });
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(text);
    }
    body.extend_from_slice(b"]");
    if envelope == "data_meta" {
        body.extend_from_slice(b",\"meta\":");
        body.extend_from_slice(paging::meta(call, plan, cut, switches).as_bytes());
    }
    if enveloped {
        body.extend_from_slice(b"}");
    }
    Answer::json(status, body.freeze())
}

/// What of a record is answered.
struct Shape<'a> {
    only: Option<Vec<&'a str>>,
    without: Vec<&'a str>,
    include: Vec<&'a str>,
}

impl<'a> Shape<'a> {
    fn of(call: &'a Call<'_>) -> Self {
        let names = |param: &str| call.param(param).map(|v| v.split(',').map(str::trim).collect::<Vec<_>>());
        let operation = call.route.operation;
        let takes = |param: &str| {
            call.resource().query.iter().any(|p| p.name == param) || operation.query.iter().any(|q| q == param)
        };
        Self {
            only: names("include_fields").filter(|_| takes("include_fields")),
            without: names("exclude_fields").filter(|_| takes("exclude_fields")).unwrap_or_default(),
            include: names("include").filter(|_| takes("include")).unwrap_or_default(),
        }
    }

    fn text(&self, state: Option<&State>, call: &Call<'_>, row: &Row, world: &World) -> Bytes {
        if self.only.is_none() && self.without.is_empty() && self.include.is_empty() {
            return row.record.text().clone();
        }
        let mut object = row.record.object();
        if let Some(only) = &self.only {
            let keys = &call.resource().key_fields;
            object.retain(|name| only.contains(&name) || keys.iter().any(|k| k == name));
        }
        object.retain(|name| !self.without.contains(&name));
        if let Some(state) = state {
            for name in &self.include {
                include::add(state, call, row, name, &mut object, world);
            }
        }
        Bytes::from(object.to_text())
    }
}

/// A record as the answer to a request about it.
pub(crate) fn shaped(state: &State, call: &Call<'_>, row: &Row, world: &World) -> Bytes {
    Shape::of(call).text(Some(state), call, row, world)
}

fn get(world: &World, call: &Call<'_>) -> Outcome {
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let state = world.read();
    let row = find_row(&state, &target).ok_or_else(Refusal::not_found)?;
    let text = shaped(&state, call, row, world);
    drop(state);
    let (status, envelope, _) = call.route.operation.plain_success();
    Ok(Answer::enveloped(status, envelope, &String::from_utf8_lossy(&text), "{}"))
}

/// The row that a path names.
pub(crate) fn find_row<'a>(state: &'a State, target: &Target) -> Option<&'a Arc<Row>> {
    if !target.parents_exist(state) {
        return None;
    }
    let table = state.table(target.access.table);
    let key = target.key()?;
    if target.access.nested || target.spec.parent_fields.is_empty() {
        table.get(&target.parents, &key)
    } else {
        table.get_anywhere(&key)
    }
}

/// The key under which a singleton's row stands: the context that the query names, if it takes one.
pub(crate) fn single_key(call: &Call<'_>, target: &Target) -> Key {
    let context = call.resource().query.iter().filter(|p| p.role == "filter").find_map(|p| call.param(&p.name));
    target.key().unwrap_or_else(|| Key::from_plain(context.unwrap_or("")))
}

/// A singleton's record: the stored one, or one made from the model where the parent exists.
pub(crate) fn single_text(world: &World, state: &State, call: &Call<'_>, target: &Target) -> Option<Bytes> {
    if !target.parents_exist(state) {
        return None;
    }
    let table = state.table(target.access.table);
    let key = single_key(call, target);
    if call.resource().key == "v3:/checkouts" {
        let own = table.get(&target.parents, &key).map(|row| row.record.text().clone());
        let carts = find("v3:/carts").and_then(|i| tables().access(i))?.table;
        state.table(carts).get_anywhere(&key)?;
        let text = own.unwrap_or_else(|| schema::record(call.resource(), &key, &target.parents, world.seed).into());
        return Some(carts::with_version(state, &key, text));
    }
    if let Some(row) = table.get(&target.parents, &key) {
        return (!row.record.text().is_empty()).then(|| row.record.text().clone());
    }
    if state.is_gone(target.access.table, &target.parents, &key) {
        return None;
    }
    let resource = call.resource();
    match resource.kind {
        Kind::KeyedSingleton => {
            let channel = call.route.operation.path.to_lowercase().replace('_', "").contains("{channelid}");
            let parent = match resource.key.as_str() {
                "v3:/checkouts" => "v3:/carts",
                _ if channel => "v3:/channels",
                _ => return None,
            };
            let parent = find(parent).and_then(|i| tables().access(i))?.table;
            state.table(parent).get_anywhere(&key)?;
        }
        _ if target.access.parent_is_key => return None,
        _ => {
            // Another context of a known singleton reads like the store's own.
            if let Some(row) = table.get(&target.parents, &Key::from_plain("")) {
                return Some(row.record.text().clone());
            }
        }
    }
    Some(schema::record(resource, &key, &target.parents, world.seed).into())
}

fn single(world: &World, call: &Call<'_>) -> Outcome {
    let (status, envelope, _) = call.route.operation.plain_success();
    if call.resource().key == "v2:/time" {
        return Ok(Answer::json(status, format!("{{\"time\":{}}}", crate::dates::now())));
    }
    let target = call.target().ok_or_else(Refusal::not_found)?;
    let state = world.read();
    let text = single_text(world, &state, call, &target).ok_or_else(Refusal::not_found)?;
    drop(state);
    Ok(Answer::enveloped(status, envelope, &String::from_utf8_lossy(&text), "{}"))
}

fn count(world: &World, call: &Call<'_>) -> Outcome {
    let path = call.resource().collection_path.trim_end_matches("/count");
    let counted = find(path).filter(|i| resources().get(*i).is_some_and(|r| r.collection_path == path));
    let (resource, access) =
        counted.and_then(|i| Some((resources().get(i)?, tables().access(i)?))).ok_or_else(Refusal::not_found)?;
    let filters = conditions(resource, call, &world.switches())?;
    let spec = tables().spec(access.table).ok_or_else(Refusal::not_found)?;
    let parents: Vec<Key> = call.route.params.iter().map(|p| Key::from_plain(p)).collect();
    let target = Target { access, spec, parents, own: Vec::new() };
    let state = world.read();
    if !target.parents_exist(&state) {
        return Err(Refusal::not_found());
    }
    let count = select(state.table(access.table), &target, filters, &Sort::default()).len();
    Ok(Answer::json(200, format!("{{\"count\":{count}}}")))
}

/// Rows that a DELETE's filters choose.
pub(crate) fn chosen(state: &State, target: &Target, filters: Vec<Filter>) -> Vec<Arc<Row>> {
    let table = state.table(target.access.table);
    match select(table, target, filters, &Sort::default()) {
        Rows::Run(rows) => rows.to_vec(),
        Rows::Order(rows, _) => rows.to_vec(),
        Rows::Picked(rows) => rows,
    }
}

/// Whether a condition names records by their key.
pub(crate) fn names_keys(filters: &[Filter]) -> bool {
    filters.iter().any(|f| matches!(f.op, Op::Eq | Op::In))
}
