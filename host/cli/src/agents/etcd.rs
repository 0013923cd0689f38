//! Asks an etcd, through its JSON gateway: as a user where it wants one, with a certificate by the system's authorities or by the project's
//! own. Failures are told in one line, as the reason why nothing runs: they have no hints.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use connector_host::Secret;
use reqwest::header::AUTHORIZATION;
use reqwest::{Certificate, Client, StatusCode};
use serde_json::{Value, json};

use super::ask::{client, read};
use super::{CoordinatorAddress, secret};
use crate::error::{Failure, Result};
use crate::session::Session;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An etcd, and who asks it.
pub(super) struct Etcd {
    client: Client,
    url: String,
    /// Name and password.
    user: Option<(String, Secret)>,
    /// What the password was exchanged for; it holds for some minutes.
    token: Mutex<Option<String>>,
}

impl Etcd {
    /// Asks nothing yet.
    ///
    /// # Errors
    /// The password has no value, or the file of authorities cannot be read.
    pub(super) fn new(session: &Session, address: &CoordinatorAddress) -> Result<Self> {
        let user = match &address.user {
            Some(user) => Some((user.name.clone(), secret(session, "the coordinator's password", &user.password)?)),
            None => None,
        };
        let roots = match &address.ca_file {
            Some(path) => {
                let path = session.project.resolve(path);
                let wrong =
                    || Failure::new(format!("cannot use the authorities of the coordinator, `{}`", path.display()));
                let text = crate::files::read_text(&path).map_err(|e| wrong().causes_of(&e))?;
                let roots = Certificate::from_pem_bundle(text.as_bytes()).map_err(|e| wrong().causes_of(&e))?;
                if roots.is_empty() {
                    return Err(wrong().cause("it has no certificate").into());
                }
                roots
            }
            None => Vec::new(),
        };
        Ok(Self { client: client(roots)?, url: address.url.clone(), user, token: Mutex::default() })
    }

    /// Sends a request, and answers what comes of it.
    ///
    /// # Errors
    /// It does not answer, refuses, or is no etcd.
    pub(super) async fn ask(&self, what: &str, body: &Value) -> Result<Value, Failure> {
        if let Some((name, password)) = self.user.as_ref().filter(|_| self.token().is_none()) {
            self.log_in(name, password).await?;
        }
        let (mut status, mut answer) = self.send(what, body).await?;
        if let (StatusCode::UNAUTHORIZED, Some((name, password))) = (status, &self.user) {
            // It has forgotten the token, as after a start.
            self.log_in(name, password).await?;
            (status, answer) = self.send(what, body).await?;
        }
        self.judged(status, &answer)
    }

    async fn log_in(&self, name: &str, password: &Secret) -> Result<(), Failure> {
        self.keep_token(None);
        let (status, answer) =
            self.send("auth/authenticate", &json!({ "name": name, "password": password.reveal() })).await?;
        let answer = self.judged(status, &answer)?;
        let token = answer.get("token").and_then(Value::as_str).ok_or_else(|| self.no_sense())?;
        self.keep_token(Some(token.to_owned()));
        Ok(())
    }

    fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_token(&self, token: Option<String>) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    async fn send(&self, what: &str, body: &Value) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut request = self.client.post(format!("{}/v3/{what}", self.url)).json(body).timeout(PATIENCE);
        if let Some(token) = self.token() {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request.send().await.map_err(|e| {
            let failure = Failure::new(format!("the coordinator {} cannot be reached", self.url));
            match std::error::Error::source(&e) {
                Some(cause) => failure.causes_of(cause),
                None => failure,
            }
        })?;
        Ok((response.status(), read(response).await?))
    }

    fn judged(&self, status: StatusCode, answer: &[u8]) -> Result<Value, Failure> {
        let told: Option<Value> = serde_json::from_slice(answer).ok();
        if status.is_success() {
            return told.ok_or_else(|| self.no_sense());
        }
        let words = told.as_ref().and_then(|told| told.get("message")?.as_str()).map(str::to_owned);
        let words = words.unwrap_or_else(|| String::from_utf8_lossy(answer).chars().take(200).collect());
        // Its statuses do not tell these apart.
        let what = match &self.user {
            None if words.contains("user name is empty") => {
                "wants a user: `user` and `password` of the coordinator in agents.toml".to_owned()
            }
            Some(_) if words.contains("authentication is not enabled") => {
                "knows no users, and agents.toml names one".to_owned()
            }
            Some((name, _)) if words.contains("authentication failed") => {
                format!("does not take the user `{name}` of agents.toml with the password that its variable has")
            }
            Some((name, _)) if words.contains("permission denied") => {
                format!("does not let the user `{name}` read and write the keys below /connector/")
            }
            _ => format!("answers {}", status.as_u16()),
        };
        Err(Failure::new(format!("the coordinator {} {what}", self.url)).cause(words))
    }

    pub(super) fn no_sense(&self) -> Failure {
        Failure::new(format!(
            "what answers at {}, the coordinator of agents.toml, is no etcd of 3.4 or later",
            self.url
        ))
    }
}
