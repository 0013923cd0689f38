//! `test`: tells apart what can be wrong with a connection, in words that a person can act on.
//!
//! Two reads. `/v3/hooks` needs no scope, so it proves address, transport and token, and 401 there means the token or the store
//! hash. `/v2/store` gives the store's name; 403 there only means that the token may not read it.

use serde::Deserialize;

use crate::client::{Call, Client, Patience};
use crate::error::{Error, Kind};
use crate::types::Identity;

#[derive(Deserialize)]
struct Store {
    name: Option<String>,
    secure_url: Option<String>,
}

/// Tests the connection.
///
/// # Errors
/// Why it does not work.
pub async fn test(client: &Client) -> Result<Identity, Error> {
    let hash = &client.settings().store_hash;
    let call = |target: &str, path, what: &str| Call {
        method: "GET",
        target: target.to_owned(),
        endpoint: (path, None),
        body: None,
        what: what.to_owned(),
    };
    let hooks = call("/v3/hooks?limit=1", "/v3/hooks", "test the connection");
    let proof = client.read(hooks, Patience::None, |answer| {
        serde_json::from_slice::<serde_json::Value>(&answer.body)
            .map(drop)
            .map_err(|_| "it is not JSON: is this the BigCommerce API?".to_owned())
    });
    proof.await.map_err(|error| explained(error, hash))?;

    let store = call("/v2/store", "/v2/store", "read the store's name");
    let store = client
        .read(store, Patience::None, |answer| {
            serde_json::from_slice::<Store>(&answer.body).map_err(|error| error.to_string())
        })
        .await;
    match store {
        Ok(store) => {
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            let account = match (filled(store.name), filled(store.secure_url)) {
                (Some(name), Some(url)) => format!("{name} ({url})"),
                (Some(name), None) => name,
                (None, _) => format!("store {hash}"),
            };
            Ok(Identity { account, warnings: Vec::new() })
        }
        Err(error) if error.status == Some(403) => Ok(Identity {
            account: format!("store {hash}"),
            warnings: vec!["the token lacks the scope for store information (store_v2_information_read_only), so the store's name cannot be shown; each object needs its own scope".to_owned()],
        }),
        Err(error) => Err(explained(error, hash)),
    }
}

/// Adds what a status means at this place.
fn explained(mut error: Error, hash: &str) -> Error {
    match error.status {
        Some(401) => {
            error.message = format!(
                "the store refused the credentials (HTTP 401): the access token is wrong or revoked, or it belongs to another store than `{hash}`"
            )
        }
        Some(403) => {
            error.message =
                "the token is valid and lacks a scope that even the default has (HTTP 403): create the API account anew"
                    .to_owned()
        }
        Some(404) => {
            error.message =
                format!("there is no store `{hash}` at this address (HTTP 404): check store hash and base URL")
        }
        Some(503) => {
            error.kind = Kind::Unavailable;
            error.message = format!(
                "store `{hash}` answers that it is suspended, in maintenance or being upgraded (HTTP 503): look at the store's control panel"
            );
        }
        _ => {}
    }
    error
}
