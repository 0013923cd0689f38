//! Pages: which part of a list an answer holds, and what it says about the rest.

use crate::answer::Refusal;
use crate::config::Switches;
use crate::json::quote;
use crate::world::Call;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Page by number, from 1.
    Page(usize),
    /// What follows a cursor.
    After(String),
    /// What precedes a cursor.
    Before(String),
    /// Everything.
    All,
}

/// A page to be cut.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) start: Start,
    pub(crate) limit: usize,
    /// Cursors are record keys, not opaque.
    pub(crate) plain_cursor: bool,
}

/// Reads the paging parameters.
pub(crate) fn plan(call: &Call<'_>, switches: &Switches) -> Result<Plan, Refusal> {
    let paging = &call.resource().pagination;
    let takes = |name: &str| paging.params.iter().any(|p| p == name);
    let number = |name: &str| -> Result<Option<usize>, Refusal> {
        let Some(text) = call.param(name) else { return Ok(None) };
        match text.parse::<usize>() {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(Refusal::invalid(name, format!("{name} must be a positive number."))),
        }
    };
    let plain_cursor = takes("after") && !takes("before");
    if paging.params.is_empty() {
        let Some(size) = switches.undeclared_page_size.filter(|_| paging.style == "v3_page_undeclared") else {
            return Ok(Plan { start: Start::All, limit: usize::MAX, plain_cursor });
        };
        let page = number("page")?.unwrap_or(1);
        return Ok(Plan { start: Start::Page(page), limit: number("limit")?.unwrap_or(size).min(size), plain_cursor });
    }
    let wanted = if takes("limit") { number("limit")? } else { None };
    let max = paging.max_limit.unwrap_or(switches.undocumented_cap);
    let limit = match wanted {
        None => paging.default_limit.unwrap_or(50),
        Some(n) if n > max && switches.refuse_large_limit => {
            let title = format!("The limit is too large. The maximum is {max}.");
            return Err(Refusal::new(413, title));
        }
        Some(n) => n.min(max),
    };
    let limit = if cuts_pages(call) { limit.min(PAGE_WITH_OPTIONS) } else { limit };
    let cursor = |name: &str| if takes(name) { call.param(name).map(str::to_owned) } else { None };
    let start = match (cursor("after"), cursor("before")) {
        (Some(_), Some(_)) => return Err(Refusal::invalid("before", "before and after exclude each other.")),
        (Some(after), None) => Start::After(after),
        (None, Some(before)) => Start::Before(before),
        (None, None) if takes("page") => Start::Page(number("page")?.unwrap_or(1)),
        (None, None) => Start::Page(1),
    };
    let forbidden = matches!(start, Start::After(_) | Start::Before(_)) && call.param("page").is_some();
    if forbidden && call.resource().collection_path.starts_with("/v3/pricelists") {
        return Err(Refusal::invalid("page", "page cannot be used with a cursor."));
    }
    Ok(Plan { start, limit, plain_cursor })
}

/// Most products of a page that includes options or modifiers.
const PAGE_WITH_OPTIONS: usize = 10;

/// Whether the list includes what cuts its pages.
fn cuts_pages(call: &Call<'_>) -> bool {
    call.resource().key == "v3:/catalog/products"
        && call
            .param("include")
            .is_some_and(|v| v.split(',').any(|name| matches!(name.trim(), "options" | "modifiers")))
}

/// What a page turned out to be.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    /// Records that the conditions let pass.
    pub(crate) total: usize,
    /// Position of the page's first record among them.
    pub(crate) first: usize,
    /// Records on the page.
    pub(crate) count: usize,
    /// Cursors of the first and the last record of the page.
    pub(crate) ends: Option<(String, String)>,
}

/// `meta` of a v3 list.
pub(crate) fn meta(call: &Call<'_>, plan: &Plan, cut: &Cut, switches: &Switches) -> String {
    let paging = &call.resource().pagination;
    let mut parts = Vec::new();
    let cursors = paging.style.contains("cursor");
    let declared = |name: &str| paging.meta.iter().any(|m| m == name);
    if paging.style.contains("page") || declared("pagination") {
        parts.push(format!("\"pagination\":{}", by_page(call, plan, cut)));
    }
    if cursors && (declared("cursor_pagination") || paging.style == "v3_page_or_cursor") {
        parts.push(format!("\"cursor_pagination\":{}", by_cursor(call, plan, cut, switches)));
    }
    format!("{{{}}}", parts.join(","))
}

fn by_page(call: &Call<'_>, plan: &Plan, cut: &Cut) -> String {
    let per_page = if plan.limit == usize::MAX { cut.count } else { plan.limit };
    let pages = if per_page == 0 { 1 } else { cut.total.div_ceil(per_page).max(1) };
    let current = match plan.start {
        Start::Page(page) => page,
        _ => cut.first.checked_div(per_page).unwrap_or(0) + 1,
    };
    let link = |page: usize| quote(&link(call, &[("page", page.to_string()), ("limit", per_page.to_string())]));
    let mut links = Vec::new();
    if current > 1 {
        links.push(format!("\"previous\":{}", link(current - 1)));
    }
    links.push(format!("\"current\":{}", link(current)));
    if current < pages {
        links.push(format!("\"next\":{}", link(current + 1)));
    }
    format!(
        "{{\"total\":{},\"count\":{},\"per_page\":{per_page},\"current_page\":{current},\"total_pages\":{pages},\
         \"links\":{{{}}}}}",
        cut.total,
        cut.count,
        links.join(",")
    )
}

fn by_cursor(call: &Call<'_>, plan: &Plan, cut: &Cut, switches: &Switches) -> String {
    let mut out = format!("{{\"count\":{},\"per_page\":{}", cut.count, plan.limit);
    let told = matches!(plan.start, Start::Page(1) | Start::After(_) | Start::Before(_));
    if let (Some((first, last)), true) = (&cut.ends, told) {
        let limit = ("limit", plan.limit.to_string());
        let mut links = Vec::new();
        if cut.first > 0 {
            links.push(format!("\"previous\":{}", quote(&link(call, &[("before", first.clone()), limit.clone()]))));
        }
        let current = match &plan.start {
            Start::After(after) => link(call, &[("after", after.clone()), limit.clone()]),
            Start::Before(before) => link(call, &[("before", before.clone()), limit.clone()]),
            _ => link(call, std::slice::from_ref(&limit)),
        };
        links.push(format!("\"current\":{}", quote(&current)));
        if cut.first + cut.count < cut.total {
            links.push(format!("\"next\":{}", quote(&link(call, &[("after", last.clone()), limit]))));
        }
        let swapped = switches.swapped_metafield_cursors && call.resource().name.ends_with("metafields");
        let (start, end) = if swapped { (last, first) } else { (first, last) };
        out.push_str(&format!(
            ",\"start_cursor\":{},\"end_cursor\":{},\"links\":{{{}}}",
            quote(start),
            quote(end),
            links.join(",")
        ));
    }
    out.push('}');
    out
}

/// A query string with the request's own parameters, paging replaced.
fn link(call: &Call<'_>, paging: &[(&str, String)]) -> String {
    let mut pairs: Vec<String> = call
        .query
        .iter()
        .filter(|(n, _)| !matches!(n.as_str(), "page" | "limit" | "after" | "before"))
        .map(|(n, v)| format!("{}={}", encode(n), encode(v)))
        .collect();
    pairs.extend(paging.iter().map(|(n, v)| format!("{n}={}", encode(v))));
    format!("?{}", pairs.join("&"))
}

/// Percent-encoding for a query string.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:,".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An opaque cursor from what it stands for.
pub(crate) fn seal(text: &str) -> String {
    text.bytes().map(|b| format!("{:02x}", b ^ 0x5a)).collect()
}

/// What an opaque cursor stands for.
pub(crate) fn unseal(cursor: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = (0..cursor.len())
        .step_by(2)
        .map(|i| cursor.get(i..i + 2).and_then(|h| u8::from_str_radix(h, 16).ok()).map(|b| b ^ 0x5a))
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_opaque_and_come_back() {
        let sealed = seal("[null,\"ä\"]");
        assert!(!sealed.contains("null"));
        assert_eq!(unseal(&sealed).as_deref(), Some("[null,\"ä\"]"));
        assert_eq!(unseal("xyz"), None);
    }
}
