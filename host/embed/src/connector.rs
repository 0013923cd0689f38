//! A connector: one compiled version of a component, and the checks that make a file one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use wasmtime::component::types;

use crate::activity::Canceller;
use crate::contract::Info;
use crate::contract::worlds::{self, World};
use crate::egress::Origin;
use crate::engine::Runtime;
use crate::error::{Effect, LoadError};
use crate::instance::{Live, Program};
use crate::sealed::SEALED;
use crate::state::Context;

/// What a connector may import besides the contract: names, and versions up to the part that must agree. The interfaces of [`SEALED`]
/// come on top.
const WASI: [&str; 6] = [
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:http/outgoing-handler@0.2",
    "wasi:http/types@0.2",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
];

/// Longest name and version of a connector, in bytes.
const LONGEST_NAME: usize = 64;
/// Longest title, in bytes.
const LONGEST_TITLE: usize = 256;

/// A connector that is checked and compiled. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    program: Arc<Program>,
    info: Info,
    asked: Vec<Origin>,
    digest: String,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Info { name, version, .. } = self.info();
        write!(f, "Connector({name} {version} {})", self.digest())
    }
}

impl Connector {
    /// What it says about itself: name, title, version, settings schema, origins.
    pub fn info(&self) -> &Info {
        &self.inner.info
    }

    /// Digest of the component, `sha256:` and 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// The interfaces that it imports, with their versions, sorted.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// The interfaces that it exports, with their versions, sorted.
    pub fn exports(&self) -> &[String] {
        &self.inner.exports
    }

    /// Those of [`Connector::imports`] that lead nowhere: no arguments, environment, files or sockets; output goes to the log. Clocks and
    /// randomness among them are real.
    pub fn sealed_imports(&self) -> impl Iterator<Item = &str> {
        self.imports().iter().map(String::as_str).filter(|name| SEALED.contains(&compatible(name)))
    }

    pub(crate) fn asked(&self) -> &[Origin] {
        &self.inner.asked
    }

    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.inner.program
    }

    pub(crate) async fn load(runtime: &Arc<Runtime>, wasm: &[u8]) -> Result<Self, LoadError> {
        check_header(wasm)?;
        let (component, digest) = runtime.compiler.component(wasm).await?;
        let (world, imports, exports) = check_interfaces(runtime, &component.component_type())?;
        let prepared = world.prepare(runtime.linker.instantiate_pre(&component), &imports)?;
        let nameless = Program {
            runtime: Arc::clone(runtime),
            prepared: Arc::clone(&prepared),
            name: "this component".to_owned(),
            version: String::new(),
            secret_settings: Arc::default(),
        };
        let info = describe(nameless).await?;
        let asked = info
            .origins
            .iter()
            .map(|origin| origin.parse().map_err(|error| LoadError::Describe(format!("origins: {error}"))))
            .collect::<Result<_, _>>()?;
        let schema = check_info(&info).map_err(LoadError::Describe)?;
        let mut secret_settings = BTreeSet::new();
        collect_secrets(&schema, &mut secret_settings);
        let (name, version, secret_settings) = (info.name.clone(), info.version.clone(), secret_settings.into());
        let program = Program { runtime: Arc::clone(runtime), prepared, name, version, secret_settings };
        let connector =
            Self { inner: Arc::new(Inner { program: Arc::new(program), info, asked, digest, imports, exports }) };
        let sealed: Vec<&str> = connector.sealed_imports().collect();
        if !sealed.is_empty() {
            let Info { name, version, .. } = connector.info();
            tracing::info!(
                target: "connector_host", connector = %name, %version, sealed = sealed.join(", "),
                "what this connector imports beside the contract leads nowhere"
            );
        }
        Ok(connector)
    }
}

/// The first eight bytes: magic, version, and whether it is a module or a component.
fn check_header(wasm: &[u8]) -> Result<(), LoadError> {
    match wasm {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Err(LoadError::CoreModule),
        [0, b'a', b's', b'm', ..] => Err(LoadError::Corrupt("the header makes no sense".to_owned())),
        _ => Err(LoadError::NotWasm),
    }
}

/// Exports that make a connector, imports that can be served. Answers the world that they are of, imports and exports.
fn check_interfaces(
    runtime: &Runtime,
    component: &types::Component,
) -> Result<(&'static World, Vec<String>, Vec<String>), LoadError> {
    let mut exports: Vec<String> = component.exports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    exports.sort();
    let world = worlds::of(&exports)?;
    let mut imports: Vec<String> = component.imports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    let offered =
        |name: &str| world.offers(name) || WASI.contains(&compatible(name)) || SEALED.contains(&compatible(name));
    let unknown: Vec<String> = imports.iter().filter(|name| !offered(name)).cloned().collect();
    if unknown.is_empty() { Ok((world, imports, exports)) } else { Err(LoadError::UnknownImports(unknown)) }
}

/// What a connector says about itself stands in logs, file names and on terminals. Answers its settings schema.
fn check_info(info: &Info) -> Result<Value, String> {
    let Info { name, title, version, settings_schema, .. } = info;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        return Err(format!("its name is not 1 to {LONGEST_NAME} lower-case letters, digits, `-`, `_` and `.`"));
    }
    if version.len() > LONGEST_NAME || version.parse::<semver::Version>().is_err() {
        return Err("its version is not one like `1.2.3`".to_owned());
    }
    if title.len() > LONGEST_TITLE || title.contains(char::is_control) {
        return Err(format!("its title is longer than {LONGEST_TITLE} bytes, or holds control characters"));
    }
    match serde_json::from_str::<Value>(settings_schema) {
        Ok(schema) if schema.is_object() => Ok(schema),
        _ => Err("its settings schema is not a JSON object".to_owned()),
    }
}

/// The names of properties that a schema calls secret (`writeOnly`), wherever in it.
fn collect_secrets(schema: &Value, found: &mut BTreeSet<String>) {
    let is_secret = |property: &Value| property.get("writeOnly").and_then(Value::as_bool) == Some(true);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if is_secret(property) {
            found.insert(name.clone());
        }
    }
    match schema {
        Value::Object(map) => map.values().for_each(|part| collect_secrets(part, found)),
        Value::Array(parts) => parts.iter().for_each(|part| collect_secrets(part, found)),
        _ => {}
    }
}

/// `wasi:http/types@0.2.7` without what may differ: `wasi:http/types@0.2`.
fn compatible(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(compatible, _)| compatible)
}

/// Asks a throw-away instance, without network and variables.
async fn describe(program: Program) -> Result<Info, LoadError> {
    let told = |ended: crate::error::Ended| LoadError::Describe(ended.cause.to_string());
    let (program, context) = (Arc::new(program), Arc::new(Context::bare()));
    let mut live = Live::new(&program, &context, &Canceller::new(), "describe").await.map_err(told)?;
    live.run("describe", Effect::NothingSent, std::future::pending(), |store, exports| exports.describe(store))
        .await
        .map_err(told)
}
