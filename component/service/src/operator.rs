//! What the operator says in the environment.

/// Shortest token that is taken, in bytes: one that cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The operator's choices.
pub(crate) struct Operator {
    /// The connection's settings, a JSON object.
    pub(crate) settings: String,
    /// The connection's name in the paths, if it is not the connector's.
    pub(crate) name: Option<String>,
    /// What requests must bring.
    pub(crate) token: Option<String>,
}

impl Operator {
    /// Reads the environment.
    ///
    /// # Errors
    /// A token that is too short to guard anything: one sentence, without it.
    pub(crate) fn read(environment: Vec<(String, String)>) -> Result<Self, String> {
        let mut operator = Self { settings: "{}".to_owned(), name: None, token: None };
        for (name, value) in environment {
            match name.as_str() {
                "CONNECTOR_SETTINGS" => operator.settings = value,
                "CONNECTOR_NAME" => operator.name = Some(value).filter(|name| !name.is_empty()),
                "CONNECTOR_TOKEN" => operator.token = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        match &operator.token {
            Some(token) if token.len() < SHORTEST_TOKEN => Err(format!(
                "this service is not set up: the token in CONNECTOR_TOKEN is too short, take {SHORTEST_TOKEN} random characters or more"
            )),
            _ => Ok(operator),
        }
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
        assert_eq!((operator.settings.as_str(), operator.name, operator.token), ("{}", None, None));
    }

    #[test]
    fn a_token_that_guards_nothing_is_refused_and_not_shown() {
        for short in ["", "  ", "short-secret"] {
            let error = read(&[("CONNECTOR_TOKEN", short)]).err().unwrap();
            assert!(error.contains("CONNECTOR_TOKEN") && !error.contains("short-secret"), "{error}");
        }
        assert_eq!(read(&[("CONNECTOR_TOKEN", "0123456789abcdef\n")]).unwrap().token.unwrap(), "0123456789abcdef");
    }
}
