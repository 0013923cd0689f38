//! What a request asks for, from its method and path.

use percent_encoding::percent_decode_str;

use crate::bindings::ipaas::connector::connection::WrittenBy;
use crate::bindings::wasi::http::types::Method;

/// One thing that can be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Whether anybody is there. Open to all.
    Health,
    /// The connections: one.
    Connections,
    /// Something of the connection of this name.
    Of(String, Verb),
}

/// What a connection does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Test,
    Objects,
    /// The object of this name.
    Object(String),
    Query,
    Explain,
    Write(WrittenBy),
    Resolve,
}

/// Why nothing can be asked for like this.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// Nothing has this path.
    Path,
    /// The path takes this method.
    Method(&'static str),
}

/// The route of a path without its query.
pub(crate) fn route(method: &Method, path: &str) -> Result<Route, NoRoute> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (takes, route) = match path {
        "/healthz" => ("GET", Route::Health),
        "/v1/connections" => ("GET", Route::Connections),
        _ => {
            let rest = path.strip_prefix("/v1/connections/").ok_or(NoRoute::Path)?;
            let (name, verb) = rest.split_once('/').ok_or(NoRoute::Path)?;
            let (takes, verb) = match verb {
                "objects" => ("GET", Verb::Objects),
                "test" => ("POST", Verb::Test),
                "query" => ("POST", Verb::Query),
                "explain" => ("POST", Verb::Explain),
                "create" => ("POST", Verb::Write(WrittenBy::Create)),
                "update" => ("POST", Verb::Write(WrittenBy::Update)),
                "delete" => ("POST", Verb::Write(WrittenBy::Delete)),
                "resolve" => ("POST", Verb::Resolve),
                // The names of objects have slashes in them.
                _ => match verb.strip_prefix("objects/").filter(|object| !object.is_empty()) {
                    Some(object) => ("GET", Verb::Object(decoded(object))),
                    None => return Err(NoRoute::Path),
                },
            };
            (takes, Route::Of(decoded(name), verb))
        }
    };
    match (method, takes) {
        (Method::Get, "GET") | (Method::Post, "POST") => Ok(route),
        _ => Err(NoRoute::Method(takes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_may_hold_slashes_and_names_of_connections_may_be_escaped() {
        let object = |path| route(&Method::Get, path);
        let expected = Route::Of("my store".into(), Verb::Object("products/images".into()));
        assert_eq!(object("/v1/connections/my%20store/objects/products/images"), Ok(expected));
        assert_eq!(object("/v1/connections/s/objects"), Ok(Route::Of("s".into(), Verb::Objects)));
        for nothing in
            ["/", "/v1/connections/", "/v1/connections/s", "/v1/connections/s/", "/v1/connections/s/objects/"]
        {
            assert_eq!(object(nothing), Err(NoRoute::Path), "{nothing}");
        }
    }

    #[test]
    fn nothing_is_written_by_a_request_that_anybody_may_repeat() {
        for verb in ["create", "update", "delete", "resolve", "query", "test", "explain"] {
            let path = format!("/v1/connections/s/{verb}");
            assert_eq!(route(&Method::Get, &path), Err(NoRoute::Method("POST")), "{verb}");
            assert!(route(&Method::Post, &path).is_ok(), "{verb}");
        }
        assert_eq!(route(&Method::Post, "/healthz"), Err(NoRoute::Method("GET")));
    }
}
