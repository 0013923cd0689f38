//! Conditions: which field they are about, what the remote can evaluate of them, what is evaluated here.

use serde_json::Value;

use crate::compare::{Comparison, Prepared};
use crate::date::Instant;
use crate::error::Error;
use crate::table::{Filter, Format, Node, Object, Op, Read, Type};
use crate::types::Condition;
use crate::url::parameters;

/// A condition whose field exists and whose value fits.
pub(super) struct Checked<'a> {
    pub(super) condition: &'a Condition,
    index: usize,
    /// Schema of the field, if records hold it.
    pub(super) node: Option<&'static Node>,
    /// Evaluates it here, if that is possible.
    pub(super) prepared: Option<Prepared>,
    /// The values as texts that a parameter can hold.
    values: Vec<String>,
}

impl<'a> Checked<'a> {
    pub(super) fn new(object: &'static Object, index: usize, condition: &'a Condition) -> Result<Self, Error> {
        let at = |part: &str| format!("/filter/{index}/{part}");
        let node = node_of(object, &condition.field);
        let filterable = object.reads.iter().any(|read| read.filters.iter().any(|f| f.field == condition.field));
        let parent = object.parents.iter().any(|parent| parent.field == condition.field);
        let key = object.key.contains(&condition.field.as_str());
        if node.is_none() && !filterable && !parent && !key {
            let hint = crate::suggest::field(object, &condition.field)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            return Err(
                Error::invalid(format!("`{}` has no field `{}`{hint}", object.name, condition.field)).at(at("field"))
            );
        }
        let value: Value = serde_json::from_str(&condition.value).map_err(|_| {
            Error::invalid(format!("the value of the condition on `{}` is not JSON", condition.field)).at(at("value"))
        })?;
        let values = match (&value, condition.op) {
            (Value::Array(items), Comparison::OneOf) => items.iter().map(plain).collect(),
            (_, Comparison::OneOf) => {
                return Err(
                    Error::invalid(format!("`one-of` on `{}` needs a JSON array", condition.field)).at(at("value"))
                );
            }
            (value, _) => vec![plain(value)],
        };
        let (ty, format) = node.map_or((Type::Any, Format::Plain), |node| (node.ty, node.format));
        if let Some(node) = node {
            check_enum(condition, node, &values).map_err(|error| error.at(at("value")))?;
        }
        let prepared = match (node, Prepared::new(condition.op, &condition.value, ty, format)) {
            (Some(_), Ok(prepared)) => Some(prepared),
            (None, Ok(prepared)) if parent || key => Some(prepared),
            (Some(node), Err(bad)) if scalar(node) => {
                let message = format!("the condition on `{}` makes no sense: {bad}", condition.field);
                return Err(Error::invalid(message).at(at("value")));
            }
            _ => None,
        };
        Ok(Self { condition, index, node, prepared, values })
    }

    pub(super) fn pointer(&self) -> String {
        format!("/filter/{}", self.index)
    }

    /// The values, if this condition pins the field to a known set of them.
    pub(super) fn pins(&self) -> Option<&[String]> {
        matches!(self.condition.op, Comparison::Equal | Comparison::OneOf).then_some(self.values.as_slice())
    }
}

fn scalar(node: &Node) -> bool {
    !matches!(node.ty, Type::Object | Type::Array)
}

/// The schema behind a field name; dots lead into objects.
fn node_of(object: &'static Object, path: &str) -> Option<&'static Node> {
    let mut node = object.model?;
    for name in path.split('.') {
        node = node.field(name)?.node;
    }
    Some(node)
}

/// A JSON value as the API's parameters write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Refuses a value that the API's list of values does not have, if it is only written differently: such a condition would hold
/// for no record, and nobody would know why.
fn check_enum(condition: &Condition, node: &Node, values: &[String]) -> Result<(), Error> {
    if node.values.is_empty() || !matches!(condition.op, Comparison::Equal | Comparison::OneOf | Comparison::NotEqual) {
        return Ok(());
    }
    let known: Vec<String> =
        node.values.iter().filter_map(|text| serde_json::from_str(text).ok()).map(|v: Value| plain(&v)).collect();
    for value in values {
        if !known.contains(value)
            && let Some(near) = known.iter().find(|known| known.eq_ignore_ascii_case(value))
        {
            return Err(Error::invalid(format!("`{}` is never `{value}`; did you mean `{near}`?", condition.field)));
        }
    }
    Ok(())
}

pub(super) fn path_has(read: &Read, field: &str) -> bool {
    parameters(read.path).any(|name| name == field)
}

pub(super) fn filter_for(read: &'static Read, field: &str, ops: &[Op]) -> Option<&'static Filter> {
    ops.iter().find_map(|op| read.filters.iter().find(|filter| filter.field == field && filter.op == *op))
}

/// Narrows a key range by a condition on the key, if it is a bound.
pub(super) fn narrow(range: &mut (u128, u128), checked: &Checked<'_>) -> bool {
    let Some(bound) = checked.values.first().and_then(|value| value.parse::<u128>().ok()) else {
        return false;
    };
    match checked.condition.op {
        Comparison::GreaterOrEqual => range.0 = range.0.max(bound),
        Comparison::Greater => range.0 = range.0.max(bound.saturating_add(1)),
        Comparison::LessOrEqual => range.1 = range.1.min(bound),
        Comparison::Less => range.1 = range.1.min(bound.saturating_sub(1)),
        _ => return false,
    }
    true
}

/// The parameter that makes the remote evaluate a condition, or a wider one: what comes back is checked here again.
pub(super) fn parameter(read: &'static Read, checked: &Checked<'_>) -> Option<(&'static Filter, String)> {
    let (ops, list): (&[Op], bool) = match checked.condition.op {
        Comparison::Equal => (&[Op::Eq, Op::In], false),
        Comparison::NotEqual => (&[Op::Not, Op::NotIn], false),
        Comparison::Less => (&[Op::Less, Op::Max], false),
        Comparison::LessOrEqual => (&[Op::Max], false),
        Comparison::Greater => (&[Op::Greater, Op::Min], false),
        Comparison::GreaterOrEqual => (&[Op::Min], false),
        Comparison::OneOf => (if checked.values.len() == 1 { &[Op::In, Op::Eq] } else { &[Op::In] }, true),
        Comparison::Contains => (&[Op::Like], false),
    };
    let filter = filter_for(read, &checked.condition.field, ops)?;
    let date = checked.node.is_some_and(|node| node.format == Format::Date);
    // What "equal" means for dates is not documented: a day, or an instant.
    if date && !matches!(filter.op, Op::Min | Op::Max | Op::Greater | Op::Less) {
        return None;
    }
    let comma = |value: &String| value.contains(',');
    if checked.values.is_empty()
        || ((list || matches!(filter.op, Op::In | Op::NotIn)) && checked.values.iter().any(comma))
    {
        return None;
    }
    let values: Option<Vec<String>> = checked.values.iter().map(|value| written(filter, checked.node, value)).collect();
    let value = values?.join(",");
    // An empty parameter is no condition for some endpoints; null has no notation.
    (!value.is_empty() && checked.condition.value.trim() != "null").then_some((filter, value))
}

/// A value as this filter takes it.
fn written(filter: &Filter, node: Option<&Node>, value: &str) -> Option<String> {
    if let Some(node) = node {
        match (node.format, node.ty) {
            (Format::Date, _) => {
                // To the second, rounded away from what is wanted: what comes back too much is dropped here.
                let instant = Instant::parse(value)?;
                let up = matches!(filter.op, Op::Max | Op::Less) && instant.nanos() > 0;
                return Instant::from_unix(instant.seconds() + i64::from(up)).map(Instant::rfc3339);
            }
            (_, Type::Boolean) if filter.ty != Type::Boolean => {
                return match value {
                    "true" => Some("1".into()),
                    "false" => Some("0".into()),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    if filter.values.is_empty() {
        return Some(value.to_owned());
    }
    // `New` in records is `new` in the filter.
    filter
        .values
        .iter()
        .map(|text| text.trim_matches('"'))
        .find(|known| known.eq_ignore_ascii_case(value))
        .map(str::to_owned)
}
