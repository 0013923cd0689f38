//! As much of HTTP as tests of registries need: a server whose answers a test writes itself, and a client that hides nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The length that is claimed, if it is not that of the body: the connection then breaks off.
    pub claimed: Option<usize>,
}

impl Answer {
    pub(crate) fn ok(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self { status: 200, headers, body: body.into(), claimed: None }
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A request as it came: its first line, and its headers.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

/// A server on this machine that lives as long as the process.
pub(crate) struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Serves what `answer` says for the path of each request.
    pub(crate) fn start(answer: impl Fn(&str, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, answer) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::new(answer));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let Some(request) = head(&mut reader) else { return };
                    seen.lock().unwrap().push(request.clone());
                    let path = request.line.split(' ').nth(1).unwrap_or_default();
                    write_answer(stream, &answer(path, &request));
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn head(reader: &mut impl std::io::BufRead) -> Option<Request> {
    let mut lines = reader.lines();
    let line = lines.next()?.ok()?;
    let lines = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    Some(Request { line, headers: headers.collect() })
}

fn write_answer(mut stream: TcpStream, answer: &Answer) {
    let length = answer.claimed.unwrap_or(answer.body.len());
    let mut text = format!("HTTP/1.1 {} X\r\ncontent-length: {length}\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    // Who has had enough closes.
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&answer.body));
}

/// Sends a request, and reads the whole answer.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    text.push_str(&format!("content-length: {}\r\n", body.len()));
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut reader = BufReader::new(stream);
    let request = head(&mut reader).unwrap();
    let status = request.line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, headers: request.headers, ..Answer::default() };
    match answer.header("content-length").map(|length| length.parse().unwrap()) {
        Some(length) => reader.take(length).read_to_end(&mut answer.body).map(drop).unwrap(),
        None => reader.read_to_end(&mut answer.body).map(drop).unwrap(),
    }
    answer
}
