//! Which conditions a collection's endpoint evaluates: as parameters, within the length that a request may have.
//!
//! What only the store can evaluate comes first; what can also be evaluated here gives way to it. One list of values that is too
//! long is asked for in parts, where no record can be in two of them; a second one is evaluated here.

use std::collections::BTreeSet;

use super::UNDOCUMENTED_LIMIT;
use super::condition::{Checked, filter_for, narrow, parameter, path_has};
use super::planner::{Planner, hull};
use crate::date::Instant;
use crate::error::Error;
use crate::table::{Filter, Keyset, Op, Read, Type};
use crate::url::{self, MOST_QUERY, parameters};

/// Bytes of a query that other conditions leave to a list that is asked for in parts.
const LEAST_PART: usize = MOST_QUERY / 2;

/// The bytes of a query that are left.
struct Room {
    left: usize,
    /// What of it belongs to the list that is asked for in parts.
    reserved: usize,
}

impl Room {
    fn new(query: &[(String, String)]) -> Self {
        let taken: usize = query.iter().map(|(param, value)| bytes(param, value)).sum();
        Self { left: MOST_QUERY.saturating_sub(taken), reserved: 0 }
    }

    fn holds(&self, filter: &Filter, value: &str) -> bool {
        bytes(filter.param, value) <= self.left.saturating_sub(self.reserved)
    }

    fn take(&mut self, filter: &Filter, value: &str) {
        self.left = self.left.saturating_sub(bytes(filter.param, value));
    }
}

/// Length of `&name=value`, encoded.
fn bytes(param: &str, value: &str) -> usize {
    url::encoded_len(param) + url::encoded_len(value) + 2
}

impl Planner<'_> {
    /// Turns conditions into parameters where the endpoint has them; the rest must be evaluable here.
    pub(super) fn push_down(
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
        let mut room = Room::new(query);
        let mut list: Option<(&'static str, Vec<String>)> = None;
        let (needed, others): (Vec<_>, Vec<_>) = self.conditions.iter().partition(|checked| checked.prepared.is_none());
        for checked in needed.into_iter().chain(others) {
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
            let hull = match keyset {
                Some(keyset) if keyset.field == field && pushed.is_none() => {
                    checked.pins().and_then(|keys| hull(keys.iter()))
                }
                _ => None,
            };
            if let Some((least, greatest)) = hull {
                *range = (range.0.max(least), range.1.min(greatest));
                steps.push(format!("reads what is between the least and the greatest `{field}`, and picks here"));
                continue;
            }
            let Some((filter, value)) = pushed else { continue };
            if room.holds(filter, &value) {
                room.take(filter, &value);
                used.insert(filter.param);
                query.push((filter.param.to_owned(), value));
                steps.push(format!("the store evaluates `{field}` ({})", filter.param));
                self.placed.insert(index);
            } else if list.is_none() && self.divisible(read, keyset, checked, filter) {
                used.insert(filter.param);
                let mut values: Vec<String> = value.split(',').map(str::to_owned).collect();
                // In the order of a numeric key, as everything is read.
                values.sort_unstable_by_key(|value| value.parse::<u128>().unwrap_or_default());
                values.dedup();
                steps.push(format!("the store evaluates `{field}` ({}), {} values", filter.param, values.len()));
                self.placed.insert(index);
                room.reserved = LEAST_PART;
                list = Some((filter.param, values));
            } else if checked.prepared.is_none() {
                let message = format!(
                    "the values of the condition on `{field}` do not fit into one request (`{}`), and records may come twice if they are asked for in parts: name fewer, and query several times",
                    filter.param
                );
                return Err(Error::unsupported(message).at(checked.pointer()));
            }
        }
        self.split = list.map(|(param, values)| (param, parts(&values, room.left.max(LEAST_PART))));
        let missing = |filter: &&Filter| filter.required && !used.contains(filter.param);
        if let Some(filter) = read.filters.iter().find(missing) {
            let message = format!("`{}` can only be queried with a condition on `{}`", self.object.name, filter.field);
            return Err(Error::unsupported(message).at("/filter"));
        }
        self.steps.append(&mut steps);
        Ok(())
    }

    /// Whether a condition's list can be asked for in parts: they come one after the other, whatever order is wanted, and a record that
    /// holds several of the values would come twice.
    fn divisible(&self, read: &Read, keyset: Option<&Keyset>, checked: &Checked<'_>, filter: &Filter) -> bool {
        let field = checked.condition.field.as_str();
        filter.op == Op::In
            && parameters(read.path).next().is_none()
            && self.request.order_by.iter().all(|order| order.field == field && keyset.is_some())
            && checked.node.is_some_and(|node| node.ty != Type::Array)
            && checked.pins().is_some_and(|values| values.iter().all(|value| url::encoded_len(value) < LEAST_PART))
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
        steps.push(format!("a record whose `{}` is null comes with a first read only", dates.field));
        // A second more than needed, for stores that take "at least" for "more than".
        let param = Instant::from_unix(from.seconds() - 1).unwrap_or(from).rfc3339();
        Some((filter.param, param))
    }
}

/// Comma lists of at most so many bytes, encoded. Cursors count them, so they are the same for every page size.
fn parts(values: &[String], room: usize) -> Vec<String> {
    let mut parts: Vec<(String, usize, u32)> = Vec::new();
    for value in values {
        let length = url::encoded_len(value);
        match parts.last_mut() {
            Some((part, bytes, count)) if *count < UNDOCUMENTED_LIMIT && *bytes + 1 + length <= room => {
                part.push(',');
                part.push_str(value);
                *bytes += 1 + length;
                *count += 1;
            }
            _ => parts.push((value.clone(), length, 1)),
        }
    }
    parts.into_iter().map(|(part, ..)| part).collect()
}
