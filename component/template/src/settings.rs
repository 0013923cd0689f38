//! What a connection is configured with: the schema that hosts draw a form from, and all that is wrong with settings at once.

use serde_json::Value;

/// JSON Schema of the settings. `writeOnly` marks a secret, `x-variables` a text that may hold variables.
pub const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "required": ["owner"],
  "properties": {
    "owner": {"type": "string", "title": "Owner of the notes", "minLength": 1, "x-order": 1, "x-variables": true},
    "token": {"type": "string", "title": "Access token", "writeOnly": true, "x-order": 2, "x-variables": true}
  }
}"#;

/// Settings that are complete. Texts still hold their variables: they are resolved right before use, so that a rotated secret is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose notes.
    pub owner: String,
    /// A secret, for the requests that a real connector sends.
    pub token: Option<String>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// For people.
    pub message: String,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn parse(json: &str) -> Result<Self, Vec<Wrong>> {
        let whole = |message: &str| vec![Wrong { pointer: String::new(), message: message.into() }];
        let Ok(Value::Object(fields)) = serde_json::from_str(json) else {
            return Err(whole("the settings are not a JSON object"));
        };
        let (mut owner, mut token, mut wrong) = (None, None, Vec::new());
        for (name, value) in fields {
            let mut refuse = |why: &str| {
                let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                wrong.push(Wrong { pointer, message: format!("`{name}` {why}") });
            };
            match (name.as_str(), value) {
                ("owner", Value::String(text)) if !text.is_empty() => owner = Some(text),
                ("token", Value::String(text)) => token = Some(text),
                ("owner" | "token", _) => refuse("must be a text that is not empty"),
                _ => refuse("is not a setting of this connector"),
            }
        }
        if owner.is_none() && !wrong.iter().any(|wrong| wrong.pointer == "/owner") {
            wrong.push(Wrong { pointer: "/owner".into(), message: "`owner` is missing".into() });
        }
        match owner {
            Some(owner) if wrong.is_empty() => Ok(Self { owner, token }),
            _ => Err(wrong),
        }
    }
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
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let (name, after) = inside.split_at(inside.find(|c| !is_name(c)).unwrap_or(inside.len()));
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let default = after.strip_prefix('{').and_then(|after| after.split_once("}]"));
        rest = match (inside.strip_prefix('['), after.strip_prefix(']'), default) {
            (Some(tail), _, _) => {
                out.push('[');
                tail
            }
            (_, Some(tail), _) if starts_well => {
                out.push_str(&get(name)?);
                tail
            }
            (_, _, Some((default, tail))) if starts_well => {
                match get(name) {
                    Err(error) if undefined(&error) => out.push_str(default),
                    value => out.push_str(&value?),
                }
                tail
            }
            _ => {
                out.push('[');
                inside
            }
        };
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let pointers = |json| {
            let wrong = Settings::parse(json).unwrap_err();
            wrong.into_iter().map(|wrong| wrong.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(r#"{"token": 1, "colour": "red"}"#), ["/colour", "/token", "/owner"]);
        assert_eq!(pointers("[]"), [""]);
        assert_eq!(Settings::parse(r#"{"owner": "Ada"}"#), Ok(Settings { owner: "Ada".into(), token: None }));
    }

    #[test]
    fn the_schema_is_json_and_names_every_setting() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["owner", "token"]);
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
