//! The exports over WASI's imports, nothing else.
#![allow(missing_docs, unreachable_pub, reason = "bindings are documented in the WIT package")]

use std::cell::{Cell, RefCell};

use crate::calls::Calls;
use crate::environment::{self, Missing};
use crate::log_line::{self, line};
use crate::quota::{Leave, Quota};

// The generated code implements the canonical ABI and has to lay out memory by hand.
#[allow(unsafe_code, clippy::all, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit", "../service/wit"],
        world: "ipaas:service/adapter",
        generate_all,
    });
    use super::Adapter;
    export!(Adapter);
}

use bindings::exports::ipaas::connector::{control, logging, quota, transport, variables};
use bindings::exports::ipaas::service::calls;
use bindings::wasi::cli::{environment::get_environment, stderr::get_stderr};
use bindings::wasi::clocks::monotonic_clock::{now, subscribe_duration, subscribe_instant};
use bindings::wasi::io::poll::Pollable;

/// How soon a request asks again while all places are taken, in nanoseconds. WASI has nothing that a component could make ready
/// itself, so it is woken by a clock; a request takes many times as long.
const ASK_AGAIN: u64 = 5_000_000;

struct Adapter;

thread_local! {
    static QUOTA: RefCell<Quota> = RefCell::default();
    static CALLS: RefCell<Calls> = RefCell::default();
}

impl variables::Guest for Adapter {
    fn get(name: String) -> Result<String, variables::Error> {
        match environment::variable(&get_environment(), &name) {
            Ok(value) => Ok(value.to_owned()),
            Err(Missing::InvalidName) => Err(variables::Error::InvalidName(name)),
            Err(Missing::Undefined) => Err(variables::Error::Undefined(name)),
        }
    }
}

impl transport::Guest for Adapter {
    /// Sockets are the runtime's: it keeps them open as long as it likes, and which proxy it uses cannot be said here.
    fn apply(use_proxy: bool, _keep_alive_seconds: Option<u32>) -> Result<(), transport::Error> {
        if use_proxy { Err(transport::Error::NoProxy) } else { Ok(()) }
    }
}

impl control::Guest for Adapter {
    fn cancelled() -> Pollable {
        subscribe_instant(CALLS.with_borrow_mut(|calls| calls.deadline(&get_environment(), now())))
    }
}

impl calls::Guest for Adapter {
    fn begin() {
        CALLS.with_borrow_mut(Calls::begin);
    }

    fn hide(secrets: Vec<String>) {
        CALLS.with_borrow_mut(|calls| calls.hide(secrets));
    }

    fn masked(text: String) -> String {
        CALLS.with_borrow(|calls| calls.masked(&get_environment(), &text))
    }
}

impl logging::Guest for Adapter {
    fn log(level: logging::Level, message: String, fields: Vec<(String, String)>) {
        let level = match level {
            logging::Level::Trace => log_line::Level::Trace,
            logging::Level::Debug => log_line::Level::Debug,
            logging::Level::Info => log_line::Level::Info,
            logging::Level::Warn => log_line::Level::Warn,
            logging::Level::Error => log_line::Level::Error,
        };
        let environment = get_environment();
        if level < environment::log_level(&environment) {
            return;
        }
        let masked = |text: &str| CALLS.with_borrow(|calls| calls.masked(&environment, text));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (masked(name), masked(value))).collect();
        let line = line(level, &masked(&message), &fields).into_bytes();
        let stderr = get_stderr();
        // What there is no room for is dropped: logging never waits, and never fails.
        if stderr.check_write().is_ok_and(|room| room >= line.len() as u64) {
            let _ = stderr.write(&line);
            let _ = stderr.flush();
        }
    }
}

impl quota::Guest for Adapter {
    type Permit = Permit;

    fn reserve(bucket: String, concurrency: Option<u32>) -> quota::Permit {
        quota::Permit::new(Permit { bucket, concurrency, granted: Cell::new(false) })
    }

    fn report(bucket: String, allowance: quota::Allowance) {
        QUOTA.with_borrow_mut(|quota| quota.report(&bucket, allowance.left, allowance.reset_ms, now()));
    }
}

struct Permit {
    bucket: String,
    concurrency: Option<u32>,
    granted: Cell<bool>,
}

impl quota::GuestPermit for Permit {
    fn ready(&self) -> Pollable {
        if self.granted.get() {
            return subscribe_duration(0);
        }
        match QUOTA.with_borrow_mut(|quota| quota.ask(&self.bucket, self.concurrency, now())) {
            Leave::Granted => {
                self.granted.set(true);
                subscribe_duration(0)
            }
            Leave::At(instant) => subscribe_instant(instant),
            Leave::Soon => subscribe_duration(ASK_AGAIN),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.granted.get() {
            QUOTA.with_borrow_mut(|quota| quota.give_back(&self.bucket));
        }
    }
}
