//! Versions of the component change while callers query and write. A soak does the same for minutes (`CONNECTOR_TEST_ROUNDS` swaps);
//! `cargo xtask bench --only swap` measures it.

use std::time::Duration;

use bigcommerce_emulator::Config;
use connector_host::Deployment;
use end_to_end::{Bench, component};
use traffic::Plan;

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

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_and_no_record_is_lost_or_doubled_while_versions_change() {
    let bench = Bench::with(Config::default()).await;
    let deployment = Deployment::new(&bench.connector);
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(bench.host.open(&deployment, bench.config(bench.settings())).await.unwrap());
    }
    let versions = traffic::versions(&component("bigcommerce"));
    let rounds = std::env::var("CONNECTOR_TEST_ROUNDS").map(|text| text.parse().expect("a number"));
    let swaps = rounds.unwrap_or(PLAN.swaps);
    let plan = Plan { swaps, time: TIME_PER_SWAP * swaps, ..PLAN };
    let found = traffic::run(&bench.host, &deployment, &connections, &versions, plan, 1).await.unwrap();
    assert_eq!(found.swaps.len(), swaps as usize);
    assert!(found.failed.is_empty(), "{} calls failed: {:?}", found.failed.len(), found.failed.first());
    assert_eq!((found.lost, found.doubled), (0, 0), "of {} records", found.records);
    if swaps > 2 * WARM_UP {
        let growth = found.growth_after(WARM_UP as usize);
        println!("{} calls, memory grew by {:.1} KB per swap", found.calls.len(), growth / 1e3);
        assert!(growth < MOST_GROWTH, "memory grows by {growth:.0} bytes with each swap");
    }
    let state = deployment.state();
    assert!(state.versions.iter().all(|version| version.errors == 0 && version.calls > 0), "{state:?}");
    assert_eq!(state.versions.len(), 2, "earlier versions are gone: {state:?}");
}
