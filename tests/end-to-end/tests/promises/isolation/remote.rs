//! The remotes that attacks over the network go to: one that never takes a socket, one that answers by path, and one that nobody is
//! granted, which counts who comes nevertheless.

use std::net::SocketAddr;

use connector_host::Origin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct Remote {
    /// Nobody takes its sockets, so whoever asks waits.
    silent: std::net::TcpListener,
    answering: SocketAddr,
    task: JoinHandle<()>,
    forbidden: std::net::TcpListener,
}

impl Remote {
    pub(super) async fn start() -> Self {
        let bound = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (silent, forbidden) = (bound(), bound());
        forbidden.set_nonblocking(true).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answering = listener.local_addr().unwrap();
        let elsewhere = forbidden.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, elsewhere));
            }
        });
        Self { silent, answering, task, forbidden }
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        match path {
            "/silent" => format!("http://{}", self.silent.local_addr().unwrap()),
            path => format!("http://{}{path}", self.answering),
        }
    }

    /// The one that is not granted; without a scheme, so that it is an address only once the connector has put it together.
    pub(super) fn forbidden(&self) -> String {
        self.forbidden.local_addr().unwrap().to_string()
    }

    pub(super) fn granted(&self) -> impl Iterator<Item = Origin> {
        ["/silent", ""].into_iter().map(|path| self.url(path).parse().unwrap())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            assert!(self.forbidden.accept().is_err(), "somebody reached the forbidden host");
        }
    }
}

/// Answers the first request of a socket, and reads on until its other end has enough.
async fn serve(mut socket: TcpStream, elsewhere: SocketAddr) {
    let mut buffer = vec![0; 16 << 10];
    let Ok(read) = socket.read(&mut buffer).await else { return };
    let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
    let answer = answer(request.split(' ').nth(1).unwrap_or_default(), elsewhere);
    if let Some(answer) = answer {
        let _ = socket.write_all(answer.as_bytes()).await;
    }
    while let Ok(1..) = socket.read(&mut buffer).await {}
}

fn answer(path: &str, elsewhere: SocketAddr) -> Option<String> {
    let with_fields = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\n{{}}");
    Some(match path {
        "/many-fields" => with_fields(&"x-a: 1\r\n".repeat(150)),
        "/huge-field" => with_fields(&format!("x-a: {}\r\n", "a".repeat(100 << 10))),
        "/redirect" => format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n"),
        "/body" => format!("HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n{}", "x".repeat(200_000)),
        _ => return None,
    })
}
