//! The emulator as a program, and over HTTPS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Emulator};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn program(arguments: &[&str]) -> (Child, Value) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bigcommerce-emulator"))
        .args(["--products", "30"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, serde_json::from_str(&line).unwrap())
}

fn ended(child: &mut Child) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    false
}

#[tokio::test]
async fn the_program_serves_until_its_standard_input_closes() {
    let (mut child, ready) = program(&["--token", "secret", "--store-hash", "abc123", "--quota", "5/60000"]);
    let url = ready["url"].as_str().unwrap();
    // The libraries that speak to registries build this client with TLS of no provider, and it insists on one.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let answer = client
        .get(format!("{url}/stores/abc123/v3/catalog/products?limit=1"))
        .header("x-auth-token", "secret")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-rate-limit-requests-left"], "4");
    let list: Value = answer.json().await.unwrap();
    assert_eq!(list["meta"]["pagination"]["total"], 30);
    let state: Value = client.get(format!("{url}/_emulator/state")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&state["requests"], &state["wipes"]), (&1.into(), &0.into()));
    assert_eq!(state["quota"], json!([{ "granted": 1, "refused": 0 }]));
    let journal: Value = client.get(format!("{url}/_emulator/journal")).send().await.unwrap().json().await.unwrap();
    assert_eq!(journal[0]["path"], "/v3/catalog/products");
    drop(child.stdin.take());
    assert!(ended(&mut child), "still running");
}

#[test]
fn the_program_ends_when_it_is_told_to() {
    let (mut child, _) = program(&["--keep-running"]);
    drop(child.stdin.take());
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "ended with its standard input");
    let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(told.success());
    assert!(ended(&mut child), "still running");
}

async fn over_tls(emulator: &Emulator, roots: RootCertStore) -> std::io::Result<String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = emulator.https_url().replace("https://", "");
    let stream = tokio::net::TcpStream::connect(&address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let request = format!(
        "GET /stores/{}/v2/time HTTP/1.1\r\nhost: x\r\nx-auth-token: {}\r\nconnection: close\r\n\r\n",
        emulator.store_hash(),
        emulator.token()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn https_is_trusted_with_the_emulators_authority_only() {
    let emulator = Emulator::start(Config::default()).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap()).unwrap();
    let answer = over_tls(&emulator, roots).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("{\"time\":"), "{answer}");
    assert!(emulator.journal().entries()[0].https);
    let other = Emulator::start(Config::default()).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(other.ca_pem().as_bytes()).unwrap()).unwrap();
    assert!(over_tls(&emulator, roots).await.is_err());
    assert_eq!(emulator.journal().len(), 1);
}
