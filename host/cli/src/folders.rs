//! Where programs of this system keep what belongs to the user.

use std::path::PathBuf;

/// The user's folder for what can be made again, or none if the system does not say.
pub(crate) fn cache() -> Option<PathBuf> {
    own("XDG_CACHE_HOME", "LOCALAPPDATA", "Library/Caches", ".cache")
}

/// The user's folder for configuration, or none if the system does not say.
pub(crate) fn configuration() -> Option<PathBuf> {
    own("XDG_CONFIG_HOME", "APPDATA", "Library/Application Support", ".config")
}

/// The part of this program, by the custom of the system: named by a variable, or below the home folder.
fn own(xdg: &str, windows: &str, macos: &str, unix: &str) -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = var(xdg).filter(|path| path.is_absolute()).or_else(|| {
        if cfg!(windows) {
            var(windows)
        } else {
            var("HOME").map(|home| home.join(if cfg!(target_os = "macos") { macos } else { unix }))
        }
    });
    base.map(|base| base.join("connector"))
}
