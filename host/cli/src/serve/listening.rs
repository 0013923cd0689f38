//! Takes connections of clients. Bounded in their number, and in the time that the head of a request may take: a client that connects
//! and says nothing, or says it byte by byte, holds a place for a while and not for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::limits::Client;
use crate::interrupt::Interrupt;

/// What clients may take.
#[derive(Clone, Copy)]
struct Bounds {
    /// Connections of clients at once; further ones wait to be taken.
    clients: usize,
    /// For the head of a request, from the connection's beginning or the answer before it.
    head: Duration,
}

const BOUNDS: Bounds = Bounds { clients: 1024, head: Duration::from_secs(30) };
/// Before another try where the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Answers requests until the process shall end, and then those that are under way.
pub(super) async fn answer(listener: TcpListener, routes: Router, interrupt: &Interrupt) {
    within(BOUNDS, listener, routes, interrupt).await;
}

async fn within(bounds: Bounds, listener: TcpListener, routes: Router, interrupt: &Interrupt) {
    let places = Arc::new(Semaphore::new(bounds.clients));
    let mut clients = JoinSet::new();
    loop {
        let taken = tokio::select! {
            taken = take(&listener, &places) => taken,
            () = interrupt.wait() => break,
        };
        let Some((stream, client, place)) = taken else { continue };
        let (routes, interrupt) = (routes.clone(), interrupt.clone());
        clients.spawn(async move {
            let _place = place;
            serve(stream, client, routes, bounds.head, &interrupt).await;
        });
        while clients.try_join_next().is_some() {}
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// The next connection, once there is a place for it.
async fn take(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, Client, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, Client(address.ip()), place)),
        Err(_gone_or_no_room) => {
            tokio::time::sleep(NO_ROOM).await;
            None
        }
    }
}

async fn serve(stream: TcpStream, client: Client, routes: Router, head: Duration, interrupt: &Interrupt) {
    // An answer is written at once; waiting for more would only add latency. Without it, it is only late.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(client);
        routes.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = interrupt.wait() => connection.as_mut().graceful_shutdown(),
    }
    // What goes wrong with a client is the client's to see.
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::serve::given::halves;

    #[test]
    fn the_documented_bounds_are_the_real_ones() {
        let Bounds { clients, head } = BOUNDS;
        let api = include_str!("../../../../docs/http-api.md");
        assert!(api.contains(&format!("| clients connected | {clients} | waits |")), "{clients}");
        assert!(api.contains(&format!("| head of a request | {} s | closed |", head.as_secs())), "{head:?}");
        let page = include_str!("../../../../docs/operating.md");
        assert!(page.contains(&format!("At most {clients} clients are connected at once")), "{clients}");
        assert!(page.contains(&format!("each has {} seconds for the head of a request", head.as_secs())), "{head:?}");
    }

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";
    /// More than anything here takes on a busy machine.
    const LONG: Duration = Duration::from_secs(60);

    /// Listens within these bounds.
    async fn listen(clients: usize, head: Duration) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/", get(|| async { "here" })).route("/body", post(halves));
        let interrupt = Interrupt::install(true);
        tokio::spawn(async move { within(Bounds { clients, head }, listener, routes, &interrupt).await });
        address
    }

    /// All that comes until the server closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let read = tokio::time::timeout(LONG, stream.read_to_end(&mut text)).await.expect("the place is held");
        // A server that closes while a client still writes resets the connection.
        drop(read);
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_or_says_it_byte_by_byte_loses_its_place() {
        let address = listen(8, Duration::from_millis(300)).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        rest(&mut silent).await;
        let (mut reads, mut writes) = TcpStream::connect(address).await.unwrap().into_split();
        let slow = tokio::spawn(async move {
            for byte in ASK.iter().cycle() {
                if writes.write_all(&[if *byte == b'\n' { b'x' } else { *byte }]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let _reset = tokio::time::timeout(LONG, reads.read_to_end(&mut answer)).await.expect("the place is held");
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
        slow.abort();
    }

    #[tokio::test]
    async fn a_client_that_sends_half_a_body_loses_its_place() {
        let address = listen(1, LONG).await;
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"POST /body HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        let told = rest(&mut half).await;
        assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("the body did not come within 0.2 s"), "{told}");
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(ASK).await.unwrap();
        next.shutdown().await.unwrap();
        assert!(rest(&mut next).await.contains("200 OK"));
    }

    #[tokio::test]
    async fn clients_beyond_the_bound_are_answered_when_a_place_is_free() {
        let address = listen(2, LONG).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(ASK).await.unwrap();
            clients.push(client);
        }
        let mut byte = [0];
        for client in &mut clients[..2] {
            tokio::time::timeout(LONG, client.read_exact(&mut byte)).await.unwrap().unwrap();
        }
        let third = &mut clients[2];
        tokio::time::timeout(Duration::from_millis(300), third.read_exact(&mut byte)).await.expect_err("no place yet");
        clients.remove(0);
        let third = &mut clients[1];
        tokio::time::timeout(LONG, third.read_exact(&mut byte)).await.unwrap().unwrap();
    }
}
