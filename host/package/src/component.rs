//! Wraps a core module into a component, and notes in the standard sections what it is: name, version, description, licence, authors,
//! and where its sources are.

use wasm_encoder::{ComponentSection as _, CustomSection};
use wasm_metadata::{AddMetadata, AddMetadataField};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::Crate;

/// Why a module does not become a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// It does not fit the world that it says it is for, or says none.
    #[error("{name} does not make a component: {why}")]
    Module {
        /// The crate.
        name: String,
        /// What the encoder says.
        why: String,
    },
    /// It is for a world, and implements nothing of it.
    #[error("{0} exports nothing: is there an `export!` in it?")]
    Empty(String),
}

/// The component of a core module that was built from this crate.
///
/// # Errors
/// [`ComponentError`].
pub fn componentize(module: &[u8], of: &Crate) -> Result<Vec<u8>, ComponentError> {
    let refused = |why: String| ComponentError::Module { name: of.name.clone(), why };
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.validate(true).module(module).and_then(|encoder| encoder.encode());
    let component = encoded.map_err(|error| refused(format!("{error:#}")))?;
    if !exports_something(&component).map_err(|error| refused(error.to_string()))? {
        return Err(ComponentError::Empty(of.name.clone()));
    }
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(of.name.clone());
    let mut component = metadata.to_wasm(&component).map_err(|error| refused(format!("{error:#}")))?;
    for (section, text) in sections(of) {
        CustomSection { name: section.into(), data: text.as_bytes().into() }.append_to_component(&mut component);
    }
    Ok(component)
}

/// What is noted, under the names of the sections that tools look for it in.
fn sections(of: &Crate) -> impl Iterator<Item = (&'static str, &str)> {
    let optional = [
        ("description", &of.description),
        ("licenses", &of.license),
        ("authors", &of.authors),
        ("source", &of.repository),
        ("homepage", &of.homepage),
    ];
    let told = optional.into_iter().filter_map(|(section, text)| Some((section, text.as_deref()?)));
    std::iter::once(("version", of.version.as_str())).chain(told)
}

fn exports_something(component: &[u8]) -> wasmparser::Result<bool> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 && section.count() > 0 => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
