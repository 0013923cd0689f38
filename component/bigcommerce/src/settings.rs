//! The settings of a connection: parsed into types here, once, with every problem reported at once. The defaults stand in
//! `settings.schema.json` and are asserted by a test.

use serde_json::{Map, Value};

use crate::error::{Error, Kind};
use crate::host::Host;
use crate::template::Template;

/// JSON Schema of the settings.
pub const SCHEMA: &str = include_str!("settings.schema.json");
/// Where the Management API lives.
pub const DEFAULT_BASE_URL: &str = "https://api.bigcommerce.com";

/// Settings that passed the check.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Resolved once, so that a query never mixes two stores.
    pub store_hash: String,
    /// Sent as `X-Auth-Client` when given; deprecated by the API.
    pub client_id: Option<Template>,
    /// Resolved before every request.
    pub access_token: Template,
    /// Seconds that idle connections stay open; none switches the strategy off.
    pub keep_alive_seconds: Option<u32>,
    /// Whether to use the host's proxy.
    pub use_proxy: bool,
    /// Where the API is.
    pub base: Base,
    /// Records per request.
    pub page_size: u32,
    /// Requests under way at once, per activity.
    pub requests_in_flight: u32,
    /// Milliseconds.
    pub connect_timeout_ms: u64,
    /// Milliseconds.
    pub answer_timeout_ms: u64,
    /// Milliseconds.
    pub retry_budget_ms: u64,
}

/// A base URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// `https`, else `http`.
    pub https: bool,
    /// Host and port.
    pub authority: String,
    /// What stands before `/stores`, without a slash at its end.
    pub prefix: String,
}

impl Base {
    /// Takes `https://host[:port][/prefix]` apart.
    pub fn parse(url: &str) -> Option<Self> {
        let (https, rest) = if let Some(rest) = url.strip_prefix("https://") {
            (true, rest)
        } else {
            (false, url.strip_prefix("http://")?)
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let strange =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '?' | '#' | '\\' | '"' | '<' | '>');
        if authority.is_empty() || authority.starts_with(':') || rest.chars().any(strange) {
            return None;
        }
        Some(Self { https, authority: authority.to_owned(), prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

/// The numbers that have a default, with their bounds: `(name, default, least, most)`.
const NUMBERS: [(&str, u64, u64, u64); 5] = [
    ("page_size", 250, 1, 1000),
    ("requests_in_flight", 4, 1, 16),
    ("connect_timeout_ms", 10_000, 100, 600_000),
    ("answer_timeout_ms", 60_000, 100, 600_000),
    ("retry_budget_ms", 300_000, 0, 3_600_000),
];
const TEXTS: [&str; 5] = ["store_hash", "client_id", "access_token", "keep_alive_seconds", "base_url"];
const SWITCHES: [&str; 2] = ["keep_alive", "use_proxy"];
/// Longest time that idle connections are kept, in seconds.
const MOST_KEEP_ALIVE: u32 = 3600;

struct Reader<'a> {
    map: Map<String, Value>,
    host: &'a dyn Host,
    errors: Vec<Error>,
}

impl Reader<'_> {
    fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(Error::new(Kind::Configuration, message).at(format!("/{name}")));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.map.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text)) => Some(text.clone()),
            // A form may send digits as a number; the digits are what counts.
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => {
                self.wrong(name, format!("`{name}` must be a text"));
                None
            }
        }
    }

    fn switch(&mut self, name: &str) -> bool {
        match self.map.get(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(on)) => *on,
            Some(_) => {
                self.wrong(name, format!("`{name}` must be true or false"));
                false
            }
        }
    }

    fn number(&mut self, (name, default, least, most): (&str, u64, u64, u64)) -> u64 {
        let given = match self.map.get(name) {
            None | Some(Value::Null) => return default,
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        match given {
            Some(number) if (least..=most).contains(&number) => number,
            _ => {
                self.wrong(name, format!("`{name}` must be a whole number from {least} to {most}"));
                default
            }
        }
    }

    /// The text with its variables' values; an undefined variable is an error here and now, not in the middle of a query.
    fn resolved(&mut self, name: &str) -> Option<String> {
        let template = Template::parse(&self.text(name)?);
        match template.resolve(|variable| self.host.variable(variable)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(error.at(format!("/{name}")));
                None
            }
        }
    }
}

impl Settings {
    /// Checks a JSON text of settings.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with a pointer to the setting.
    pub fn parse(json: &str, host: &dyn Host) -> Result<Self, Vec<Error>> {
        let map = match serde_json::from_str(json) {
            Ok(Value::Object(map)) => map,
            Ok(_) => {
                return Err(vec![Error::new(Kind::Configuration, "the settings must be a JSON object").at("")]);
            }
            Err(error) => {
                return Err(vec![
                    Error::new(Kind::Configuration, format!("the settings are not JSON: {error}")).at(""),
                ]);
            }
        };
        let mut reader = Reader { map, host, errors: Vec::new() };
        let known = |name: &String| {
            TEXTS.contains(&name.as_str()) || SWITCHES.contains(&name.as_str()) || NUMBERS.iter().any(|n| n.0 == name)
        };
        let unknown: Vec<String> = reader.map.keys().filter(|name| !known(name)).cloned().collect();
        for name in unknown {
            reader.wrong(&crate::url::pointer_token(&name), format!("there is no setting `{name}`"));
        }

        let store_hash = Self::store_hash(&mut reader);
        if reader.text("access_token").is_none() {
            reader
                .wrong("access_token", "`access_token` is missing: enter the access token of the store's API account");
        }
        let access_token = Template::parse(&reader.text("access_token").unwrap_or_default());
        if let Some(token) = reader.resolved("access_token")
            && (token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()))
        {
            reader.wrong(
                "access_token",
                "`access_token` is empty or holds characters that no token has (spaces, line breaks)",
            );
        }
        let client_id = reader.text("client_id").map(|text| Template::parse(&text));
        if let Some(id) = reader.resolved("client_id")
            && !id.bytes().all(|b| b.is_ascii_graphic())
        {
            reader.wrong("client_id", "`client_id` holds characters that no client id has (spaces, line breaks)");
        }
        let keep_alive_seconds = Self::keep_alive(&mut reader);
        let use_proxy = reader.switch("use_proxy");
        let base_url = reader.resolved("base_url").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let base = Base::parse(&base_url);
        if base.is_none() {
            reader.wrong(
                "base_url",
                "`base_url` must look like https://api.bigcommerce.com, without user, query or fragment",
            );
        }
        let [page_size, in_flight, connect, answer, budget] = NUMBERS.map(|number| reader.number(number));
        match (base, reader.errors.is_empty()) {
            (Some(base), true) => Ok(Self {
                store_hash,
                client_id,
                access_token,
                keep_alive_seconds,
                use_proxy,
                base,
                page_size: u32::try_from(page_size).unwrap_or(250),
                requests_in_flight: u32::try_from(in_flight).unwrap_or(4),
                connect_timeout_ms: connect,
                answer_timeout_ms: answer,
                retry_budget_ms: budget,
            }),
            _ => Err(reader.errors),
        }
    }

    fn store_hash(reader: &mut Reader<'_>) -> String {
        if reader.text("store_hash").is_none() {
            reader
                .wrong("store_hash", "`store_hash` is missing: enter the part behind /stores/ in the store's API path");
            return String::new();
        }
        let hash = reader.resolved("store_hash").unwrap_or_else(|| "unresolved".to_owned());
        let wellformed =
            (3..=32).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !wellformed {
            reader.wrong(
                "store_hash",
                "`store_hash` is malformed: it has 3 to 32 lower-case letters and digits, like `abc123xyz`; enter only the part behind /stores/ in the API path",
            );
        }
        hash
    }

    fn keep_alive(reader: &mut Reader<'_>) -> Option<u32> {
        if !reader.switch("keep_alive") {
            return None;
        }
        if reader.text("keep_alive_seconds").is_none() {
            reader.wrong("keep_alive_seconds", "`keep_alive_seconds` is required when `keep_alive` is on");
            return None;
        }
        let text = reader.resolved("keep_alive_seconds")?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(seconds) if digits && (1..=MOST_KEEP_ALIVE).contains(&seconds) => Some(seconds),
            _ => {
                let message = format!("`keep_alive_seconds` must be digits only, 1 to {MOST_KEEP_ALIVE}");
                reader.wrong("keep_alive_seconds", message);
                None
            }
        }
    }
}
