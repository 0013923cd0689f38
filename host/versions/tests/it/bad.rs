//! Bad versions never serve a call, the old one goes on, and the reason is told.

use std::path::Path;

use connector_fixed::variant::{Variant, Way};
use connector_host::{ConnectionConfig, Host, HostConfig};
use connector_versions::{Access, Expected, MAX_SIZE, Place, Refusal, Switch, VersionsError};

use crate::{Project, fetched, host, wasm};

/// A reason with its causes.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The component with a name in it changed to one of the same length.
fn renamed(wasm: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut wasm = wasm.to_vec();
    let places: Vec<usize> =
        wasm.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    wasm
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_good_connector_is_not_installed_and_the_old_one_goes_on() {
    let project = Project::new();
    project.switch(&project.install("1.0.0").await).await;
    let good = wasm(Variant::version("2.0.0"));
    let variant = |variant: Variant<'_>| wasm(variant);
    let two = Variant::version("2.0.0");
    let mut damaged = good.clone();
    let middle = damaged.len() / 3;
    damaged[middle..middle + 64].fill(0xff);
    let bad = [
        ("nothing", Vec::new(), "not a WebAssembly file"),
        ("a page of a portal", b"<html>log in</html>".to_vec(), "not a WebAssembly file"),
        ("cut off", good[..good.len() / 2].to_vec(), "damaged or cut off"),
        ("damaged", damaged, "damaged"),
        ("a module", b"\0asm\x01\0\0\0".to_vec(), "not a component"),
        ("no connector", b"\0asm\x0d\0\x01\0".to_vec(), "no connector"),
        (
            "another world",
            renamed(&good, "ipaas:connector/connection@0.1.0", "ipaas:connector/connection@0.9.0"),
            "built for ipaas:connector@0.9.0",
        ),
        (
            "wants more",
            renamed(&good, "ipaas:connector/logging@0.1.0", "ipaas:connector/flowers@0.1.0"),
            "does not offer: ipaas:connector/flowers@0.1.0",
        ),
        ("traps at start", variant(two.with(Way::Trap, "describe")), "does not describe itself"),
        ("never starts", variant(two.with(Way::Hang, "describe")), "does not describe itself"),
        ("another connector", variant(Variant { name: "other", ..two }), "the connector `other`, expected `fixed`"),
        ("no version", variant(Variant::version("two")), "version is not one like `1.2.3`"),
        ("too large", vec![0; usize::try_from(MAX_SIZE).unwrap() + 1], "larger than 64 MiB"),
    ];
    for (what, wasm, expected) in bad {
        let error = project.try_install(wasm, Vec::new()).await.unwrap_err();
        assert!(matches!(error, VersionsError::Refused { .. }), "{what}: {error:?}");
        assert!(reason(&error).contains(expected), "{what}: {}", reason(&error));
        assert_eq!(project.serves().await, "1.0.0", "{what}");
    }
    assert_eq!(project.versions.list().unwrap().len(), 1);
    assert_eq!(project.files().len(), 1, "nothing of them is kept");
}

#[tokio::test]
async fn a_version_that_is_not_what_its_place_says_is_refused() {
    let project = Project::new();
    let expected = |connector: &str, version: &str| Expected {
        connector: Some(connector.to_owned()),
        version: Some(version.parse().unwrap()),
    };
    let check = async |expected| {
        let fetched = fetched(wasm(Variant::version("2.0.0")));
        project.versions.check(&host(), fetched, &expected).await
    };
    check(expected("fixed", "2.0.0")).await.unwrap();
    let error = check(expected("fixed", "3.0.0")).await.unwrap_err();
    assert!(reason(&error).contains("it says it is version 2.0.0, expected 3.0.0"), "{}", reason(&error));
    let error = check(expected("bigcommerce", "2.0.0")).await.unwrap_err();
    assert!(reason(&error).contains("`fixed`, expected `bigcommerce`"), "{}", reason(&error));
}

#[tokio::test]
async fn a_version_that_was_changed_on_disk_never_serves_and_the_one_before_goes_on() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("changed", |path| std::fs::write(path, wasm(Variant::version("6.6.6"))).unwrap()),
        ("cut off", |path| std::fs::File::options().write(true).open(path).unwrap().set_len(1000).unwrap()),
        ("empty", |path| std::fs::write(path, "").unwrap()),
        ("gone", |path| std::fs::remove_file(path).unwrap()),
        ("a folder", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let project = Project::new();
        let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
        project.switch(&first).await;
        project.switch(&second).await;
        damage(&project.file(&second));

        let loaded = project.load().await.unwrap().unwrap();
        assert_eq!(loaded.connector.info().version, "1.0.0", "{what}");
        assert_eq!(loaded.version, Some(first.clone()), "{what}");
        let held_back = loaded.held_back.unwrap();
        assert!(held_back.version.contains("2.0.0"), "{what}: {held_back:?}");
        let told = if what == "gone" || what == "a folder" { "cannot read" } else { "its digest is" };
        assert!(held_back.reason.contains(told), "{what}: {held_back:?}");
        let error = project.versions.ready(&host(), &second).await.unwrap_err();
        assert!(matches!(error, VersionsError::Refused { .. }), "{what}: {error:?}");

        // What is installed again serves again.
        if what != "a folder" {
            project.install("2.0.0").await;
            assert_eq!(project.serves().await, "2.0.0", "{what}");
        }
    }
}

#[tokio::test]
async fn a_pinned_version_is_never_replaced_by_another_even_if_it_cannot_serve() {
    let project = Project::new();
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    project.switch(&first).await;
    let ready = project.versions.ready(&host(), &second).await.unwrap();
    project.versions.put_in_use(&ready, Switch { pin: true, ..Switch::default() }).unwrap();
    std::fs::write(project.file(&second), wasm(Variant::version("6.6.6"))).unwrap();
    let error = project.load().await.unwrap_err();
    assert!(matches!(error, VersionsError::Refused { source: Refusal::Digest { .. }, .. }), "{error:?}");
}

#[tokio::test]
async fn a_compiled_form_that_was_changed_is_made_anew_from_verified_bytes() {
    let (project, cache) = (Project::new(), tempfile::tempdir().unwrap());
    let first = project.install("1.0.0").await;
    project.switch(&first).await;
    let fresh = || {
        let cache_dir = Some(cache.path().to_owned());
        Host::new(HostConfig { cache_dir, activities: 2, pooling: false, ..HostConfig::default() }).unwrap()
    };
    project.versions.load(&fresh(), "fixed", None).await.unwrap();
    let compiled = std::fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&compiled).unwrap();
    let mut changed = good.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(&compiled, &changed).unwrap();
    let loaded = project.versions.load(&fresh(), "fixed", None).await.unwrap().unwrap();
    assert_eq!((loaded.connector.info().version.as_str(), loaded.held_back), ("1.0.0", None));
    assert_eq!(std::fs::read(&compiled).unwrap(), good, "it was made anew");

    // A cached form does not save a component whose bytes are not what they were.
    std::fs::write(project.file(&first), "").unwrap();
    assert!(project.versions.load(&fresh(), "fixed", None).await.is_err());
}

#[tokio::test]
async fn a_failing_self_test_keeps_a_version_out() {
    let project = Project::new();
    project.switch(&project.install("1.0.0").await).await;
    for (way, call) in [(Way::Fail, "test"), (Way::Trap, "test"), (Way::Fail, "configure"), (Way::Trap, "configure")] {
        let bad = wasm(Variant::version("2.0.0").with(way, call));
        let installed = project.try_install(bad, Vec::new()).await.unwrap();
        let ready = project.versions.ready(&host(), &installed).await.unwrap();
        // What a program does between `ready` and `put_in_use`.
        let tried = match host().open(ready.connector(), ConnectionConfig::new("a", "{}")).await {
            Ok(connection) => connection.test().await.map(drop).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert!(tried.is_err(), "{way:?} {call}");
        assert_eq!(project.serves().await, "1.0.0");
        project.versions.remove(&installed).unwrap();
    }
}

#[tokio::test]
async fn a_folder_gives_its_newest_version_and_nothing_of_several_connectors() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["1.2.0", "1.10.0", "2.0.0-rc.1"] {
        let path = folder.path().join(format!("fixed-{version}.wasm"));
        std::fs::write(path, wasm(Variant::version(version))).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let place = Place::parse(folder.path().to_str().unwrap()).unwrap();
    let fetched = place.fetch(&Access::default()).await.unwrap();
    assert!(fetched.source.ends_with("fixed-1.10.0.wasm"), "{}", fetched.source);
    std::fs::write(folder.path().join("other-1.0.0.wasm"), "").unwrap();
    let error = place.fetch(&Access::default()).await.unwrap_err();
    assert!(error.to_string().contains("several connectors (fixed, other)"), "{error}");
    let empty = tempfile::tempdir().unwrap();
    let error = Place::Folder(empty.path().to_owned()).fetch(&Access::default()).await.unwrap_err();
    assert!(error.to_string().contains("no versions"), "{error}");
}
