//! JSON as serde_json reads it, for comparing: raw texts, never values, so that digits are seen.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A text that is one JSON value, without the white space around it. None if it is not, whatever the depth.
pub(crate) fn value(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

/// The elements of an array, raw.
pub(crate) fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The members of an object, names decoded, values raw. None also for a name that no text can hold (half a surrogate pair).
pub(crate) fn members(text: &str) -> Option<Vec<(String, &str)>> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                members.push((name, value.get()));
            }
            Ok(members)
        }
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let members = reader.deserialize_map(Members).ok()?;
    reader.end().ok().map(|()| members)
}

/// Levels of arrays and objects of a valid text.
pub(crate) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in structure(text) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A valid text without the white space between its tokens.
pub(crate) fn bare(text: &str) -> String {
    let mut string = false;
    let mut escaped = false;
    let kept = text.chars().filter(|&c| {
        let keep = string || !matches!(c, ' ' | '\n' | '\r' | '\t');
        if escaped {
            escaped = false;
        } else if string && c == '\\' {
            escaped = true;
        } else if c == '"' {
            string = !string;
        }
        keep
    });
    kept.collect()
}

/// The bytes outside of strings.
fn structure(text: &str) -> impl Iterator<Item = u8> {
    let (mut string, mut escaped) = (false, false);
    text.bytes().filter(move |&byte| {
        let was = string;
        if escaped {
            escaped = false;
        } else if string && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            string = !string;
        }
        !was && !string
    })
}
