//! Who may do what: tokens, scopes, and the headers that every request needs.

use http::HeaderMap;

use crate::answer::Refusal;
use crate::config::Token;
use crate::facts::Verb;
use crate::route::Route;

/// The refusal of a token or store that is not known. Catalog endpoints answer it in plain text.
pub(crate) fn unauthorized(path: &str) -> Refusal {
    let title = "Unauthorized - The access token or the store hash is not valid.";
    let refusal = Refusal::new(401, title);
    if path.starts_with("/v3/catalog") { refusal.with_body("text/plain", "Unauthorized") } else { refusal }
}

/// The token that a request brings, if it is known.
pub(crate) fn token<'a>(tokens: &'a [Token], headers: &HeaderMap) -> Option<&'a Token> {
    let value = headers.get("x-auth-token")?.to_str().ok()?;
    tokens.iter().find(|t| t.value == value)
}

/// Whether the token's scopes allow the operation.
pub(crate) fn permitted(token: &Token, route: &Route) -> bool {
    let Some(scopes) = &token.scopes else { return true };
    if route.resource.key.starts_with("v3:/hooks") {
        return true;
    }
    let reads = matches!(route.operation.verb, Verb::List | Verb::Get | Verb::Count | Verb::Stream);
    let instruments = route.resource.name.contains("stored-instruments");
    let own = &route.operation.scopes;
    let needed = if own.is_empty() { &route.resource.oauth_scopes } else { own };
    let mut needed = needed
        .iter()
        .filter(|s| s.starts_with("store_stored_payment_instruments") == instruments || !own.is_empty())
        .peekable();
    if needed.peek().is_none() {
        return true;
    }
    needed.any(|scope| {
        let writes = !scope.ends_with("_read_only");
        (reads || writes) && (scopes.contains(scope) || reads && scopes.contains(&format!("{scope}_read_only")))
    })
}

/// The refusal of a token without the scope.
pub(crate) fn forbidden() -> Refusal {
    Refusal::new(403, "You don't have a required scope to access the endpoint")
}

/// Checks `Accept` and `Content-Type`.
pub(crate) fn media(headers: &HeaderMap, route: &Route, has_body: bool) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let accept = text("accept");
    let takes =
        |kind: &str| kind.contains("json") || ["*/*", "application/*"].iter().any(|any| kind.trim().starts_with(any));
    if !accept.is_empty() && !accept.split(',').any(takes) {
        return Err(Refusal::new(406, "The Accept header must allow application/json."));
    }
    let Some(body) = route.operation.body.as_ref().filter(|_| has_body) else { return Ok(()) };
    let kind = text("content-type");
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let json = kind == "application/json" || kind.ends_with("+json");
    let declared = body.content_types.iter().any(|c| c == kind);
    if json || declared {
        return Ok(());
    }
    let refusal = Refusal::new(415, "The Content-Type header must be application/json.");
    // Of these alone the documents declare a page instead of JSON.
    let page = route.operation.path.ends_with("/custom-fields") || route.operation.path.contains("/custom-fields/");
    Err(if page { refusal.with_body("text/html", "<html><body>Unsupported Media Type</body></html>") } else { refusal })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::route;

    fn may(scopes: &[&str], method: &str, path: &str) -> bool {
        permitted(&Token::with_scopes("t", scopes), &route::find(method, path).unwrap())
    }

    #[test]
    fn scopes_decide_what_a_token_may_do() {
        assert!(may(&["store_v2_products_read_only"], "GET", "/v3/catalog/products"));
        assert!(!may(&["store_v2_products_read_only"], "POST", "/v3/catalog/products"));
        assert!(may(&["store_v2_products"], "POST", "/v3/catalog/products"));
        assert!(may(&["store_v2_products"], "GET", "/v3/catalog/products"));
        assert!(!may(&["store_v2_customers"], "GET", "/v3/catalog/products"));
        assert!(!may(&[], "GET", "/v2/time"));
        assert!(may(&["store_v2_information_read_only"], "GET", "/v2/time"));
        assert!(may(&[], "GET", "/v3/hooks"));
        assert!(!may(&["store_stored_payment_instruments"], "GET", "/v3/customers"));
    }
}
