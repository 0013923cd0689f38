//! Answers as the API writes them: envelopes and error bodies of both versions.

use bytes::Bytes;

use crate::json::quote;

/// What the `type` of a v3 error points to.
const ERROR_TYPE: &str = "https://developer.bigcommerce.com/api-docs/getting-started/api-status-codes";

/// Path prefixes whose errors are `application/problem+json`.
const PROBLEM_JSON: &[&str] =
    &["/v3/inventory", "/v3/content/pages", "/v3/pickup", "/v3/orders/pickups", "/v3/tax/classes"];

/// Path prefixes whose errors about records stand in an array, with counts beside it.
const LISTED_ERRORS: &[&str] = &["/v3/segments", "/v3/tax/classes"];

/// Path prefixes of v2 whose errors stand in an array within an object.
const WRAPPED_V2_ERRORS: &[&str] = &["/v2/customer_groups"];

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Whether the request changed or read the store, as opposed to being refused.
    pub(crate) acted: bool,
}

impl Answer {
    /// JSON of a request that was carried out.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.into(), acted: true }
    }

    /// Carried out, nothing to say.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, content_type: "", headers: Vec::new(), body: Bytes::new(), acted: true }
    }

    /// `{"data": payload, "meta": meta}`, or the payload alone, as the envelope says.
    pub(crate) fn enveloped(status: u16, envelope: &str, payload: &str, meta: &str) -> Self {
        match envelope {
            "data_meta" => Self::json(status, format!("{{\"data\":{payload},\"meta\":{meta}}}")),
            "data" => Self::json(status, format!("{{\"data\":{payload}}}")),
            _ => Self::json(status, payload.to_owned()),
        }
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) title: String,
    /// Field paths and messages (v3).
    pub(crate) errors: Vec<(String, String)>,
    /// Raw body in place of the usual one, with its content type.
    pub(crate) body: Option<(&'static str, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Something was saved or deleted, whatever the status says.
    pub(crate) acted: bool,
}

impl Refusal {
    pub(crate) fn new(status: u16, title: impl Into<String>) -> Self {
        Self { status, title: title.into(), errors: Vec::new(), body: None, headers: Vec::new(), acted: false }
    }

    /// The refusal of a request of which a part was carried out.
    pub(crate) fn after_acting(self, acted: bool) -> Self {
        Self { acted, ..self }
    }

    pub(crate) fn field(mut self, field: &str, message: impl Into<String>) -> Self {
        self.errors.push((field.to_owned(), message.into()));
        self
    }

    pub(crate) fn with_body(mut self, content_type: &'static str, body: impl Into<String>) -> Self {
        self.body = Some((content_type, body.into()));
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "The requested resource was not found.")
    }

    /// Missing or invalid data.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(422, message.clone()).field(field, message)
    }

    /// The v3 error object.
    pub(crate) fn object(&self) -> String {
        let errors: Vec<String> = self.errors.iter().map(|(f, m)| format!("{}:{}", quote(f), quote(m))).collect();
        format!(
            "{{\"status\":{},\"title\":{},\"type\":{},\"errors\":{{{}}}}}",
            self.status,
            quote(&self.title),
            quote(ERROR_TYPE),
            errors.join(",")
        )
    }

    /// Whether it is about what was sent, and not about who sent it or how often.
    fn about_records(&self) -> bool {
        matches!(self.status, 400 | 404 | 409 | 413 | 422)
    }

    /// The refusal as an answer to this path (below the store).
    pub(crate) fn answer(self, path: &str) -> Answer {
        let v2 = path.starts_with("/v2");
        let (content_type, body) = match &self.body {
            Some((kind, body)) => (*kind, body.clone()),
            // v2 says 400 where v3 says 422.
            None if v2 => {
                let message = self.errors.first().map_or(&self.title, |(_, m)| m);
                let status = if self.status == 422 { 400 } else { self.status };
                let wrapped = status == 400 && WRAPPED_V2_ERRORS.iter().any(|p| path.starts_with(p));
                if wrapped {
                    let error = Self::new(status, message.clone()).object();
                    let body = format!("{{\"errors\":[{error}]}}");
                    return Answer {
                        status,
                        content_type: "application/json",
                        headers: self.headers,
                        body: body.into(),
                        acted: self.acted,
                    };
                }
                ("application/json", format!("[{{\"status\":{status},\"message\":{}}}]", quote(message)))
            }
            None if self.about_records() && LISTED_ERRORS.iter().any(|p| path.starts_with(p)) => {
                let kind = if path.starts_with("/v3/tax") { "application/problem+json" } else { "application/json" };
                let none = "{\"total\":0,\"success\":0,\"failed\":0}";
                (kind, format!("{{\"errors\":[{}],\"meta\":{none}}}", self.object()))
            }
            None if PROBLEM_JSON.iter().any(|p| path.starts_with(p)) => ("application/problem+json", self.object()),
            None => ("application/json", self.object()),
        };
        let status = if v2 && self.status == 422 { 400 } else { self.status };
        Answer { status, content_type, headers: self.headers, body: body.into(), acted: self.acted }
    }
}

/// What a handler gives.
pub(crate) type Outcome = Result<Answer, Refusal>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_shape_of_their_version() {
        let v3 = Refusal::invalid("name", "name is required").answer("/v3/catalog/products");
        assert_eq!(v3.status, 422);
        assert!(String::from_utf8_lossy(&v3.body).contains("\"errors\":{\"name\":\"name is required\"}"));
        let v2 = Refusal::invalid("name", "name is required").answer("/v2/coupons");
        assert_eq!(v2.status, 400);
        assert_eq!(v2.body, Bytes::from_static(b"[{\"status\":400,\"message\":\"name is required\"}]"));
    }
}
