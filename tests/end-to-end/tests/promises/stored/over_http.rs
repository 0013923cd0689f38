//! Requests to a process that serves an emulated store: what must not pass reaches the store in no form, and what is wrong with a query
//! is told at its place.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use bigcommerce_emulator::{Config, Effect, Emulator, Fault};
use serde_json::{Value, json};

use super::serving::{Serving, project};

const JSON: &str = "content-type: application/json";
const NDJSON: &str = "content-type: application/x-ndjson";
const STREAM: &str = "accept: application/x-ndjson";
const TOKEN: &str = "authorization: Bearer 0123456789abcdef";
const QUERY: &str = "/v1/connections/shop/query";
const CREATE: &str = "/v1/connections/shop/create?object=products";
const UPDATE: &str = "/v1/connections/shop/update?object=products";

/// Status and body of an answer. The server may have refused it before it has read all of it.
fn ask(serving: &Serving, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_others_or_too_large_or_too_deep_are_refused_and_none_reaches_the_store() {
    let store = Emulator::start(Config { https: false, ..Config::default() }).await.unwrap();
    let folder = project(&store);
    let token = folder.write("token", TOKEN.rsplit(' ').next().unwrap());
    tokio::task::block_in_place(|| {
        let serving = Serving::start_with(&folder, &["--token-file", token.to_str().unwrap()]);
        let before = store.journal().entries().len();
        let query = "{\"object\":\"products\"}";
        let record = "{\"id\":77,\"name\":\"changed\"}\n";
        let deep = |levels: usize| format!("{{\"id\":77,\"name\":{}1{}}}\n", "[".repeat(levels), "]".repeat(levels));
        let large = format!("{{\"id\":77,\"name\":\"{}\"}}\n", "x".repeat((16 << 20) + 1));
        let large_query = format!("{{\"object\":\"{}\"}}", "x".repeat((1 << 20) + 1));
        let deep_query = format!("{{\"object\":{}1{}}}", "[".repeat(64), "]".repeat(64));
        for (path, headers, body, status, word) in [
            (UPDATE, &[NDJSON][..], record, 401, "Authorization: Bearer"),
            (QUERY, &[JSON, "authorization: Bearer 0123456789abcdeX"], query, 401, "Authorization: Bearer"),
            (UPDATE, &[NDJSON, TOKEN, "origin: http://evil.example"], record, 403, "other origins"),
            (QUERY, &[JSON, TOKEN, "origin: null"], query, 403, "other origins"),
            (UPDATE, &[NDJSON, TOKEN, "sec-fetch-site: cross-site"], record, 403, "other origins"),
            (UPDATE, &["content-type: text/plain", TOKEN], record, 415, "application/x-ndjson"),
            (CREATE, &["content-type: application/x-www-form-urlencoded", TOKEN], record, 415, "application/x-ndjson"),
            (UPDATE, &[NDJSON, TOKEN], &deep(200), 400, "more than 128"),
            (QUERY, &[JSON, TOKEN], &deep_query, 400, "more than 32"),
            (UPDATE, &[NDJSON, TOKEN], &large, 413, "16384 KiB"),
            (QUERY, &[JSON, TOKEN], &large_query, 413, "1024 KiB"),
            (UPDATE, &[NDJSON, TOKEN], "[{\"id\":77,\"name\":\"changed\"}]", 400, "is a list"),
            ("/v1/connections/shop/delete?object=products&al=true", &[NDJSON, TOKEN], record, 400, "`al`"),
        ] {
            let (found, text) = ask(&serving, path, headers, body);
            let problem = read(&text);
            assert_eq!(found, status, "{path} {headers:?}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains(word), "{path} {headers:?}: {problem}");
            assert!(!text.contains(store.token()) && !text.contains("0123456789abcdef"), "{text}");
        }
        assert_eq!(store.journal().entries().len(), before, "something reached the store");
        let (status, text) = ask(&serving, QUERY, &[JSON, TOKEN], query);
        assert_eq!(status, 200, "{text}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_query_is_told_at_its_member_and_before_anything_is_streamed() {
    let store = Emulator::start(Config { https: false, ..Config::default() }).await.unwrap();
    let folder = project(&store);
    tokio::task::block_in_place(|| {
        let serving = Serving::start_with(&folder, &[]);
        let parts = json!([{ "field": "flavour", "op": "equal", "value": 1 }]);
        let before = store.journal().entries().len();
        for (query, pointer) in [
            (json!({ "object": "products", "where": ["id > 1", "flavour = 1"] }), "/where/1"),
            (json!({ "object": "products", "where": ["id > 1"], "filter": parts }), "/filter/0/field"),
            (json!({ "object": "products", "where": ["price < cheap"] }), "/where/0"),
            (json!({ "object": "products", "fields": ["id", "nmae"] }), "/fields/1"),
            (json!({ "object": "products", "order_by": ["-description"] }), "/order_by/0"),
        ] {
            for headers in [&[JSON][..], &[JSON, STREAM]] {
                let (status, text) = ask(&serving, QUERY, headers, &query.to_string());
                let problem = read(&text);
                assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!(pointer)), "{query}: {problem}");
            }
        }
        assert_eq!(store.journal().entries().len(), before, "the store was asked");

        let book = include_str!("../../../../../docs/http-api.md");
        let examples: Vec<&str> = book.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(examples.len(), 2);
        for example in examples {
            for path in [QUERY, "/v1/connections/shop/explain"] {
                let (status, text) = ask(&serving, path, &[JSON], example);
                assert_eq!(status, 200, "{example}: {text}");
            }
        }

        // What goes wrong later is told by the stream's last line, with the place to go on from.
        store.fault(Fault::on("GET", "/v3/catalog/products", Effect::status(403)).nth(4));
        let query = json!({ "object": "products", "fields": ["id"], "page_size": 10 });
        let (status, text) = ask(&serving, QUERY, &[JSON, STREAM], &query.to_string());
        let lines: Vec<Value> = text.lines().filter(|line| line.starts_with('{')).map(read).collect();
        let (last, records) = lines.split_last().unwrap();
        // Pages are asked for ahead: which one the refused request was for is not told.
        assert_eq!((status, records.len() % 10, &last["error"]["status"]), (200, 0, &json!(502)), "{last}");
        assert!(!records.is_empty(), "{last}");
        let mut rest = query;
        rest["cursor"] = last["error"]["cursor"].clone();
        let (status, text) = ask(&serving, QUERY, &[JSON], &rest.to_string());
        let page = read(&text);
        assert_eq!(status, 200, "{page}");
        let ids: Vec<&Value> =
            records.iter().chain(page["records"].as_array().unwrap()).map(|one| &one["id"]).collect();
        assert!(ids.is_sorted_by(|a, b| a.as_u64() < b.as_u64()), "{ids:?}");
    });
}
