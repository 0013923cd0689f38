//! Components made by hand from the contract's text, for what no compiler of ours would make. Whatever they export crashes.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// Sections of a core module.
pub(super) const TABLES: u8 = 4;
pub(super) const MEMORIES: u8 = 5;
const CODE: u8 = 10;

/// A component of the contract as these changes leave it: pairs of a text and what stands in its place.
pub(super) fn component(changes: &[(&str, &str)], module: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"), folder.path(), changes);
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder.path()).unwrap();
    let world = resolve.select_world(&[package], Some("connector")).unwrap();
    let dummy = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    let mut module = module(dummy);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).unwrap().encode().unwrap()
}

/// Copies the WIT package, with these changes.
pub(crate) fn copy(from: &Path, to: &Path, changes: &[(&str, &str)]) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target, changes);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let changed = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
            std::fs::write(target, changed).unwrap();
        }
    }
}

/// The module with this section, instead of the one of its kind if there is one.
pub(super) fn with_section(module: &[u8], section: u8, body: &[u8]) -> Vec<u8> {
    let (header, mut rest) = module.split_at(8);
    let (mut out, mut done) = (header.to_vec(), false);
    let mut put = |out: &mut Vec<u8>| {
        if !std::mem::replace(&mut done, true) {
            out.push(section);
            out.extend(leb(body.len()));
            out.extend_from_slice(body);
        }
    };
    while let [id, after @ ..] = rest {
        let digits = after.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let length = after[..digits].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        let (whole, next) = rest.split_at(1 + digits + length);
        if *id >= section {
            put(&mut out);
        }
        if *id != section {
            out.extend_from_slice(whole);
        }
        rest = next;
    }
    put(&mut out);
    out
}

/// The module with these bytes of instructions, time after time, at the beginning of every function.
pub(super) fn padded(module: &[u8], instructions: &[u8], times: usize) -> Vec<u8> {
    const NO_LOCALS: u8 = 0;
    const UNREACHABLE_END: [u8; 2] = [0x00, 0x0b];
    let functions = wasmparser::Parser::new(0).parse_all(module).find_map(|payload| match payload.unwrap() {
        wasmparser::Payload::CodeSectionStart { count, .. } => usize::try_from(count).ok(),
        _ => None,
    });
    let functions = functions.unwrap();
    let body = [&[NO_LOCALS][..], &instructions.repeat(times), &UNREACHABLE_END].concat();
    let one = [leb(body.len()), body].concat();
    with_section(module, CODE, &[leb(functions), one.repeat(functions)].concat())
}

/// A number as WebAssembly writes it.
pub(super) fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}
