//! A connector: one compiled version of a component, and the checks that make a file one.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, types};

use crate::activity::Canceller;
use crate::cache::hex;
use crate::contract::{Info, InstancePre};
use crate::egress::Origin;
use crate::engine::Runtime;
use crate::error::{Effect, LoadError};
use crate::instance::{Live, Program, in_short};
use crate::state::Context;

/// The package that connectors are written against, and the version that this host serves.
const PACKAGE: &str = "ipaas:connector";
const VERSION: &str = "0.1.0";
/// What a connector may import: names, and versions up to the part that must agree.
const OFFERED: [&str; 12] = [
    "ipaas:connector/control@0.1",
    "ipaas:connector/logging@0.1",
    "ipaas:connector/quota@0.1",
    "ipaas:connector/transport@0.1",
    "ipaas:connector/types@0.1",
    "ipaas:connector/variables@0.1",
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:http/outgoing-handler@0.2",
    "wasi:http/types@0.2",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
];

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

    pub(crate) fn asked(&self) -> &[Origin] {
        &self.inner.asked
    }

    pub(crate) fn program(&self) -> &Arc<Program> {
        &self.inner.program
    }

    pub(crate) async fn load(runtime: &Arc<Runtime>, wasm: &[u8]) -> Result<Self, LoadError> {
        check_header(wasm)?;
        let (compiler, bytes) = (Arc::clone(runtime), wasm.to_vec());
        let (component, digest) = tokio::task::spawn_blocking(move || compile(&compiler, &bytes))
            .await
            .map_err(|error| LoadError::Corrupt(error.to_string()))??;
        let (imports, exports) = check_interfaces(runtime, &component.component_type())?;
        let pre = runtime.linker.instantiate_pre(&component).and_then(InstancePre::new);
        let pre = pre.map_err(|error| LoadError::Interface(format!("{error:#}")))?;
        let nameless = Program {
            runtime: Arc::clone(runtime),
            pre: pre.clone(),
            name: "this component".to_owned(),
            version: String::new(),
        };
        let info = describe(nameless).await?;
        let asked = info
            .origins
            .iter()
            .map(|origin| origin.parse().map_err(|error| LoadError::Describe(format!("origins: {error}"))))
            .collect::<Result<_, _>>()?;
        if info.name.is_empty() || info.version.is_empty() {
            return Err(LoadError::Describe("name or version is missing".to_owned()));
        }
        let program =
            Program { runtime: Arc::clone(runtime), pre, name: info.name.clone(), version: info.version.clone() };
        Ok(Self { inner: Arc::new(Inner { program: Arc::new(program), info, asked, digest, imports, exports }) })
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

/// The slow part: digest, cache, compiler.
fn compile(runtime: &Runtime, wasm: &[u8]) -> Result<(Component, String), LoadError> {
    let digest = format!("sha256:{}", hex(&Sha256::digest(wasm)));
    if let Some(component) = runtime.cache.load(&runtime.engine, &digest) {
        return Ok((component, digest));
    }
    let component =
        Component::from_binary(&runtime.engine, wasm).map_err(|error| LoadError::Corrupt(in_short(&error)))?;
    runtime.cache.store(&runtime.engine, &digest, &component);
    Ok((component, digest))
}

/// Exports that make a connector, imports that can be served. Answers imports and exports.
fn check_interfaces(runtime: &Runtime, component: &types::Component) -> Result<(Vec<String>, Vec<String>), LoadError> {
    let mut exports: Vec<String> = component.exports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    exports.sort();
    for interface in ["metadata", "connection"] {
        let supported = format!("{PACKAGE}/{interface}@{VERSION}");
        let unversioned = format!("{PACKAGE}/{interface}");
        let found = exports.iter().find(|export| export.split('@').next() == Some(&unversioned));
        match found {
            None => {
                return Err(LoadError::NotAConnector { missing: supported, exports });
            }
            Some(found) if compatible(found) != compatible(&supported) => {
                return Err(LoadError::WorldVersion { found: found.clone(), supported });
            }
            Some(_) => {}
        }
    }
    let mut imports: Vec<String> = component.imports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    let unknown: Vec<String> = imports.iter().filter(|name| !OFFERED.contains(&compatible(name))).cloned().collect();
    if unknown.is_empty() { Ok((imports, exports)) } else { Err(LoadError::UnknownImports(unknown)) }
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
    live.run("describe", Effect::NothingSent, std::future::pending(), |store, instance| {
        Box::pin(instance.ipaas_connector_metadata().call_describe(store))
    })
    .await
    .map_err(told)
}
