//! The host's side of the contract, from standard WASI interfaces alone: composed with a connector, it lets a runtime that knows
//! nothing of connectors run one. Takes variables from the environment, writes log lines to stderr, and keeps one instance's
//! requests within what the remote allows. Reaches nothing else.
//!
//! | variable of the environment | meaning | default |
//! |--|--|--|
//! | `CONNECTOR_VAR_NAME` | value of the variable `name` | |
//! | `CONNECTOR_LOG` | least level of a log line: `trace`, `debug`, `info`, `warn`, `error` | `info` |
//! | `CONNECTOR_CALL_SECONDS` | longest time of one call; then it is cancelled in an orderly way | 600 |

pub mod calls;
pub mod environment;
pub mod log_line;
pub mod quota;

#[cfg(target_arch = "wasm32")]
mod guest;
