//! Bundles the BigCommerce component: the file that `BIGCOMMERCE_COMPONENT` names, or `target/components/bigcommerce.wasm` as
//! `cargo xtask components` makes it. Without it the program is built all the same, so that a fresh clone can be checked; it
//! then says at run time how to get the component.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=BIGCOMMERCE_COMPONENT");
    let named = env::var_os("BIGCOMMERCE_COMPONENT").map(PathBuf::from);
    let explicit = named.is_some();
    let component = named.unwrap_or_else(|| root().join("target/components/bigcommerce.wasm"));
    println!("cargo::rerun-if-changed={}", component.display());

    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let code = match fs::read(&component) {
        Ok(bytes) => {
            // A copy of its own: what is compiled in cannot change between here and the compiler.
            if let Err(error) = fs::write(out.join("bundled.wasm"), bytes) {
                println!("cargo::error=cannot copy the component: {error}");
            }
            "Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/bundled.wasm\")))"
        }
        Err(error) if explicit => {
            println!("cargo::error=BIGCOMMERCE_COMPONENT names {}: {error}", component.display());
            "None"
        }
        Err(_) => "None",
    };
    let code = format!(
        "/// The bundled component, if there was one at build time.\npub(crate) const COMPONENT: Option<&[u8]> = {code};\n"
    );
    if let Err(error) = fs::write(out.join("bundled.rs"), code) {
        println!("cargo::error=cannot write bundled.rs: {error}");
    }
}

/// The workspace's root. Components lie in its `target/` even if cargo is told to build somewhere else.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    manifest.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}
