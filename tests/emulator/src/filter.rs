//! Conditions of a list request: both styles of query parameters, applied to records.
//!
//! Only parameters that the facts document for the operation act; the others are ignored by the API and recorded as
//! violations here. Numbers compare as decimals, dates as moments.

use std::cmp::Ordering;

use crate::answer::Refusal;
use crate::config::Like;
use crate::dates;
use crate::facts::Resource;
use crate::json::{self, Record, Scalar, compare_numbers};
use crate::store::Key;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Eq,
    Not,
    In,
    NotIn,
    Min,
    Max,
    Greater,
    Less,
    Like,
}

/// One condition.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) field: String,
    pub(crate) op: Op,
    pub(crate) values: Vec<String>,
    /// Compare texts without regard to case (fields with fixed values, `:like`).
    loose: bool,
    /// What `:like` means.
    like: Like,
    source: Source,
}

/// Where the compared value comes from.
#[derive(Clone, Debug)]
enum Source {
    /// Fields of the record, the first that exists.
    Fields(&'static [&'static str]),
    /// The record's field of the filter's name.
    Own,
    /// Several fields with a blank between.
    Joined(&'static [&'static str]),
    /// Any of several fields holds the text.
    Anywhere(&'static [&'static str]),
    /// Stock at or below the warning level; stock at or below zero.
    LowStock,
    OutOfStock,
    /// The records say nothing of it: every record passes.
    Unknown,
}

/// Filters whose field is not the record's field of that name. `*` stands for any resource.
const ELSEWHERE: &[(&str, &str, Source)] = &[
    ("v3:/catalog/products", "inventory_low", Source::LowStock),
    ("v3:/catalog/products", "out_of_stock", Source::OutOfStock),
    ("v3:/customers", "name", Source::Joined(&["first_name", "last_name"])),
    ("v3:/customers/addresses", "name", Source::Joined(&["first_name", "last_name"])),
    ("v2:/orders", "total", Source::Fields(&["total_inc_tax"])),
    ("v2:/orders", "email", Source::Fields(&["billing_address.email"])),
    ("v3:/inventory/items", "sku", Source::Fields(&["identity.sku"])),
    ("v3:/inventory/items", "variant_id", Source::Fields(&["identity.variant_id"])),
    ("v3:/inventory/items", "product_id", Source::Fields(&["identity.product_id"])),
    ("v3:/inventory/items", "location_id", Source::Fields(&["locations[].location_id"])),
    ("v3:/inventory/items", "location_code", Source::Fields(&["locations[].location_code"])),
    ("v3:/inventory/locations/{location_id}/items", "sku", Source::Fields(&["identity.sku"])),
    ("v3:/inventory/locations/{location_id}/items", "variant_id", Source::Fields(&["identity.variant_id"])),
    ("v3:/inventory/locations/{location_id}/items", "product_id", Source::Fields(&["identity.product_id"])),
    ("v3:/inventory/locations", "location_id", Source::Fields(&["id"])),
    ("v3:/inventory/locations", "location_code", Source::Fields(&["code"])),
    ("v3:/inventory/locations", "is_active", Source::Fields(&["enabled"])),
    ("v3:/orders/pickups", "pickup_id", Source::Fields(&["id"])),
    ("v3:/customers/form-field-values", "field_name", Source::Fields(&["name"])),
    ("v3:/content/widgets", "widget_template_uuid", Source::Fields(&["widget_template.uuid"])),
    ("v3:/content/widgets", "widget_template_kind", Source::Fields(&["widget_template.kind"])),
    ("v3:/infrastructure/projects", "project_uuid", Source::Fields(&["uuid"])),
    ("v3:/storefront/custom-template-associations", "type", Source::Fields(&["entity_type"])),
    ("v3:/content/placements", "widget_uuid", Source::Fields(&["widget.uuid"])),
    ("v3:/content/widget-templates", "widget_template_kind", Source::Fields(&["kind"])),
    ("v2:/blog/posts", "tag", Source::Fields(&["tags"])),
    ("v3:/promotions", "query", Source::Anywhere(&["name"])),
    ("v3:/storefront/redirects", "keyword", Source::Anywhere(&["from_path"])),
    ("*", "keyword", Source::Anywhere(&["name", "sku", "description", "page_title"])),
];

impl Filter {
    /// The condition that a query parameter makes, if the resource documents it as one.
    pub(crate) fn of(resource: &Resource, name: &str, value: &str) -> Option<Result<Self, Refusal>> {
        let param = resource.query.iter().find(|p| p.name == name && p.role == "filter")?;
        Some(Self::parse(resource, &param.field, &param.operator, name, value, !param.values.is_empty()))
    }

    /// A condition from the parts of a parameter's name.
    pub(crate) fn parse(
        resource: &Resource,
        field: &str,
        operator: &str,
        name: &str,
        value: &str,
        fixed_values: bool,
    ) -> Result<Self, Refusal> {
        let op = match operator {
            "not" => Op::Not,
            "in" => Op::In,
            "not_in" => Op::NotIn,
            "min" => Op::Min,
            "max" => Op::Max,
            "greater" => Op::Greater,
            "less" => Op::Less,
            "like" => Op::Like,
            _ => Op::Eq,
        };
        let model = resource.schemas.read.field(field);
        let source = if model.is_some() {
            Source::Own
        } else {
            let found = ELSEWHERE.iter().find(|(key, f, _)| (*key == resource.key || *key == "*") && *f == field);
            found.map_or(Source::Unknown, |(_, _, source)| source.clone())
        };
        let list = matches!(op, Op::In | Op::NotIn) || (op == Op::Eq && model.is_some_and(|m| m.kind == "array"));
        let values: Vec<String> = if list {
            value.split(',').map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()).collect()
        } else {
            vec![value.to_owned()]
        };
        let number = model.is_some_and(|m| matches!(m.kind.as_str(), "integer" | "number"));
        if number && op != Op::Like {
            let wrong = values.iter().find(|v| compare_numbers(v, "0").is_none());
            if wrong.is_some() {
                return Err(Refusal::invalid(name, format!("The filter {name} takes numbers only.")));
            }
        }
        let fixed = fixed_values || model.is_some_and(|m| !m.values.is_empty());
        Ok(Self { field: field.to_owned(), op, values, loose: fixed || op == Op::Like, like: Like::Contains, source })
    }

    /// Whether the records say nothing of what it asks for, so that every one of them passes.
    pub(crate) fn is_blind(&self) -> bool {
        matches!(self.source, Source::Unknown)
    }

    /// The same condition with another meaning of `:like`.
    pub(crate) fn with_like(mut self, like: Like) -> Self {
        self.like = like;
        self
    }

    /// The range of keys that the condition allows, if it compares the key.
    pub(crate) fn key_range(&self, key_fields: &[String]) -> Option<(Option<Key>, Option<Key>)> {
        let [only] = key_fields else { return None };
        if *only != self.field {
            return None;
        }
        let key = self.values.first().and_then(|v| v.parse::<i128>().ok());
        match (self.op, key?) {
            (Op::Eq, k) => Some((Some(Key::Int(k)), Some(Key::Int(k)))),
            (Op::Min, k) => Some((Some(Key::Int(k)), None)),
            (Op::Max, k) => Some((None, Some(Key::Int(k)))),
            (Op::Greater, k) => Some((Some(Key::Int(k.saturating_add(1))), None)),
            (Op::Less, k) => Some((None, Some(Key::Int(k.saturating_sub(1))))),
            _ => None,
        }
    }

    /// The keys that an `in` condition names, sorted.
    pub(crate) fn keys(&self, key_fields: &[String]) -> Option<Vec<Key>> {
        if self.op != Op::In || key_fields != [self.field.as_str()] {
            return None;
        }
        let mut keys: Vec<Key> = self.values.iter().map(|v| Key::from_plain(v)).collect();
        keys.sort();
        keys.dedup();
        Some(keys)
    }

    /// Whether a record passes.
    pub(crate) fn passes(&self, record: &Record) -> bool {
        match &self.source {
            Source::Unknown => true,
            Source::Own => self.value_passes(record.get(&self.field)),
            Source::Fields(paths) => {
                let found = paths.iter().find_map(|p| record.lookup(p));
                self.value_passes(found.as_deref())
            }
            Source::Joined(fields) => {
                let parts: Vec<_> = fields.iter().filter_map(|f| record.get(f)).map(json::plain).collect();
                self.value_passes(Some(&json::quote(&parts.join(" "))))
            }
            Source::Anywhere(fields) => {
                let wanted = self.values.first().map(|v| v.to_lowercase()).unwrap_or_default();
                fields.iter().filter_map(|f| record.get(f)).any(|t| json::plain(t).to_lowercase().contains(&wanted))
            }
            Source::LowStock => {
                let low = compare(record, "inventory_level", record.get("inventory_warning_level").unwrap_or("0"));
                self.value_passes(Some(if low { "true" } else { "false" }))
            }
            Source::OutOfStock => {
                self.value_passes(Some(if compare(record, "inventory_level", "0") { "true" } else { "false" }))
            }
        }
    }

    fn value_passes(&self, text: Option<&str>) -> bool {
        let negative = matches!(self.op, Op::Not | Op::NotIn);
        let value = text.map_or(Scalar::Null, json::scalar);
        match value {
            Scalar::Null => negative,
            Scalar::Nested(array) if array.starts_with('[') => {
                let members = json::elements(array).unwrap_or_default();
                let any = members.iter().any(|m| self.positive(&json::scalar(m)));
                any != negative
            }
            other => self.positive(&other) != negative,
        }
    }

    /// Whether the value fits the condition, `not` and `not_in` read as their opposite.
    fn positive(&self, value: &Scalar<'_>) -> bool {
        let wanted = self.values.first().map_or("", String::as_str);
        match self.op {
            Op::Eq | Op::Not | Op::In | Op::NotIn => self.values.iter().any(|w| self.equal(value, w)),
            Op::Like => {
                let wanted = wanted.to_lowercase();
                match value {
                    Scalar::Text(t) if self.like == Like::Pattern => fits(&wanted, &t.to_lowercase()),
                    Scalar::Text(t) => t.to_lowercase().contains(wanted.trim_matches('%')),
                    _ => false,
                }
            }
            Op::Min => self.ordered(value, wanted).is_some_and(Ordering::is_ge),
            Op::Max => self.ordered(value, wanted).is_some_and(Ordering::is_le),
            Op::Greater => self.ordered(value, wanted).is_some_and(Ordering::is_gt),
            Op::Less => self.ordered(value, wanted).is_some_and(Ordering::is_lt),
        }
    }

    fn is_date(&self) -> bool {
        self.field.starts_with("date") || self.field.ends_with("_date") || self.field.ends_with("_at")
    }

    fn equal(&self, value: &Scalar<'_>, wanted: &str) -> bool {
        match value {
            Scalar::Bool(b) => match wanted.to_ascii_lowercase().as_str() {
                "true" | "1" => *b,
                "false" | "0" => !*b,
                _ => false,
            },
            Scalar::Number(n) => compare_numbers(n, wanted) == Some(Ordering::Equal),
            Scalar::Text(t) if self.is_date() => match (dates::parse(t), dates::parse(wanted)) {
                (Some(a), Some(b)) if dates::is_day(wanted) => (b..b + 86_400_000_000_000).contains(&a),
                (Some(a), Some(b)) => a == b,
                _ => t == wanted,
            },
            Scalar::Text(t) if self.loose => t.to_lowercase() == wanted.to_lowercase(),
            Scalar::Text(t) => t == wanted,
            _ => false,
        }
    }

    fn ordered(&self, value: &Scalar<'_>, wanted: &str) -> Option<Ordering> {
        match value {
            Scalar::Number(n) => compare_numbers(n, wanted),
            Scalar::Text(t) if self.is_date() => {
                let wanted = if self.op == Op::Min && dates::is_day(wanted) {
                    dates::day_at_present_time(wanted)
                } else {
                    dates::parse(wanted)
                };
                Some(dates::parse(t)?.cmp(&wanted?))
            }
            Scalar::Text(t) => compare_numbers(t, wanted).or_else(|| Some(t.as_ref().cmp(wanted))),
            _ => None,
        }
    }
}

/// Whether a text fits a pattern in which `%` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('%') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('%').collect();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = left.get(at + piece.len()..).unwrap_or_default();
    }
    left.ends_with(tail)
}

fn compare(record: &Record, field: &str, most: &str) -> bool {
    record.get(field).and_then(|level| compare_numbers(level, most)).is_some_and(Ordering::is_le)
}

/// Order of two values of one field: null first, then booleans, numbers by value, dates by moment, texts.
pub(crate) fn order_of(field: &str, a: Option<&str>, b: Option<&str>) -> Ordering {
    let rank = |s: &Scalar<'_>| match s {
        Scalar::Null => 0,
        Scalar::Bool(_) => 1,
        Scalar::Number(_) => 2,
        Scalar::Text(_) => 3,
        Scalar::Nested(_) => 4,
    };
    let (a, b) = (a.map_or(Scalar::Null, json::scalar), b.map_or(Scalar::Null, json::scalar));
    match (&a, &b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
        (Scalar::Number(a), Scalar::Number(b)) => compare_numbers(a, b).unwrap_or(Ordering::Equal),
        (Scalar::Text(a), Scalar::Text(b)) if field.starts_with("date") => match (dates::parse(a), dates::parse(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.cmp(b),
        },
        (Scalar::Text(a), Scalar::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b)),
        _ => rank(&a).cmp(&rank(&b)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::facts::{find, resources};
    use bytes::Bytes;

    fn passes(resource: &str, name: &str, value: &str, text: &'static str) -> bool {
        let resource = &resources()[find(resource).unwrap()];
        let record = Record::new(Bytes::from_static(text.as_bytes()), None).unwrap();
        Filter::of(resource, name, value).unwrap().unwrap().passes(&record)
    }

    #[test]
    fn v3_operators() {
        let cup = r#"{"id":7,"name":"Cup","price":9.90,"condition":"New","is_visible":true,"is_featured":false,
            "categories":[3,4],"date_modified":"2024-03-01T10:00:00Z","inventory_level":0,"inventory_warning_level":2}"#;
        let yes = [
            ("id", "7"),
            ("id:in", "5,7"),
            ("id:not_in", "5,6"),
            ("id:min", "7"),
            ("id:less", "8"),
            ("price", "9.9"),
            ("condition", "new"),
            ("is_visible", "true"),
            ("is_featured", "0"),
            ("categories:in", "9,4"),
            ("date_modified:max", "2024-03-01T11:00:00+01:00"),
            ("keyword", "cU"),
            ("out_of_stock", "1"),
            ("inventory_low", "true"),
        ];
        for (name, value) in yes {
            assert!(passes("products", name, value, cup), "{name}={value}");
        }
        let no = [
            ("id:greater", "7"),
            ("id:not_in", "7"),
            ("price", "9.91"),
            ("name", "cup"),
            ("is_visible", "false"),
            ("date_modified:min", "2024-03-01T10:00:01Z"),
            ("categories:in", "5"),
        ];
        for (name, value) in no {
            assert!(!passes("products", name, value, cup), "{name}={value}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, yes) in [("lamp", false), ("%lamp", true), ("oak%", true), ("%desk%", true), ("o%d%p", true)] {
            assert_eq!(fits(pattern, "oak desk lamp"), yes, "{pattern}");
        }
        assert!(!fits("%chair%", "oak desk lamp") && !fits("a%a", "a") && fits("%", ""));
    }

    #[test]
    fn v2_prefixes_compare_money_and_dates() {
        let order = r#"{"id":7,"total_inc_tax":"25.0000","date_created":"Tue, 13 Mar 2018 16:18:59 +0000",
            "billing_address":{"email":"a@example.com"}}"#;
        assert!(passes("orders", "min_total", "25", order));
        assert!(!passes("orders", "max_total", "24.9999", order));
        assert!(passes("orders", "min_date_created", "2018-03-13T16:18:59Z", order));
        assert!(passes("orders", "max_date_created", "Tue, 13 Mar 2018 16:18:59 +0000", order));
        assert!(passes("orders", "email", "a@example.com", order));
        let coupon = r#"{"id":1,"type":"promotion"}"#;
        assert!(!passes("coupons", "exclude_type", "promotion", coupon));
    }

    #[test]
    fn words_where_numbers_belong_are_refused() {
        let resource = &resources()[find("products").unwrap()];
        assert_eq!(Filter::of(resource, "id:in", "1,x").unwrap().unwrap_err().status, 422);
        assert!(Filter::of(resource, "no_such_filter", "1").is_none());
    }
}
