//! Reads of a collection: which conditions, order and fields the endpoint itself takes, and how its pages are counted.

use std::collections::BTreeSet;

use super::condition::{filter_for, narrow, parameter, path_has};
use super::planner::{Planner, hull};
use super::{Access, List, Pages, Parents, UNDOCUMENTED_DEFAULT, UNDOCUMENTED_LIMIT};
use crate::date::Instant;
use crate::error::Error;
use crate::table::{Filter, Keyset, Op, Paging, Read, Type};
use crate::url::{MOST_QUERY, parameters};

impl Planner<'_> {
    pub(super) fn list(&mut self, read: &'static Read) -> Result<Access, Error> {
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
    pub(super) fn trimming(&mut self, select: bool, include_with: &[(&str, &str)], query: &mut Vec<(String, String)>) {
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
}

/// Whether a collection that is read by its key has pages by number in the same order, and tells totals.
fn numbered(read: &Read, keyset: &Keyset) -> bool {
    read.paging == Paging::V3Page && read.limited && keyset.ordered
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
