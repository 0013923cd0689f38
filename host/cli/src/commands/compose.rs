//! `compose`: a connector and what it needs to be a service, as one component that imports nothing but WASI. Reads files and writes
//! one; runs nothing.

use std::collections::BTreeSet;
use std::path::Path;

use connector_versions::MAX_SIZE;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use super::print_json;
use crate::error::{Failure, Result};
use crate::files;
use crate::session::{COMPONENT, Session};

include!(concat!(env!("OUT_DIR"), "/around.rs"));

/// What a stock runtime serves.
const HANDLER: &str = "wasi:http/incoming-handler@0.2.0";

/// What the service asks of a connector.
const CONNECTOR: [&str; 2] = ["ipaas:connector/metadata@0.1.0", "ipaas:connector/connection@0.1.0"];

/// Composes, and says what is left to import.
pub(super) fn run(session: &Session, output: &Path) -> Result<()> {
    let (name, connector) = match &session.global.connector {
        Some(path) => {
            let bytes = files::read(path, MAX_SIZE)
                .map_err(|e| Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(&e))?;
            (path.display().to_string(), bytes)
        }
        None => ("bundled".to_owned(), COMPONENT.ok_or_else(|| missing("BigCommerce"))?.to_vec()),
    };
    let adapter = ADAPTER.ok_or_else(|| missing("adapter"))?;
    let service = SERVICE.ok_or_else(|| missing("service"))?;
    let composed = compose(&name, connector, adapter, service)?;
    files::replace(output, &composed.component, files::Access::Usual)?;
    if session.global.json {
        return print_json(&serde_json::json!({ "imports": composed.imports, "exports": [HANDLER] }));
    }
    session.note(format!("`{}` exports {HANDLER} and imports", output.display()));
    super::print(&composed.imports.iter().map(|import| format!("{import}\n")).collect::<String>())
}

fn missing(what: &str) -> Failure {
    Failure::new(format!("this program was built without the {what} component"))
        .hint("run `cargo xtask components` and build again")
}

/// A component and what it asks of its runtime.
struct Composed {
    component: Vec<u8>,
    imports: BTreeSet<String>,
}

/// Puts the three together.
///
/// # Errors
/// A file that is no connector, or one that imports what neither the adapter nor WASI has.
fn compose(name: &str, connector: Vec<u8>, adapter: &[u8], service: &[u8]) -> Result<Composed> {
    let defect = |e: &(dyn std::error::Error + 'static)| Failure::defect("cannot compose").causes_of(e);
    let mut graph = CompositionGraph::new();
    let connector = register(&mut graph, "ipaas:a-connector", connector)
        .map_err(|e| Failure::new(format!("cannot use `{name}` as a connector")).cause(e))?;
    let adapter = register(&mut graph, "ipaas:adapter", adapter.to_vec()).map_err(|e| defect(e.as_ref()))?;
    let service = register(&mut graph, "ipaas:service", service.to_vec()).map_err(|e| defect(e.as_ref()))?;
    if let Some(lacks) = CONNECTOR.into_iter().find(|export| !exports(&graph, connector, export)) {
        return Err(Failure::new(format!("cannot use `{name}` as a connector"))
            .cause(format!("it does not export {lacks}"))
            .into());
    }
    let adapter_instance = graph.instantiate(adapter);
    let connector_instance = graph.instantiate(connector);
    let service_instance = graph.instantiate(service);
    if let Some(unknown) =
        imports(&graph, connector).find(|name| !name.starts_with("wasi:") && !exports(&graph, adapter, name))
    {
        return Err(Failure::new(format!("`{name}` cannot run in a stock runtime"))
            .cause(format!("it imports {unknown}, which is neither WASI's nor the contract's"))
            .into());
    }
    let from_adapter = |graph: &CompositionGraph, package| -> Vec<String> {
        imports(graph, package).filter(|name| exports(graph, adapter, name)).map(str::to_owned).collect()
    };
    let (for_connector, for_service) = (from_adapter(&graph, connector), from_adapter(&graph, service));
    let joins = for_connector.iter().map(|name| (connector_instance, adapter_instance, name.as_str()));
    let joins = joins.chain(for_service.iter().map(|name| (service_instance, adapter_instance, name.as_str())));
    let joins = joins.chain(CONNECTOR.map(|name| (service_instance, connector_instance, name)));
    for (to, from, interface) in joins {
        join(&mut graph, to, from, interface).map_err(|e| {
            Failure::new(format!("`{name}` does not fit this program's contract"))
                .cause(format!("{interface} differs"))
                .causes_of(e.as_ref())
        })?;
    }
    let handler = graph.alias_instance_export(service_instance, HANDLER).map_err(|e| defect(&e))?;
    graph.export(handler, HANDLER).map_err(|e| defect(&e))?;
    let component = graph.encode(EncodeOptions::default()).map_err(|e| defect(&e))?;
    // Each of the three is listed with its own.
    let imports: BTreeSet<String> = graph.imports().map(|(name, _, _)| name.to_owned()).collect();
    Ok(Composed { component, imports })
}

fn register(
    graph: &mut CompositionGraph,
    name: &str,
    bytes: Vec<u8>,
) -> std::result::Result<PackageId, Box<dyn std::error::Error>> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())?;
    Ok(graph.register_package(package)?)
}

fn exports(graph: &CompositionGraph, package: PackageId, name: &str) -> bool {
    graph.types()[graph[package].ty()].exports.contains_key(name)
}

fn imports(graph: &CompositionGraph, package: PackageId) -> impl Iterator<Item = &str> {
    graph.types()[graph[package].ty()].imports.keys().map(String::as_str)
}

fn join(
    graph: &mut CompositionGraph,
    to: NodeId,
    from: NodeId,
    interface: &str,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let export = graph.alias_instance_export(from, interface)?;
    Ok(graph.set_instantiation_argument(to, interface, export)?)
}
