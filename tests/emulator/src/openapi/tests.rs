//! The check of requests, and the emulator's own answers held against the documents.
#![allow(clippy::unwrap_used)]
use super::*;

/// Parts of problems that the documents make, with the reason.
const EXCUSED_ANSWERS: &[(&str, &str)] = &[
    ("/option_set_id", "products without an option set have null, as stores answer, where the document says integer"),
    ("/v2/blog/tags: ", "the document nests the list of tags in a list, and the sample holds what the facts say of it"),
    (
        "/v3/promotions: ",
        "a sample promotion fits none or several variants of a union that the facts do not tell apart",
    ),
    ("/v3/settings/search/filters/contexts: ", "a sample filter fits none or several variants of such a union"),
    ("/v3/catalog/variants: null is not", "a variant inherits what it leaves out, and stores answer null there"),
    ("'oneOf' keyword at", "a link of consignments fits two variants of a union whose fields are all optional"),
];

/// Schemas that cannot be compiled: how their place begins, with the reason.
const EXCUSED_SCHEMAS: &[(&str, &str)] = &[];

const DOCUMENT: &str = r"openapi: '3.0.3'
servers:
  - url: 'https://api.bigcommerce.com/stores/{store_hash}/v3'
paths:
  /things:
    get:
      parameters:
        - $ref: '#/components/parameters/ids'
        - name: colour
          in: query
          schema: {type: string, enum: [red, blue]}
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/thing'}
  '/things/{thing_id}':
    delete: {}
components:
  parameters:
    ids:
      name: 'id:in'
      in: query
      schema: {type: array, items: {type: integer}}
  schemas:
    thing:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string}
        size: {type: number, nullable: true}
";

fn problems(method: &str, path: &str, query: &[(&str, &str)], body: &str) -> Vec<String> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let folder = std::env::temp_dir().join(format!("emulator-openapi-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("things.v3.yml"), DOCUMENT).unwrap();
    let checker = Checker::load(&folder).unwrap();
    let query: Vec<(String, String)> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let found = checker.check(&Seen { method, path, query: &query, headers: &[], body: body.as_bytes() });
    std::fs::remove_dir_all(&folder).unwrap();
    found
}

#[test]
fn requests_that_the_document_allows_pass() {
    let none: Vec<String> = Vec::new();
    assert_eq!(problems("GET", "/v3/things", &[("id:in", "1,2"), ("colour", "red")], ""), none);
    assert_eq!(problems("POST", "/v3/things", &[], r#"{"name":"x","size":1e400}"#), none);
    assert_eq!(problems("POST", "/v3/things", &[], r#"{"name":"x","size":null}"#), none);
    assert_eq!(problems("DELETE", "/v3/things/7", &[], ""), none);
}

#[test]
fn requests_that_the_document_forbids_are_told() {
    for (method, path, query, body, part) in [
        ("GET", "/v3/things", vec![("id:in", "1,x")], "", "documented type"),
        ("GET", "/v3/things", vec![("colour", "green")], "", "green"),
        ("GET", "/v3/things", vec![("size", "1")], "", "no query parameter size"),
        ("POST", "/v3/things", vec![], "", "body is missing"),
        ("POST", "/v3/things", vec![], r#"{"size":1}"#, "name"),
        ("DELETE", "/v3/things/7", vec![], "[1]", "takes no body"),
        ("PUT", "/v3/things/7", vec![], "{}", "method"),
        ("GET", "/v3/nothing", vec![], "", "no such path"),
    ] {
        let found = problems(method, path, &query, body);
        assert!(found.iter().any(|p| p.contains(part)), "{method} {path} {query:?} {body}: {found:?}");
    }
}

/// A schema that does not compile would check nothing without a word.
#[test]
fn every_schema_of_the_documents_compiles() {
    let (Some(checker), status) = checker() else {
        println!("{}", checker().1);
        return;
    };
    let (mut all, mut wrong) = (0, Vec::new());
    for document in &checker.documents {
        let (schemas, problems) = document.uncompiled();
        all += schemas;
        wrong.extend(problems);
    }
    println!("{status}: {all} schemas, {} do not compile", wrong.len());
    wrong.retain(|problem| !EXCUSED_SCHEMAS.iter().any(|(place, _)| problem.starts_with(place)));
    assert!(all > 1_000, "{all}");
    assert_eq!(wrong, Vec::<String>::new());
}

/// Sample data and envelopes are the emulator's own work, so they too are held against the documents.
#[test]
fn list_answers_fit_the_documents() {
    let (Some(checker), status) = checker() else {
        println!("{}", checker().1);
        return;
    };
    let mut state = crate::store::State::new();
    crate::data::seed(&mut state, 1, crate::config::Sizes::default());
    let world = crate::world::World::new(state, crate::config::Switches::default(), 1);
    let table = crate::tables::tables().access(crate::facts::find("orders").unwrap()).unwrap().table;
    let order = world.read().table(table).rows()[0].key.to_json();
    let lists = crate::facts::resources().iter().filter(|r| r.is_data()).map(|r| r.collection_path.clone());
    let paths = lists.filter(|path| !path.contains('{')).chain([format!("/v2/orders/{order}/products")]);
    let (mut answered, mut wrong) = (0, Vec::new());
    for path in paths {
        let Ok(route) = crate::route::find("GET", &path) else { continue };
        let call = crate::world::Call { route: &route, query: &[], body: "" };
        let Ok(answer) = crate::read::answer(&world, &call) else { continue };
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        answered += 1;
        wrong.extend(
            checker.check_answer("GET", &path, answer.status, &body).into_iter().map(|p| format!("{path}: {p}")),
        );
    }
    println!("{status}: {answered} lists, {} problems", wrong.len());
    let excuses = |problem: &str| EXCUSED_ANSWERS.iter().position(|(part, _)| problem.contains(part));
    let used: std::collections::BTreeSet<usize> = wrong.iter().filter_map(|problem| excuses(problem)).collect();
    wrong.retain(|problem| excuses(problem).is_none());
    assert!(answered > 60, "{answered}");
    assert_eq!(wrong, Vec::<String>::new());
    let idle: Vec<_> = EXCUSED_ANSWERS.iter().enumerate().filter(|(at, _)| !used.contains(at)).collect();
    assert!(idle.is_empty(), "these excuses are not needed any more: {idle:?}");
}
