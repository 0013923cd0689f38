//! Signatures under each policy, with keys and signatures made by other libraries than the one that checks them.

use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector_fixed::variant::Variant;
use connector_versions::{
    Access, Expected, Fetched, Place, Push, Refusal, SignKey, SignaturePolicy, Signed, Source, Verdict, VersionsError,
};
use rcgen::{KeyPair, SigningKey as _};

use crate::{Project, fetched, host, wasm};

fn signed(key: &KeyPair, bytes: &[u8]) -> Vec<Signed> {
    vec![Signed::Bytes { signature: BASE64.encode(key.sign(bytes).unwrap()) }]
}

#[tokio::test]
async fn each_policy_does_what_it_says_with_good_wrong_and_missing_signatures() {
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let component = wasm(Variant::version("2.0.0"));
    let cases = [
        (signed(&ours, &component), Verdict::Trusted("ours.pub".to_owned())),
        (signed(&theirs, &component), Verdict::Untrusted),
        (signed(&ours, b"something else"), Verdict::Untrusted),
        (Vec::new(), Verdict::Unsigned),
    ];
    for policy in [SignaturePolicy::Require, SignaturePolicy::Warn, SignaturePolicy::Off] {
        for (signatures, verdict) in &cases {
            let project = Project::new();
            project.versions.trust("ours.pub", &ours.public_key_pem()).unwrap();
            project.switch(&project.install("1.0.0").await).await;
            project.versions.set_signature_policy(policy).unwrap();
            let installed = project.try_install(component.clone(), signatures.clone()).await;
            if policy == SignaturePolicy::Require && !matches!(verdict, Verdict::Trusted(_)) {
                let Err(VersionsError::Refused { source: Refusal::Signature(found), .. }) = &installed else {
                    panic!("{policy:?} {verdict}: {installed:?}");
                };
                assert_eq!(found, verdict);
            } else {
                assert_eq!(project.versions.verdict(&installed.unwrap()).unwrap(), *verdict);
            }
        }
    }
}

#[tokio::test]
async fn the_same_bytes_from_another_place_take_no_signature_away() {
    let project = Project::new();
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    project.versions.trust("ours.pub", &ours.public_key_pem()).unwrap();
    let component = wasm(Variant::version("1.0.0"));
    let good = signed(&ours, &component);
    project.try_install(component.clone(), good.clone()).await.unwrap();
    let wrong: Vec<Signed> =
        (0..40).map(|n| Signed::Bytes { signature: BASE64.encode(format!("no signature {n}")) }).collect();
    for more in [Vec::new(), signed(&theirs, &component), good.clone(), wrong] {
        let installed = project.try_install(component.clone(), more).await.unwrap();
        assert_eq!(project.versions.verdict(&installed).unwrap(), Verdict::Trusted("ours.pub".to_owned()));
        assert_eq!(installed.signatures.iter().filter(|one| **one == good[0]).count(), 1);
        assert!(installed.signatures.len() <= 16, "{}", installed.signatures.len());
    }
    project.versions.set_signature_policy(SignaturePolicy::Require).unwrap();
    project.switch(&project.versions.find("fixed", "1.0.0").unwrap()).await;
}

#[tokio::test]
async fn a_version_that_is_not_trusted_any_more_does_not_serve_any_more() {
    let project = Project::new();
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let versions = &project.versions;
    let ours_id = versions.trust("ours.pub", &ours.public_key_pem()).unwrap().id;
    versions.trust("theirs.pub", &theirs.public_key_pem()).unwrap();
    let mut installed = Vec::new();
    for (version, key) in [("1.0.0", &theirs), ("2.0.0", &ours)] {
        let component = wasm(Variant::version(version));
        let signatures = signed(key, &component);
        installed.push(project.try_install(component, signatures).await.unwrap());
    }
    project.switch(&installed[0]).await;
    project.switch(&installed[1]).await;
    versions.set_signature_policy(SignaturePolicy::Require).unwrap();
    assert_eq!(project.serves().await, "2.0.0");

    assert!(versions.distrust(&ours_id).unwrap());
    let loaded = project.load().await.unwrap().unwrap();
    assert_eq!(loaded.connector.info().version, "1.0.0", "the one before goes on");
    assert!(loaded.held_back.unwrap().reason.contains("signed by no trusted key"));
    assert!(versions.ready(&host(), &installed[1]).await.is_err());
    assert!(!versions.distrust(&ours_id).unwrap());

    versions.set_signature_policy(SignaturePolicy::Warn).unwrap();
    assert_eq!(project.serves().await, "2.0.0", "a policy that only warns stops nothing");
}

#[tokio::test]
async fn what_is_pushed_with_a_key_to_a_folder_is_accepted_by_who_trusts_it() {
    let (ours, folder) = (KeyPair::generate().unwrap(), tempfile::tempdir().unwrap());
    let to = Project::new();
    let described = fetched(wasm(Variant::version("1.0.0"))).describe(&host(), &Expected::default()).await.unwrap();
    let place = Place::Folder(folder.path().to_owned());
    let key = SignKey::from_pem(&ours.serialize_pem()).unwrap();
    described.push(&place, &Access::default(), &Push { key: Some(&key), ..Push::default() }).await.unwrap();
    let component = folder.path().join("fixed-1.0.0.wasm");
    assert_eq!(std::fs::read(&component).unwrap(), wasm(Variant::version("1.0.0")));

    to.versions.trust("ours.pub", &ours.public_key_pem()).unwrap();
    to.versions.set_signature_policy(SignaturePolicy::Require).unwrap();
    let again = place.fetch(&Access::default()).await.unwrap();
    let checked = to.versions.check(&host(), again, &Expected::default()).await.unwrap();
    assert_eq!(*checked.verdict(), Verdict::Trusted("ours.pub".to_owned()));

    openssl_agrees(folder.path(), &ours, &component);
    std::fs::write(folder.path().join("fixed-1.0.0.wasm.sig"), "nonsense").unwrap();
    let again = place.fetch(&Access::default()).await.unwrap();
    assert!(to.versions.check(&host(), again, &Expected::default()).await.is_err());
}

#[tokio::test]
async fn a_source_with_a_policy_of_its_own_has_the_last_word_on_what_comes_from_it() {
    let project = Project::new();
    let versions = &project.versions;
    let source = |place: &str, signatures| Source { place: place.to_owned(), signatures, ..Source::default() };
    for (place, version) in [("strict", "1.0.0"), ("lax", "2.0.0")] {
        std::fs::create_dir(project.path().join(place)).unwrap();
        let file = project.path().join(place).join(format!("fixed-{version}.wasm"));
        std::fs::write(file, wasm(Variant::version(version))).unwrap();
    }
    versions.add_source(&source("strict", None)).unwrap();
    versions.add_source(&source("lax", None)).unwrap();
    let install = async |place: &str| {
        let place = Place::parse(&project.path().join(place).display().to_string()).unwrap();
        let fetched = place.fetch(&Access::default()).await.unwrap();
        versions.install(&versions.check(&host(), fetched, &Expected::default()).await?)
    };
    let strict = install("strict").await.unwrap();
    project.switch(&install("lax").await.unwrap()).await;
    project.switch(&strict).await;
    assert_eq!(project.serves().await, "1.0.0");
    versions.add_source(&source("strict", Some(SignaturePolicy::Require))).unwrap();
    assert!(matches!(install("strict").await, Err(VersionsError::Refused { source: Refusal::Signature(_), .. })));
    assert_eq!(project.serves().await, "2.0.0", "it holds for what is installed, too");
    versions.set_signature_policy(SignaturePolicy::Require).unwrap();
    assert!(install("lax").await.is_err());
    versions.add_source(&source("lax", Some(SignaturePolicy::Off))).unwrap();
    install("lax").await.unwrap();
}

#[tokio::test]
async fn a_push_replaces_nothing_unasked_and_leaves_no_signature_beside_bytes_that_it_is_not_for() {
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let key = |pair: &KeyPair| SignKey::from_pem(&pair.serialize_pem()).unwrap();
    let (ours, theirs) = (key(&ours), key(&theirs));
    let folder = tempfile::tempdir().unwrap();
    let (file, beside) = (folder.path().join("a.wasm"), folder.path().join("a.wasm.sig"));
    let place = Place::File(file.clone());
    let push = async |version: &str, signatures: Vec<Signed>, with: Push<'_>| {
        let fetched = Fetched { signatures, ..fetched(wasm(Variant::version(version))) };
        let described = fetched.describe(&host(), &Expected::default()).await.unwrap();
        described.push(&place, &Access::default(), &with).await
    };
    let (plain, replace) = (Push::default, || Push { replace: true, ..Push::default() });
    std::fs::write(&beside, "of what was there once").unwrap();
    push("1.0.0", Vec::new(), plain()).await.unwrap();
    assert!(!beside.exists());
    push("1.0.0", Vec::new(), Push { key: Some(&ours), ..plain() }).await.unwrap();
    let signature = std::fs::read_to_string(&beside).unwrap();
    push("1.0.0", Vec::new(), plain()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), signature, "the same bytes keep their signature");
    for taken in [
        push("1.0.0", Vec::new(), Push { key: Some(&theirs), ..plain() }).await,
        push("2.0.0", Vec::new(), plain()).await,
        push("2.0.0", Vec::new(), Push { key: Some(&ours), ..plain() }).await,
    ] {
        assert!(matches!(taken, Err(VersionsError::Taken { .. })), "{taken:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), wasm(Variant::version("1.0.0")));
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), signature);
    push("2.0.0", Vec::new(), replace()).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), wasm(Variant::version("2.0.0")));
    assert!(!beside.exists(), "it was for other bytes");
    let own = vec![Signed::Bytes { signature: signature.clone() }; 2];
    let pushed = push("1.0.0", own, replace()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), signature, "what came with a version goes with it");
    assert_eq!(pushed.left_behind, 1);
}

/// OpenSSL verifies what was signed here, where it is installed.
fn openssl_agrees(folder: &Path, key: &KeyPair, component: &Path) {
    let signature = std::fs::read_to_string(folder.join("fixed-1.0.0.wasm.sig")).unwrap();
    std::fs::write(folder.join("der"), BASE64.decode(signature).unwrap()).unwrap();
    std::fs::write(folder.join("key.pub"), key.public_key_pem()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-verify"]).arg(folder.join("key.pub"));
    openssl.arg("-signature").arg(folder.join("der")).arg(component);
    match openssl.stdout(Stdio::piped()).stderr(Stdio::piped()).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => eprintln!("not verified by OpenSSL: {error}"),
    }
}
