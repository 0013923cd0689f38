//! What becomes a connector, what does not and why, and the compile cache.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use connector_host::contract::Info;
use connector_host::{Host, HostConfig, LoadError};

use crate::{connector, host, wasm};

#[tokio::test]
async fn a_connector_says_what_it_is() {
    let connector = connector().await;
    assert_eq!((connector.info().name.as_str(), connector.info().title.as_str()), ("fixed", "Fixed data"));
    assert_eq!(connector.info().origins, ["https://fixed.example"]);
    assert!(connector.digest().starts_with("sha256:") && connector.digest().len() == 7 + 64, "{}", connector.digest());
    assert_eq!(
        connector.imports(),
        [
            "ipaas:connector/control@0.1.0",
            "ipaas:connector/logging@0.1.0",
            "ipaas:connector/transport@0.1.0",
            "ipaas:connector/types@0.1.0",
            "ipaas:connector/variables@0.1.0",
            "wasi:clocks/monotonic-clock@0.2.0",
            "wasi:io/poll@0.2.0",
        ]
    );
}

/// The component with a name in it changed to one of the same length.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut wasm = wasm();
    let mut found = 0;
    for start in 0..wasm.len() - from.len() {
        if &wasm[start..start + from.len()] == from.as_bytes() {
            wasm[start..start + from.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0);
    wasm
}

#[tokio::test]
async fn what_is_no_connector_is_told_apart() {
    let whole = wasm();
    let cut = whole[..whole.len() / 2].to_vec();
    let module = b"\0asm\x01\0\0\0".to_vec();
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    let world = renamed("ipaas:connector/connection@0.1.0", "ipaas:connector/connection@0.2.0");
    let import = renamed("ipaas:connector/logging@0.1.0", "ipaas:connector/flowers@0.1.0");
    let newer_import = renamed("wasi:io/poll@0.2.0", "wasi:io/poll@0.3.0");
    let told = [
        (b"".to_vec(), "not a WebAssembly file"),
        (b"PK\x03\x04 a zip file".to_vec(), "not a WebAssembly file"),
        (cut, "damaged or cut off"),
        (module, "a WebAssembly module, not a component"),
        (empty_component, "does not export ipaas:connector/metadata@0.1.0; it exports nothing"),
        (world, "built for ipaas:connector@0.2.0, this host runs ipaas:connector@0.1.0: use a newer host"),
        (import, "does not offer: ipaas:connector/flowers@0.1.0"),
        (newer_import, "does not offer: wasi:io/poll@0.3.0"),
    ];
    for (wasm, expected) in told {
        let error = host().load(&wasm).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_flipped_byte_never_gets_past_the_checks() {
    // A component has no checksum of its own. So a damaged byte that changes neither structure nor interfaces (one in a text, say)
    // is found by the digest alone; any other must be an error, and nothing a crash.
    let whole = wasm();
    let host = Host::new(HostConfig { pooling: false, ..HostConfig::default() }).unwrap();
    let intact = host.load(&whole).await.unwrap();
    let mut refused = 0;
    for position in (8..whole.len()).step_by(whole.len() / 7 + 1) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x55;
        match host.load(&damaged).await {
            Err(error) => {
                assert!(!matches!(error, LoadError::NotWasm | LoadError::CoreModule), "{position}: {error}");
                refused += 1;
            }
            Ok(loaded) => {
                assert_ne!(loaded.digest(), intact.digest(), "{position}");
                assert_eq!(loaded.imports(), intact.imports(), "{position}");
                let facts = |info: &Info| (info.name.clone(), info.version.clone(), info.origins.clone());
                assert_eq!(facts(loaded.info()), facts(intact.info()), "{position}");
            }
        }
    }
    assert!(refused > 0, "no damage at all was found");
}

fn cached(folder: &Path) -> Host {
    Host::new(HostConfig { cache_dir: Some(folder.into()), pooling: false, ..HostConfig::default() }).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_compiled_connector_is_used_again_and_a_damaged_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new").join("cache");
    cached(&cache).load(&wasm()).await.unwrap();
    let [file] = files(&cache).try_into().unwrap();
    assert_eq!(std::fs::metadata(&cache).unwrap().mode() & 0o777, 0o700);
    let identity = || std::fs::metadata(&file).unwrap().ino();
    let good = std::fs::read(&file).unwrap();
    let first = identity();
    cached(&cache).load(&wasm()).await.unwrap();
    assert_eq!(identity(), first, "it was used, not made anew");
    let flipped = |position: usize| {
        let mut bytes = good.clone();
        bytes[position] ^= 1;
        bytes
    };
    let damages = [
        flipped(good.len() - 1),
        flipped(0),
        flipped(10),
        flipped(good.len() / 2),
        good[..good.len() / 2].to_vec(),
        vec![],
    ];
    for damaged in damages {
        std::fs::write(&file, &damaged).unwrap();
        let loaded = cached(&cache).load(&wasm()).await.unwrap();
        assert_eq!(loaded.info().name, "fixed");
        assert_ne!(std::fs::read(&file).unwrap(), damaged, "it was made anew");
        assert_eq!(files(&cache).len(), 1, "nothing is left behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hosts_share_a_cache() {
    let folder = tempfile::tempdir().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let host = cached(folder.path());
            tokio::spawn(async move { host.load(&wasm()).await.map(|connector| connector.digest().to_owned()) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(files(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_costs_no_more_than_time() {
    let file = tempfile::NamedTempFile::new().unwrap();
    cached(&file.path().join("cache")).load(&wasm()).await.unwrap();
}

#[tokio::test]
async fn what_others_may_write_is_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    cached(folder.path()).load(&wasm()).await.unwrap();
    let [file] = files(folder.path()).try_into().unwrap();
    let state = || std::fs::metadata(&file).map(|found| (found.ino(), found.mode() & 0o777)).unwrap();
    let first = state();
    assert_eq!(first.1, 0o600, "whatever the umask allows");

    allow(&file, 0o660);
    cached(folder.path()).load(&wasm()).await.unwrap();
    let second = state();
    assert_ne!(second.0, first.0, "a file that the group may write was used");
    assert_eq!(second.1, 0o600);

    // Nor is a folder trusted with anything new.
    std::fs::write(&file, b"damaged").unwrap();
    for mode in [0o770, 0o1777] {
        allow(folder.path(), mode);
        cached(folder.path()).load(&wasm()).await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"damaged", "{mode:o}");
    }
}
