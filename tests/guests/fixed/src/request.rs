//! Queries over the fixed data: conditions, and the cursor that names the place to go on from in any instance.

use crate::people::{self, Person};
use serde_json::Value;
use std::cmp::Ordering;

/// A condition's comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Same value.
    Equal,
    /// Another value.
    NotEqual,
    /// Below.
    Less,
    /// Below or same.
    LessOrEqual,
    /// Above.
    Greater,
    /// Above or same.
    GreaterOrEqual,
    /// One of several values.
    OneOf,
    /// A part of a text.
    Contains,
}

/// A condition that can be evaluated here: on `id` or `name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    field: &'static str,
    op: Op,
    value: Value,
}

impl Test {
    /// Checks a condition.
    ///
    /// # Errors
    /// Says what is wrong, and whether it is the condition that cannot be evaluated rather than malformed.
    pub fn new(field: &str, op: Op, json: &str) -> Result<Self, (bool, String)> {
        let malformed = |message: String| (false, message);
        if !people::FIELDS.contains(&field) {
            return Err(malformed(format!("people have no field `{field}`")));
        }
        let value: Value =
            serde_json::from_str(json).map_err(|error| malformed(format!("the value is not JSON: {error}")))?;
        let field = match (field, op) {
            ("id", Op::Contains) => return Err((true, "`id` cannot be compared with `contains`".into())),
            ("id", _) => "id",
            ("name", Op::Equal | Op::NotEqual | Op::OneOf | Op::Contains) => "name",
            (field, _) => return Err((true, format!("no such condition on `{field}`"))),
        };
        let fits = |value: &Value| if field == "id" { value.is_u64() } else { value.is_string() };
        let good = match (&value, op) {
            (Value::Array(values), Op::OneOf) => values.iter().all(fits),
            (_, Op::OneOf) => false,
            (value, _) => fits(value),
        };
        if !good {
            return Err(malformed(format!("the value does not fit `{field}`")));
        }
        Ok(Self { field, op, value })
    }

    /// Whether the condition holds.
    pub fn holds(&self, person: &Person) -> bool {
        let Some(Ok(value)) = person.value(self.field).map(serde_json::from_str::<Value>) else { return false };
        let order = || value.as_u64().cmp(&self.value.as_u64());
        match self.op {
            Op::Equal => value == self.value,
            Op::NotEqual => value != self.value,
            Op::Less => order() == Ordering::Less,
            Op::LessOrEqual => order() != Ordering::Greater,
            Op::Greater => order() == Ordering::Greater,
            Op::GreaterOrEqual => order() != Ordering::Less,
            Op::OneOf => self.value.as_array().is_some_and(|values| values.contains(&value)),
            Op::Contains => match (value.as_str(), self.value.as_str()) {
                (Some(text), Some(part)) => text.contains(part),
                _ => false,
            },
        }
    }
}

/// One page: records as NDJSON, how many, and the position after the last one if there may be more.
pub fn page(from: u32, size: u32, fields: &[String], tests: &[Test]) -> (Vec<u8>, u32, Option<u32>) {
    let (mut records, mut count) = (Vec::new(), 0);
    for position in from..people::COUNT {
        let person = people::person(position);
        if tests.iter().all(|test| test.holds(&person)) {
            if count == size {
                return (records, count, Some(position));
            }
            person.write(fields, &mut records);
            count += 1;
        }
    }
    (records, count, None)
}

/// Why a cursor is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCursor {
    /// Made by a version that this one does not know.
    Version,
    /// Not a cursor, or one of another request.
    Other,
}

/// A cursor for `position`. `request` is everything of the request that must not change. Versions of the connector with one major
/// number read each other's cursors.
pub fn cursor(version: &str, request: &str, position: u32) -> String {
    format!("{}.{:016x}.{position}", series(version), digest(request))
}

/// Which cursors a version of the connector makes and reads.
fn series(version: &str) -> u32 {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.unwrap_or_default().saturating_add(1)
}

/// The position that a cursor names.
///
/// # Errors
/// [`BadCursor`].
pub fn position(version: &str, request: &str, cursor: &str) -> Result<u32, BadCursor> {
    let ours = series(version).to_string();
    let mut parts = cursor.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(series), Some(told), Some(position)) if series == ours && told == format!("{:016x}", digest(request)) => {
            position.parse().map_err(|_| BadCursor::Other)
        }
        (Some(series), Some(_), Some(_)) if series != ours && series.parse::<u32>().is_ok() => Err(BadCursor::Version),
        _ => Err(BadCursor::Other),
    }
}

/// FNV-1a: tells requests apart, keeps no secret.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_deliver_every_record_once() {
        for size in [1, 7, 100, 1000, 5000] {
            let (mut all, mut from) = (Vec::new(), Some(0));
            while let Some(position) = from {
                let (records, count, next) = page(position, size, &[], &[]);
                assert_eq!(records.iter().filter(|byte| **byte == b'\n').count(), count as usize);
                all.extend(records);
                from = next;
            }
            assert_eq!(all.iter().filter(|byte| **byte == b'\n').count(), 1000, "{size}");
        }
    }

    #[test]
    fn conditions_hold_exactly() {
        let count = |field: &str, op, value: &str| page(0, 9999, &[], &[Test::new(field, op, value).unwrap()]).1;
        assert_eq!(count("id", Op::Less, "8"), 7);
        assert_eq!(count("id", Op::OneOf, "[1,2,8]"), 2);
        assert_eq!(count("name", Op::Contains, "\"李\""), 142);
        assert!(Test::new("name", Op::Less, "\"a\"").unwrap_err().0);
        assert!(!Test::new("nope", Op::Less, "\"a\"").unwrap_err().0);
        assert!(!Test::new("id", Op::Equal, "\"a\"").unwrap_err().0);
    }

    #[test]
    fn a_cursor_is_good_for_its_own_request_and_version_only() {
        let cursor = cursor("0.1.0", "a", 42);
        assert_eq!(position("0.1.0", "a", &cursor), Ok(42));
        assert_eq!(position("0.2.0", "a", &cursor), Ok(42));
        assert_eq!(position("1.0.0", "a", &cursor), Err(BadCursor::Version));
        assert_eq!(position("0.1.0", "b", &cursor), Err(BadCursor::Other));
        assert_eq!(position("0.1.0", "a", "nonsense"), Err(BadCursor::Other));
    }
}
