//! Versions of the component change while callers query and write. A soak does the same for minutes (`CONNECTOR_TEST_ROUNDS` swaps);
//! `cargo xtask bench --only swap` measures it. The store is a process of its own: it remembers every request, and the memory that is
//! judged is the host's.

use std::sync::Arc;
use std::time::Duration;

use connector_host::{ConnectionConfig, Deployment, Grant};
use end_to_end::{Memory, component, program};
use serde_json::json;
use traffic::{Emulator, Plan, TOKEN};

const PLAN: Plan = Plan {
    callers: 32,
    time: Duration::ZERO,
    swaps: 10,
    read: "products",
    page_size: 100,
    written: "customers",
    record: |number| format!(r#"{{"first_name":"Ada","last_name":"{number}","email":"{number}@example.com"}}"#),
    mark: ("email", |number| format!("{number}@example.com")),
};

/// For as long as it takes a call to meet one.
const TIME_PER_SWAP: Duration = Duration::from_millis(600);
/// Swaps after which every place of the pool has been used.
const WARM_UP: u32 = 100;
/// Growth of the resident memory per swap that is no leak, in bytes. A version that stays takes some MB.
const MOST_GROWTH: f64 = 200e3;
/// Swaps from one line about the memory to the next.
const TOLD: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_and_no_record_is_lost_or_doubled_while_versions_change() {
    let store = Emulator::start(&program("bigcommerce-emulator"), &[]).unwrap();
    let (host, wasm) = (end_to_end::host(), component("bigcommerce"));
    let deployment = Deployment::new(&host.load(&wasm).await.unwrap());
    let settings = json!({ "store_hash": store.store_hash(), "access_token": "[token]", "base_url": store.url() });
    let variables = Memory::default();
    variables.set("token", TOKEN);
    let mut connections = Vec::new();
    for number in 0..4 {
        let mut config = ConnectionConfig::new(format!("store-{number}"), settings.to_string());
        config.variables = Arc::new(variables.clone());
        config.grants = vec![Grant::extra(store.url().parse().unwrap())];
        connections.push(host.open(&deployment, config).await.unwrap());
    }
    let rounds = std::env::var("CONNECTOR_TEST_ROUNDS").map(|text| text.parse().expect("a number"));
    let swaps = rounds.unwrap_or(PLAN.swaps);
    let plan = Plan { swaps, time: TIME_PER_SWAP * swaps, ..PLAN };
    let versions = traffic::versions(&wasm);
    let found = traffic::run(&host, &deployment, &connections, &versions, plan, 1).await.unwrap();
    assert_eq!(found.swaps.len(), swaps as usize);
    assert!(found.failed.is_empty(), "{} calls failed: {:?}", found.failed.len(), found.failed.first());
    assert_eq!((found.lost, found.doubled), (0, 0), "of {} records", found.records);
    if swaps > 2 * WARM_UP {
        for (number, bytes) in (1..).zip(&found.resident).skip(TOLD - 1).step_by(TOLD) {
            println!("{number} swaps: {:.1} MB", *bytes as f64 / 1e6);
        }
        let growth = found.growth_after(WARM_UP as usize);
        println!("{} calls, memory grew by {:.1} KB per swap", found.calls.len(), growth / 1e3);
        assert!(growth < MOST_GROWTH, "memory grows by {growth:.0} bytes with each swap");
    }
    let state = deployment.state();
    assert!(state.versions.iter().all(|version| version.errors == 0 && version.calls > 0), "{state:?}");
    assert_eq!(state.versions.len(), 2, "earlier versions are gone: {state:?}");
    assert_eq!(violations(&store).await, "[]", "requests that the API does not document");
}

/// What the store found wrong with the requests, as a JSON list.
async fn violations(store: &Emulator) -> String {
    // reqwest brings no provider of TLS here: another crate of the workspace turns its feature `rustls-no-provider` on.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::get(format!("{}/_emulator/violations", store.url())).await.unwrap();
    answer.text().await.unwrap()
}
