//! Attacks on the compiler: before anything of a component runs, it has to be read and compiled.

use std::time::{Duration, Instant};

use connector_host::{Host, HostConfig, LoadError};

use super::handmade::{component, padded};
use crate::{people, plain, wasm};

/// A component with so many copies of a word of memory in each function.
fn long(times: usize) -> Vec<u8> {
    // i32.const 8, i32.const 4, i32.load, i32.store
    const COPY: [u8; 10] = [0x41, 8, 0x41, 4, 0x28, 2, 0, 0x36, 2, 0];
    component(&[], |module| padded(&module, &COPY, times))
}

#[tokio::test]
async fn a_component_that_is_too_large_is_not_even_looked_at() {
    let mut large = wasm();
    large.resize((64 << 20) + 1, 0);
    let host = Host::new(HostConfig { pooling: false, ..HostConfig::default() }).unwrap();
    let refused = host.load(&large).await.unwrap_err();
    let told = "this component has 67108865 bytes, more than 64 MiB (`component_bytes` of the host's configuration)";
    assert!(matches!(refused, LoadError::TooLarge { .. }) && refused.to_string() == told, "{refused}");
    let exact = HostConfig { pooling: false, component_bytes: wasm().len(), ..HostConfig::default() };
    Host::new(exact).unwrap().load(&wasm()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_takes_long_to_compile_holds_up_nobody_else() {
    let time = Duration::from_millis(100);
    let folder = tempfile::tempdir().unwrap();
    let patient = || HostConfig { pooling: false, cache_dir: Some(folder.path().into()), ..HostConfig::default() };
    // In the cache, the good one needs no compiler.
    Host::new(patient()).unwrap().load(&wasm()).await.unwrap();
    let (long, other) = (long(40_000), long(1));
    let connection = plain().await;

    let host = Host::new(HostConfig { compile_time: time, compilations: 1, ..patient() }).unwrap();
    let begun = Instant::now();
    let refused = host.load(&long).await.unwrap_err();
    assert!(matches!(refused, LoadError::CompileTime(most) if most == time), "{refused}");
    assert!(refused.to_string().contains("not compiled within 0.1 s (`compile_time` of the host's"), "{refused}");
    // Others are served, and loaded if they are compiled already; who needs the compiler waits as long and no longer.
    assert_eq!(connection.activity().await.unwrap().query(&people()).await.unwrap().count, 37);
    host.load(&wasm()).await.unwrap();
    let refused = host.load(&other).await.unwrap_err();
    assert!(matches!(refused, LoadError::CompileTime(_)), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());

    // The compiler came to its end, gave its place back and kept what it made.
    let refused = loop {
        match host.load(&long).await.unwrap_err() {
            LoadError::CompileTime(_) => assert!(begun.elapsed() < Duration::from_secs(300), "no end"),
            refused => break refused,
        }
    };
    assert!(matches!(refused, LoadError::Describe(_)), "{refused}");
}
