//! A small store and a client of it.

use bigcommerce_emulator::{Config, Emulator, Sizes};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

pub(crate) struct Shop {
    pub(crate) emulator: Emulator,
    pub(crate) client: Client,
}

/// A client of the store. The libraries that speak to registries build this one with TLS of no provider, and it insists on one.
fn client() -> Client {
    // Another test of this program may have been first.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// A status and a body, `null` if there is none.
pub(crate) type Told = (u16, Value);

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(Config { sizes: small(), https: false, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self { emulator: Emulator::start(config).await.unwrap(), client: client() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, self.emulator.url(path));
        request.header("x-auth-token", self.emulator.token()).header("accept", "application/json")
    }

    pub(crate) async fn answer(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = self.request(method, path).header("content-type", "application/json");
        request.body(body.to_string()).send().await.unwrap()
    }

    /// The body of a list or record that is there.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Status and body as they came; the body is sent as it is.
    pub(crate) async fn send_text(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let request = self.request(method, path).header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        told(self.answer(path).await).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Told {
        told(self.send(Method::POST, path, body).await).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Told {
        told(self.send(Method::PUT, path, body).await).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Told {
        told(self.request(Method::DELETE, path).send().await.unwrap()).await
    }

    pub(crate) async fn delete_with(&self, path: &str, body: &Value) -> Told {
        told(self.send(Method::DELETE, path, body).await).await
    }

    pub(crate) fn count(&self, resource: &str) -> usize {
        self.emulator.store().count(resource)
    }

    /// The first record of a resource.
    pub(crate) fn first(&self, resource: &str) -> Value {
        let texts = self.emulator.store().texts(resource);
        let text = texts.first().unwrap_or_else(|| panic!("{resource} is empty"));
        serde_json::from_str(text).unwrap()
    }

    /// The key of the first record, as it stands in a path.
    pub(crate) fn key(&self, resource: &str) -> String {
        let keys = self.emulator.store().keys(resource);
        let key = keys.first().unwrap_or_else(|| panic!("{resource} is empty"));
        key.to_json().trim_matches('"').to_owned()
    }
}

pub(crate) fn small() -> Sizes {
    Sizes { products: 30, brands: 5, categories: 6, customers: 20, orders: 12, coupons: 8, others: 3 }
}

/// A store with several pages of products, customers, orders and coupons.
pub(crate) fn medium() -> Config {
    Config { sizes: Sizes { products: 120, ..Sizes::default() }, https: false, ..Config::default() }
}

async fn told(answer: Response) -> Told {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { json!(text) });
    (status, body)
}

pub(crate) fn kind(answer: &Response) -> String {
    answer.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

pub(crate) fn ids(list: &Value) -> Vec<u64> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(|r| r["id"].as_u64().unwrap()).collect()
}

pub(crate) fn product(name: &str) -> Value {
    json!({ "name": name, "type": "physical", "weight": 1, "price": 5, "categories": [] })
}

pub(crate) fn customer(number: usize) -> Value {
    json!({ "first_name": "Ada", "last_name": "Made", "email": format!("made{number}@example.com") })
}
