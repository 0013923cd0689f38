//! Reads of a collection: which order and fields the endpoint itself takes, and how its pages are counted.

use std::cell::Cell;

use super::condition::filter_for;
use super::planner::Planner;
use super::{Access, List, Pages, Parents, UNDOCUMENTED_DEFAULT};
use crate::error::Error;
use crate::table::{Keyset, Op, Paging, Read};
use crate::url::parameters;

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
            Some((param, parts)) => {
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
            too_large: Cell::new(false),
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
