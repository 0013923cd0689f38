//! JSON as text: records keep the digits and the field order that they were given.
//!
//! A record is its text plus the places of its top-level fields, so that answers are made by copying and a filter finds a
//! value without a parse. Nothing here turns a number into a float.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Top-level members of an object, borrowed from its text, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Collect<'a> {
            type Value = Members<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::with_capacity(80);
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    out.push((name.0, map.next_value::<&'de RawValue>()?));
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(Collect(std::marker::PhantomData))
    }
}

/// A member's name: borrowed unless it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(v.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Name)
    }
}

/// Names of a record's fields, shared by all records that have the same.
type Shape = Arc<[Box<str>]>;

/// One stored record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    text: Bytes,
    shape: Shape,
    places: Box<[(u32, u32)]>,
}

impl Record {
    /// A record from the text of a JSON object without white space around it. `like` is a record that probably has the
    /// same fields: their names are then kept once.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    pub(crate) fn new(text: Bytes, like: Option<&Record>) -> Result<Self, serde_json::Error> {
        let members: Members<'_> = serde_json::from_slice(&text)?;
        let start = text.as_ptr() as usize;
        let places = members
            .0
            .iter()
            .map(|(_, raw)| {
                let at = (raw.get().as_ptr() as usize).saturating_sub(start);
                (at as u32, (at + raw.get().len()) as u32)
            })
            .collect();
        let same = |shape: &Shape| {
            shape.len() == members.0.len() && shape.iter().zip(&members.0).all(|(have, (name, _))| **have == **name)
        };
        let shape = match like {
            Some(other) if same(&other.shape) => other.shape.clone(),
            _ => members.0.iter().map(|(name, _)| name.as_ref().into()).collect(),
        };
        drop(members);
        Ok(Self { text, shape, places })
    }

    /// The record's text.
    pub(crate) fn text(&self) -> &Bytes {
        &self.text
    }

    /// The record's text as a string.
    pub(crate) fn as_str(&self) -> &str {
        // The text was parsed as JSON, which is UTF-8.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Text of a top-level field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let at = self.shape.iter().position(|n| **n == *name)?;
        let (from, to) = *self.places.get(at)?;
        self.text.get(from as usize..to as usize).and_then(|t| std::str::from_utf8(t).ok())
    }

    /// Text of a field that a dotted path names; a part `x[]` means the first element of the array `x`.
    pub(crate) fn lookup(&self, path: &str) -> Option<Cow<'_, str>> {
        if !path.contains(['.', '[']) {
            return self.get(path).map(Cow::Borrowed);
        }
        let mut parts = path.split('.');
        let first = parts.next()?;
        let mut text = step(self.get(first.trim_end_matches("[]"))?, first)?.to_owned();
        for part in parts {
            let object = Object::parse(&text).ok()?;
            text = step(object.get(part.trim_end_matches("[]"))?, part)?.to_owned();
        }
        Some(Cow::Owned(text))
    }

    /// The record's fields, to be changed.
    pub(crate) fn object(&self) -> Object {
        Object::parse(self.as_str()).unwrap_or_default()
    }
}

fn step<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    if part.ends_with("[]") { elements(text).ok()?.first().copied() } else { Some(text) }
}

/// The elements of the text of an array.
///
/// # Errors
/// If the text is not an array.
pub(crate) fn elements(text: &str) -> Result<Vec<&str>, serde_json::Error> {
    let raw: Vec<&RawValue> = serde_json::from_str(text)?;
    Ok(raw.into_iter().map(RawValue::get).collect())
}

/// An object under construction: names and the texts of their values, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(Vec<(String, String)>);

impl Object {
    /// Reads the text of an object.
    ///
    /// # Errors
    /// If the text is not a JSON object.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let members: Members<'_> = serde_json::from_str(text)?;
        let mut out = Self(Vec::with_capacity(members.0.len()));
        for (name, raw) in members.0 {
            out.0.push((name.into_owned(), raw.get().to_owned()));
        }
        Ok(out)
    }

    /// Text of a member's value; the last one wins if the name comes twice.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Sets a member to a value given as JSON text.
    pub(crate) fn set(&mut self, name: &str, json: impl Into<String>) {
        let json = json.into();
        match self.0.iter_mut().rev().find(|(n, _)| n == name) {
            Some((_, value)) => *value = json,
            None => self.0.push((name.to_owned(), json)),
        }
    }

    /// Sets a member to a string.
    pub(crate) fn set_str(&mut self, name: &str, text: &str) {
        self.set(name, quote(text));
    }

    /// Puts a member before all others.
    pub(crate) fn set_first(&mut self, name: &str, json: impl Into<String>) {
        self.remove(name);
        self.0.insert(0, (name.to_owned(), json.into()));
    }

    /// Removes a member.
    pub(crate) fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Keeps the members whose names pass.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(n, _)| keep(n));
    }

    /// The object as JSON.
    pub(crate) fn to_text(&self) -> String {
        let size: usize = self.0.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
        let mut out = String::with_capacity(size + 2);
        out.push('{');
        for (i, (name, value)) in self.0.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(&quote(name));
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        out
    }
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// A value seen by its first character.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// The digits as they stand.
    Number(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array or an object.
    Nested(&'a str),
}

/// What the text of a value is.
pub(crate) fn scalar(text: &str) -> Scalar<'_> {
    match text.as_bytes().first() {
        None | Some(b'n') => Scalar::Null,
        Some(b't') => Scalar::Bool(true),
        Some(b'f') => Scalar::Bool(false),
        Some(b'"') => {
            let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            if inner.contains('\\') {
                Scalar::Text(Cow::Owned(serde_json::from_str(text).unwrap_or_default()))
            } else {
                Scalar::Text(Cow::Borrowed(inner))
            }
        }
        Some(b'[' | b'{') => Scalar::Nested(text),
        Some(_) => Scalar::Number(text),
    }
}

/// A value as plain text: strings without quotes, everything else as it stands.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    match scalar(text) {
        Scalar::Text(t) => t,
        _ => Cow::Borrowed(text),
    }
}

/// The same JSON without white space between its tokens.
pub(crate) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    each_token(text, |c, in_string, _| {
        if in_string || !c.is_ascii_whitespace() {
            out.push(c);
        }
    });
    out
}

/// The same JSON over many lines, indented by two spaces.
pub(crate) fn pretty(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    let line = |out: &mut String, depth: usize| {
        out.push_str("\r\n");
        out.extend(std::iter::repeat_n("  ", depth));
    };
    each_token(text, |c, in_string, last| match c {
        _ if in_string => out.push(c),
        '{' | '[' => {
            depth += 1;
            out.push(c);
            line(&mut out, depth);
        }
        '}' | ']' => {
            depth = depth.saturating_sub(1);
            if !matches!(last, '{' | '[') {
                line(&mut out, depth);
            }
            out.push(c);
        }
        ',' => {
            out.push(c);
            line(&mut out, depth);
        }
        ':' => out.push_str(": "),
        c if c.is_ascii_whitespace() => {}
        c => out.push(c),
    });
    out
}

/// Calls `f` with each character, whether it belongs to a string, and the last character that is no white space.
fn each_token(text: &str, mut f: impl FnMut(char, bool, char)) {
    let (mut inside, mut escaped, mut last) = (false, false, ' ');
    for c in text.chars() {
        let string = inside || c == '"';
        f(c, string, last);
        if inside {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == '"' {
                inside = false;
            }
        } else if c == '"' {
            inside = true;
        }
        if !c.is_ascii_whitespace() {
            last = c;
        }
    }
}

/// Compares two decimal numbers by their digits. `None` if one is not a number.
pub(crate) fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    Some(a.compare(&b))
}

/// A decimal number: 0.digits times ten to the power of `point`.
struct Decimal {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((m, e)) => (m, e.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if whole.len() + fraction.len() == 0 || !all().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let leading = all().take_while(|c| *c == b'0').count();
        let mut digits: Vec<u8> = all().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = exponent.saturating_add(whole.len() as i64).saturating_sub(leading as i64);
        Some(Self { negative: negative && !digits.is_empty(), digits, point })
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        let size = match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits)),
        };
        if self.negative { size.reverse() } else { size }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_record_keeps_its_digits_and_finds_its_fields() {
        let text = r#"{"id":12345678901234567890,"price":25.00,"big":1e400,"n\u00e4me":"x","a":{"b":[{"c":7}]}}"#;
        let record = Record::new(Bytes::from_static(text.as_bytes()), None).unwrap();
        assert_eq!(record.get("id"), Some("12345678901234567890"));
        assert_eq!(record.get("price"), Some("25.00"));
        assert_eq!(record.get("big"), Some("1e400"));
        assert_eq!(record.get("näme"), Some("\"x\""));
        assert_eq!(record.lookup("a.b[].c").as_deref(), Some("7"));
        assert_eq!(record.object().get("price"), Some("25.00"));
        assert_eq!(record.as_str(), text);
    }

    #[test]
    fn numbers_compare_as_decimals() {
        let cases = [
            ("25.00", "25", Ordering::Equal),
            ("0.1", "0.10", Ordering::Equal),
            ("1e400", "9e399", Ordering::Greater),
            ("-1", "0", Ordering::Less),
            ("-0", "0.0", Ordering::Equal),
            ("12345678901234567890", "12345678901234567891", Ordering::Less),
            ("100", "99.9999", Ordering::Greater),
            ("0.001", "1e-3", Ordering::Equal),
            ("-2", "-10", Ordering::Greater),
        ];
        for (a, b, want) in cases {
            assert_eq!(compare_numbers(a, b), Some(want), "{a} {b}");
        }
        assert_eq!(compare_numbers("x", "1"), None);
        assert_eq!(compare_numbers("", "1"), None);
    }

    #[test]
    fn pretty_text_compacts_back_to_the_same() {
        let text = r#"{"a":[1,{"b":"x, \" {y}"}],"c":{},"d":[]}"#;
        let many = pretty(text);
        assert!(many.contains("\r\n  \"a\": [\r\n    1"), "{many}");
        assert_eq!(compact(&many), text);
    }
}
