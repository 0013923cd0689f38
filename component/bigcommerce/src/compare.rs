//! Decides whether a record's field meets a condition: exactly, on the raw JSON of the field, prepared once per query.
//!
//! - Numbers compare as decimals (`decimal.rs`), also where the record writes the number as text (v2 money: `"25.0000"`).
//! - Dates compare as instants (`date.rs`), whatever notation either side uses. The API writes `""` for a date that is not set;
//!   it can be asked for and is no date otherwise.
//! - Texts compare by code points, case and all. `contains` ignores case, as the API's `:like` does.
//! - Truth values may be written 0 and 1 on either side.
//! - A missing field is null. Null equals null, is in no order with anything, and every other value is not equal to it.
//! - `not-equal` is exactly the opposite of `equal`.
//! - `contains` on an array: whether an element is equal to the value.
//!
//! What makes no sense for the field's type is refused when the condition is prepared, never in the middle of a page. A value
//! in a record that is not of the documented type is equal to nothing and in no order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::date::Instant;
use crate::decimal::Decimal;
use crate::scan::{self, Malformed};
use crate::table::{Format, Type};

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`.
    Equal,
    /// Everything that is not `Equal`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `Equal` to one of an array.
    OneOf,
    /// A text that holds the value, in any case of letters, or an array that has it as an element.
    Contains,
}

/// A condition that cannot be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCondition {
    /// The value is not JSON.
    NotJson(Malformed),
    /// The comparison makes no sense for fields of this kind, or with this value.
    Comparison {
        /// The comparison.
        op: Comparison,
        /// What it was to be applied to: `an object`.
        on: &'static str,
    },
    /// The value is of the wrong type.
    Value {
        /// What it should be: `a number`.
        expected: &'static str,
    },
}

impl fmt::Display for BadCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadCondition::NotJson(error) => write!(f, "the condition's value is {error}"),
            BadCondition::Comparison { op, on } => {
                let op = match op {
                    Comparison::Equal => "equal",
                    Comparison::NotEqual => "not-equal",
                    Comparison::Less => "less",
                    Comparison::LessOrEqual => "less-or-equal",
                    Comparison::Greater => "greater",
                    Comparison::GreaterOrEqual => "greater-or-equal",
                    Comparison::OneOf => "one-of",
                    Comparison::Contains => "contains",
                };
                write!(f, "`{op}` cannot be applied to {on}")
            }
            BadCondition::Value { expected } => write!(f, "the condition's value must be {expected}"),
        }
    }
}

impl std::error::Error for BadCondition {}

/// A condition, ready to be asked of many records.
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: Kind,
    test: Test,
}

/// What a field holds, as far as comparing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Date,
    Boolean,
    /// Not documented: the values decide.
    Any,
}

#[derive(Clone, Debug)]
enum Test {
    Equal(Scalar<'static>),
    NotEqual(Scalar<'static>),
    Order(Scalar<'static>, Comparison),
    OneOf(Set),
    /// The value, and folded (`fold`) if it is a text and may be looked for within texts.
    Contains(Scalar<'static>, Option<String>),
}

/// The values of `one-of`; those of which there may be thousands are sorted.
#[derive(Clone, Debug, Default)]
struct Set {
    numbers: Vec<Decimal<'static>>,
    texts: Vec<Cow<'static, str>>,
    others: Vec<Scalar<'static>>,
}

/// A value that can be compared.
#[derive(Clone, Debug)]
enum Scalar<'a> {
    Null,
    Boolean(bool),
    Number(Decimal<'a>),
    Date(Instant),
    Text(Cow<'a, str>),
    /// Arrays, objects, and what is not JSON.
    Other,
}

impl Prepared {
    /// Prepares a condition on a field of this type and format. `raw_value` is JSON; for `OneOf` an array. A number may be given
    /// as text and the other way round. Objects take only a comparison with null, arrays that and `Contains`.
    pub fn new(op: Comparison, raw_value: &str, ty: Type, format: Format) -> Result<Prepared, BadCondition> {
        // Before anything is trimmed: a form feed is white space elsewhere, and not in JSON.
        scan::value(raw_value.as_bytes()).map_err(BadCondition::NotJson)?;
        let raw = raw_value.trim_ascii().as_bytes();
        let kind = match (format, ty) {
            (Format::Date, _) => Kind::Date,
            (Format::Decimal, _) | (_, Type::Integer | Type::Number) => Kind::Number,
            (_, Type::String) => Kind::Text,
            (_, Type::Boolean) => Kind::Boolean,
            (_, Type::Object | Type::Array | Type::Any) => Kind::Any,
        };
        let refuse = |on| Err(BadCondition::Comparison { op, on });
        let equality = matches!(op, Comparison::Equal | Comparison::NotEqual);
        match ty {
            Type::Object if !(equality && raw == b"null") => return refuse("an object"),
            Type::Array if op != Comparison::Contains && !(equality && raw == b"null") => return refuse("an array"),
            _ => {}
        }
        let test = match op {
            Comparison::Equal => Test::Equal(operand(kind, raw)?),
            Comparison::NotEqual => Test::NotEqual(operand(kind, raw)?),
            Comparison::OneOf => Test::OneOf(Set::new(kind, raw)?),
            Comparison::Contains => {
                let value = operand(kind, raw)?;
                let in_text = ty != Type::Array && matches!(kind, Kind::Text | Kind::Any);
                match &value {
                    _ if ty == Type::Array => Test::Contains(value, None),
                    Scalar::Text(text) if in_text => {
                        let folded = fold(text);
                        Test::Contains(value, Some(folded))
                    }
                    _ if kind == Kind::Any => Test::Contains(value, None),
                    _ if kind == Kind::Text => return Err(BadCondition::Value { expected: "a text" }),
                    _ => return refuse(kind.name()),
                }
            }
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
                match operand(kind, raw)? {
                    Scalar::Null => return refuse("null"),
                    Scalar::Boolean(_) => return refuse(Kind::Boolean.name()),
                    Scalar::Text(_) if kind == Kind::Date => {
                        return Err(BadCondition::Value { expected: kind.expected() });
                    }
                    value => Test::Order(value, op),
                }
            }
        };
        Ok(Prepared { kind, test })
    }

    /// Whether a record meets the condition: its field's raw value, or none if the field is missing.
    pub fn holds(&self, raw_field_value: Option<&[u8]>) -> bool {
        let raw = raw_field_value.unwrap_or(b"null");
        match &self.test {
            Test::Equal(value) => read(self.kind, raw).equals(value),
            Test::NotEqual(value) => !read(self.kind, raw).equals(value),
            Test::Order(value, op) => read(self.kind, raw).order(value).is_some_and(|order| match op {
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                _ => order.is_ge(),
            }),
            Test::OneOf(set) => set.has(&read(self.kind, raw)),
            Test::Contains(value, _) if raw.first() == Some(&b'[') => scan::elements(raw)
                .is_ok_and(|elements| elements.iter().any(|element| read(self.kind, element).equals(value))),
            Test::Contains(_, Some(folded)) => match read(Kind::Text, raw) {
                Scalar::Text(text) => holds_text(&text, folded),
                _ => false,
            },
            Test::Contains(_, None) => false,
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Date => "a date",
            Kind::Boolean => "a truth value",
            Kind::Any => "this value",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Date => "a date (ISO 8601 or RFC 2822) or Unix seconds",
            Kind::Boolean => "true or false",
            Kind::Any => "a text, a number, true, false or null",
        }
    }
}

impl Set {
    fn new(kind: Kind, raw: &[u8]) -> Result<Set, BadCondition> {
        let mut set = Set::default();
        let elements = scan::elements(raw).map_err(|_| BadCondition::Value { expected: "an array" })?;
        for element in elements {
            match operand(kind, element)? {
                Scalar::Number(number) => set.numbers.push(number),
                Scalar::Text(text) => set.texts.push(text),
                other => set.others.push(other),
            }
        }
        set.numbers.sort_unstable();
        set.texts.sort_unstable();
        Ok(set)
    }

    fn has(&self, value: &Scalar<'_>) -> bool {
        let sorted = match value {
            Scalar::Number(number) => self.numbers.binary_search_by(|other| other.cmp(number)).is_ok(),
            Scalar::Text(text) => self.texts.binary_search_by(|other| other.as_ref().cmp(text)).is_ok(),
            // Numbers equal truth values if they are 0 or 1.
            Scalar::Boolean(_) => self.numbers.iter().any(|number| value.equals(&Scalar::Number(number.clone()))),
            _ => false,
        };
        sorted || self.others.iter().any(|other| value.equals(other))
    }
}

impl Scalar<'_> {
    fn equals(&self, other: &Scalar<'_>) -> bool {
        matches!((self, other), (Scalar::Null, Scalar::Null)) || self.order(other) == Some(Ordering::Equal)
    }

    fn order(&self, other: &Scalar<'_>) -> Option<Ordering> {
        match (self, other) {
            (Scalar::Boolean(one), Scalar::Boolean(other)) => Some(one.cmp(other)),
            (Scalar::Number(one), Scalar::Number(other)) => Some(one.cmp(other)),
            (Scalar::Date(one), Scalar::Date(other)) => Some(one.cmp(other)),
            (Scalar::Text(one), Scalar::Text(other)) => Some(one.cmp(other)),
            (Scalar::Number(number), Scalar::Boolean(truth)) | (Scalar::Boolean(truth), Scalar::Number(number)) => {
                (Decimal::parse(if *truth { "1" } else { "0" }).as_ref() == Some(number)).then_some(Ordering::Equal)
            }
            _ => None,
        }
    }

    fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Boolean(truth) => Scalar::Boolean(truth),
            Scalar::Number(number) => Scalar::Number(number.into_owned()),
            Scalar::Date(date) => Scalar::Date(date),
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Other => Scalar::Other,
        }
    }
}

/// Reads the value of a condition.
fn operand(kind: Kind, raw: &[u8]) -> Result<Scalar<'static>, BadCondition> {
    let value = read(kind, raw);
    let fits = match (&value, kind) {
        (Scalar::Null, _) => true,
        (Scalar::Other, _) => false,
        (_, Kind::Any) => true,
        (Scalar::Text(_), Kind::Text) | (Scalar::Number(_), Kind::Number) | (Scalar::Date(_), Kind::Date) => true,
        (Scalar::Text(text), Kind::Date) => text.is_empty(),
        (Scalar::Boolean(_), Kind::Boolean) => true,
        (Scalar::Number(_), Kind::Boolean) => {
            [false, true].into_iter().any(|truth| value.equals(&Scalar::Boolean(truth)))
        }
        _ => false,
    };
    if fits { Ok(value.into_owned()) } else { Err(BadCondition::Value { expected: kind.expected() }) }
}

/// Reads a raw value as what a field of this kind holds.
fn read(kind: Kind, raw: &[u8]) -> Scalar<'_> {
    match (raw.first(), kind) {
        (Some(b'n'), _) => Scalar::Null,
        (Some(b't'), _) => Scalar::Boolean(true),
        (Some(b'f'), _) => Scalar::Boolean(false),
        (Some(b'"'), _) => {
            let Some(text) = scan::decode(raw) else {
                return Scalar::Other;
            };
            let read = match (kind, &text) {
                (Kind::Date, text) => Instant::parse(text).map(Scalar::Date),
                (Kind::Number, Cow::Borrowed(text)) => Decimal::parse(text).map(Scalar::Number),
                (Kind::Number, Cow::Owned(text)) => {
                    Decimal::parse(text).map(|number| Scalar::Number(number.into_owned()))
                }
                _ => None,
            };
            read.unwrap_or(Scalar::Text(text))
        }
        (Some(b'-' | b'0'..=b'9'), _) => {
            let text = scan::text(raw);
            match kind {
                Kind::Text => Scalar::Text(Cow::Borrowed(text)),
                Kind::Date => text.parse().ok().and_then(Instant::from_unix).map_or(Scalar::Other, Scalar::Date),
                _ => Decimal::parse(text).map_or(Scalar::Other, Scalar::Number),
            }
        }
        _ => Scalar::Other,
    }
}

/// A text in which letters that differ only in case are the same. Letter by letter, so that a part folds as it does in the whole
/// (Greek has a sigma that depends on what follows).
pub(crate) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn holds_text(text: &str, folded: &str) -> bool {
    if !text.is_ascii() {
        return fold(text).contains(folded);
    }
    let Some((first, rest)) = folded.as_bytes().split_first() else {
        return true;
    };
    let text = text.as_bytes();
    text.iter().enumerate().any(|(at, byte)| {
        byte.to_ascii_lowercase() == *first
            && text.get(at + 1..at + 1 + rest.len()).is_some_and(|part| part.eq_ignore_ascii_case(rest))
    })
}
