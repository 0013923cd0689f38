//! From a method and a path to an operation of the facts.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::facts::{Operation, Resource, resources};

/// An operation that a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Position of the resource and of the operation in it.
    pub(crate) id: (usize, usize),
    pub(crate) resource: &'static Resource,
    pub(crate) operation: &'static Operation,
    /// Decoded values of the path's parameters, in order.
    pub(crate) params: Vec<String>,
}

/// Why there is no operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No such path.
    Path,
    /// The path exists, the method does not.
    Method,
}

struct Template {
    segments: Vec<Option<String>>,
    operations: Vec<(String, usize, usize)>,
}

/// Templates by number of segments.
fn templates() -> &'static HashMap<usize, Vec<Template>> {
    static TEMPLATES: OnceLock<HashMap<usize, Vec<Template>>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let mut out: HashMap<usize, Vec<Template>> = HashMap::new();
        for (r, resource) in resources().iter().enumerate() {
            for (o, operation) in resource.operations.iter().enumerate() {
                let segments: Vec<Option<String>> =
                    split(&operation.path).map(|s| (!s.starts_with('{')).then(|| s.to_owned())).collect();
                let group = out.entry(segments.len()).or_default();
                let entry = (operation.method.clone(), r, o);
                match group.iter_mut().find(|t| t.segments == segments) {
                    Some(template) => template.operations.push(entry),
                    None => group.push(Template { segments, operations: vec![entry] }),
                }
            }
        }
        // Static segments win over parameters, the earlier ones first.
        for group in out.values_mut() {
            group.sort_by_key(|t| t.segments.iter().map(Option::is_none).collect::<Vec<_>>());
        }
        out
    })
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|s| !s.is_empty())
}

/// Finds the operation. `path` is below the store: `/v3/catalog/products/7`.
pub(crate) fn find(method: &str, path: &str) -> Result<Route, NoRoute> {
    let segments: Vec<&str> = split(path).collect();
    let mut seen = false;
    for template in templates().get(&segments.len()).into_iter().flatten() {
        let fits = template.segments.iter().zip(&segments).all(|(t, s)| t.as_ref().is_none_or(|t| t == s));
        if !fits {
            continue;
        }
        seen = true;
        let Some((_, r, o)) = template.operations.iter().find(|(m, _, _)| m == method) else { continue };
        let Some(resource) = resources().get(*r) else { continue };
        let Some(operation) = resource.operations.get(*o) else { continue };
        let params = template
            .segments
            .iter()
            .zip(&segments)
            .filter(|(t, _)| t.is_none())
            .map(|(_, s)| decode(s, false))
            .collect();
        return Ok(Route { id: (*r, *o), resource, operation, params });
    }
    Err(if seen { NoRoute::Method } else { NoRoute::Path })
}

/// Names and values of a query string, decoded.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

/// Percent-decoding; in a query string `+` is a space.
fn decode(text: &str, query: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(byte) = bytes.get(i) {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (byte, hex) {
            (b'%', Some(value)) => {
                out.push(value);
                i += 2;
            }
            (b'+', _) if query => out.push(b' '),
            _ => out.push(*byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn static_segments_win_over_parameters() {
        let key = |path: &str| find("GET", path).map(|r| r.operation.path.clone());
        assert_eq!(key("/v3/catalog/products/metafields").unwrap(), "/v3/catalog/products/metafields");
        assert_eq!(key("/v3/catalog/products/7").unwrap(), "/v3/catalog/products/{product_id}");
        assert_eq!(key("/v2/orders/count").unwrap(), "/v2/orders/count");
        let route = find("GET", "/v3/catalog/products/7/images/9").unwrap();
        assert_eq!(route.params, ["7", "9"]);
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        assert_eq!(find("GET", "/v3/nothing").unwrap_err(), NoRoute::Path);
        assert_eq!(find("POST", "/v2/time").unwrap_err(), NoRoute::Method);
    }

    #[test]
    fn query_strings_are_decoded() {
        assert_eq!(
            query_pairs("id:in=1,2&name%3Alike=a%20b+c&x"),
            [("id:in", "1,2"), ("name:like", "a b c"), ("x", "")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(decode("50%zz%4", true), "50%zz%4");
        assert_eq!(decode("%C3%A4", false), "ä");
    }
}
