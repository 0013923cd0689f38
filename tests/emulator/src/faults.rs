//! Faults: what goes wrong, on which request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

/// What happens to a request that a fault strikes.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer comes so much later (the store acts before the wait).
    Delay(Duration),
    /// The connection is reset (RST) when the head of the request has come; the body is not read, the store does not act.
    ResetBeforeReading,
    /// The connection is reset when the whole request has come; the store does not act.
    ResetBeforeActing,
    /// The store acts, then the connection is reset instead of an answer.
    ResetBeforeAnswering,
    /// The store acts, the head and half of the body are sent, then the connection is reset.
    ResetInBody,
    /// The store acts, the head and half of the body are sent, then the connection ends in good order.
    EndInBody,
    /// The store acts; the body is complete for HTTP, but its JSON stops half-way.
    TruncatedJson,
    /// The store acts; the body is not JSON any more.
    MalformedJson,
    /// The store acts; the body comes in pieces of so many bytes with a pause before each.
    SlowBody {
        /// Bytes per piece.
        piece: usize,
        /// Pause before each piece.
        pause: Duration,
    },
    /// The store acts; the answer names this content type.
    ContentType(&'static str),
    /// The store acts; the JSON comes over many lines.
    Pretty,
    /// A list request gets the answer to the list request before it (same path) again.
    RepeatPage,
    /// The store does not act and answers this status with the usual error body, or with this one. Headers are added.
    Status {
        /// HTTP status.
        status: u16,
        /// Content type and body instead of the usual error body.
        body: Option<(&'static str, String)>,
        /// Headers to add.
        headers: Vec<(&'static str, String)>,
        /// Whether the `X-Rate-Limit-*` headers are sent.
        quota_headers: bool,
    },
    /// The store acts; where partial success (207) is documented, it answers as if one attribute had not been saved.
    InPart,
    /// The store acts, but answers this status with an error body.
    StatusAfterActing(u16),
}

impl Effect {
    /// A status with the usual error body; rate-limit headers are sent as always.
    pub fn status(status: u16) -> Self {
        Self::Status { status, body: None, headers: Vec::new(), quota_headers: true }
    }

    /// 429 with the time to wait.
    pub fn too_many(reset: Duration) -> Self {
        Self::Status {
            status: 429,
            body: None,
            headers: vec![
                ("x-rate-limit-time-reset-ms", reset.as_millis().to_string()),
                ("x-rate-limit-requests-left", "0".to_owned()),
            ],
            quota_headers: true,
        }
    }

    /// 429 without any rate-limit header: the platform is busy.
    pub fn too_many_bare() -> Self {
        Self::Status { status: 429, body: None, headers: Vec::new(), quota_headers: false }
    }

    /// 503 of price lists, whose body says when to come back.
    pub fn degraded(retry_after_seconds: u32) -> Self {
        let body = format!(
            "{{\"error\":{{\"code\":\"SERVICE_DEGRADED\",\"message\":\"The service is degraded.\",\"details\":\"\",\
             \"retry_after_seconds\":{retry_after_seconds},\"timestamp\":\"2024-01-01T00:00:00Z\"}}}}"
        );
        Self::Status { status: 503, body: Some(("application/json", body)), headers: Vec::new(), quota_headers: true }
    }

    /// Name in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::ResetBeforeReading => "reset-before-reading",
            Self::ResetBeforeActing => "reset-before-acting",
            Self::ResetBeforeAnswering => "reset-before-answering",
            Self::ResetInBody => "reset-in-body",
            Self::EndInBody => "end-in-body",
            Self::TruncatedJson => "truncated-json",
            Self::MalformedJson => "malformed-json",
            Self::SlowBody { .. } => "slow-body",
            Self::ContentType(_) => "content-type",
            Self::Pretty => "pretty",
            Self::RepeatPage => "repeat-page",
            Self::Status { .. } => "status",
            Self::InPart => "in-part",
            Self::StatusAfterActing(_) => "status-after-acting",
        }
    }
}

/// A fault and the requests that it strikes.
#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    path: String,
    parameter: Option<String>,
    skip: usize,
    times: usize,
    effect: Effect,
}

impl Fault {
    /// An effect on the next request with this method (`*` for any) whose path below the store begins with `path`.
    pub fn on(method: &str, path: &str, effect: Effect) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), parameter: None, skip: 0, times: 1, effect }
    }

    /// Strikes only requests whose query string holds this text (as sent, for example `page=3`).
    #[must_use]
    pub fn query(mut self, text: &str) -> Self {
        self.parameter = Some(text.to_owned());
        self
    }

    /// Strikes from the nth matching request on, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// Strikes so many requests (1 if not said).
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Strikes every matching request.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    fn matches(&self, method: &str, path: &str, query: &str) -> bool {
        (self.method == "*" || self.method == method)
            && path.starts_with(&self.path)
            && self.parameter.as_ref().is_none_or(|p| query.contains(p.as_str()))
    }
}

/// The faults of a store.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Mutex<Vec<Fault>>,
    pages: Mutex<std::collections::HashMap<String, Bytes>>,
}

impl Faults {
    /// Adds a fault. Of several that match a request, the one added first strikes.
    pub(crate) fn add(&self, fault: Fault) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Takes all faults away.
    pub(crate) fn clear(&self) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Faults that have not struck as often as they may.
    pub(crate) fn pending(&self) -> usize {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The effect on this request.
    pub(crate) fn strike(&self, method: &str, path: &str, query: &str) -> Option<Effect> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hit = None;
        for (i, fault) in list.iter_mut().enumerate() {
            if !fault.matches(method, path, query) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if hit.is_none() {
                fault.times -= 1;
                hit = Some((i, fault.effect.clone(), fault.times == 0));
            }
        }
        let (i, effect, over) = hit?;
        if over {
            list.remove(i);
        }
        Some(effect)
    }

    /// Keeps the answer to a list request if a fault may want it again; gives the one before it.
    pub(crate) fn page(&self, path: &str, body: &Bytes) -> Option<Bytes> {
        let wanted = |f: &Fault| f.effect == Effect::RepeatPage;
        if !self.list.lock().unwrap_or_else(PoisonError::into_inner).iter().any(wanted) {
            return self.pages.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
        }
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), body.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_the_requests_it_names_and_no_others() {
        let faults = Faults::default();
        faults.add(Fault::on("GET", "/v3/catalog", Effect::Pretty).nth(2).times(2));
        let hits: Vec<bool> = (0..5).map(|_| faults.strike("GET", "/v3/catalog/products", "").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(faults.pending(), 0);
        faults.add(Fault::on("*", "/v2", Effect::Pretty).query("page=3"));
        assert!(faults.strike("GET", "/v2/orders", "page=2").is_none());
        assert!(faults.strike("GET", "/v3/orders", "page=3").is_none());
        assert!(faults.strike("GET", "/v2/orders", "page=3").is_some());
    }
}
