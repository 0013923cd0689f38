//! Settings and `test`: every mistake is told apart, before or with one request, in words to act on.

use bigcommerce_emulator::{Config, Token};
use connector_host::OpenError;
use connector_host::contract::{ErrorKind, Outcome};
use end_to_end::{Bench, query, records, refused, words, write};
use serde_json::{Value, json};

/// Pointer and message of every error.
async fn errors(bench: &Bench, changes: Value) -> Vec<(String, String)> {
    match bench.open(changes.clone()).await {
        Err(OpenError::Settings(errors)) => {
            assert!(
                errors.iter().all(|error| error.kind == ErrorKind::Configuration || error.kind == ErrorKind::Denied),
                "{errors:?}"
            );
            errors.into_iter().map(|error| (error.pointer.unwrap_or_default(), error.message)).collect()
        }
        other => panic!("{changes}: {other:?}"),
    }
}

#[tokio::test]
async fn wrong_settings_are_all_told_at_once_and_nothing_is_sent() {
    let bench = Bench::new().await;
    let found = errors(&bench, json!({ "store_hash": "Not A Hash", "access_token": null, "keep_alive": true, "keep_alive_seconds": "12x", "page_size": 0, "colour": "red" })).await;
    let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    for expected in ["/store_hash", "/access_token", "/keep_alive_seconds", "/page_size", "/colour"] {
        assert!(pointers.contains(&expected), "{expected} is missing in {found:?}");
    }
    for (changes, pointer, word) in [
        (json!({ "store_hash": "stores/abc" }), "/store_hash", "malformed"),
        (json!({ "store_hash": null }), "/store_hash", "missing"),
        (json!({ "access_token": "" }), "/access_token", "missing"),
        (json!({ "access_token": "[nowhere]" }), "/access_token", "nowhere"),
        (json!({ "keep_alive": true }), "/keep_alive_seconds", "required"),
        (json!({ "keep_alive": true, "keep_alive_seconds": "" }), "/keep_alive_seconds", "required"),
        (json!({ "keep_alive": true, "keep_alive_seconds": "-1" }), "/keep_alive_seconds", "digits"),
        (json!({ "keep_alive": true, "keep_alive_seconds": "99999" }), "/keep_alive_seconds", "digits"),
        (json!({ "use_proxy": true }), "/use_proxy", "proxy"),
        (json!({ "use_proxy": "yes" }), "/use_proxy", "true or false"),
        (json!({ "base_url": "api.bigcommerce.com" }), "/base_url", "https://"),
        (json!({ "base_url": "https://evil.example" }), "/base_url", "grant"),
        (json!({ "requests_in_flight": 99 }), "/requests_in_flight", "16"),
    ] {
        let found = errors(&bench, changes.clone()).await;
        assert!(found.iter().any(|(at, message)| at == pointer && message.contains(word)), "{changes}: {found:?}");
    }
    assert!(bench.store.journal().is_empty());
}

#[tokio::test]
async fn the_default_settings_are_the_documented_ones() {
    let bench = Bench::new().await;
    let schema: Value = serde_json::from_str(&bench.connector.info().settings_schema).unwrap();
    let defaults: serde_json::Map<String, Value> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect();
    assert_eq!(
        Value::Object(defaults),
        json!({ "keep_alive": false, "use_proxy": false, "base_url": "https://api.bigcommerce.com", "page_size": 250, "requests_in_flight": 4, "connect_timeout_ms": 10000, "answer_timeout_ms": 60000, "retry_budget_ms": 300_000 })
    );
    let connection = bench.connection().await;
    records(&connection, query("brands")).await;
    let entry = &bench.store.journal().find("GET", "/v3/catalog/brands")[0];
    assert_eq!(entry.parameter("limit").as_deref(), Some("250"));
    assert!(entry.header("x-auth-client").is_none());
}

#[tokio::test]
async fn test_names_the_account_and_a_wrong_client_id_passes() {
    let bench = Bench::new().await;
    let connection = bench.open(json!({ "client_id": "no-such-client" })).await.unwrap();
    let identity = connection.test().await.unwrap();
    assert!(!identity.account.is_empty() && identity.warnings.is_empty(), "{identity:?}");
}

#[tokio::test]
async fn test_works_with_the_default_scope_and_says_what_is_missing() {
    let config = Config { tokens: vec![Token::with_scopes("narrow", &[])], ..Config::default() };
    let bench = Bench::with(config).await;
    let connection = bench.connection().await;
    let identity = connection.test().await.unwrap();
    assert!(identity.warnings.iter().any(|warning| warning.contains("store_v2_information")), "{identity:?}");
    let error = refused(end_to_end::lines(&connection, query("products")).await);
    assert_eq!((error.kind, error.status), (ErrorKind::Unauthorized, Some(403)));
    assert!(error.message.contains("scope"), "{}", error.message);
}

#[tokio::test]
async fn test_tells_apart_what_can_be_wrong() {
    let bench = Bench::new().await;
    let verdict = async |changes: Value| {
        let connection = bench.open(changes).await.unwrap();
        refused(connection.test().await)
    };
    let wrong_token = verdict(json!({ "access_token": "wrong" })).await;
    assert_eq!((wrong_token.kind, wrong_token.status), (ErrorKind::Unauthorized, Some(401)));
    assert!(wrong_token.message.contains("token"), "{}", wrong_token.message);

    let wrong_store = verdict(json!({ "store_hash": "another1" })).await;
    assert_eq!(wrong_store.kind, ErrorKind::Unauthorized);
    assert!(wrong_store.message.contains("another1"), "{}", wrong_store.message);

    let untrusted = verdict(json!({ "base_url": bench.store.https_url() })).await;
    assert_eq!(untrusted.code.as_deref(), Some("untrusted-certificate"));
    assert!(untrusted.message.contains("certificate"), "{}", untrusted.message);

    let (connection, _) = bench.at_closed_port().await;
    let unreachable = refused(connection.test().await);
    assert_eq!((unreachable.kind, unreachable.status), (ErrorKind::Unavailable, None));
    assert!(unreachable.message.contains("reached"), "{}", unreachable.message);

    bench.store.switch(|switches| switches.suspended = true);
    let suspended = verdict(json!({})).await;
    assert_eq!((suspended.kind, suspended.status), (ErrorKind::Unavailable, Some(503)));
    assert!(suspended.message.contains("suspended"), "{}", suspended.message);

    let messages =
        [wrong_token.message, wrong_store.message, untrusted.message, unreachable.message, suspended.message];
    for (index, message) in messages.iter().enumerate() {
        assert!(!messages[..index].contains(message), "told twice: {message}");
        assert!(!message.contains(bench.store.token()), "a secret in {message}");
    }
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_trusted() {
    let bench = Bench::new().await;
    let mut settings = bench.settings();
    settings["base_url"] = json!(bench.store.https_url());
    let authority = bench.store.ca_pem().to_owned();
    let connection = bench.open_as(settings, |config| config.extra_roots = authority).await.unwrap();
    connection.test().await.unwrap();
    assert_eq!(records(&connection, query("brands")).await.len(), bench.store.store().count("brands"));
    assert!(bench.store.journal().entries().iter().all(|entry| entry.https));
}

#[tokio::test]
async fn a_rotated_token_is_picked_up_and_the_old_one_is_not_used_again() {
    let config = Config { tokens: vec![Token::all("old-token"), Token::all("new-token")], ..Config::default() };
    let bench = Bench::with(config).await;
    let connection = bench.connection().await;
    let mut activity = connection.activity().await.unwrap();
    let mut request = query("products");
    request.page_size = Some(50);
    bench.variables.set("token", "revoked");
    let error = refused(activity.query(&request).await);
    assert_eq!(error.status, Some(401));
    bench.variables.set("token", "new-token");
    let page = activity.query(&request).await.unwrap();
    assert!(page.count > 0);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_before_anything_is_sent() {
    use connector_host::contract::Comparison;
    let bench = Bench::new().await;
    let connection = bench.connection().await;
    let ask = async |change: &dyn Fn(&mut connector_host::contract::QueryRequest)| {
        let mut request = query("products");
        change(&mut request);
        refused(end_to_end::lines(&connection, request).await)
    };
    let error = ask(&|request| request.object = "prodcuts".into()).await;
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("did you mean `products`"), "{}", error.message);

    let error = ask(&|request| request.fields = vec!["name".into(), "pricee".into()]).await;
    assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::InvalidRequest, Some("/fields/1")));
    assert!(error.message.contains("did you mean `price`"), "{}", error.message);

    let error =
        ask(&|request| request.filter = vec![end_to_end::condition("flavour", Comparison::Equal, json!(1))]).await;
    assert_eq!(error.pointer.as_deref(), Some("/filter/0/field"));
    let error =
        ask(&|request| request.filter = vec![end_to_end::condition("custom_url", Comparison::Less, json!(1))]).await;
    assert_eq!(error.kind, ErrorKind::Unsupported, "{error:?}");
    let error =
        ask(&|request| request.filter = vec![end_to_end::condition("price", Comparison::Less, json!("cheap"))]).await;
    assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::InvalidRequest, Some("/filter/0/value")));
    let error = ask(&|request| request.order_by = vec![end_to_end::order("description", false)]).await;
    assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::Unsupported, Some("/order-by/0")));
    let error = ask(&|request| request.include = vec!["moons".into()]).await;
    assert_eq!(error.pointer.as_deref(), Some("/include/0"));
    let error = ask(&|request| request.cursor = Some("rubbish".into())).await;
    assert_eq!((error.kind, error.pointer.as_deref()), (ErrorKind::InvalidRequest, Some("/cursor")));
    let error = ask(&|request| request.cursor = Some("99.anything".into())).await;
    assert_eq!(error.code.as_deref(), Some("cursor-version"));

    let mut activity = connection.activity().await.unwrap();
    let outcomes = activity
        .create(&write("products", &[json!({ "name": "x", "colour": "red" }), json!(7), json!({ "id": 5 })]))
        .await
        .unwrap();
    assert_eq!(words(&outcomes), ["failed"; 3]);
    let Outcome::Failed(error) = &outcomes[0] else { panic!() };
    assert_eq!(error.pointer.as_deref(), Some("/colour"));
    let error = refused(activity.create(&write("countries", &[json!({ "country": "x" })])).await);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    let error = refused(activity.delete(&write("nothing", &[json!({ "id": 1 })])).await);
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(bench.store.journal().is_empty(), "{:?}", bench.store.journal().entries());
}

#[tokio::test]
async fn a_variable_that_the_settings_mention_is_granted_and_must_exist() {
    let bench = Bench::new().await;
    bench.variables.set("other_secret", "s3cret");
    let connection = bench.open(json!({ "client_id": "[other_secret]" })).await.unwrap();
    connection.test().await.unwrap();
    assert_eq!(bench.store.journal().entries()[0].header("x-auth-client"), Some("s3cret"));
    let unopened = bench.open(json!({ "client_id": "[undefined_name]" })).await;
    let Err(OpenError::Settings(errors)) = unopened else { panic!("{unopened:?}") };
    assert!(errors[0].message.contains("undefined_name"), "{errors:?}");
}
