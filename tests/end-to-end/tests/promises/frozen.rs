//! Released connectors go on working in the host of today: see `tests/frozen`.

use std::io::Read as _;

use connector_host::contract::Comparison;
use end_to_end::{Bench, applied, condition, query, records, root, words, write};
use serde_json::json;

#[tokio::test]
async fn a_released_connector_reads_and_writes_a_store() {
    for version in ["0.1.0"] {
        let deflated = std::fs::File::open(root().join(format!("tests/frozen/{version}/bigcommerce.wasm.gz"))).unwrap();
        let mut wasm = Vec::new();
        flate2::read::GzDecoder::new(deflated).read_to_end(&mut wasm).unwrap();
        let mut bench = Bench::new().await;
        bench.connector = bench.host.load(&wasm).await.unwrap();
        assert_eq!(bench.connector.info().version, version);
        let connection = bench.connection().await;
        connection.test().await.unwrap();
        assert_eq!(records(&connection, query("products")).await.len(), bench.store.store().count("products"));

        let mut activity = connection.activity().await.unwrap();
        let brand = [json!({ "name": "Released" })];
        let outcomes = activity.create(&write("brands", &brand)).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
        let key = applied(&outcomes[0])["id"].clone();
        let mut one = query("brands");
        one.filter = vec![condition("id", Comparison::Equal, key.clone())];
        assert_eq!(records(&connection, one).await[0]["name"], "Released");
        let outcomes = activity.delete(&write("brands", &[json!({ "id": key })])).await.unwrap();
        assert_eq!(words(&outcomes), ["applied"], "{outcomes:?}");
    }
}
