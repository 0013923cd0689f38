//! The operator's proxy on the command line.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use bigcommerce_emulator::Config;

use super::project::{Project, code, text};

/// A proxy that refuses whoever has no better password. The address.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(b"HTTP/1.1 407 No\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn the_proxy_of_the_command_line_and_of_the_environment_is_used_and_shows_no_password() {
    let project = Project::new(Config::default());
    let address = refusing();
    // The settings are looked at before they are saved, and without a proxy they are not good.
    let edit = ["connection", "edit", "store", "--set", "use_proxy=true", "--proxy", &format!("http://{address}")];
    let edited = project.command(&edit).output().unwrap();
    assert_eq!(code(&edited), 0, "{}", text(&edited.stderr));
    let output = project.command(&["test", "store", "--proxy", "none"]).output().unwrap();
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("this host has none"), "{}", text(&output.stderr));

    let with_login = format!("http://[proxy_user]:[proxy_password]@{address}");
    let plain = format!("http://ada:hunter2hunter2@{address}");
    for (arguments, environment) in [
        (vec!["--proxy", with_login.as_str()], vec![]),
        (vec![], vec![("CONNECTOR_PROXY", with_login.as_str())]),
        (vec![], vec![("http_proxy", plain.as_str())]),
        (vec!["-vv"], vec![("ALL_PROXY", plain.as_str())]),
    ] {
        let mut command = project.command(&["test", "store"]);
        command.args(&arguments).envs(environment.iter().copied());
        command.env("CONNECTOR_VAR_PROXY_USER", "ada").env("CONNECTOR_VAR_PROXY_PASSWORD", "hunter2hunter2");
        let output = command.output().unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(code(&output), 1, "{said}");
        let told = format!("the proxy http://{address} does not accept the user and password");
        assert!(said.contains(&told) && !said.contains("hunter2"), "{arguments:?} {environment:?}: {said}");
    }
    let output =
        project.command(&["test", "store", "--proxy", &plain, "--proxy-bypass", "127.0.0.0/8"]).output().unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
}
