//! Which type of column holds the values of a field, learned from the values themselves. Every value keeps its meaning and its digits:
//!
//! - Whole numbers that fit are 64-bit integers, all others decimals of at most 38 digits. Nothing becomes a binary float.
//! - Objects become structs and lists become lists.
//! - What no column holds is kept as JSON texts, in a column that says so (Arrow's extension type `arrow.json`): values of several
//!   kinds, digits beyond a decimal, objects without members, and what is nested or varied without bound.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use arrow_schema::{DataType, Field, Schema};
use serde_json::value::RawValue;

use crate::input::parquet::JSON;
use crate::json::{for_each_member, is_text, quote};

/// Levels of lists and objects; what is deeper is kept as JSON.
const DEEPEST: usize = 32;
/// Members of one object; one that has more, over all records, is a table of its own and is kept as JSON.
const MOST_MEMBERS: usize = 2000;
/// Digits of a decimal, and of one that takes the room of an integer.
const DIGITS: usize = 38;
const DIGITS_IN_64_BITS: usize = 18;

/// What the values of a field are, as far as they have been seen.
#[derive(Debug, Default)]
enum Kind {
    /// Nothing, or null.
    #[default]
    Nothing,
    Truth,
    Text,
    Number(Digits),
    List(Box<Kind>),
    Object(Object),
    /// Several kinds, or one that no column holds.
    Json,
}

/// The most digits that numbers have.
#[derive(Clone, Copy, Debug)]
struct Digits {
    /// Whether all are whole and fit into 64 bits.
    integers: bool,
    before_point: usize,
    behind_point: usize,
}

/// Members of objects, in the order in which they turned up.
#[derive(Debug, Default)]
struct Object {
    names: HashMap<String, usize>,
    members: Vec<(String, Kind)>,
}

/// The columns of a table.
#[derive(Debug, Default)]
pub(super) struct Columns(Object);

impl Columns {
    /// Takes a record into account.
    ///
    /// # Errors
    /// It is no object, names a member twice, or there are too many columns.
    pub(super) fn see(&mut self, record: &str) -> Result<(), String> {
        if self.0.see(record, 0)? {
            return Ok(());
        }
        Err(format!("a record names a field twice, or there are more than {MOST_MEMBERS} fields"))
    }

    /// The columns, those of the fields that were asked for first. Without any record, these are all.
    pub(super) fn schema(&mut self, wanted: &[String]) -> Schema {
        if self.0.members.is_empty() {
            for name in wanted.iter().filter_map(|field| field.split('.').next()) {
                self.0.member(name);
            }
        }
        let of = |field: &str, name: &str| field.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        let rank = |name: &str| wanted.iter().position(|field| of(field, name)).unwrap_or(wanted.len());
        let mut members: Vec<&(String, Kind)> = self.0.members.iter().collect();
        members.sort_by_key(|(name, _)| rank(name));
        Schema::new(members.into_iter().map(|(name, kind)| kind.field(name)).collect::<Vec<_>>())
    }

    /// Whether records differ from what their columns take.
    pub(super) fn hold_json(&self) -> bool {
        self.0.holds_json()
    }

    /// Appends a record as its columns take it.
    pub(super) fn put(&self, record: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
        self.0.put(record, out)
    }
}

impl Object {
    fn member(&mut self, name: &str) -> usize {
        if let Some(at) = self.names.get(name) {
            return *at;
        }
        let at = self.members.len();
        self.names.insert(name.to_owned(), at);
        self.members.push((name.to_owned(), Kind::Nothing));
        at
    }

    /// Says whether a struct holds it.
    fn see(&mut self, object: &str, depth: usize) -> Result<bool, String> {
        let mut here = HashSet::new();
        let mut result = Ok(true);
        for_each_member(object, |name, value| {
            let at = self.member(&name);
            let fits = here.insert(at) && self.members.len() <= MOST_MEMBERS;
            let Some((_, kind)) = self.members.get_mut(at).filter(|_| fits && result == Ok(true)) else {
                if result.is_ok() {
                    result = Ok(false);
                }
                return;
            };
            if let Err(e) = kind.see(value.get(), depth + 1) {
                result = Err(e);
            }
        })
        .map_err(|e| e.to_string())?;
        result
    }

    fn holds_json(&self) -> bool {
        self.members.iter().any(|(_, kind)| kind.holds_json())
    }

    fn put(&self, object: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut result = Ok(());
        out.push(b'{');
        let begin = out.len();
        for_each_member(object, |name, value| {
            let kind = self.names.get(&name).and_then(|at| self.members.get(*at));
            let Some((_, kind)) = kind.filter(|_| result.is_ok()) else { return };
            if out.len() > begin {
                out.push(b',');
            }
            out.extend_from_slice(quote(&name).as_bytes());
            out.push(b':');
            result = kind.put(value.get(), out);
        })?;
        out.push(b'}');
        result
    }
}

impl Kind {
    fn see(&mut self, value: &str, depth: usize) -> Result<(), String> {
        let first = value.as_bytes().first();
        if matches!(self, Self::Json) || first == Some(&b'n') {
            return Ok(());
        }
        let fits = match (first, &mut *self) {
            (Some(b't' | b'f'), Self::Nothing | Self::Truth) => {
                *self = Self::Truth;
                true
            }
            (Some(b'"'), Self::Nothing | Self::Text) if is_text(value) => {
                *self = Self::Text;
                true
            }
            (Some(b'{'), Self::Object(object)) => object.see(value, depth)?,
            (Some(b'{'), Self::Nothing) if depth < DEEPEST => {
                let mut object = Object::default();
                let fits = object.see(value, depth)?;
                *self = Self::Object(object);
                fits
            }
            (Some(b'['), Self::List(items)) => {
                items.see_all(value, depth)?;
                true
            }
            (Some(b'['), Self::Nothing) if depth < DEEPEST => {
                let mut items = Self::Nothing;
                items.see_all(value, depth)?;
                *self = Self::List(Box::new(items));
                true
            }
            (Some(b'-' | b'0'..=b'9'), Self::Number(digits)) => Digits::of(value).is_some_and(|more| digits.add(more)),
            (Some(b'-' | b'0'..=b'9'), Self::Nothing) => {
                let digits = Digits::of(value).filter(|digits| digits.fit());
                *self = digits.map_or(Self::Json, Self::Number);
                true
            }
            _ => false,
        };
        if !fits {
            *self = Self::Json;
        }
        Ok(())
    }

    fn see_all(&mut self, list: &str, depth: usize) -> Result<(), String> {
        let items: Vec<&RawValue> = serde_json::from_str(list).map_err(|e| e.to_string())?;
        items.into_iter().try_for_each(|item| self.see(item.get(), depth + 1))
    }

    fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        if !self.is_json() {
            return field;
        }
        field.with_metadata([(EXTENSION_TYPE_NAME_KEY, JSON), (EXTENSION_TYPE_METADATA_KEY, "")])
    }

    fn data_type(&self) -> DataType {
        match self {
            Self::Truth => DataType::Boolean,
            Self::Number(digits) => digits.data_type(),
            Self::List(items) => DataType::List(Arc::new(items.field(Field::LIST_FIELD_DEFAULT_NAME))),
            Self::Object(object) if !object.members.is_empty() => {
                DataType::Struct(object.members.iter().map(|(name, kind)| kind.field(name)).collect())
            }
            Self::Nothing | Self::Text | Self::Json | Self::Object(_) => DataType::Utf8,
        }
    }

    /// Whether the column holds JSON.
    fn is_json(&self) -> bool {
        match self {
            Self::Json => true,
            // Parquet has no struct without members.
            Self::Object(object) => object.members.is_empty(),
            _ => false,
        }
    }

    fn holds_json(&self) -> bool {
        match self {
            Self::List(items) => items.holds_json(),
            Self::Object(object) => self.is_json() || object.holds_json(),
            _ => self.is_json(),
        }
    }

    fn put(&self, value: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            _ if value == "null" => out.extend_from_slice(b"null"),
            _ if self.is_json() => out.extend_from_slice(quote(value).as_bytes()),
            Self::Object(object) => object.put(value, out)?,
            Self::List(kind) => {
                let items: Vec<&RawValue> = serde_json::from_str(value)?;
                out.push(b'[');
                for (index, item) in items.into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    kind.put(item.get(), out)?;
                }
                out.push(b']');
            }
            _ => out.extend_from_slice(value.as_bytes()),
        }
        Ok(())
    }
}

impl Digits {
    /// Those of a JSON number; none if its exponent is out of all bounds.
    fn of(number: &str) -> Option<Self> {
        let integers = number.parse::<i64>().is_ok();
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().ok()?),
            None => (number, 0),
        };
        let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let before = before.trim_start_matches('-').trim_start_matches('0').len() as i64 + i64::from(exponent);
        let behind = behind.len() as i64 - i64::from(exponent);
        let count = |digits: i64| usize::try_from(digits).unwrap_or(0);
        Some(Self { integers, before_point: count(before), behind_point: count(behind) })
    }

    /// Takes another number's into account; says whether a column holds them all.
    fn add(&mut self, other: Self) -> bool {
        self.integers &= other.integers;
        self.before_point = self.before_point.max(other.before_point);
        self.behind_point = self.behind_point.max(other.behind_point);
        self.fit()
    }

    fn fit(&self) -> bool {
        self.before_point + self.behind_point <= DIGITS
    }

    fn data_type(&self) -> DataType {
        if self.integers {
            return DataType::Int64;
        }
        // Of two sizes only, so that files of one object differ less.
        let most = self.before_point + self.behind_point;
        let digits = if most <= DIGITS_IN_64_BITS { DIGITS_IN_64_BITS } else { DIGITS };
        DataType::Decimal128(digits as u8, i8::try_from(self.behind_point).unwrap_or(i8::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::input::parquet::is_json;

    /// The types of the fields of these records, and the last record as its columns take it.
    fn learned(records: &[&str]) -> (Vec<String>, String) {
        let mut columns = Columns::default();
        for record in records {
            columns.see(record).unwrap();
        }
        let schema = columns.schema(&[]);
        let types = schema.fields().iter().map(|field| {
            let json = if is_json(field) { " json" } else { "" };
            format!("{} {}{json}", field.name(), field.data_type())
        });
        let mut out = Vec::new();
        columns.put(records.last().unwrap(), &mut out).unwrap();
        (types.collect(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_are_integers_or_decimals_with_all_their_digits_or_json() {
        let types = |numbers: &[&str]| {
            let records: Vec<String> = numbers.iter().map(|number| format!("{{\"n\":{number}}}")).collect();
            learned(&records.iter().map(String::as_str).collect::<Vec<_>>()).0.remove(0)
        };
        assert_eq!(types(&["1", "-9223372036854775808", "9223372036854775807"]), "n Int64");
        assert_eq!(types(&["25.00", "3", "0.125"]), "n Decimal128(18, 3)");
        assert_eq!(types(&["9223372036854775808", "1"]), "n Decimal128(38, 0)");
        assert_eq!(types(&["1e-7", "12E2"]), "n Decimal128(18, 7)");
        assert_eq!(types(&["0.00000000000000000000000000000000000001"]), "n Decimal128(38, 38)");
        assert_eq!(types(&["1e38"]), "n Utf8 json");
        assert_eq!(types(&["1e30", "0.000000001"]), "n Utf8 json", "each fits, but not both into one column");
        assert_eq!(types(&["1e99999"]), "n Utf8 json");
    }

    #[test]
    fn what_no_column_holds_is_json_and_the_rest_stays_as_it_is() {
        let (types, last) = learned(&[
            r#"{"mixed":1,"empty":{},"half":"a","gone":null,"deep":{"a":[{"b":1}]},"list":[]}"#,
            r#"{"list":[],"deep":{"a":[{"b":"x"},null]},"mixed":"1","empty":null,"half":"\ud800","gone":null}"#,
        ]);
        assert_eq!(types[..4], ["mixed Utf8 json", "empty Utf8 json", "half Utf8 json", "gone Utf8"]);
        assert_eq!(
            last,
            r#"{"list":[],"deep":{"a":[{"b":"\"x\""},null]},"mixed":"\"1\"","empty":null,"half":"\"\\ud800\"","gone":null}"#
        );
        assert!(types[4].contains("Struct") && types[5].contains("List"), "{types:?}");
    }

    #[test]
    fn what_is_nested_or_varied_without_bound_does_not_fill_the_memory() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let (types, _) = learned(&[&deep]);
        assert!(types[0].len() < 2000 && types[0].contains("List"), "{} bytes", types[0].len());
        let many: Vec<String> = (0..=MOST_MEMBERS).map(|i| format!("\"{i}\":1")).collect();
        let (types, _) = learned(&[&format!("{{\"a\":{{{}}}}}", many.join(","))]);
        assert_eq!(types, ["a Utf8 json"]);
        assert!(Columns::default().see(&format!("{{{}}}", many.join(","))).is_err(), "as columns of the table");
        assert!(Columns::default().see(r#"{"a":1,"a":2}"#).is_err());
        assert_eq!(learned(&[r#"{"o":{"a":1,"a":2}}"#]).0, ["o Utf8 json"]);
    }

    #[test]
    fn columns_stand_in_the_order_that_was_asked_for_and_are_there_without_any_record() {
        let wanted = ["w.u".to_owned(), "id".to_owned(), "w.v".to_owned()];
        let mut columns = Columns::default();
        let names = |schema: &Schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        columns.see(r#"{"x":1,"id":2,"w":{"u":1}}"#).unwrap();
        assert_eq!(names(&columns.schema(&wanted)), ["w", "id", "x"]);
        assert_eq!(names(&Columns::default().schema(&wanted)), ["w", "id"]);
    }
}
