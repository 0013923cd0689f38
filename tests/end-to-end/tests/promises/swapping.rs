//! Versions of the component change while callers query and write. `cargo xtask bench --only swap` does the same for minutes.

use std::time::Duration;

use bigcommerce_emulator::Config;
use connector_host::Deployment;
use end_to_end::{Bench, component};
use traffic::Plan;

const PLAN: Plan = Plan {
    callers: 32,
    time: Duration::from_secs(6),
    swaps: 10,
    read: "products",
    page_size: 100,
    written: "customers",
    record: |number| format!(r#"{{"first_name":"Ada","last_name":"{number}","email":"{number}@example.com"}}"#),
    mark: ("email", |number| format!("{number}@example.com")),
};

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_and_no_record_is_lost_or_doubled_while_versions_change() {
    let bench = Bench::with(Config::default()).await;
    let deployment = Deployment::new(&bench.connector);
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(bench.host.open(&deployment, bench.config(bench.settings())).await.unwrap());
    }
    let versions = traffic::versions(&component("bigcommerce"));
    let found = traffic::run(&bench.host, &deployment, &connections, &versions, PLAN, 1).await.unwrap();
    assert_eq!(found.swaps.len(), 10);
    assert!(found.failed.is_empty(), "{} calls failed: {:?}", found.failed.len(), found.failed.first());
    assert_eq!((found.lost, found.doubled), (0, 0), "of {} records", found.records);
    let state = deployment.state();
    assert!(state.versions.iter().all(|version| version.errors == 0 && version.calls > 0), "{state:?}");
    assert_eq!(state.versions.len(), 2, "earlier versions are gone: {state:?}");
}
