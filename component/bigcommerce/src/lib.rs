//! BigCommerce connector: a WebAssembly component for the world `ipaas:connector/connector`.
//!
//! Everything but two modules is plain Rust that runs in native tests: `guest` (what the component exports) and `wasi` (what it
//! imports) exist on WebAssembly only. From the outside in:
//!
//! | module | subject |
//! |--|--|
//! | `connector` | one configured connection: the functions behind the exports |
//! | `settings`, `template` | what a connection is configured with |
//! | `table`, `discovery`, `schema` | the API as data, and as schemas for people |
//! | `plan`, `reader`, `parents`, `source`, `fetch`, `cursor` | queries: decide, run, whose collections, paging, one request, where it stands |
//! | `unfold` | sub-objects inside of their parents' records |
//! | `incremental` | what was modified since the last run |
//! | `write`, `batch`, `record`, `upsert` | writes: run, one request, what is sent, create or update |
//! | `outcome`, `partial`, `resolve`, `lookup`, `stop` | what became of records, looking them up, what is not sent any more |
//! | `check` | `test` |
//! | `client`, `retry`, `remote`, `url` | one request, when to repeat it, what an error answer says |
//! | `slice`, `simd`, `scan`, `compare`, `decimal`, `date` | records as bytes |
//! | `host` | what is asked of the host |

pub mod batch;
pub mod check;
pub mod client;
pub mod compare;
pub mod connector;
pub mod cursor;
pub mod date;
pub mod decimal;
pub mod discovery;
pub mod error;
pub mod fetch;
pub mod host;
pub mod incremental;
pub mod lookup;
pub mod outcome;
pub mod parents;
pub mod partial;
pub mod plan;
pub mod reader;
pub mod record;
pub mod remote;
pub mod resolve;
pub mod retry;
pub mod scan;
pub mod schema;
pub mod settings;
pub mod simd;
pub mod slice;
pub mod source;
pub mod stop;
pub mod suggest;
pub mod table;
pub mod template;
pub mod types;
pub mod unfold;
pub mod upsert;
pub mod url;
pub mod write;

#[cfg(target_arch = "wasm32")]
mod executor;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(target_arch = "wasm32")]
mod wasi;
