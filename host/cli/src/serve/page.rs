//! The page for people: files that are part of this program. They hold no data and are given to whoever asks; what they show comes
//! from the API, under its rules.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// What the page may do: run its own scripts, and ask this server. Nothing else is loaded, and no other page may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Sent with every file. A newer program has newer files, so a browser asks each time.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal: $kind:expr,)*) => {
        &[$(File { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../page/", $name)) },)*]
    };
}

const INDEX: &str = "index.html";

const FILES: &[File] = files! {
    "activity-menu.js": SCRIPT,
    "activity-request.js": SCRIPT,
    "activity-settings.js": SCRIPT,
    "activity.js": SCRIPT,
    "agent-results.js": SCRIPT,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "chart.js": SCRIPT,
    "conditions.js": SCRIPT,
    "connection-menu.js": SCRIPT,
    "connection-name.js": SCRIPT,
    "connection-test.js": SCRIPT,
    "connection.js": SCRIPT,
    "connections.js": SCRIPT,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "endpoint.js": SCRIPT,
    "feed-back.js": SCRIPT,
    "form.js": SCRIPT,
    "hint.js": SCRIPT,
    "index.html": HTML,
    "menu.js": SCRIPT,
    "object-table.js": SCRIPT,
    "operation-end.js": SCRIPT,
    "operation.js": SCRIPT,
    "operations.js": SCRIPT,
    "parts.js": SCRIPT,
    "record-table.js": SCRIPT,
    "report.js": SCRIPT,
    "router.js": SCRIPT,
    "run.js": SCRIPT,
    "schedule.js": SCRIPT,
    "schema-tree.js": SCRIPT,
    "style.css": CSS,
    "time.js": SCRIPT,
    "types.js": SCRIPT,
    "variable-screen.js": SCRIPT,
    "variables.js": SCRIPT,
    "versions.js": SCRIPT,
};

/// `/`, and every file below `/assets/`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |Path(name): Path<String>| async move { answer(&name) };
    Router::new().route("/", get(async || answer(INDEX))).route("/assets/{name}", get(asset))
}

fn answer(name: &str) -> Response {
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => (HEADERS, [(header::CONTENT_TYPE, file.kind)], file.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        let file = FILES.iter().find(|file| file.name == name).unwrap();
        std::str::from_utf8(file.bytes).unwrap()
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        assert_eq!(names, FILES.iter().map(|file| file.name).collect::<Vec<_>>());
        for File { name, .. } in FILES {
            let answer = answer(name);
            assert_eq!(answer.status(), StatusCode::OK, "{name}");
            assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        }
        assert_eq!(answer("../Cargo.toml").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_page_names_no_other_server_and_no_connector() {
        for File { name, .. } in FILES {
            let text = text(name).replace("http://www.w3.org/2000/svg", "").to_lowercase();
            for word in ["http://", "https://", "bigcommerce", "innerhtml", "localstorage", "document.cookie"] {
                assert!(!text.contains(word), "{name} holds {word}");
            }
        }
    }

    #[test]
    fn what_a_file_of_the_page_asks_for_is_there() {
        for File { name, .. } in FILES {
            for part in text(name).split(['"', '\'']) {
                if let Some(asset) = part.strip_prefix("/assets/").or_else(|| part.strip_prefix("./")) {
                    assert!(FILES.iter().any(|file| file.name == asset), "{name} asks for {asset}");
                }
            }
        }
    }
}
