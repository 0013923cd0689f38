//! What is installed, what serves, and what served before.

use connector_fixed::variant::Variant;
use connector_versions::{
    AutoUpdate, Before, Expected, Installed, Reason, Refusal, Serving, SignaturePolicy, Switch, Versions, VersionsError,
};

use crate::{Project, fetched, host, wasm};

#[tokio::test]
async fn a_version_serves_once_it_is_switched_to_and_the_one_before_comes_back_by_one_call() {
    let project = Project::new();
    let first = project.install("1.0.0").await;
    assert!(project.load().await.unwrap().is_none(), "installing switches nothing");
    project.switch(&first).await;
    assert_eq!(project.serves().await, "1.0.0");
    let second = project.install("2.0.0").await;
    project.switch(&second).await;
    assert_eq!(project.serves().await, "2.0.0");

    for expected in ["1.0.0", "2.0.0", "1.0.0"] {
        let now = project.versions.rollback(&host(), "fixed", false).await.unwrap().unwrap();
        assert_eq!(now.version.to_string(), expected);
        assert_eq!(project.serves().await, expected);
    }
    let reopened = Versions::open(project.path()).unwrap();
    let serving = reopened.serving("fixed").unwrap();
    assert_eq!(serving.version, Some(first));
    assert_eq!(serving.before, Some(Before::Installed(second)));
}

#[tokio::test]
async fn the_first_switch_is_rolled_back_to_the_bundled_version_if_there_is_one() {
    let project = Project::new();
    let first = project.install("1.0.0").await;
    let none = project.versions.rollback(&host(), "fixed", true).await;
    assert!(matches!(none, Err(VersionsError::NoneBefore(_))), "{none:?}");
    project.switch(&first).await;
    let none = project.versions.rollback(&host(), "fixed", false).await;
    assert!(matches!(none, Err(VersionsError::NoneBefore(_))), "{none:?}");

    assert!(project.versions.rollback(&host(), "fixed", true).await.unwrap().is_none());
    let bundled = wasm(Variant::version("0.9.0"));
    let loaded = project.versions.load(&host(), "fixed", Some(&bundled)).await.unwrap().unwrap();
    assert_eq!((loaded.version, loaded.connector.info().version.as_str()), (None, "0.9.0"));
    let other = wasm(Variant { name: "other", ..Variant::version("0.9.0") });
    assert!(project.versions.load(&host(), "fixed", Some(&other)).await.unwrap().is_none(), "another connector");
}

#[tokio::test]
async fn a_version_that_was_rolled_back_or_removed_is_refused_until_somebody_puts_it_in_use() {
    let project = Project::new();
    let versions = &project.versions;
    let refused =
        |version: &Installed| Versions::open(project.path()).unwrap().refused("fixed", &version.version).unwrap();
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    project.switch(&first).await;
    project.switch(&second).await;
    assert_eq!((refused(&first), refused(&second)), (None, None));
    versions.rollback(&host(), "fixed", false).await.unwrap();
    assert_eq!((refused(&first), refused(&second).as_deref()), (None, Some("was rolled back")));
    versions.remove(&second).unwrap();
    assert_eq!(refused(&second).as_deref(), Some("was rolled back"), "removing it is no pardon");
    let second = project.install("2.0.0").await;
    assert!(refused(&second).is_some(), "nor is installing it");
    project.switch(&second).await;
    assert_eq!(refused(&second), None);
    versions.refuse(&second, Reason::Failed).unwrap();
    assert_eq!(refused(&second).as_deref(), Some("failed its self-test"));
    versions.remove(&first).unwrap();
    assert_eq!(refused(&first).as_deref(), Some("was removed"));
    assert_eq!(versions.refused("other", &second.version).unwrap(), None);
}

#[tokio::test]
async fn going_back_is_written_down_unless_somebody_else_was_faster() {
    let project = Project::new();
    let versions = &project.versions;
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    project.switch(&first).await;
    project.switch(&second).await;
    let late = versions.went_back("fixed", Some(&first.digest), 1);
    assert!(matches!(late, Err(VersionsError::Switched(_))), "{late:?}");
    assert_eq!(project.serves().await, "2.0.0");
    assert_eq!(versions.went_back("fixed", Some(&first.digest), 2).unwrap(), 3);
    assert_eq!(project.serves().await, "1.0.0");
    assert!(versions.refused("fixed", &second.version).unwrap().is_some());
    assert_eq!(versions.went_back("fixed", Some(&first.digest), 3).unwrap(), 3, "twice is once");
    assert_eq!(versions.refused("fixed", &first.version).unwrap(), None);
    assert_eq!(versions.serving("fixed").unwrap().change, 3);
}

#[tokio::test]
async fn a_pinned_version_stays_until_it_is_unpinned() {
    let project = Project::new();
    let versions = &project.versions;
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    project.switch(&second).await;
    let (first, second) =
        (versions.ready(&host(), &first).await.unwrap(), versions.ready(&host(), &second).await.unwrap());
    versions.put_in_use(&first, Switch { pin: true, ..Switch::default() }).unwrap();
    assert!(versions.serving("fixed").unwrap().pinned);
    for refused in [
        versions.put_in_use(&second, Switch::default()),
        versions.put_in_use(&second, Switch { pin: true, ..Switch::default() }),
        versions.put_bundled_in_use("fixed"),
        versions.rollback(&host(), "fixed", true).await.map(drop),
    ] {
        assert!(matches!(refused, Err(VersionsError::Pinned { .. })), "{refused:?}");
        assert_eq!(project.serves().await, "1.0.0");
    }
    versions.put_in_use(&first, Switch::default()).unwrap();
    assert!(versions.serving("fixed").unwrap().pinned, "switching to what serves changes nothing");
    versions.unpin("fixed").unwrap();
    versions.put_in_use(&second, Switch::default()).unwrap();
    assert_eq!(project.serves().await, "2.0.0");
}

#[tokio::test]
async fn what_serves_is_not_removed_and_what_is_removed_leaves_nothing() {
    let project = Project::new();
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    project.switch(&first).await;
    project.switch(&second).await;
    let refused = project.versions.remove(&second);
    assert!(matches!(refused, Err(VersionsError::InUse(_))), "{refused:?}");
    assert_eq!(project.files().len(), 2);

    project.versions.remove(&first).unwrap();
    assert_eq!(project.files().len(), 1);
    assert_eq!(project.versions.serving("fixed").unwrap().before, None);
    let none = project.versions.rollback(&host(), "fixed", true).await;
    assert!(
        matches!(none, Err(VersionsError::NoneBefore(_))),
        "a version that is gone is not rolled back to: {none:?}"
    );
    assert_eq!(project.serves().await, "2.0.0");
}

#[tokio::test]
async fn a_version_is_found_by_its_number_and_by_the_beginning_of_its_digest() {
    let project = Project::new();
    let first = project.install("1.0.0").await;
    let rebuilt = wasm(Variant { name: "fixed", version: "1.0.0", flaw: None });
    // Another build of the same version: a custom section more.
    let rebuilt = [rebuilt, vec![0, 2, 1, b'x']].concat();
    let rebuilt = project.try_install(rebuilt, Vec::new()).await.unwrap();
    let find = |wanted: &str| project.versions.find("fixed", wanted);
    assert_eq!(find(&first.digest.to_string()).unwrap(), first);
    assert_eq!(find(&first.digest.short()).unwrap(), first);
    assert_eq!(find(&rebuilt.digest.hex()[..8]).unwrap(), rebuilt);
    assert!(matches!(find("1.0.0"), Err(VersionsError::Ambiguous { .. })));
    for no in ["1.0", "2.0.0", "", "sha256:", &first.digest.hex()[..5]] {
        assert!(matches!(find(no), Err(VersionsError::NotInstalled { .. })), "{no}");
    }
    assert!(project.versions.find("other", "1.0.0").is_err());
}

#[tokio::test]
async fn every_switch_is_seen_by_who_holds_a_version() {
    let project = Project::new();
    let elsewhere = Versions::open(project.path()).unwrap();
    let change = || elsewhere.serving("fixed").unwrap().change;
    assert_eq!(elsewhere.serving("fixed").unwrap(), Serving::default());
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    assert_eq!(change(), 0);
    project.switch(&first).await;
    assert_eq!(change(), 1);
    project.switch(&first).await;
    assert_eq!(change(), 1, "nothing changed");
    project.switch(&second).await;
    project.versions.rollback(&host(), "fixed", false).await.unwrap();
    assert_eq!(change(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_at_once_lose_nothing() {
    let project = Project::new();
    let wasms: Vec<Vec<u8>> = (0..6).map(|n| wasm(Variant::version(&format!("1.0.{n}")))).collect();
    let tasks: Vec<_> = wasms
        .into_iter()
        .map(|wasm| {
            let folder = project.path().to_owned();
            tokio::spawn(async move {
                let versions = Versions::open(&folder).unwrap();
                let checked = versions.check(&host(), fetched(wasm), &Expected::default()).await.unwrap();
                let installed = versions.install(&checked).unwrap();
                let ready = versions.ready(&host(), &installed).await.unwrap();
                versions.put_in_use(&ready, Switch::default()).unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = project.versions.list().unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(project.files().len(), 6, "{:?}", project.files());
    assert_eq!(project.versions.serving("fixed").unwrap().change, 6);
    let numbers: Vec<String> = all.iter().map(|version| version.version.to_string()).collect();
    assert_eq!(numbers, ["1.0.5", "1.0.4", "1.0.3", "1.0.2", "1.0.1", "1.0.0"], "the newest first");
    for version in &all {
        project.versions.ready(&host(), version).await.unwrap();
    }
}

#[tokio::test]
async fn a_switch_holds_what_is_so_when_it_happens_and_not_what_was_so_when_it_was_begun() {
    let project = Project::new();
    let versions = &project.versions;
    let (first, second) = (project.install("1.0.0").await, project.install("2.0.0").await);
    let ready = versions.ready(&host(), &second).await.unwrap();
    let since = Some(versions.serving("fixed").unwrap().change);
    project.switch(&first).await;
    let raced = versions.put_in_use(&ready, Switch { since, ..Switch::default() });
    assert!(matches!(raced, Err(VersionsError::Switched(_))), "{raced:?}");
    let unasked = Switch { unasked: true, ..Switch::default() };
    let refused = versions.put_in_use(&ready, unasked);
    assert!(matches!(refused, Err(VersionsError::Refused { source: Refusal::Unasked(_), .. })), "{refused:?}");
    versions.set_auto_update(AutoUpdate::Off).unwrap();
    let refused = versions.put_in_use(&ready, unasked);
    assert!(matches!(refused, Err(VersionsError::Refused { source: Refusal::NoUpdates, .. })), "{refused:?}");
    versions.set_signature_policy(SignaturePolicy::Require).unwrap();
    let refused = versions.put_in_use(&ready, Switch::default());
    assert!(matches!(refused, Err(VersionsError::Refused { source: Refusal::Signature(_), .. })), "{refused:?}");
    assert_eq!(versions.serving("fixed").unwrap().version.unwrap(), first);
    for (signatures, auto_update) in
        [(SignaturePolicy::Off, AutoUpdate::On), (SignaturePolicy::Warn, AutoUpdate::Unsigned)]
    {
        versions.set_signature_policy(signatures).unwrap();
        versions.set_auto_update(auto_update).unwrap();
        project.switch(&first).await;
        versions.put_in_use(&ready, unasked).unwrap();
        assert_eq!(versions.serving("fixed").unwrap().version.unwrap(), second, "{signatures:?} {auto_update:?}");
    }
}
