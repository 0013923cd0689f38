//! What is wrong with the shape of a body, in the words of JSON and with a pointer to it: serde speaks of Rust's types, which no
//! caller knows. What was given is never repeated: it may be a secret.

use serde_path_to_error::{Path, Segment};

use crate::error::{Failure, suggest};

/// The failure to take a JSON text for what was expected.
pub(super) fn failure(error: &serde_path_to_error::Error<serde_json::Error>) -> Failure {
    let inner = error.inner();
    let told = inner.to_string();
    if !inner.is_data() {
        return Failure::new(format!("cannot read the body: {told}")).with("kind", "invalid-request");
    }
    let place = format!(" at line {} column {}", inner.line(), inner.column());
    let (mut pointer, whose) = pointer(error.path());
    let Wrong { member, message, hint } = wrong(told.strip_suffix(&place).unwrap_or(&told), &whose);
    if let Some(member) = member.filter(|member| whose != format!("`{member}`")) {
        push(&mut pointer, &member);
    }
    Failure { hint, ..Failure::new(message).with("kind", "invalid-request").with("pointer", pointer) }
}

/// The JSON pointer of a path, and what it leads to, for people.
fn pointer(path: &Path) -> (String, String) {
    let (mut pointer, mut what) = (String::new(), "the body".to_owned());
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => {
                push(&mut pointer, &index.to_string());
                what = format!("an item of {what}");
            }
            Segment::Map { key } => {
                push(&mut pointer, key);
                what = format!("`{key}`");
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    (pointer, what)
}

fn push(pointer: &mut String, member: &str) {
    pointer.push('/');
    pointer.push_str(&member.replace('~', "~0").replace('/', "~1"));
}

/// What is wrong, for people.
#[derive(Debug, Default, PartialEq)]
struct Wrong {
    /// The member that is meant, if it is told by name.
    member: Option<String>,
    message: String,
    hint: Option<String>,
}

/// Puts serde's words into those of JSON. `whose` is what was being read.
fn wrong(told: &str, whose: &str) -> Wrong {
    let mut quoted = told.split('`').skip(1).step_by(2);
    let mut first = || quoted.next().unwrap_or_default().to_owned();
    if told.starts_with("unknown field ") {
        let member = first();
        let (message, hint) = (format!("there is no member `{member}`"), one_of(&member, quoted.collect()));
        return Wrong { member: Some(member), message, hint };
    }
    if told.starts_with("missing field ") {
        let member = first();
        return Wrong { message: format!("the member `{member}` is missing"), member: Some(member), hint: None };
    }
    if told.starts_with("duplicate field ") {
        let member = first();
        return Wrong { message: format!("the member `{member}` is there twice"), member: Some(member), hint: None };
    }
    if told.starts_with("unknown variant ") {
        let hint = one_of(&first(), quoted.collect());
        return Wrong { message: format!("{whose} has no such value"), hint, ..Wrong::default() };
    }
    // A struct may stand as a list of its members for serde, in which some are missing then.
    if told.starts_with("invalid length ") {
        return Wrong { message: format!("{whose} takes an object, and this is a list"), ..Wrong::default() };
    }
    let kinds = told.strip_prefix("invalid type: ").or_else(|| told.strip_prefix("invalid value: "));
    if let Some((given, expected)) = kinds.and_then(|kinds| kinds.rsplit_once(", expected ")) {
        let message = format!("{whose} takes {}, and this is {}", taken(expected), this(given));
        return Wrong { message, ..Wrong::default() };
    }
    Wrong { message: format!("{whose}: {told}"), ..Wrong::default() }
}

/// `did you mean …`, or else all that there is.
fn one_of(given: &str, names: Vec<&str>) -> Option<String> {
    let all = (!names.is_empty()).then(|| format!("there are: {}", names.join(", ")));
    suggest(given, names).or(all)
}

/// What a type of Rust takes.
fn taken(expected: &str) -> &str {
    match expected {
        "u32" => "a whole number from 0 to 4294967295",
        "u8" | "u16" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" | "sequence" => "a list",
        "a map" | "map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.contains("string") || expected.starts_with("enum ") => "a text",
        _ => "something else",
    }
}

/// What was given, without it.
fn this(given: &str) -> &'static str {
    match given.split([' ', '`']).next().unwrap_or_default() {
        "string" | "character" => "a text",
        "integer" | "number" => "a number",
        "floating" => "a number with a fraction",
        "boolean" => "true or false",
        "null" | "unit" | "Option" => "null",
        "sequence" => "a list",
        "map" => "an object",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "is read, and never looked at")]
    struct Body {
        object: String,
        #[serde(default)]
        conditions: Vec<Condition>,
        size: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "is read, and never looked at")]
    struct Condition {
        op: Op,
        value: Box<RawValue>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Op {
        Equal,
        LessOrEqual,
    }

    fn read(text: &str) -> Result<Body, Failure> {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|e| failure(&e))
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place_without_a_word_of_rust_or_what_was_given() {
        let of = |condition: &str| format!("{{\"object\":\"o\",\"conditions\":[{condition}]}}");
        for (text, pointer, words) in [
            ("[]", "", "the body takes an object, and this is a list"),
            ("{}", "/object", "the member `object` is missing"),
            ("{\"object\":31337}", "/object", "`object` takes a text, and this is a number"),
            ("{\"object\":\"o\",\"objcet\":1}", "/objcet", "there is no member `objcet`"),
            ("{\"object\":\"o\",\"object\":\"p\"}", "/object", "the member `object` is there twice"),
            ("{\"object\":\"o\",\"size\":\"s3cret\"}", "/size", "from 0 to 4294967295, and this is a text"),
            ("{\"object\":\"o\",\"size\":-31337}", "/size", "from 0 to 4294967295, and this is a number"),
            ("{\"object\":\"o\",\"size\":0.5}", "/size", "this is a number with a fraction"),
            ("{\"object\":\"o\",\"conditions\":true}", "/conditions", "`conditions` takes a list, and this is true or"),
            (&of("3"), "/conditions/0", "an item of `conditions` takes an object, and this is a number"),
            (&of("{\"op\":\"equal\"}"), "/conditions/0/value", "the member `value` is missing"),
            (&of("{\"op\":\"less\",\"value\":1}"), "/conditions/0/op", "`op` has no such value"),
            (&of("{\"op\":\"equal\",\"value\":1,\"a/b~\":1}"), "/conditions/0/a~1b~0", "there is no member `a/b~`"),
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.detail["pointer"], pointer, "{text}: {failure:?}");
            assert!(failure.message.contains(words), "{text}: {failure:?}");
            let told = failure.to_json().to_string();
            for never in ["struct", "u32", "Body", "line", "s3cret", "31337"] {
                assert!(!told.contains(never), "{never}: {told}");
            }
        }
        assert_eq!(read("{\"objcet\":1}").unwrap_err().hint.as_deref(), Some("did you mean `object`?"));
        let less = read(&of("{\"op\":\"less\",\"value\":1}")).unwrap_err();
        assert_eq!(less.hint.as_deref(), Some("there are: equal, less-or-equal"));
        let broken = read("{\"object\":").unwrap_err();
        assert!(broken.message.contains("cannot read the body: EOF") && !broken.detail.contains_key("pointer"));
        assert!(read(&of("{\"op\":\"less-or-equal\",\"value\":1.50}")).is_ok());
    }
}
