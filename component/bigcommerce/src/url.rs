//! Paths and queries: percent-encoding, path templates filled from records, JSON pointer tokens.

use crate::error::Error;

/// Bytes of a request's query, encoded, that conditions may take. Servers and proxies commonly refuse request lines over 8 KB.
pub const MOST_QUERY: usize = 4000;

/// Percent-encodes a query value or path segment. Commas and colons stay: the API uses them in lists and operators.
pub fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }));
            }
        }
    }
}

/// Length of what [`encode`] makes of a text.
pub fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if plain(byte) { 1 } else { 3 }).sum()
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b',' | b':')
}

/// Undoes percent-encoding; none if it is malformed.
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut nibble = || char::from(bytes.next()?).to_digit(16);
            let value = nibble()? * 16 + nibble()?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// `path?name=value&...`; the path may have a query already.
pub fn with_query<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = path.to_owned();
    for (name, value) in query {
        out.push(if out.contains('?') { '&' } else { '?' });
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// The names of a template's parameters, in order: `/a/{x}/b/{y}` has `x` and `y`.
pub fn parameters(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// Fills a template.
///
/// # Errors
/// A parameter without value, or with one that would change the path's shape. So a path that was filled has exactly the
/// segments of its template, and can never become the path of a whole collection.
pub fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, Error> {
    let mut out = String::with_capacity(template.len() + 16);
    for (index, segment) in template.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            None => out.push_str(segment),
            Some(name) => {
                let text = value(name).unwrap_or_default();
                if text.trim().is_empty() || text == "." || text == ".." {
                    return Err(Error::invalid(format!("`{name}` is missing or empty; it names the record"))
                        .at(format!("/{}", pointer_token(name))));
                }
                encode(&text, &mut out);
            }
        }
    }
    Ok(out)
}

/// Escapes a member name for a JSON pointer (RFC 6901).
pub fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_path_has_the_segments_of_its_template() {
        let path = fill("/v3/a/{id}/b", |_| Some("x/../y?z#".into())).unwrap();
        assert_eq!(path, "/v3/a/x%2F..%2Fy%3Fz%23/b");
        for bad in ["", " ", ".", "..", "\t"] {
            assert!(fill("/v3/a/{id}", |_| Some(bad.into())).is_err(), "{bad:?}");
        }
        assert!(fill("/v3/a/{id}", |_| None).is_err());
    }

    #[test]
    fn queries_are_encoded_and_keep_lists_readable() {
        let url = with_query("/p", [("id:in", "1,2"), ("name:like", "a b&c=ü")]);
        assert_eq!(url, "/p?id:in=1,2&name:like=a%20b%26c%3D%C3%BC");
    }
}
