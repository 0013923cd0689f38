//! Opening a connection: name, settings, variables, grants, authorities.

use std::sync::Arc;

use connector_fixed::variant::Variant;
use connector_host::contract::{Error, ErrorKind};
use connector_host::{
    CallError, Connection, ConnectionConfig, Deployment, Grant, OpenError, Secret, Status, SwapOptions, VariableError,
    Variables,
};

use crate::{Changing, connection, connector, host, trial, wasm};

async fn open(config: ConnectionConfig) -> Result<Connection, OpenError> {
    host().open(&connector().await, config).await
}

/// What is wrong with the settings.
async fn wrong(config: ConnectionConfig) -> Vec<Error> {
    match open(config).await {
        Err(OpenError::Settings(errors)) => errors,
        other => panic!("{other:?}"),
    }
}

fn pointers(errors: &[Error]) -> Vec<&str> {
    errors.iter().map(|error| error.pointer.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn a_name_must_be_usable_in_paths_and_urls() {
    for name in ["", "  ", "a/b", "a:b", "a\nb"] {
        assert!(matches!(open(ConnectionConfig::new(name, "{}")).await, Err(OpenError::Name { .. })), "{name:?}");
    }
    assert_eq!(open(ConnectionConfig::new("Ünïcode name 1", "{}")).await.unwrap().name(), "Ünïcode name 1");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let settings =
        r#"{"greeting": "[nobody]", "token": "[nothing]", "address": "https://evil.example/", "useProxy": true}"#;
    let errors = wrong(ConnectionConfig::new("c", settings)).await;
    assert_eq!(pointers(&errors), ["/greeting", "/token", "/useProxy", "/address"]);
    assert_eq!(errors[3].code.as_deref(), Some("origin-not-granted"));
    let unknown = wrong(ConnectionConfig::new("c", r#"{"a": 1, "b": 2}"#)).await;
    assert_eq!(pointers(&unknown), ["/a", "/b"]);
    for text in ["", "{", "[]", "\"text\"", "{} trailing"] {
        assert_eq!(pointers(&wrong(ConnectionConfig::new("c", text)).await), [""], "{text}");
    }
}

#[tokio::test]
async fn an_address_outside_of_the_grants_is_refused_wherever_it_comes_from() {
    let granted = || Grant::asked("https://fixed.example".parse().unwrap());
    let extra = || Grant::extra("http://127.0.0.1:9999".parse().unwrap());
    let variables = Changing::with(&[("host", "evil.example"), ("good", "fixed.example")]);
    for (address, allowed) in [
        ("https://fixed.example/stores/x", true),
        ("HTTPS://FIXED.example:443/", true),
        ("https://[good]/", true),
        ("http://127.0.0.1:9999/x", true),
        ("not an address", true),
        ("https://[host]/", false),
        ("https://fixed.example.evil.example/", false),
        ("https://fixed.example@evil.example/", false),
        ("https://user:hunter2@fixed.example/", false),
        ("http://fixed.example/", false),
        ("https://fixed.example:8443/", false),
        ("http://127.0.0.1:9998/", false),
        (" https://evil.example/", false),
    ] {
        let mut config = ConnectionConfig::new("c", serde_json::json!({ "address": address }).to_string());
        config.variables = Arc::new(variables.clone());
        config.grants = vec![granted(), extra()];
        match (open(config).await, allowed) {
            (Ok(_), true) => {}
            (Err(OpenError::Settings(errors)), false) => {
                assert_eq!((errors[0].kind, errors[0].pointer.as_deref()), (ErrorKind::Denied, Some("/address")));
                assert!(!errors[0].message.contains("hunter2"), "{}", errors[0].message);
            }
            (other, _) => panic!("{address}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn keep_alive_and_proxy_are_refused_with_a_reason() {
    for (settings, pointer, reason) in [
        (r#"{"keepAliveSeconds": 0}"#, "/keepAliveSeconds", "between 1 and 3600"),
        (r#"{"keepAliveSeconds": 3601}"#, "/keepAliveSeconds", "between 1 and 3600"),
        (r#"{"keepAliveSeconds": "12x"}"#, "/keepAliveSeconds", "whole number"),
        (r#"{"useProxy": true}"#, "/useProxy", "no proxy"),
    ] {
        let errors = wrong(ConnectionConfig::new("c", settings)).await;
        assert_eq!(pointers(&errors), [pointer]);
        assert!(errors[0].message.contains(reason), "{}", errors[0].message);
    }
    open(ConnectionConfig::new("c", r#"{"keepAliveSeconds": 30}"#)).await.unwrap();
}

#[tokio::test]
async fn a_value_is_read_when_it_is_used() {
    let variables = Changing::with(&[("token", "12345")]);
    let mut config = ConnectionConfig::new("c", r#"{"greeting": "hi [who{you}] [[x]", "token": "[token]"}"#);
    config.variables = Arc::new(variables.clone());
    let connection = connection(config).await;
    let mut activity = connection.activity().await.unwrap();
    let before = activity.test().await.unwrap();
    assert_eq!((before.account.as_str(), &before.warnings[0][..]), ("hi you [x]", "the token has 5 characters"));
    variables.set("token", "1234567");
    variables.set("who", "me");
    let after = activity.test().await.unwrap();
    assert_eq!((after.account.as_str(), &after.warnings[0][..]), ("hi me [x]", "the token has 7 characters"));
}

#[tokio::test]
async fn a_variable_that_exists_is_granted_only_if_the_settings_mention_it() {
    for (settings, told) in [
        (r#"{"greeting": "[mentioned]"}"#, "there is no variable `unmentioned`"),
        (r#"{"greeting": "[unmentioned]"}"#, "a value of 6 bytes came: ****"),
    ] {
        let variables = Changing::with(&[("mentioned", "hello"), ("unmentioned", "s3cret")]);
        let mut config = ConnectionConfig::new("c", settings);
        config.variables = Arc::new(variables);
        let mut activity = connection(config).await.activity().await.unwrap();
        let Err(CallError::Connector(error)) = activity.query(&trial("variable")).await else { panic!() };
        assert_eq!(error.message, told, "{settings}");
    }
}

#[tokio::test]
async fn settings_that_a_changed_variable_spoils_are_told_by_the_next_activity() {
    let variables = Changing::with(&[("base", "https://fixed.example")]);
    let mut config = ConnectionConfig::new("c", r#"{"address": "[base]/x"}"#);
    config.variables = Arc::new(variables.clone());
    config.grants = vec![Grant::asked("https://fixed.example".parse().unwrap())];
    let connection = connection(config).await;
    connection.activity().await.unwrap();
    variables.set("base", "https://evil.example");
    let Err(CallError::Settings(errors)) = connection.activity().await else { panic!() };
    assert_eq!(pointers(&errors), ["/address"]);
}

#[tokio::test]
async fn authorities_must_be_certificates() {
    for pem in ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let config = ConnectionConfig { extra_roots: pem.into(), ..ConnectionConfig::new("c", "{}") };
        assert!(matches!(open(config).await, Err(OpenError::Certificates(_))), "{pem}");
    }
}

#[tokio::test]
async fn debug_output_holds_no_secret() {
    let config = ConnectionConfig::new("c", r#"{"token": "s3cret-literal"}"#);
    let shown = format!("{config:?} {:?}", Secret::new("s3cret-value"));
    let connection = connection(config).await;
    let shown = format!("{shown} {connection:?} {:?} {:?}", connection.activity().await.unwrap(), connection.status());
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(connection.status(), Status::default());
}

/// One variable, that its keeper calls public.
struct Public;

impl Variables for Public {
    fn get(&self, name: &str) -> Result<Secret, VariableError> {
        match name {
            "shown" => Ok(Secret::public("value-of-it")),
            _ => Err(VariableError::Provider("cannot read /srv/keys/store.db".into())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_version_calls_a_secret_setting_is_taken_out_whatever_the_version_before_called_it() {
    // The same component, whose schema knows no secret.
    let mut open_schema = Variant::version("0.1.0").of(&wasm()).unwrap();
    let said = b"\"writeOnly\": true,";
    let at = open_schema.windows(said.len()).position(|window| window == said).unwrap();
    open_schema[at..at + said.len()].fill(b' ');
    let deployment = Deployment::new(&host().load(&open_schema).await.unwrap());
    let mut config = ConnectionConfig::new("people", r#"{"greeting": "[shown]", "token": "[shown]"}"#);
    config.variables = Arc::new(Public);
    let connection = host().open(&deployment, config).await.unwrap();
    assert!(connection.test().await.unwrap().account.contains("value-of-it"));
    let next = host().load(&Variant::version("0.2.0").of(&wasm()).unwrap()).await.unwrap();
    deployment.swap(&next, SwapOptions::default()).await.unwrap();
    let told = connection.test().await.unwrap().account;
    assert!(told.contains("****") && !told.contains("value-of-it"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_the_host_cannot_read_a_variable_is_not_told_to_the_connector() {
    let mut config = ConnectionConfig::new("people", r#"{"greeting": "[broken]"}"#);
    config.variables = Arc::new(Public);
    let Err(error) = host().open(&connector().await, config).await else { panic!("it opens") };
    let told = error.to_string();
    assert!(told.contains("the host cannot read its variables") && !told.contains("/srv/keys"), "{told}");
}
