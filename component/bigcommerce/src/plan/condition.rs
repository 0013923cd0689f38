//! Conditions: which field they are about, what the remote can evaluate of them, what is evaluated here.

use std::borrow::Cow;

use crate::compare::{Comparison, Prepared};
use crate::date::Instant;
use crate::decimal::Decimal;
use crate::error::Error;
use crate::scan;
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
        let no_json = || {
            Error::invalid(format!("the value of the condition on `{}` is not JSON", condition.field)).at(at("value"))
        };
        scan::value(condition.value.as_bytes()).map_err(|_| no_json())?;
        let raw = condition.value.trim_ascii().as_bytes();
        let text = node.is_some_and(|node| node.ty == Type::String && node.format != Format::Decimal);
        let plain = |raw| plain(raw, text);
        let values = if condition.op == Comparison::OneOf {
            let items = scan::elements(raw).map_err(|_| {
                Error::invalid(format!("`one-of` on `{}` needs a JSON array", condition.field)).at(at("value"))
            })?;
            items.into_iter().map(plain).collect::<Option<Vec<_>>>()
        } else {
            plain(raw).map(|value| vec![value])
        };
        let values = values.ok_or_else(no_json)?;
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

    /// Its place among the conditions of the request.
    pub(super) fn index(&self) -> usize {
        self.index
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
pub(crate) fn node_of(object: &Object, path: &str) -> Option<&'static Node> {
    let mut node = object.model?;
    for name in path.split('.') {
        node = node.field(name)?.node;
    }
    Some(node)
}

/// A JSON value as the API's parameters write it: numbers exactly, where possible without an exponent, but as they are if the
/// field holds texts. None for a text that holds half of a surrogate pair.
fn plain(raw: &[u8], text: bool) -> Option<String> {
    match raw.first() {
        Some(b'"') => scan::decode(raw).map(Cow::into_owned),
        Some(b'-' | b'0'..=b'9') if !text => {
            let text = scan::text(raw);
            Some(Decimal::parse(text).and_then(|number| number.plain()).unwrap_or_else(|| text.to_owned()))
        }
        _ => Some(scan::text(raw).to_owned()),
    }
}

/// Refuses a value that the API's list of values does not have, if it is only written differently: such a condition would hold
/// for no record, and nobody would know why.
fn check_enum(condition: &Condition, node: &Node, values: &[String]) -> Result<(), Error> {
    if node.values.is_empty() || !matches!(condition.op, Comparison::Equal | Comparison::OneOf | Comparison::NotEqual) {
        return Ok(());
    }
    let known: Vec<String> = node.values.iter().filter_map(|text| plain(text.as_bytes(), true)).collect();
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

/// Whether every record has a value there. Whether `not` leaves out the records without one is not documented, and here they
/// are among those that differ.
pub(crate) fn always_there(object: &Object, field: &str) -> bool {
    object.key.contains(&field)
}

/// The parameter that makes the remote evaluate a condition, or a wider one: what comes back is checked here again.
pub(super) fn parameter(
    object: &Object,
    read: &'static Read,
    checked: &Checked<'_>,
) -> Option<(&'static Filter, String)> {
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
    if matches!(filter.op, Op::Not | Op::NotIn) && !always_there(object, &checked.condition.field) {
        return None;
    }
    // A part of the value, says the documentation; what these mean in it, it does not say.
    if filter.op == Op::Like && checked.values.iter().any(|value| value.contains(['%', '_', '\\', ','])) {
        return None;
    }
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
            // A number that cannot be written out is no parameter that any store understands.
            (_, Type::Integer | Type::Number) if value.contains(['e', 'E']) => return None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::object;

    /// The parameter that the store is asked with, if it is asked at all.
    fn asked(field: &str, op: Comparison, value: &str) -> Option<String> {
        let products = object("products").unwrap();
        let condition = Condition { field: field.into(), op, value: value.into() };
        let checked = Checked::new(products, 0, &condition).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert!(checked.prepared.is_some(), "{value} can be evaluated here");
        parameter(products, &products.reads[0], &checked).map(|(filter, value)| format!("{}={value}", filter.param))
    }

    #[test]
    fn the_store_is_asked_for_the_very_number_of_the_condition() {
        for (value, expected) in [
            ("25.00", "price=25"),
            ("12345678901234567890123.10", "price=12345678901234567890123.1"),
            ("0.10000000000000000001", "price=0.10000000000000000001"),
            ("2.5e3", "price=2500"),
            ("-0.0", "price=0"),
        ] {
            assert_eq!(asked("price", Comparison::Equal, value).as_deref(), Some(expected), "{value}");
        }
        let id = "340282366920938463463374607431768211456";
        assert_eq!(asked("id", Comparison::OneOf, &format!("[{id},7.0]")), Some(format!("id:in={id},7")));
    }

    #[test]
    fn records_without_a_value_are_not_left_to_the_store_to_leave_out() {
        assert_eq!(asked("date_last_imported", Comparison::NotEqual, "\"2024-01-01T00:00:00Z\""), None);
        assert_eq!(asked("id", Comparison::NotEqual, "7").as_deref(), Some("id:not_in=7"));
    }

    #[test]
    fn the_store_looks_for_parts_of_a_text_only_where_it_is_documented_to() {
        let asked = |object_name: &str, value: &str| {
            let object = object(object_name).unwrap();
            let condition = Condition { field: "name".into(), op: Comparison::Contains, value: format!("{value:?}") };
            let checked = Checked::new(object, 0, &condition).unwrap();
            parameter(object, &object.reads[0], &checked).map(|(filter, value)| format!("{}={value}", filter.param))
        };
        assert_eq!(asked("brands", "new").as_deref(), Some("name:like=new"));
        assert_eq!(asked("brands", "100%"), None);
        assert_eq!(asked("brands", "a,b"), None);
        assert_eq!(asked("pricelists", "new"), None);
    }

    #[test]
    fn a_number_that_cannot_be_written_out_is_compared_here() {
        assert_eq!(asked("price", Comparison::Equal, "1e400"), None);
        assert_eq!(asked("price", Comparison::Less, "1e400"), None);
        // More zeros than any machine can count.
        assert_eq!(asked("price", Comparison::Greater, "0.1e400000000000000000000000001"), None);
    }

    #[test]
    fn a_number_for_a_text_keeps_its_digits() {
        assert_eq!(asked("sku", Comparison::Equal, "7.0").as_deref(), Some("sku=7.0"));
    }
}
