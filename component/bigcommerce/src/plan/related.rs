//! Reads of sub-objects: inside of their parents' records, or parent by parent.

use std::rc::Rc;

use super::planner::Planner;
use super::{Access, List, Pages, Parents, Unfold, plan};
use crate::error::Error;
use crate::table::{self, Embedded, Read};
use crate::types::{Condition, QueryRequest};
use crate::url::parameters;

impl Planner<'_> {
    /// Reads sub-objects inside of their parents' records, where those of several parents are wanted.
    pub(super) fn embedded(&mut self, nested: &'static Read) -> Result<Option<Access>, Error> {
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

    pub(super) fn parents(&mut self, read: &'static Read) -> Result<Parents, Error> {
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
}
