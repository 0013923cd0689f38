//! Bundles components: BigCommerce's, from the file that `BIGCOMMERCE_COMPONENT` names or from `target/components` as `cargo xtask
//! components` makes it, and those that are composed with a connector for stock runtimes. Without them the program is built all
//! the same, so that a fresh clone can be checked; it then says at run time how to get them.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=BIGCOMMERCE_COMPONENT");
    let named = env::var_os("BIGCOMMERCE_COMPONENT").map(PathBuf::from);
    write("bundled.rs", &bundle("COMPONENT", "bigcommerce", named));
    write("around.rs", &(bundle("ADAPTER", "adapter", None) + &bundle("SERVICE", "service", None)));
}

/// The constant that holds a component, if there is one.
fn bundle(constant: &str, name: &str, named: Option<PathBuf>) -> String {
    let explicit = named.is_some();
    let component = named.unwrap_or_else(|| root().join(format!("target/components/{name}.wasm")));
    println!("cargo::rerun-if-changed={}", component.display());
    let value = match fs::read(&component) {
        Ok(bytes) => {
            // A copy of its own: what is compiled in cannot change between here and the compiler.
            if let Err(error) = fs::write(out().join(format!("{name}.wasm")), bytes) {
                println!("cargo::error=cannot copy the component: {error}");
            }
            format!("Some(include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.wasm\")))")
        }
        Err(error) if explicit => {
            println!("cargo::error=BIGCOMMERCE_COMPONENT names {}: {error}", component.display());
            "None".to_owned()
        }
        Err(_) => "None".to_owned(),
    };
    format!(
        "/// The component `{name}`, if there was one at build time.\npub(crate) const {constant}: Option<&[u8]> = {value};\n"
    )
}

fn write(file: &str, code: &str) {
    if let Err(error) = fs::write(out().join(file), code) {
        println!("cargo::error=cannot write {file}: {error}");
    }
}

fn out() -> PathBuf {
    PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default())
}

/// The workspace's root. Components lie in its `target/` even if cargo is told to build somewhere else.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    manifest.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}
