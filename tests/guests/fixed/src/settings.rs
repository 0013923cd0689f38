//! Settings: their schema, their variables, and everything that is wrong with them at once.

use serde_json::Value;

/// JSON Schema of the settings.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "greeting": {"type": "string", "title": "Greeting", "default": "hello", "x-order": 1, "x-variables": true},
    "token": {"type": "string", "title": "Token", "writeOnly": true, "x-order": 2, "x-variables": true},
    "address": {"type": "string", "title": "An address, never used", "x-order": 3, "x-variables": true},
    "keepAliveSeconds": {"type": "integer", "title": "Keep idle sockets open", "minimum": 1, "x-order": 4},
    "useProxy": {"type": "boolean", "title": "Use proxy", "default": false, "x-order": 5}
  }
}"#;

/// Checked settings; texts still hold their variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Answered by `test`.
    pub greeting: Option<String>,
    /// A secret.
    pub token: Option<String>,
    /// Never used.
    pub address: Option<String>,
    /// For the host.
    pub keep_alive: Option<u32>,
    /// For the host.
    pub use_proxy: bool,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// For people.
    pub message: String,
}

/// Reads the settings, or says all that is wrong with them.
pub fn parse(json: &str) -> Result<Settings, Vec<Wrong>> {
    let whole = |message: String| vec![Wrong { pointer: String::new(), message }];
    let value: Value = serde_json::from_str(json).map_err(|error| whole(format!("not JSON: {error}")))?;
    let Value::Object(map) = value else { return Err(whole("not a JSON object".into())) };
    let mut settings = Settings::default();
    let mut wrong = Vec::new();
    for (key, value) in map {
        let expected = match (key.as_str(), value) {
            ("greeting", Value::String(text)) => {
                settings.greeting = Some(text);
                continue;
            }
            ("token", Value::String(text)) => {
                settings.token = Some(text);
                continue;
            }
            ("address", Value::String(text)) => {
                settings.address = Some(text);
                continue;
            }
            ("useProxy", Value::Bool(yes)) => {
                settings.use_proxy = yes;
                continue;
            }
            ("keepAliveSeconds", Value::Number(number)) => match number.as_u64().and_then(|n| u32::try_from(n).ok()) {
                Some(seconds) => {
                    settings.keep_alive = Some(seconds);
                    continue;
                }
                None => "must be a whole number",
            },
            ("greeting" | "token" | "address", _) => "must be a text",
            ("useProxy", _) => "must be true or false",
            ("keepAliveSeconds", _) => "must be a whole number",
            _ => "is not a setting of this connector",
        };
        wrong.push(Wrong {
            pointer: format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            message: format!("`{key}` {expected}"),
        });
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

/// The text with the values of its variables: `[name]`, `[name{default}]`, and `[[` for `[`. A default stands in for a variable that
/// is not there, not for one that cannot be read: `undefined` tells the two apart.
///
/// # Errors
/// Those of `get`.
pub fn resolve<E>(
    text: &str,
    get: impl Fn(&str) -> Result<String, E>,
    undefined: impl Fn(&E) -> bool,
) -> Result<String, E> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once('[') {
        out.push_str(before);
        if let Some(tail) = inside.strip_prefix('[') {
            out.push('[');
            rest = tail;
            continue;
        }
        let length = inside.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(inside.len());
        let (name, after) = inside.split_at(length);
        let default = after.strip_prefix('{').and_then(|after| after.split_once("}]"));
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match (after.strip_prefix(']'), default) {
            (Some(tail), _) if starts_well => {
                out.push_str(&get(name)?);
                rest = tail;
            }
            (None, Some((default, tail))) if starts_well => {
                match get(name) {
                    Err(error) if undefined(&error) => out.push_str(default),
                    value => out.push_str(&value?),
                }
                rest = tail;
            }
            _ => {
                out.push('[');
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = parse(r#"{"greeting": 1, "nope": 2, "keepAliveSeconds": "12x"}"#).unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/greeting", "/keepAliveSeconds", "/nope"]);
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["address", "greeting", "keepAliveSeconds", "token", "useProxy"]);
    }

    #[test]
    fn variables_follow_the_rule_of_the_contract() {
        let get = |name: &str| if name == "token" { Ok("T".to_owned()) } else { Err(name.to_owned()) };
        for (text, expected) in [
            ("a[token]b", Ok("aTb")),
            ("[[token]", Ok("[token]")),
            ("[x{d}]", Ok("d")),
            ("[x]", Err("x")),
            ("[locked{d}]", Err("locked")),
            ("[::1]", Ok("[::1]")),
            ("[token", Ok("[token")),
        ] {
            assert_eq!(resolve(text, get, |name| name == "x").as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
