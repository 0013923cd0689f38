//! Every scenario on the Rust host, and that the driver finds what does not hold. The other hosts have their turn in
//! `cargo xtask test`, which installs them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use scenarios::host::{Host, Runner};
use scenarios::play::Stage;
use scenarios::scenario::{parse, read_all};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

fn stage() -> Stage {
    let components = root().join("target/components");
    assert!(components.join("bigcommerce.wasm").is_file(), "run `cargo xtask components` first");
    Stage { components }
}

fn runner(test: &str) -> Runner {
    let cache = root().join("target/compile-cache").display().to_string();
    let host = Host { name: format!("rust-{test}"), command: vec![env!("CARGO_BIN_EXE_rust-runner").into(), cache] };
    host.start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

#[test]
fn every_scenario_holds_on_the_rust_host() {
    let (stage, mut runner) = (stage(), runner("all"));
    for scenario in read_all(&root().join("tests/scenarios")).unwrap() {
        assert!(!scenario.skip.contains_key("rust"), "{}: the Rust host skips nothing", scenario.name);
        stage.play(&scenario, &mut runner).unwrap_or_else(|error| panic!("{}: {error:#}", scenario.name));
    }
}

#[test]
fn what_does_not_hold_is_found() {
    let good = r#"
        promise = "p"
        component = "bigcommerce"
        store = { brands = 5, tokens = [{ value = "the-token" }] }
        sockets = { opened-at-most = 1, open-at-most = 1, through-proxy = false }
        [[step]]
        call.do = "connect"
        call.settings = { keep_alive = true, keep_alive_seconds = "60" }
        answer.ok = {}
        [[step]]
        before.faults = []
        call.do = "create"
        call.request = { object = "brands", records = ['{"name":"New"}'] }
        answer.outcomes = [{ applied = [] }]
        seen = { at-least = 1, at-most = 1, requests = [{ method = "POST", path = "/v3/catalog/brands", query = {}, body = ["New"], status = 200, acted = true }] }
        stored = [{ resource = "brands", count = 6 }]
        takes-at-least-ms = 0
    "#;
    let (stage, mut runner) = (stage(), runner("wrong"));
    stage.play(&parse("good", good).unwrap(), &mut runner).unwrap();
    for (right, wrong, told) in [
        ("[{ applied = [] }]", "[\"skipped\"]", "instead of `skipped`"),
        ("at-least = 1", "at-least = 2", "too few"),
        ("at-most = 1, requests", "at-most = 0, requests", "too many"),
        ("\"POST\"", "\"PUT\"", "it is not PUT"),
        ("query = {}", "query = { page = \"1\" }", "parameter `page`"),
        ("body = [\"New\"]", "body = [\"Old\"]", "does not occur in its body"),
        ("status = 200", "status = 201", "answered Some(200)"),
        ("acted = true", "acted = false", "the store acted: true"),
        ("count = 6", "count = 5", "holds 6 brands"),
        ("takes-at-least-ms = 0", "takes-at-least-ms = 60000", "less than 60000 ms"),
        ("opened-at-most = 1", "opened-at-most = 0", "1 sockets were opened"),
        ("open-at-most = 1", "open-at-most = 0", "1 sockets were open at one time"),
        ("through-proxy = false", "through-proxy = true", "0 of 1 sockets came by the proxy"),
        (
            "faults = []",
            "faults = [{ method = \"GET\", path = \"/\", effect = \"in-part\" }]",
            "a fault did not strike",
        ),
        ("\"New\"}", "\"the-token\"}", "shows the secret"),
    ] {
        let text = good.replacen(right, wrong, 1);
        assert_ne!(text, good, "{right}");
        let found = stage.play(&parse("wrong", &text).unwrap(), &mut runner);
        let found = format!("{:#}", found.expect_err(wrong));
        assert!(found.contains(told), "{wrong}: {found}");
    }
}
