//! Proxies that others wrote: squid with user and password, and a SOCKS5 server. `cargo xtask servers` fetches them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::certificates::tls_server;
use super::*;

/// A program that ends with the test.
struct Program {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        // In an orderly way: squid leaves shared memory behind otherwise.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launcher(package: &str, program: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers");
    PathBuf::from(root).join(package).join(program).canonicalize().expect("run `cargo xtask servers` first")
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn started(command: &mut Command, port: u16, folder: tempfile::TempDir) -> Program {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let program = Program { child, port, _folder: folder };
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "{command:?} does not listen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    program
}

/// squid, which lets `ada` with the password `count:ess@1815` connect to one port.
async fn squid(allowed: u16) -> Program {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let here = folder.path().display();
    // What `openssl passwd -apr1` makes of that password.
    std::fs::write(folder.path().join("passwords"), "ada:$apr1$c0nnect0$mgYMCLTH5ujI3ZzHDh1cX.\n").unwrap();
    let root = launcher("squid", "squid").parent().unwrap().to_owned();
    // Started as root, it becomes somebody else, who must be able to read this folder.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let configuration = format!(
        "http_port 127.0.0.1:{port}\n\
         pid_filename none\n\
         cache_log /dev/null\n\
         access_log none\n\
         cache_store_log none\n\
         coredump_dir {here}\n\
         netdb_filename none\n\
         pinger_enable off\n\
         cache_mem 1 MB\n\
         mime_table {root}/usr/share/squid/mime.conf\n\
         icon_directory {root}/usr/share/squid/icons\n\
         error_directory {root}/usr/share/squid/errors/templates\n\
         unlinkd_program /bin/true\n\
         logfile_daemon /bin/true\n\
         shutdown_lifetime 0 seconds\n\
         auth_param basic program {helper} {here}/passwords\n\
         acl known proxy_auth REQUIRED\n\
         acl served port {allowed}\n\
         acl connects method CONNECT\n\
         http_access deny !served\n\
         http_access allow connects known\n\
         http_access deny all\n",
        root = root.display(),
        helper = launcher("squid", "basic_ncsa_auth").display(),
    );
    let file = folder.path().join("squid.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = Command::new(launcher("squid", "squid"));
    command.arg("-N").arg("-f").arg(&file).arg("-n").arg(format!("test{port}"));
    started(&mut command, port, folder).await
}

async fn target() -> (Server, String) {
    tls_server(&[b"http/1.1"], |mut stream, seen| async move {
        while read(&mut stream, &seen).await {
            stream.write_all(OK).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await
}

/// A client that goes by this proxy.
fn by(proxy: &str, port: u16, pem: &str) -> Transport {
    Transport::new(Setup {
        trust: tls::Trust::new(pem).unwrap(),
        proxy: Some(ProxyConfig::new(proxy.parse().unwrap())),
        ..setup(vec![Grant::extra(format!("https://127.0.0.1:{port}").parse().unwrap())])
    })
}

async fn get_by_proxy(transport: &Transport, port: u16) -> Result<(u16, Bytes), Failure> {
    let long = Duration::from_secs(30);
    let timeouts = Timeouts { connect: long, first_byte: long, between_bytes: long };
    let keep = Keep { use_proxy: true, ..keep(0, Some(60)) };
    let answer = transport.send(request("GET", &format!("https://127.0.0.1:{port}/"), ""), timeouts, keep).await?;
    let status = answer.status().as_u16();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

/// What must hold with a proxy that wants user and password.
async fn check(scheme: &str, proxy: u16, target: &Server, pem: &str) {
    let with = |login: &str| by(&format!("{scheme}://{login}127.0.0.1:{proxy}"), target.port, pem);
    let good = with("ada:count%3Aess%401815@");
    for _ in 0..3 {
        assert_eq!(get_by_proxy(&good, target.port).await.unwrap().0, 200);
    }
    assert_eq!((target.connections(), target.requests()), (1, 3), "one tunnel serves them all");
    for (login, told) in [("ada:wrong@", "does not accept"), ("", "have none")] {
        let failure = get_by_proxy(&with(login), target.port).await.unwrap_err();
        assert!(matches!(&failure, Failure::ProxyDenied(text) if text.contains(told)), "{login}: {failure:?}");
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs `cargo xtask servers`"]
async fn squid_lets_through_who_has_the_password_and_its_refusals_are_told() {
    let (target, pem) = target().await;
    let squid = squid(target.port).await;
    check("http", squid.port, &target, &pem).await;
    let proxy = format!("http://ada:count%3Aess%401815@127.0.0.1:{}", squid.port);
    let (elsewhere, _) = super::certificates::tls_server(&[], |_, _| async {}).await;
    let failure = get_by_proxy(&by(&proxy, elsewhere.port, &pem), elsewhere.port).await.unwrap_err();
    let text = failure.to_string();
    assert!(matches!(failure, Failure::ProxyDenied(_)) && text.contains("(status 403)"), "{text}");
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs `cargo xtask servers`"]
async fn a_socks_server_lets_through_who_has_the_password_and_looks_names_up() {
    let (target, pem) = target().await;
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port().await);
    let mut command = Command::new(launcher("microsocks", "microsocks"));
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "ada", "-P", "count:ess@1815"]);
    let socks = started(&mut command, port, folder).await;
    check("socks5", socks.port, &target, &pem).await;
    let plain = Server::answering(OK).await;
    let url = format!("http://localhost:{}/", plain.port);
    let by_name = Transport::new(Setup {
        proxy: Some(ProxyConfig::new(
            format!("socks5://ada:count%3Aess%401815@127.0.0.1:{}", socks.port).parse().unwrap(),
        )),
        // This host knows addresses, and no names.
        resolver: Resolver::Fixed(|name| name.parse().into_iter().collect()),
        ..setup(vec![Grant::extra(url.parse().unwrap())])
    });
    let keep = Keep { use_proxy: true, ..keep(0, Some(60)) };
    assert_eq!(fetch(&by_name, request("GET", &url, ""), keep).await.unwrap().0, 200);
    let closed = free_port().await;
    let proxy = format!("socks5://ada:count%3Aess%401815@127.0.0.1:{}", socks.port);
    let failure = get_by_proxy(&by(&proxy, closed, &pem), closed).await.unwrap_err();
    let text = failure.to_string();
    assert!(matches!(failure, Failure::ProxyUnreachable(_)) && text.contains("refused"), "{text}");
}
