//! What the operator says in the environment.

use serde_json::Value;

/// Shortest token that is taken, in bytes: one that cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The operator's choices.
pub(crate) struct Operator {
    /// The connection's settings, a JSON object.
    pub(crate) settings: String,
    /// The connection's name in the paths, if it is not the connector's.
    pub(crate) name: Option<String>,
    /// Who may ask.
    pub(crate) guard: Guard,
}

/// Who may ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Who brings this token.
    Token(String),
    /// Anybody whom the runtime lets through: the operator has said so.
    Open,
    /// Nobody: the operator has said nothing.
    Unsaid,
}

impl Operator {
    /// Reads the environment.
    ///
    /// # Errors
    /// A token that is too short to guard anything, or one beside the word that there is none: one sentence, without it.
    pub(crate) fn read(environment: Vec<(String, String)>) -> Result<Self, String> {
        let mut operator = Self { settings: "{}".to_owned(), name: None, guard: Guard::Unsaid };
        let (mut token, mut open) = (None, false);
        for (name, value) in environment {
            match name.as_str() {
                "CONNECTOR_SETTINGS" => operator.settings = value,
                "CONNECTOR_NAME" => operator.name = Some(value).filter(|name| !name.is_empty()),
                "CONNECTOR_TOKEN" => token = Some(value.trim().to_owned()),
                "CONNECTOR_WITHOUT_TOKEN" => open = value.trim() == "1",
                _ => {}
            }
        }
        operator.guard = match token {
            Some(_) if open => {
                return Err(
                    "this service is not set up: CONNECTOR_WITHOUT_TOKEN contradicts CONNECTOR_TOKEN".to_owned()
                );
            }
            Some(token) if token.len() < SHORTEST_TOKEN => {
                return Err(format!(
                    "this service is not set up: the token in CONNECTOR_TOKEN is too short, take {SHORTEST_TOKEN} random characters or more"
                ));
            }
            Some(token) => Guard::Token(token),
            None if open => Guard::Open,
            None => Guard::Unsaid,
        };
        Ok(operator)
    }

    /// The secrets that the settings hold as they are: texts of properties that the schema calls `writeOnly`.
    pub(crate) fn secrets(&self, schema: &str) -> Vec<String> {
        let (Ok(schema), Ok(settings)) =
            (serde_json::from_str::<Value>(schema), serde_json::from_str::<Value>(&self.settings))
        else {
            return Vec::new();
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let hidden = properties
            .into_iter()
            .flatten()
            .filter(|(_, property)| property.get("writeOnly") == Some(&Value::Bool(true)));
        let texts = hidden.filter_map(|(name, _)| settings.get(name).and_then(Value::as_str));
        // In a text that may hold variables, `[[` stands for `[`.
        texts.flat_map(|text| [text.to_owned(), text.replace("[[", "[")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Operator, String> {
        Operator::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn nothing_said_means_the_documented_defaults() {
        let operator = read(&[("PATH", "/bin")]).unwrap();
        assert_eq!((operator.settings.as_str(), operator.name, operator.guard), ("{}", None, Guard::Unsaid));
    }

    #[test]
    fn a_token_that_guards_nothing_is_refused_and_not_shown() {
        for short in ["", "  ", "short-secret"] {
            let error = read(&[("CONNECTOR_TOKEN", short)]).err().unwrap();
            assert!(error.contains("CONNECTOR_TOKEN") && !error.contains("short-secret"), "{error}");
        }
        let guard = |pairs| read(pairs).unwrap().guard;
        assert_eq!(guard(&[("CONNECTOR_TOKEN", "0123456789abcdef\n")]), Guard::Token("0123456789abcdef".to_owned()));
    }

    #[test]
    fn a_service_is_open_only_if_its_operator_says_so() {
        let guard = |pairs: &[(&str, &str)]| read(pairs).unwrap().guard;
        assert_eq!(guard(&[("CONNECTOR_WITHOUT_TOKEN", "1")]), Guard::Open);
        for no in ["", "0", "no"] {
            assert_eq!(guard(&[("CONNECTOR_WITHOUT_TOKEN", no)]), Guard::Unsaid, "{no}");
        }
        let both = [("CONNECTOR_WITHOUT_TOKEN", "1"), ("CONNECTOR_TOKEN", "0123456789abcdef")];
        assert!(read(&both).is_err());
    }

    #[test]
    fn the_secrets_of_the_settings_are_those_that_the_schema_calls_so() {
        let operator = read(&[("CONNECTOR_SETTINGS", r#"{"hash":"abc","token":"lit[[eral"}"#)]).unwrap();
        let schema =
            r#"{"properties":{"hash":{"type":"string"},"token":{"writeOnly":true},"other":{"writeOnly":true}}}"#;
        assert_eq!(operator.secrets(schema), ["lit[[eral", "lit[eral"]);
        assert_eq!(read(&[("CONNECTOR_SETTINGS", "nonsense")]).unwrap().secrets(schema), [""; 0]);
    }
}
