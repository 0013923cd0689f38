//! Requests held against the OpenAPI documents, where they are at hand.
//!
//! The facts file is derived from these documents by a program, and may be wrong; this check does not use it. The variable
//! `BIGCOMMERCE_OPENAPI` names the folder of the documents. Each is read when the first request to one of its paths comes,
//! and a schema is compiled when it is first needed. Where the documents are known to be wrong, [`EXCUSED`] says why.

mod document;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use document::Document;

/// Requests that the documents forbid and the API takes: method, path, part of the problem, reason.
const EXCUSED: &[(&str, &str, &str, &str)] = &[
    (
        "DELETE",
        "/v3/customers/metafields",
        "takes no body",
        "the document omits the body, which the other metafield batches have",
    ),
    (
        "GET",
        "*",
        "include_fields",
        "the documents copy the product's field list to sub-objects and leave out fields that its record has",
    ),
    ("GET", "*", "exclude_fields", "as for include_fields"),
    (
        "GET",
        "/v3/customers/subscribers",
        "query parameter \"id\" is missing",
        "one path-style parameter is used again; by its own text the list works without",
    ),
    ("GET", "/v2/orders", "sort=", "the enum lists the fields, the text beside it adds a direction to them"),
    ("*", "*", "header user-agent", "what a client calls itself is its host's business"),
];

/// The documents, ready to check requests.
#[derive(Debug)]
pub(crate) struct Checker {
    documents: Vec<Document>,
}

/// A request to be checked.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a str,
    /// Path below the store.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(String, String)],
    /// Names of the headers, in lower case.
    pub(crate) headers: &'a [String],
    pub(crate) body: &'a [u8],
}

impl Checker {
    /// Scans a folder of documents.
    ///
    /// # Errors
    /// If the folder cannot be read or holds no document.
    pub(crate) fn load(folder: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        files.sort();
        let documents: Vec<Document> = files.into_iter().filter_map(Document::scan).collect();
        if documents.is_empty() {
            return Err(format!("{} holds no document", folder.display()));
        }
        Ok(Self { documents })
    }

    /// Number of documents.
    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    /// What is wrong with a request, as seen by the document that likes it best.
    pub(crate) fn check(&self, seen: &Seen<'_>) -> Vec<String> {
        let all = self.places(seen.path).into_iter().map(|(document, name)| document.check(name, seen));
        let best = all.min_by_key(Vec::len);
        let mut problems = best.unwrap_or_else(|| vec!["the OpenAPI documents know no such path".to_owned()]);
        problems.retain(|problem| !excused(seen, problem));
        problems
    }

    /// What is wrong with an answer.
    #[cfg(test)]
    pub(crate) fn check_answer(&self, method: &str, path: &str, status: u16, body: &str) -> Vec<String> {
        let all =
            self.places(path).into_iter().map(|(document, name)| document.check_answer(name, method, status, body));
        all.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Documents that have a path like this, with the fewest parameters, and its name in them.
    fn places(&self, path: &str) -> Vec<(&Document, &str)> {
        let (version, path) = match path.split_at_checked(3) {
            Some((version, rest)) => (version.trim_start_matches('/'), rest),
            None => return Vec::new(),
        };
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
        let mut found: Vec<(&Document, &str, usize)> = Vec::new();
        for document in self.documents.iter().filter(|d| d.version == version) {
            for (name, template) in &document.paths {
                let fits = template.len() == segments.len()
                    && template.iter().zip(&segments).all(|(t, s)| t.starts_with('{') || t == s);
                if fits {
                    found.push((document, name, template.iter().filter(|t| t.starts_with('{')).count()));
                }
            }
        }
        let fewest = found.iter().map(|(_, _, params)| *params).min();
        found.into_iter().filter(|(_, _, n)| Some(*n) == fewest).map(|(document, name, _)| (document, name)).collect()
    }
}

fn excused(seen: &Seen<'_>, problem: &str) -> bool {
    EXCUSED.iter().any(|(method, path, part, _)| {
        (*method == "*" || *method == seen.method) && (*path == "*" || *path == seen.path) && problem.contains(part)
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

/// The checker of this process, if the documents are at hand, and what to say about it.
pub(crate) fn checker() -> (Option<&'static Checker>, String) {
    static CHECKER: OnceLock<(Option<Checker>, String)> = OnceLock::new();
    let (checker, status) = CHECKER.get_or_init(|| match std::env::var_os("BIGCOMMERCE_OPENAPI") {
        None => (None, "skipped: BIGCOMMERCE_OPENAPI is not set".to_owned()),
        Some(folder) => match Checker::load(Path::new(&folder)) {
            Ok(checker) => {
                let status = format!("checked against {} OpenAPI documents", checker.len());
                (Some(checker), status)
            }
            Err(problem) => (None, format!("skipped: {problem}")),
        },
    });
    (checker.as_ref(), status.clone())
}

#[cfg(test)]
mod tests;
