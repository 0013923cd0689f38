//! A proxy for one scenario: carries `CONNECT` and plain requests to the store, and counts its sockets to it. Loopback only.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};

/// Longest head of a request, in bytes.
const HEAD: usize = 16 * 1024;

/// A running proxy. Its threads end with the process.
pub(crate) struct Proxy {
    address: SocketAddr,
    carried: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts one that leads to this address, whatever is asked for.
    pub(crate) fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("the proxy cannot listen")?;
        let address = listener.local_addr()?;
        let carried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&carried);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                // A client that leaves early is its own affair.
                thread::spawn(move || carry(client, target, &count).ok());
            }
        });
        Ok(Self { address, carried })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sockets that it has opened to the store.
    pub(crate) fn carried(&self) -> usize {
        self.carried.load(Ordering::SeqCst)
    }
}

fn carry(mut client: TcpStream, target: SocketAddr, count: &AtomicUsize) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD && client.read(&mut byte)? > 0 {
        head.extend_from_slice(&byte);
    }
    count.fetch_add(1, Ordering::SeqCst);
    let mut server = TcpStream::connect(target)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    if head.starts_with(b"CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        // A server takes a request whose target is a whole address, as one to a proxy is.
        server.write_all(&head)?;
    }
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let ended = std::io::copy(&mut server, &mut client);
    // What the store resets must look reset to the client, not left open.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
    ended.map(drop)
}
