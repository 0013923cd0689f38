//! What an operator learns of requests: where they went, for which object and store, how they ended. Never what they carried.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connector_host::{ConnectionConfig, Host, HostConfig, Observer, RequestEnded};
use end_to_end::{Bench, component, lines, query, root};
use serde_json::json;

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for Seen {
    fn request_ended(&self, request: &RequestEnded<'_>) {
        let origin = request.origin.map(ToString::to_string);
        let text = format!(
            "{} {} for {:?} of {:?} in {:?}: {:?} {:?}, {} bytes",
            request.method,
            origin.unwrap_or_default(),
            request.object,
            request.connection,
            request.store,
            request.status,
            request.failure,
            request.bytes,
        );
        self.0.lock().unwrap().push(text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_told_with_object_and_store_and_without_a_secret() {
    let bench = Bench::new().await;
    let seen = Arc::<Seen>::default();
    let cache_dir = Some(root().join("target/compile-cache"));
    let host = Host::new(HostConfig { cache_dir, observer: Some(seen.clone()), ..HostConfig::default() }).unwrap();
    let connector = host.load(&component("bigcommerce")).await.unwrap();
    let open = async |settings| {
        let config = ConnectionConfig { name: "my store".into(), ..bench.config(settings) };
        host.open(&connector, config).await.unwrap()
    };
    let connection = open(bench.settings()).await;
    assert_eq!(lines(&connection, query("products")).await.unwrap().len(), 500);
    let mut settings = bench.settings();
    settings["access_token"] = json!("wr0ng-token");
    lines(&open(settings).await, query("brands")).await.unwrap_err();
    // A request whose answer nobody reads to its end is over when its activity is gone.
    let begun = Instant::now();
    while seen.0.lock().unwrap().len() < bench.store.journal().len() && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seen = seen.0.lock().unwrap();
    let (products, brands): (Vec<&String>, Vec<&String>) = seen.iter().partition(|told| told.contains("\"products\""));
    assert_eq!(seen.len(), bench.store.journal().len(), "one for each request that the store saw");
    let begins = format!("GET {} for Some(\"products\") of \"my store\" in Some(", bench.store.base_url());
    assert!(products.iter().all(|told| told.starts_with(&begins) && told.contains(": Some(200) None")), "{products:?}");
    assert!(products.iter().all(|told| told.contains(bench.store.store_hash())), "the store is named: {products:?}");
    assert!(products.iter().all(|told| !told.ends_with(", 0 bytes")), "{products:?}");
    assert!(
        brands.iter().all(|told| told.contains("for Some(\"brands\")") && told.contains("Some(401)")),
        "{brands:?}"
    );
    assert!(!brands.is_empty() && seen.iter().all(|told| !told.contains("token")), "{seen:?}");
}
