//! Planted secrets: whatever is run, no byte of its output and of the files that it leaves holds one of them, in any form.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bigcommerce_emulator::{Config, Effect, Emulator, Fault, Token};
use serde_json::json;

use super::Folder;

/// The access token, typed into the settings, and kept as a variable of the environment.
const TOKEN: &str = "pl4nted-access-token/of+the=store";
/// Hidden, with everything that is written otherwise in URLs and JSON.
const HIDDEN: &str = "pl4nted-\"hidden\"-va\\lue&100%+x";
/// Typed behind `--var`.
const GLOBAL: &str = "pl4nted-global-value?of=one#run";

/// The password of the operator's proxy.
const PROXY: &str = "pl4nted-proxy-password";

/// A key for hidden values, as `CONNECTOR_KEY` takes it: 32 bytes in base64.
const KEY: &str = "cGw0bnRlZC1rZXktb2YtMzItYnl0ZXMtZm9yLW9uZSE=";

/// What bytes hold a secret: plain, within JSON and URLs, in base64 with any number of bytes before it.
fn forms(secret: &str) -> Vec<String> {
    let escaped = json!(secret).to_string();
    let percent = |keep: &str, upper: bool| -> String {
        let byte = |b: u8| match b as char {
            c if c.is_ascii_alphanumeric() || keep.contains(c) => c.to_string(),
            _ if upper => format!("%{b:02X}"),
            _ => format!("%{b:02x}"),
        };
        secret.bytes().map(byte).collect()
    };
    let mut forms = vec![secret.to_owned(), escaped.trim_matches('"').to_owned(), percent("-_.~", true)];
    forms.extend([percent("-_.~", false), percent("-_.~/", true), percent("-_.~", true).replace("%20", "+")]);
    forms.extend((0..3).flat_map(|before| {
        let plain = within_base64(secret.as_bytes(), before);
        [plain.replace('+', "-").replace('/', "_"), plain]
    }));
    forms
}

/// The characters of base64 that hold nothing but the secret, if so many bytes stand before it.
fn within_base64(secret: &[u8], before: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = secret.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    // The first digit that begins within the secret.
    let skipped = (6 - before * 8 % 6) % 6;
    let digit = |six: &[bool]| DIGITS[six.iter().fold(0, |sum, bit| sum << 1 | usize::from(*bit))] as char;
    bits[skipped..].chunks_exact(6).map(digit).collect()
}

/// The bytes that a text in base64 stands for.
fn bytes_of(base64: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = base64.trim_end_matches('=').chars().map(|c| DIGITS.find(c).unwrap());
    let bits: Vec<bool> = digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | u8::from(*bit))).collect()
}

/// What was written, by which command or into which file.
struct Written(Vec<(String, Vec<u8>)>);

impl Written {
    fn output(&mut self, arguments: &[&str], output: &Output) {
        self.0.push((format!("stdout of {arguments:?}"), output.stdout.clone()));
        self.0.push((format!("stderr of {arguments:?}"), output.stderr.clone()));
    }

    fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                self.files(&entry.path());
            } else {
                self.0.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
            }
        }
    }

    /// Keys may stand in files of keys, as they are written there, and nowhere else: not as bytes, not in base64, not in hex.
    fn holds_no_key(&self, keys: &[String]) {
        for key in keys {
            let bytes = bytes_of(key);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            // What is longer than a fingerprint is a piece of the key.
            let mut texts = forms(key);
            texts.extend((0..3).map(|before| within_base64(&bytes, before)));
            texts.extend([hex.clone(), hex.to_uppercase()]);
            for (name, content) in self.0.iter().filter(|(name, _)| !name.ends_with(".key")) {
                let text = String::from_utf8_lossy(content);
                assert!(!texts.iter().any(|form| text.contains(form.as_str())), "{name} holds a key");
                assert!(!content.windows(bytes.len()).any(|piece| piece == bytes), "{name} holds the bytes of a key");
            }
        }
    }

    fn holds_none_of(&self, secrets: &[&str]) {
        let forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        for (name, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes);
            if let Some(form) = forms.iter().find(|form| text.contains(form.as_str())) {
                let at = text.find(form.as_str()).unwrap();
                let around: String = text[..at].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{name} holds {form:?} behind: {around}");
            }
        }
    }
}

#[test]
fn every_form_of_a_secret_is_found() {
    use std::fmt::Write as _;
    let mut texts = vec![HIDDEN.to_owned(), json!({ "x": format!("y{HIDDEN}z") }).to_string()];
    texts.push("x=pl4nted-%22hidden%22-va%5Clue%26100%25%2Bx&y".to_owned());
    // Base64 by another way: each byte in binary, then six bits at a time.
    for before in 0..5 {
        let bytes = [vec![b'x'; before], HIDDEN.as_bytes().to_vec(), b"yz".to_vec()].concat();
        let mut bits = String::new();
        bytes.iter().for_each(|byte| write!(bits, "{byte:08b}").unwrap());
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digit = |at: usize| digits[usize::from_str_radix(&bits[at * 6..at * 6 + 6], 2).unwrap()] as char;
        texts.push((0..bits.len() / 6).map(digit).collect());
    }
    for text in texts {
        assert!(forms(HIDDEN).iter().any(|form| text.contains(form.as_str())), "{text}");
    }
}

/// A proxy that refuses everybody and tells with which credentials they came. Returns its address.
fn proxy_that_echoes() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let body = format!("{PROXY} {}", head.join(" "));
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 407 {PROXY}\r\nproxy-authenticate: Basic realm=\"{PROXY}\"\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
    address
}

/// A collector of traces and metrics: its address, and what it was sent.
fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let collected = Arc::<Mutex<Vec<u8>>>::default();
    let sink = Arc::clone(&collected);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sink) = (stream.unwrap(), Arc::clone(&sink));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut line, mut head) = (String::new(), String::new());
                    while reader.read_line(&mut line).unwrap_or(0) > 0 && line != "\r\n" {
                        head.push_str(&std::mem::take(&mut line));
                    }
                    let length = head.to_lowercase().lines().find_map(|line| {
                        line.strip_prefix("content-length:").and_then(|length| length.trim().parse().ok())
                    });
                    let mut body = vec![0; length.unwrap_or(0)];
                    if head.is_empty() || reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    sink.lock().unwrap().extend([head.as_bytes(), &body].concat());
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, collected)
}

/// Lets the program serve, asks it this and that, and kills it.
fn serve(folder: &Folder, collector: &str, written: &mut Written) {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "-vv"];
    let mut command = folder.command(&arguments, "");
    command.env("CONNECTOR_VAR_SHOP_TOKEN", TOKEN).env("RUST_LOG", "trace").stdout(Stdio::piped());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env("OTEL_METRIC_EXPORT_INTERVAL", "200");
    command.env("OTEL_BSP_SCHEDULE_DELAY", "200");
    // Into a file: nobody reads a pipe while it serves.
    command.stderr(std::fs::File::create(folder.path().join("serve.log")).unwrap());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
    let mut ask = |method: &str, path: &str, body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        println!("{method} {path}: {}", text.lines().next().unwrap_or_default());
        written.0.push((format!("{method} {path}"), answer));
        text
    };
    for (method, path, body) in [
        ("POST", "/v1/connections/shop/test", ""),
        ("POST", "/v1/connections/shop/query", "{\"object\":\"products\"}"),
        ("POST", "/v1/connections/shop/query", "{\"object\":\"customers\"}"),
        ("POST", "/v1/tests", "{\"name\":\"shop\"}"),
        ("POST", "/v1/tests", "{\"name\":\"refused\"}"),
        ("POST", "/v1/connections/shop/activities", "{\"name\":\"echo\",\"object\":\"customers\"}"),
        ("POST", "/v1/connections/shop/activities/echo/preview", "{}"),
        // Whoever types a secret where none belongs is not told it again.
        ("POST", "/v1/connections", "{\"name\":\"typed\",\"settings\":{\"store_hash\":\"[hidden]\",\"x\":1}}"),
    ] {
        ask(method, path, body);
    }
    for path in [
        "connections",
        "connections/shop",
        "connections/shop/export",
        "connections/shop/dependents",
        "connections/shop/status",
        "connections/shop/activities",
        "connectors",
        "variables",
        "environments",
        "proxy",
        "versions",
        "agents",
        "deployments",
        "operations",
        "openapi.json",
        "nothing",
    ] {
        ask("GET", &format!("/v1/{path}"), "");
    }
    ask("GET", "/metrics", "");
    let page = end_to_end::root().join("host/cli/page");
    let assets = std::fs::read_dir(page).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(ask("GET", "/", "").contains("<!doctype html>"));
    for asset in assets {
        assert!(ask("GET", &format!("/assets/{asset}"), "").starts_with("HTTP/1.1 200"), "{asset}");
    }
    // A run that reads what the store refuses, and one of which each record is refused: both with the secrets in the store's answer.
    let (shop, target) = ("\"connection\":\"shop\"", "\"object\":\"products\",\"verb\":\"update\"");
    for (name, operation) in [
        (
            "reads",
            format!("{{\"source\":{{{shop},\"object\":\"customers\"}},\"target\":{{\"file\":\"read.ndjson\"}}}}"),
        ),
        ("writes", format!("{{\"source\":{{\"file\":\"change.ndjson\"}},\"target\":{{{shop},{target}}}}}")),
    ] {
        let path = format!("/v1/operations/{name}");
        ask("PUT", &path, &operation);
        ask("POST", "/v1/operations/preview", &format!("{{\"operation\":{operation}}}"));
        let begun = ask("POST", &format!("{path}/runs"), "{}");
        let id = begun
            .split("\"id\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("{begun}"));
        let events = ask("GET", &format!("/v1/runs/{id}/events"), "");
        assert!(events.contains("event: end"), "{events}");
        let left = ["", "/rejected"].map(|part| ask("GET", &format!("/v1/runs/{id}{part}"), "")).concat();
        assert!(left.contains("token"), "it tells what the store answered: {left}");
    }
    std::thread::sleep(Duration::from_secs(1));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The commands on versions, with a registry that repeats the credentials that it is sent.
fn of_versions(registry: &str) -> Vec<Vec<String>> {
    let place = format!("oci://{registry}/team/bigcommerce");
    let credentials = "--credentials [registry_user]:[proxy_password]";
    let lines = format!(
        "versions list|versions policy --auto-update unsigned --signatures warn|versions sources add {place} {credentials}|\
         versions sources list|versions available|test shop|versions install {place}:1.0.0 {credentials}|\
         versions install {place}:1.0.0 --credentials {PROXY}:{PROXY}|versions pin|versions list|\
         versions push bigcommerce {place}:1.0.0 {credentials}|versions push 0.1.0 {place}:1.0.0 {credentials}|versions unpin|\
         versions use bundled --test shop|versions rollback|versions remove 0.1.0|versions use bundled|\
         versions policy --trust new.csv|versions push 0.1.0 {place} --sign-key new.csv|versions sources remove {place}"
    );
    // Whoever types a password where names of variables belong has shown it already: on the command line, not in what is written.
    lines.split('|').map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// Every command, those that fail among them.
fn commands() -> Vec<Vec<&'static str>> {
    let lines = "connection list|connection show shop|connection check|connection export|connection export --output shop.toml|\
        connection edit shop --set page_size=100|connection edit shop --set page_size=none|connection copy shop copy|\
        connection rename copy other|connection delete other|connection delete other --yes|\
        connection import shop.toml|connection import shop.toml --replace|\
        variables list|variables list --environment none|variables set note seen|variables unset note|variables unset note|\
        variables rotate-key|variables rotate-key --keyring|\
        test shop|test by-variable|test by-proxy|query by-proxy products|test refused|test nobody|objects shop|describe shop products|describe shop nothing|\
        query shop products --limit 3|query shop products --explain --where id>3|query by-variable products --limit 3|\
        query shop customers --limit 3|query refused products|query shop products --output out.csv --limit 300|\
        query shop products --since state.json --output out.ndjson|\
        create shop products --input new.csv --outcomes made.ndjson|create shop products --input new.csv|\
        update shop products --input change.ndjson|delete shop products --id 999999|resolve shop made.ndjson|\
        qurey shop products";
    lines.split('|').map(|line| line.split_whitespace().collect()).collect()
}

/// The keys in the project's key file.
fn keys_of(folder: &Folder) -> Vec<String> {
    let file = std::fs::read_dir(folder.path().join("user/connector/keys")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn planted_secrets_appear_in_nothing_that_any_command_writes() {
    let store = Emulator::launch(Config { tokens: vec![Token::all(TOKEN)], ..Config::default() }).unwrap();
    let folder = Folder::new();
    let url = store.base_url();
    let settings = |token: &str| {
        let set =
            [format!("store_hash={}", store.store_hash()), format!("base_url={url}"), format!("access_token={token}")];
        set.into_iter()
            .flat_map(|set| ["--set".to_owned(), set])
            .chain(["--grant".to_owned(), url.clone()])
            .collect::<Vec<_>>()
    };
    let proxy = proxy_that_echoes();
    let mut written = Written(Vec::new());
    let mut run = |arguments: &[&str], stdin: &str, more: &[&str]| {
        let all = [more, arguments].concat();
        let mut command = folder.command(&all, stdin);
        command.env("CONNECTOR_VAR_SHOP_TOKEN", TOKEN).env("CONNECTOR_VAR_UNUSED", HIDDEN);
        command.env("CONNECTOR_VAR_PROXY_PASSWORD", PROXY).env("CONNECTOR_PROXY", format!("http://me:{PROXY}@{proxy}"));
        if more.contains(&"-vv") {
            command.env("RUST_LOG", "trace");
        }
        let output = command.output().unwrap();
        println!("{all:?}: {}", output.status);
        // What was on stdin was there before.
        let _ = std::fs::remove_file(folder.path().join("stdin"));
        written.output(&all, &output);
        output.status.code()
    };
    let mut add = |name: &str, token: &str, stdin: &str| {
        let settings = settings(token);
        let arguments: Vec<&str> =
            ["connection", "add", name].into_iter().chain(settings.iter().map(String::as_str)).collect();
        assert_eq!(run(&arguments, stdin, &["--json", "-vv"]), Some(0), "{name}");
    };
    add("shop", TOKEN, "");
    add("by-variable", "[shop_token]", "");
    assert_eq!(run(&["variables", "set", "hidden", "--hidden"], HIDDEN, &["-vv"]), Some(0));
    let client = ["connection", "edit", "shop", "--set", "client_id=[hidden]"];
    assert_eq!(run(&client, "", &["-vv"]), Some(0));
    assert_eq!(run(&["connection", "copy", "by-variable", "by-proxy"], "", &[]), Some(0));
    assert_eq!(run(&["connection", "edit", "by-proxy", "--set", "use_proxy=true"], "", &["-vv"]), Some(0));
    let refused = settings("[hidden]");
    let refused: Vec<&str> =
        ["connection", "add", "refused"].into_iter().chain(refused.iter().map(String::as_str)).collect();
    run(&refused, "", &["-vv"]);
    folder.write("new.csv", "name,type,weight,price\nPlain,physical,1,2\n");
    folder.write("change.ndjson", "{\"id\":999999,\"name\":\"x\"}\n");

    // A store that says what it was told, in a body for each of these.
    let echo =
        json!({ "status": 422, "title": format!("token {TOKEN} and {HIDDEN}"), "errors": { "x": TOKEN } }).to_string();
    let echoed = |status| Effect::Status {
        status,
        body: Some(("application/json", echo.clone())),
        headers: Vec::new(),
        quota_headers: true,
    };
    store.fault(Fault::on("*", "/v3/customers", echoed(422)).always());
    store.fault(Fault::on("POST", "/v3/catalog/products", echoed(422)).always());
    store.fault(Fault::on("PUT", "/v3/catalog/products", echoed(409)).always());
    let mut codes = [0; 2];
    let global = format!("global={GLOBAL}");
    let by_variable = format!("http://me:[proxy_password]@{proxy}");
    let all_of_it = ["--json", "-vv", "--var", &global, "--proxy", &by_variable];
    for (at, more) in [&[][..], &["--json"], &["-vv"], &all_of_it].into_iter().enumerate() {
        for command in commands() {
            match run(&command, "", more) {
                Some(0) => codes[0] += 1,
                Some(1) => codes[1] += 1,
                other => panic!("round {at}: {command:?} ended with {other:?}"),
            }
        }
    }
    assert!(codes[0] > 60 && codes[1] > 30, "most do their work, and many fail as they should: {codes:?}");
    for after in [20, 60, 120, 200] {
        for arguments in [
            &["query", "shop", "products", "--output", "big.csv"][..],
            &["connection", "edit", "shop", "--set", "page_size=50"],
        ] {
            let ended = crash_points::kill_after(&mut folder.command(arguments, ""), Duration::from_millis(after));
            if let crash_points::Ended::Completed(output) = ended {
                written.output(arguments, &output);
            }
        }
    }
    for more in [&[][..], &["--json", "-vv"]] {
        for command in of_versions(&proxy) {
            let arguments: Vec<&str> = more.iter().copied().chain(command.iter().map(String::as_str)).collect();
            let mut command = folder.command(&arguments, "");
            command.env("CONNECTOR_VAR_SHOP_TOKEN", TOKEN).env("CONNECTOR_VAR_PROXY_PASSWORD", PROXY);
            command.env("CONNECTOR_VAR_REGISTRY_USER", "me").env("RUST_LOG", "trace");
            let output = command.output().unwrap();
            let named: Vec<&str> = arguments.iter().copied().filter(|argument| !argument.contains(PROXY)).collect();
            println!("{named:?}: {}", output.status);
            assert!(output.status.code().is_some_and(|code| code < 2), "{named:?}: {output:?}");
            written.output(&named, &output);
        }
    }
    // The same project, with its key in the environment.
    let elsewhere = folder.copy();
    let before = keys_of(&folder);
    let both = before.iter().map(String::as_str).chain([KEY]).collect::<Vec<_>>().join(",");
    for (keys, arguments) in [
        (both.as_str(), &["variables", "rotate-key"][..]),
        (KEY, &["variables", "list"]),
        (KEY, &["test", "shop"]),
        (KEY, &["connection", "check"]),
        (KEY, &["connection", "export"]),
        (KEY, &["query", "shop", "products", "--limit", "3"]),
        (&before[0], &["test", "shop"]),
        (&KEY[..KEY.len() - 2], &["variables", "list"]),
        (&KEY[..KEY.len() - 2], &["test", "shop"]),
    ] {
        let all = [&["-vv"], arguments].concat();
        let mut command = elsewhere.command(&all, "");
        command.env("CONNECTOR_KEY", keys).env("RUST_LOG", "trace").env("CONNECTOR_VAR_SHOP_TOKEN", TOKEN);
        let output = command.output().unwrap();
        println!("with a key of the environment, {all:?}: {}", output.status);
        written.output(&all, &output);
    }
    let (address, collected) = collector();
    serve(&folder, &address, &mut written);
    let collected = collected.lock().unwrap().clone();
    let holds = |text: &str| String::from_utf8_lossy(&collected).contains(text);
    assert!(holds("/v1/traces") && holds("/v1/metrics") && holds("products"), "{} bytes", collected.len());
    written.0.push(("traces and metrics".to_owned(), collected));
    written.files(elsewhere.path());
    written.files(folder.path());
    written.files(&end_to_end::root().join("target/compile-cache"));
    assert!(written.0.iter().any(|(name, bytes)| name.ends_with("connector.db") && !bytes.is_empty()));
    written.holds_none_of(&[TOKEN, HIDDEN, GLOBAL, PROXY]);
    let keys: Vec<String> = keys_of(&folder).into_iter().chain([KEY.to_owned()]).collect();
    assert!(keys.len() > 2, "it was rotated");
    written.holds_no_key(&keys);
    let state = folder.state();
    assert!(state.values().any(|value| value.contains(TOKEN)), "it was there all the time");
}
