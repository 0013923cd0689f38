//! What the host holds in its own memory for an instance, beside the instance's: header fields, addresses, pieces of request bodies.
//! Their number is bounded by the table that they are in, the size of most by rules of their own; this is their sum.

use std::any::Any;

use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::{Method, Scheme};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostIncomingResponse, HostOutgoingRequest};

use crate::hooks::PIECE;

/// Bytes that are held, give or take what a table entry takes itself. Stops counting above `most`.
pub(crate) fn bytes(table: &mut ResourceTable, most: usize) -> usize {
    let mut sum = 0_usize;
    for entry in table.iter_mut() {
        sum = sum.saturating_add(of(entry));
        if sum > most {
            break;
        }
    }
    sum
}

fn of(entry: &dyn Any) -> usize {
    if let Some(map) = entry.downcast_ref::<FieldMap>() {
        fields(map)
    } else if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let HostOutgoingRequest { method, scheme, authority, path_with_query, headers, body: _ } = request;
        let method = if let Method::Other(name) = method { name.len() } else { 0 };
        let scheme = if let Some(Scheme::Other(name)) = scheme { name.len() } else { 0 };
        let address = [authority, path_with_query].into_iter().flatten().map(String::len).sum::<usize>();
        method + scheme + address + fields(headers)
    } else if let Some(answer) = entry.downcast_ref::<HostIncomingResponse>() {
        fields(&answer.headers)
    } else if entry.is::<HostOutgoingBody>() {
        // One piece that waits to be sent, and one that is taken from the connector.
        2 * PIECE
    } else {
        0
    }
}

fn fields(map: &http::HeaderMap) -> usize {
    map.iter().map(|(name, value)| name.as_str().len() + value.len() + size_of::<http::HeaderValue>()).sum()
}
