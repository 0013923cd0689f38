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

/// Connections of clients at once; further ones wait to be taken.
const MOST_CLIENTS: usize = 1024;
/// For the head of a request, from the connection's beginning or the answer before it.
const HEAD: Duration = Duration::from_secs(30);
/// Before another try where the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Answers requests until the process shall end, and then those that are under way.
pub(super) async fn answer(listener: TcpListener, routes: Router, interrupt: &Interrupt) {
    let places = Arc::new(Semaphore::new(MOST_CLIENTS));
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
            serve(stream, client, routes, &interrupt).await;
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

async fn serve(stream: TcpStream, client: Client, routes: Router, interrupt: &Interrupt) {
    // An answer is written at once; waiting for more would only add latency. Without it, it is only late.
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
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
