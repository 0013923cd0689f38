//! A secret that the connector has read, in what it says.

use connector_host::contract::{Outcome, WriteRequest};
use connector_host::{CallError, ConnectionConfig, OpenError};

use super::Attack;
use crate::{connection, trial};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_taken_out_of_every_text_of_an_answer() {
    let connection = Attack::new("error-secret").open().await.unwrap();
    let Err(CallError::Connector(error)) = super::call(&connection, "query").await else { panic!() };
    for text in [Some(error.message), error.code, error.pointer] {
        assert_eq!(text.as_deref(), Some("the token is ****"));
    }
    let Err(OpenError::Settings(errors)) =
        (Attack { function: "configure", ..Attack::new("error-secret") }).open().await
    else {
        panic!()
    };
    assert!(errors.iter().all(|error| error.message == "the token is ****"), "{errors:?}");
    let connection = Attack { function: "test", ..Attack::new("answer-secret") }.open().await.unwrap();
    let identity = connection.test().await.unwrap();
    assert_eq!((identity.account.as_str(), identity.warnings.as_slice()), ("****", &["****".to_owned()][..]));
    let connection = Attack { function: "create", ..Attack::new("outcome-secret") }.open().await.unwrap();
    let outcomes = connection.activity().await.unwrap().create(&WriteRequest::new("x", "{}\n")).await.unwrap();
    let [Outcome::Failed(error)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(error.message, "the token is ****");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_typed_into_the_settings_is_taken_out_like_the_value_of_a_variable() {
    for (token, told) in [
        ("s3cret-typed", "****"),
        ("s3cret[[typed", "****"),
        ("[nobody{s3cret-default}]", "****"),
        ("s3cret[nobody{-}]typed", "****-****"),
    ] {
        let settings = serde_json::json!({ "token": token, "greeting": "hello" });
        let connection = connection(ConnectionConfig::new("typed", settings.to_string())).await;
        let failed = connection.activity().await.unwrap().query(&trial("log")).await;
        let Err(CallError::Connector(error)) = failed else { panic!("{token}: {failed:?}") };
        assert_eq!(error.message, format!("the token is {told}"), "{token}");
        assert_eq!(connection.test().await.unwrap().account, "hello", "what is no secret stays");
    }
}
