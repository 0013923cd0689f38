//! Query strings. A request takes the parameters that its description names and no others: a misspelt one would be passed over, and
//! the answer be that to another question.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Refusal;
use crate::error::{Failure, Failures, suggest};

/// The parameters of a request.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Query::try_from_uri(&parts.uri).map(|Query(read)| Self(read)).map_err(|rejection| {
            let told = std::error::Error::source(&rejection).map_or_else(|| rejection.body_text(), ToString::to_string);
            let message = match told.strip_prefix("missing field ") {
                Some(name) => format!("the parameter {name} is missing"),
                None => format!("cannot read the parameters: {told}"),
            };
            Failure::new(message).with("kind", "invalid-request").into()
        })
    }
}

/// Names of the parameters of every request, by its method and path.
pub(super) struct Known(BTreeMap<(String, String), Vec<String>>);

impl Known {
    /// Those of the description.
    pub(super) fn of(document: &Value) -> Self {
        let mut known = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, request) in methods.as_object().into_iter().flatten() {
                let all = request["parameters"].as_array().into_iter().flatten();
                let in_query = all.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str());
                known.insert((method.to_uppercase(), path.clone()), in_query.map(str::to_owned).collect());
            }
        }
        Self(known)
    }

    fn check(&self, method: &Method, path: &str, query: &str) -> Result<(), Failures> {
        let Some(known) = self.0.get(&(method.as_str().to_owned(), path.to_owned())) else { return Ok(()) };
        let mut failures = Vec::new();
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            if !known.iter().any(|one| *one == name) {
                let failure = Failure::new(format!("this request has no parameter `{}`", name.escape_debug()));
                let hint = suggest(&name, known.iter().map(String::as_str));
                failures.push(Failure { hint, ..failure.with("kind", "invalid-request").with("parameter", &*name) });
            }
        }
        Failures::check(failures)
    }
}

/// Lets a request pass whose parameters are known.
pub(super) async fn check(
    State(known): State<Arc<Known>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    match known.check(request.method(), path.as_str(), request.uri().query().unwrap_or_default()) {
        Ok(()) => next.run(request).await,
        Err(failures) => Refusal::from(failures).into_response(),
    }
}
