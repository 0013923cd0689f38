//! A real registry (Debian's `docker-registry`), and what is in it looked at by raw HTTP: other tools find what they expect, and
//! what they push is run.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector_fixed::variant::Variant;
use connector_host::{NoVariables, Secret};
use connector_versions::{
    Access, Credentials, Described, Digest, Expected, Place, Push, SignKey, SignaturePolicy, Source, Verdict,
    VersionsError,
};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::bad::reason;
use crate::http::{Answer, send};
use crate::{Project, fetched, host, wasm};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `s3cret-password` as the registry's file of users wants it.
const USER: &str = "ada:$2b$05$abcdefghijklmnopqrstuuUXKlvQTwfK/kphhjbeRlh5zvpJx1LLu\n";

/// A running registry; it ends with the test.
struct Registry {
    program: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Registry {
    /// `more`: the part of its configuration for authentication and TLS, whose files lie in the folder that is passed in.
    fn start(more: impl Fn(&Path) -> (String, String)) -> Self {
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/servers/docker-registry/docker-registry");
        assert!(program.exists(), "{} is missing: run `cargo xtask servers`", program.display());
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago; another program may be faster, so a few are tried.
        for _ in 0..5 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let (http, rest) = more(folder.path());
            let config = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{http}{rest}",
                folder.path().join("data").display()
            );
            let file = folder.path().join("config.yml");
            std::fs::write(&file, config).unwrap();
            let log = std::fs::File::create(folder.path().join("log")).unwrap();
            let mut command = Command::new(&program);
            command.arg("serve").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            let mut child = command.spawn().unwrap();
            let until = Instant::now() + Duration::from_secs(30);
            while Instant::now() < until && child.try_wait().unwrap().is_none() {
                if TcpStream::connect(address).is_ok() {
                    return Self { program: child, address, _folder: folder };
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("no registry: {}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
    }

    fn plain() -> Self {
        Self::start(|_| (String::new(), String::new()))
    }

    fn place(&self, rest: &str) -> Place {
        Place::parse(&format!("oci://{}/{rest}", self.address)).unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[("accept", MANIFEST)], b"")
    }

    /// Uploads a blob as the specification says, in one piece.
    fn put_blob(&self, repository: &str, blob: &[u8]) {
        let begun = send(self.address, "POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(begun.status, 202, "{begun:?}");
        let location = begun.header("location").unwrap();
        let path = location.strip_prefix(&format!("http://{}", self.address)).unwrap_or(location);
        let separator = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{separator}digest={}", Digest::of(blob));
        let done = send(self.address, "PUT", &path, &[("content-type", "application/octet-stream")], blob);
        assert_eq!(done.status, 201, "{done:?}");
    }

    fn put_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Digest {
        let body = manifest.to_string();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let done = send(self.address, "PUT", &path, &[("content-type", MANIFEST)], body.as_bytes());
        assert_eq!(done.status, 201, "{done:?}");
        Digest::of(body.as_bytes())
    }
}

fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": Digest::of(content).to_string(), "size": content.len() })
}

async fn described(version: &str) -> Described {
    fetched(wasm(Variant::version(version))).describe(&host(), &Expected::default()).await.unwrap()
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn what_is_pushed_has_the_layout_that_other_tools_expect_byte_by_byte() {
    let registry = Registry::plain();
    let component = wasm(Variant::version("1.2.3"));
    let push = Push { author: Some("Ada <ada@example.com>"), ..Push::default() };
    let there = described("1.2.3").await.push(&registry.place("team/fixed"), &Access::default(), &push).await.unwrap();

    let answer = registry.get("/v2/team/fixed/manifests/1.2.3");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(MANIFEST)));
    let digest = Digest::of(&answer.body);
    assert_eq!(answer.header("docker-content-digest"), Some(digest.to_string().as_str()));
    assert_eq!(there.place, format!("oci://{}/team/fixed:1.2.3@{digest}", registry.address));
    let manifest: Value = serde_json::from_slice(&answer.body).unwrap();
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = registry.get(&format!("/v2/team/fixed/blobs/{digest}")).body;
        assert_eq!((Digest::of(&blob).to_string().as_str(), json!(blob.len())), (digest, descriptor["size"].clone()));
        blob
    };
    assert!(blob(&manifest["layers"][0]) == component);
    let config = blob(&manifest["config"]);
    let created = manifest["annotations"]["org.opencontainers.image.created"].as_str().unwrap();
    assert_eq!(created.len(), "2026-01-02T03:04:05Z".len(), "{created}");
    // Nothing else, and nothing in another place.
    let mut layer = descriptor("application/wasm", &component);
    layer["annotations"] = json!({ "org.opencontainers.image.title": "fixed-1.2.3.wasm" });
    assert_eq!(
        manifest,
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.wasm.config.v0+json", &config),
            "layers": [layer],
            "annotations": {
                "org.opencontainers.image.created": created,
                "org.opencontainers.image.title": "fixed",
                "org.opencontainers.image.version": "1.2.3",
            },
        })
    );
    let expected = format!(
        concat!(
            r#"{{"created":"{}","author":"Ada <ada@example.com>","architecture":"wasm","os":"wasip2","layerDigests":["{}"],"#,
            r#""component":{{"exports":["ipaas:connector/connection@0.1.0","ipaas:connector/metadata@0.1.0"],"#,
            r#""imports":["ipaas:connector/control@0.1.0","ipaas:connector/logging@0.1.0","ipaas:connector/transport@0.1.0","#,
            r#""ipaas:connector/types@0.1.0","ipaas:connector/variables@0.1.0","wasi:clocks/monotonic-clock@0.2.0","#,
            r#""wasi:io/poll@0.2.0"],"target":"ipaas:connector/connector@0.1.0"}}}}"#
        ),
        created,
        Digest::of(&component)
    );
    assert_eq!(String::from_utf8(config).unwrap(), expected);
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn what_is_pushed_is_found_by_its_version_pulled_and_installed() {
    let registry = Registry::plain();
    for version in ["1.2.0", "1.10.0", "2.0.0-rc.1"] {
        let described = described(version).await;
        described.push(&registry.place("fixed"), &Access::default(), &Push::default()).await.unwrap();
    }
    described("1.2.0").await.push(&registry.place("fixed:latest"), &Access::default(), &Push::default()).await.unwrap();

    let project = Project::new();
    let source = Source { place: registry.place("fixed").to_string(), ..Source::default() };
    project.versions.add_source(&source).unwrap();
    let answers = project.versions.offers(Some("fixed"), &NoVariables).await.unwrap();
    let offers = answers[0].1.as_ref().unwrap();
    let versions: Vec<String> = offers.iter().map(|offer| offer.version.to_string()).collect();
    assert_eq!(versions, ["2.0.0-rc.1", "1.10.0", "1.2.0"], "`latest` is no version");
    let newest = connector_versions::newest(offers).unwrap();
    assert_eq!(newest.version.to_string(), "1.10.0");

    for (place, version) in [
        (newest.place.clone(), "1.10.0"),
        (registry.place("fixed"), "1.10.0"),
        (registry.place("fixed:latest"), "1.2.0"),
    ] {
        let fetched = place.fetch(&Access::default()).await.unwrap();
        let by_digest = Place::parse(&fetched.source).unwrap();
        assert_eq!(by_digest.fetch(&Access::default()).await.unwrap(), fetched, "a digest says it all");
        let checked = project.versions.check(&host(), fetched, &Expected::default()).await.unwrap();
        let installed = project.versions.install(&checked).unwrap();
        assert_eq!(installed.version.to_string(), version);
        project.switch(&installed).await;
        assert_eq!(project.serves().await, version);
    }
    let error = registry.place("fixed:9.9.9").fetch(&Access::default()).await.unwrap_err();
    assert!(reason(&error).contains("no such image"), "{}", reason(&error));
    let error = registry.place("nothing").offers(None, &Access::default()).await.unwrap_err();
    assert!(reason(&error).contains("no such image"), "{}", reason(&error));
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn what_other_tools_push_is_run() {
    let registry = Registry::plain();
    let component = wasm(Variant::version("1.0.0"));
    // As wkg, as oras with an empty config, and as tools for images write them.
    let wkg = json!({
        "created": "2024-09-25T19:40:00.000000000Z", "author": null, "architecture": "wasm", "os": "wasip2",
        "layerDigests": [Digest::of(&component).to_string()], "component": { "exports": [], "imports": [], "target": null },
    });
    for (tag, kind, config) in [
        ("1.0.0", "application/vnd.wasm.config.v0+json", wkg.to_string()),
        ("oras", "application/vnd.oci.empty.v1+json", "{}".to_owned()),
        (
            "image",
            "application/vnd.oci.image.config.v1+json",
            json!({ "architecture": "wasm", "os": "wasi" }).to_string(),
        ),
    ] {
        registry.put_blob("tools/fixed", &component);
        registry.put_blob("tools/fixed", config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(kind, config.as_bytes()),
            "layers": [descriptor("application/wasm", &component)],
        });
        registry.put_manifest("tools/fixed", tag, &manifest);
        let fetched = registry.place(&format!("tools/fixed:{tag}")).fetch(&Access::default()).await.unwrap();
        let project = Project::new();
        let checked = project.versions.check(&host(), fetched, &Expected::default()).await.unwrap();
        project.switch(&project.versions.install(&checked).unwrap()).await;
        assert_eq!(project.serves().await, "1.0.0", "{tag}");
    }
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn a_signature_stands_where_cosign_looks_for_it_and_one_that_others_put_there_is_accepted() {
    let registry = Registry::plain();
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let key = SignKey::from_pem(&ours.serialize_pem()).unwrap();
    let push = Push { key: Some(&key), ..Push::default() };
    described("1.0.0").await.push(&registry.place("fixed"), &Access::default(), &push).await.unwrap();

    let image = Digest::of(&registry.get("/v2/fixed/manifests/1.0.0").body);
    let tag = format!("sha256-{}.sig", image.hex());
    let answer = registry.get(&format!("/v2/fixed/manifests/{tag}"));
    let manifest: Value = serde_json::from_slice(&answer.body).unwrap();
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!("{manifest}") };
    assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    let payload = registry.get(&format!("/v2/fixed/blobs/{}", layer["digest"].as_str().unwrap())).body;
    assert_eq!(
        String::from_utf8(payload.clone()).unwrap(),
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{}/fixed"}},"image":{{"docker-manifest-digest":"{image}"}},"type":"cosign container image signature"}},"optional":null}}"#,
            registry.address
        )
    );
    openssl_agrees(&ours, layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().unwrap(), &payload);

    let verdict = async |key: &KeyPair, tag: &str| {
        let project = Project::new();
        project.versions.trust("a.pub", &key.public_key_pem()).unwrap();
        project.versions.set_signature_policy(SignaturePolicy::Require).unwrap();
        let fetched = registry.place(&format!("fixed:{tag}")).fetch(&Access::default()).await.unwrap();
        let checked = project.versions.check(&host(), fetched, &Expected::default()).await;
        checked.map(|checked| checked.verdict().clone()).map_err(|error| reason(&error))
    };
    assert_eq!(verdict(&ours, "1.0.0").await, Ok(Verdict::Trusted("a.pub".to_owned())));
    assert!(verdict(&theirs, "1.0.0").await.unwrap_err().contains("signed by no trusted key"));

    // The same component signed by another: the image stays, and so does the signature that it has.
    let their_key = SignKey::from_pem(&theirs.serialize_pem()).unwrap();
    let push = Push { key: Some(&their_key), ..Push::default() };
    described("1.0.0").await.push(&registry.place("fixed"), &Access::default(), &push).await.unwrap();
    assert_eq!(Digest::of(&registry.get("/v2/fixed/manifests/1.0.0").body), image);
    for key in [&ours, &theirs] {
        assert_eq!(verdict(key, "1.0.0").await, Ok(Verdict::Trusted("a.pub".to_owned())));
    }
    // Another component under the same tag.
    let other = registry.place("fixed:1.0.0");
    let taken = described("3.0.0").await.push(&other, &Access::default(), &Push::default()).await;
    assert!(matches!(taken, Err(VersionsError::Taken { .. })), "{taken:?}");
    assert_eq!(Digest::of(&registry.get("/v2/fixed/manifests/1.0.0").body), image);
    let replace = Push { replace: true, ..Push::default() };
    described("3.0.0").await.push(&registry.place("fixed:1.0.0-other"), &Access::default(), &replace).await.unwrap();
    described("1.0.0").await.push(&registry.place("fixed:1.0.0-other"), &Access::default(), &replace).await.unwrap();

    // Another version with another tool's signature: first with one that was made for the first version, then with its own.
    described("2.0.0").await.push(&registry.place("fixed"), &Access::default(), &Push::default()).await.unwrap();
    assert!(verdict(&theirs, "2.0.0").await.unwrap_err().contains("unsigned"));
    let second = Digest::of(&registry.get("/v2/fixed/manifests/2.0.0").body);
    for (signed, expected) in [(image, false), (second, true)] {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": "elsewhere" }, "image": { "docker-manifest-digest": signed.to_string() },
                "type": "cosign container image signature",
            },
            "optional": { "creator": "another tool" },
        });
        let payload = payload.to_string();
        let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
        let signature = BASE64.encode(theirs.sign(payload.as_bytes()).unwrap());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        registry.put_blob("fixed", payload.as_bytes());
        registry.put_blob("fixed", b"{}");
        let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        registry.put_manifest("fixed", &format!("sha256-{}.sig", second.hex()), &manifest);
        assert_eq!(verdict(&theirs, "2.0.0").await.is_ok(), expected, "{signed}");
    }
}

/// OpenSSL verifies what was signed here, where it is installed.
fn openssl_agrees(key: &KeyPair, signature: &str, signed: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("der"), BASE64.decode(signature).unwrap()).unwrap();
    std::fs::write(file("key.pub"), key.public_key_pem()).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-verify"]).arg(file("key.pub")).arg("-signature").arg(file("der"));
    match openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(mut openssl) => {
            openssl.stdin.take().unwrap().write_all(signed).unwrap();
            let output = openssl.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        Err(error) => eprintln!("not verified by OpenSSL: {error}"),
    }
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn credentials_reach_the_registry_that_wants_them() {
    let registry = Registry::start(|folder| {
        let users = folder.join("users");
        std::fs::write(&users, USER).unwrap();
        (String::new(), format!("auth:\n  htpasswd:\n    realm: here\n    path: {}\n", users.display()))
    });
    let with = |password: &str| Access {
        credentials: Some(Credentials { user: "ada".to_owned(), password: Secret::new(password) }),
        ..Access::default()
    };
    let component = described("1.0.0").await;
    let place = registry.place("fixed");
    for access in [Access::default(), with("wr0ng-password")] {
        for refused in [
            component.push(&place, &access, &Push::default()).await.map(drop),
            place.offers(None, &access).await.map(drop),
            registry.place("fixed:1.0.0").fetch(&access).await.map(drop),
        ] {
            let told = format!("{} {refused:?}", reason(refused.as_ref().unwrap_err()));
            assert!(told.contains("refuses the credentials, or wants some"), "{told}");
            assert!(!told.contains("wr0ng"), "{told}");
        }
    }
    component.push(&place, &with("s3cret-password"), &Push::default()).await.unwrap();
    assert_eq!(place.offers(None, &with("s3cret-password")).await.unwrap().len(), 1);
    registry.place("fixed:1.0.0").fetch(&with("s3cret-password")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs `cargo xtask servers`"]
async fn a_registry_with_tls_is_trusted_by_its_authority_alone() {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let registry = Registry::start(|folder| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let (certificate_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        let tls = format!("  tls:\n    certificate: {}\n    key: {}\n", certificate_file.display(), key_file.display());
        (tls, String::new())
    });
    let component = described("1.0.0").await;
    let place = registry.place("fixed");
    let trusting = Access { extra_roots: format!("a note\n{root}"), ..Access::default() };
    component.push(&place, &trusting, &Push::default()).await.unwrap();
    registry.place("fixed:1.0.0").fetch(&trusting).await.unwrap();

    let another = CertificateParams::new(Vec::new()).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap();
    let distrusting = Access { extra_roots: another.pem(), ..Access::default() };
    let told = reason(&registry.place("fixed:1.0.0").fetch(&distrusting).await.unwrap_err());
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    let told = reason(&registry.place("fixed:1.0.0").fetch(&Access::default()).await.unwrap_err());
    assert!(!told.is_empty(), "plain HTTP to a TLS port fails");
}
