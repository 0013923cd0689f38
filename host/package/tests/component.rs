//! What a component says about itself, read back by the library that other tools read it with.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use connector_package::{Crate, componentize};
use wasmparser::{ComponentNameSectionReader, KnownCustom, Parser, Payload};
use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A module of a world with this text.
fn module(world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("acme.wit", &format!("package acme:acme;\nworld acme {{ {world} }}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

fn acme() -> Crate {
    let answer = r#"{"packages": [{"name": "acme", "version": "1.2.3-rc.1", "manifest_path": "/w/Cargo.toml",
        "description": "Reads Acme", "license": "Apache-2.0 OR MIT", "authors": ["Ada"],
        "repository": "https://example.com/acme.git", "homepage": "https://example.com/acme",
        "targets": [{"name": "acme", "crate_types": ["cdylib"]}]}],
        "target_directory": "/w/target", "workspace_root": "/w"}"#;
    Crate::named(answer, "acme").unwrap()
}

#[test]
fn a_component_says_what_it_is_where_other_tools_look_for_it() {
    let component = componentize(&module("export run: func();"), &acme()).unwrap();
    let (mut depth, mut told) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(&component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 0 => match section.as_known() {
                KnownCustom::ComponentName(names) => told.push(("name".to_owned(), name_in(names))),
                KnownCustom::Producers(_) => {}
                _ => told.push((section.name().to_owned(), String::from_utf8(section.data().to_vec()).unwrap())),
            },
            _ => {}
        }
    }
    told.sort();
    let expected = [
        ("authors", "Ada"),
        ("description", "Reads Acme"),
        ("homepage", "https://example.com/acme"),
        ("licenses", "Apache-2.0 OR MIT"),
        ("name", "acme"),
        ("source", "https://example.com/acme.git"),
        ("version", "1.2.3-rc.1"),
    ];
    let told: Vec<(&str, &str)> = told.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(told, expected);
}

fn name_in(names: ComponentNameSectionReader<'_>) -> String {
    let name = names.into_iter().find_map(|name| match name.unwrap() {
        wasmparser::ComponentName::Component { name, .. } => Some(name.to_owned()),
        _ => None,
    });
    name.unwrap()
}

#[test]
fn equal_modules_make_equal_components() {
    let module = module("export run: func();");
    assert_eq!(componentize(&module, &acme()).unwrap(), componentize(&module, &acme()).unwrap());
}

#[test]
fn what_does_not_make_a_component_is_told_with_the_crates_name() {
    let empty = b"\0asm\x01\0\0\0".to_vec();
    for (module, told) in [(empty, "acme exports nothing"), (b"no module".to_vec(), "acme does not make a component")] {
        let error = componentize(&module, &acme()).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}
