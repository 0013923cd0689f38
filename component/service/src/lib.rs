//! The verbs of one connection over HTTP: composed with a connector, it lets any runtime that serves `wasi:http` answer requests.
//! Same paths and same JSON as `connector serve`; settings come from the environment and never from a request.
//!
//! | variable of the environment | meaning | default |
//! |--|--|--|
//! | `CONNECTOR_SETTINGS` | the connection's settings, a JSON object | `{}` |
//! | `CONNECTOR_NAME` | the connection's name in the paths | the connector's name |
//! | `CONNECTOR_TOKEN` | answer only requests that bring it as `Authorization: Bearer TOKEN` | none: every request is refused |
//! | `CONNECTOR_WITHOUT_TOKEN` | `1`: answer whoever reaches this service | |
//!
//! A runtime may make an instance for each request or use one for many: the connection is configured by the first.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "only the component calls all of it"))]

mod access;
mod answer;
mod asked;
mod bindings;
mod operator;
mod route;

#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(target_arch = "wasm32")]
mod wire;
