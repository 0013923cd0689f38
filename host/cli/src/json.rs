//! JSON as text: values are passed on as they were written, so that numbers keep their digits.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether the text is one JSON number, as RFC 8259 writes them.
pub(crate) fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && is_value(text)
}

/// Whether the text is a JSON number, `true`, `false` or `null`.
pub(crate) fn is_scalar(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || is_number(text)
}

/// Whether the text is one JSON value with nothing around it.
pub(crate) fn is_value(text: &str) -> bool {
    trim(text).len() == text.len() && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether a JSON string stands for a text. Half a surrogate pair is a legal escape, and stands for none.
pub(crate) fn is_text(string: &str) -> bool {
    !string.contains("\\u") || serde_json::from_str::<String>(string).is_ok()
}

/// A text without JSON's white space around it. Other white space, like a form feed, makes it a text that is no JSON.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Appends a JSON text without the white space between its tokens, so that it fits on one line. The text must be valid.
pub(crate) fn compact_into(text: &str, out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text.as_bytes() {
        if in_string {
            out.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else if !byte.is_ascii_whitespace() {
            in_string = byte == b'"';
            out.push(byte);
        }
    }
}

/// Calls `each` with every member of a JSON object, in the order of the text, values as they are written.
pub(crate) fn for_each_member<'a>(object: &'a str, each: impl FnMut(String, &'a RawValue)) -> serde_json::Result<()> {
    struct Members<F>(F);
    impl<'de, F: FnMut(String, &'de RawValue)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(object);
    reader.deserialize_map(Members(each))?;
    reader.end()
}

/// The lines of NDJSON bytes, without their line ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// The first `room` lines of a page, and how many they are.
pub(crate) fn first_lines(records: &[u8], count: u64, room: u64) -> (&[u8], u64) {
    if count <= room {
        return (records, count);
    }
    let mut left = room;
    let end = records.iter().position(|byte| {
        if left > 0 && *byte == b'\n' {
            left -= 1;
        }
        left == 0
    });
    (end.and_then(|end| records.get(..=end)).unwrap_or(records), room)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn compacting_changes_nothing_inside_texts_and_no_digit() {
        let mut out = Vec::new();
        compact_into("{ \"a b\" : \"x \\\" y\\\\\" ,\r\n\t\"n\" : [ 25.00 , 1e400 ] }", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b":"x \" y\\","n":[25.00,1e400]}"#);
    }

    #[test]
    fn members_come_in_order_with_their_digits() {
        let mut seen = Vec::new();
        for_each_member(r#"{"z":12345678901234567890,"a":1e400,"\u0062":{"c":1.50}}"#, |name, value| {
            seen.push((name, value.get().to_owned()));
        })
        .unwrap();
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(seen, [("z", "12345678901234567890"), ("a", "1e400"), ("b", r#"{"c":1.50}"#)]);
        assert!(for_each_member("[1]", |_, _| ()).is_err());
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for yes in ["0", "-1", "25.00", "1e400", "1E+5"] {
            assert!(is_number(yes), "{yes}");
        }
        for no in ["", "01", "+1", "1.", ".5", "0x10", "NaN", "1 ", "1,5", "-", "true"] {
            assert!(!is_number(no), "{no}");
        }
    }

    #[test]
    fn a_page_is_cut_at_the_limit_and_never_within_a_record() {
        let page = b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
        assert_eq!(first_lines(page, 3, 2), (&page[..16], 2));
        assert_eq!(first_lines(page, 3, 3), (&page[..], 3));
        assert_eq!(first_lines(page, 3, u64::MAX), (&page[..], 3));
        assert_eq!(first_lines(b"", 0, 5), (&b""[..], 0));
    }
}
