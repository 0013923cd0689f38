//! Registries that err or lie: what they send is refused, and the reason is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use connector_fixed::variant::Variant;
use connector_host::Secret;
use connector_versions::{Access, Credentials, Digest, Expected, Fetched, Place, VersionsError};
use serde_json::{Value, json};

use crate::bad::reason;
use crate::http::{Answer, Request, Server};
use crate::{Project, host, wasm};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A manifest of one component.
fn manifest(component: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}").to_string(), "size": 2 },
        "layers": [{
            "mediaType": "application/wasm", "digest": Digest::of(component).to_string(), "size": component.len(),
        }],
    })
}

/// What a registry answers that has one image and no signatures.
fn honest(path: &str, manifest: &[u8], blob: &Answer) -> Answer {
    match path {
        "/v2/" => Answer::ok("application/json", "{}"),
        path if path.contains("/blobs/") => blob.clone(),
        path if path.ends_with(".sig") => {
            Answer::status(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no"}]}"#)
        }
        path if path.contains("/manifests/") => Answer::ok(MANIFEST, manifest),
        _ => Answer::status(404, "no"),
    }
}

async fn pull(server: &Server, rest: &str, access: &Access) -> Result<Fetched, VersionsError> {
    Place::parse(&format!("oci://{}/{rest}", server.address)).unwrap().fetch(access).await
}

/// The error of pulling an image from a registry that answers so.
async fn refused(manifest: Value, blob: Answer, rest: &str) -> String {
    let manifest = manifest.to_string().into_bytes();
    let server = Server::start(move |path, _: &Request| honest(path, &manifest, &blob));
    reason(&pull(&server, rest, &Access::default()).await.unwrap_err())
}

#[tokio::test]
async fn a_component_that_is_not_the_one_in_the_manifest_is_refused() {
    let component = wasm(Variant::version("1.0.0"));
    let whole = || Answer::ok("application/octet-stream", component.clone());
    let good = manifest(&component);
    let half = component[..component.len() / 2].to_vec();
    let broken = Answer { claimed: Some(component.len()), ..Answer::ok("application/octet-stream", half.clone()) };
    let longer = Answer::ok("application/octet-stream", [component.clone(), vec![0; 100]].concat());
    let mut lying = good.clone();
    lying["layers"][0]["size"] = json!(i64::MAX);
    let mut negative = good.clone();
    negative["layers"][0]["size"] = json!(-1);
    let mut weak = good.clone();
    weak["layers"][0]["digest"] = json!("md5:d41d8cd98f00b204e9800998ecf8427e");
    for (what, manifest, blob, expected) in [
        ("truncated", good.clone(), broken, "body"),
        ("cut off", good.clone(), Answer::ok("application/octet-stream", half), "digest"),
        ("other bytes", good.clone(), Answer::ok("application/octet-stream", vec![0; component.len()]), "digest"),
        ("more bytes", good.clone(), longer, "more than the manifest says"),
        ("a huge size", lying, whole(), "larger than 64 mib"),
        ("a negative size", negative, whole(), "larger than 64 mib"),
        ("a weak digest", weak, whole(), "sha256"),
        ("gone", good, Answer::status(404, "no such blob"), "no such image"),
    ] {
        let told = refused(manifest, blob, "fixed:1.0.0").await.to_lowercase();
        assert!(told.contains(expected), "{what}: {told}");
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_the_one_that_was_named_or_no_components_is_refused() {
    let component = wasm(Variant::version("1.0.0"));
    let blob = || Answer::ok("application/octet-stream", component.clone());
    let good = manifest(&component);
    let named = format!("fixed@{}", Digest::of(b"another manifest"));
    let told = refused(good.clone(), blob(), &named).await.to_lowercase();
    assert!(told.contains("digest"), "{told}");
    let with = |layers: Value| {
        let mut manifest = good.clone();
        manifest["layers"] = layers;
        manifest
    };
    let layer = good["layers"][0].clone();
    let mut tar = layer.clone();
    tar["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
    for (manifest, expected) in [
        (with(json!([layer, layer])), "2 layers"),
        (with(json!([])), "0 layers"),
        (with(json!([tar])), "tar+gzip, not application/wasm"),
        (json!({ "schemaVersion": 2, "manifests": [] }), "index of several images"),
        (json!({ "schemaVersion": 2 }), "not understood"),
        (json!("a text"), "not understood"),
    ] {
        let told = refused(manifest, blob(), "fixed:1.0.0").await;
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[tokio::test]
async fn a_tag_that_is_moved_meanwhile_cannot_mix_two_versions() {
    let (old, new) = (wasm(Variant::version("1.0.0")), wasm(Variant::version("2.0.0")));
    let manifests = [manifest(&old).to_string().into_bytes(), manifest(&new).to_string().into_bytes()];
    let digest = Digest::of(&manifests[0]);
    let asked = AtomicUsize::new(0);
    let blobs = [old.clone(), new];
    let server = Server::start(move |path, _| {
        if path.ends_with("/manifests/latest") {
            // The first to ask gets the old one; from then on the tag leads to the new one.
            let turn = asked.fetch_add(1, Ordering::SeqCst).min(1);
            return Answer::ok(MANIFEST, manifests[turn].clone());
        }
        let blob = blobs.iter().find(|blob| path.ends_with(&Digest::of(blob).to_string()));
        blob.map_or_else(
            || honest(path, b"", &Answer::status(404, "no")),
            |blob| Answer::ok("application/octet-stream", blob.clone()),
        )
    });
    let fetched = pull(&server, "fixed:latest", &Access::default()).await.unwrap();
    assert!(fetched.wasm == old);
    assert!(fetched.source.ends_with(&format!(":latest@{digest}")), "{}", fetched.source);
    let signatures: Vec<String> =
        server.requests().into_iter().map(|request| request.line).filter(|line| line.contains(".sig")).collect();
    assert!(signatures[0].contains(&digest.hex()), "its signatures are those of the same manifest: {signatures:?}");
}

#[tokio::test]
async fn what_other_tools_push_is_a_component_whatever_its_config_says() {
    let component = wasm(Variant::version("1.0.0"));
    for (kind, config) in [
        (MANIFEST, "application/vnd.wasm.config.v0+json"),
        (MANIFEST, "application/vnd.oci.image.config.v1+json"),
        (MANIFEST, "application/vnd.oci.empty.v1+json"),
        ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.container.image.v1+json"),
    ] {
        let mut manifest = manifest(&component);
        manifest["mediaType"] = json!(kind);
        manifest["config"]["mediaType"] = json!(config);
        manifest["artifactType"] = json!("application/vnd.wasm.component.v1+wasm");
        let (manifest, blob) = (manifest.to_string().into_bytes(), component.clone());
        let server =
            Server::start(move |path, _| honest(path, &manifest, &Answer::ok("application/wasm", blob.clone())));
        let fetched = pull(&server, "team/fixed:1.0.0", &Access::default()).await.unwrap();
        let project = Project::new();
        project.versions.check(&host(), fetched, &Expected::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_registry_that_refuses_is_told_and_no_credentials_are() {
    let server = Server::start(|_, request| {
        let basic = request.headers.iter().any(|(name, value)| {
            // `printf ada:s3cret | base64`
            name.eq_ignore_ascii_case("authorization") && value == "Basic YWRhOnMzY3JldA=="
        });
        match basic {
            true => Answer::status(500, "<html>out of order for Basic YWRhOnMzY3JldA== or s3cret</html>"),
            false => Answer {
                headers: vec![("www-authenticate".to_owned(), "Basic realm=\"here\"".to_owned())],
                ..Answer::status(401, "{}")
            },
        }
    });
    let with = |password: &str| Access {
        credentials: Some(Credentials { user: "ada".to_owned(), password: Secret::new(password) }),
        ..Access::default()
    };
    for (access, expected) in [
        (Access::default(), "refuses the credentials, or wants some"),
        (with("wr0ng"), "refuses the credentials, or wants some"),
        (with("s3cret"), "answers 500: <html>out of order"),
    ] {
        let error = pull(&server, "fixed:1.0.0", &access).await.unwrap_err();
        let told = format!("{} {error:?} {access:?}", reason(&error));
        assert!(told.contains(expected), "{told}");
        for secret in ["s3cret", "wr0ng", "YWRhOnMzY3JldA"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::parse(&format!("oci://{free}/fixed:1.0.0")).unwrap();
    let told = reason(&place.fetch(&Access::default()).await.unwrap_err());
    assert!(told.contains(&free.to_string()) && told.to_lowercase().contains("connect"), "{told}");
}

#[tokio::test]
async fn all_tags_are_found_however_short_the_pages_are() {
    let all: Vec<String> = (0..7).map(|n| format!("1.0.{n}")).collect();
    let offered = async |page: Option<usize>| {
        let all = all.clone();
        let server = Server::start(move |path, _| match path.split_once("/tags/list?") {
            Some((_, query)) => {
                let last = query.split('&').find_map(|pair| pair.strip_prefix("last="));
                let after = all.iter().filter(|tag| page.is_none() || last.is_none_or(|last| tag.as_str() > last));
                let tags: Vec<&String> = after.take(page.unwrap_or(usize::MAX)).collect();
                Answer::ok("application/json", json!({ "name": "fixed", "tags": tags }).to_string())
            }
            None => honest(path, b"", &Answer::status(404, "no")),
        });
        let place = Place::parse(&format!("oci://{}/fixed", server.address)).unwrap();
        let offers = place.offers(None, &Access::default()).await.unwrap();
        offers.iter().rev().map(|offer| offer.version.to_string()).collect::<Vec<_>>()
    };
    for page in [Some(1), Some(2), Some(7), Some(100), None] {
        assert_eq!(offered(page).await, all, "pages of {page:?}");
    }
}

#[tokio::test]
async fn a_repository_without_an_end_is_an_error_and_not_cut_off() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |path, _| match path.contains("/tags/list") {
        true => {
            let tag = format!("1.0.{}", asked.fetch_add(1, Ordering::SeqCst));
            Answer::ok("application/json", json!({ "name": "fixed", "tags": [tag] }).to_string())
        }
        false => honest(path, b"", &Answer::status(404, "no")),
    });
    let place = Place::parse(&format!("oci://{}/fixed", server.address)).unwrap();
    let told = reason(&place.offers(None, &Access::default()).await.unwrap_err());
    assert!(told.contains("more than 100 pages"), "{told}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up_before_it_fills_the_memory() {
    let huge = || Answer::ok(MANIFEST, vec![b' '; 5 << 20]);
    for (endless, rest) in [("/manifests/", "fixed:1.0.0"), ("/tags/list", "fixed"), (".sig", "fixed:1.0.0")] {
        let component = wasm(Variant::version("1.0.0"));
        let manifest = manifest(&component).to_string().into_bytes();
        let server = Server::start(move |path, _| match path.contains(endless) {
            true => huge(),
            false => honest(path, &manifest, &Answer::ok("application/wasm", component.clone())),
        });
        let told = reason(&pull(&server, rest, &Access::default()).await.unwrap_err());
        assert!(told.contains("more than 4 MiB"), "{endless}: {told}");
    }
}
