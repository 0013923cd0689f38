//! Credentials that Docker's tools keep for registries: `config.json` in the folder that `DOCKER_CONFIG` names, or in `~/.docker`.
//! Only what stands in the file is used; helper programs (`credsStore`, `credHelpers`) are not run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connector_host::Secret;
use serde::Deserialize;

/// User name and password for a registry.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// Password or token.
    pub password: Secret,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
}

/// What Docker's tools keep for this registry.
pub(crate) fn of_docker(registry: &str) -> Option<Credentials> {
    let folder = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".docker")))?;
    in_config(&crate::files::read_text(&folder.join("config.json")).ok()?, registry)
}

fn in_config(config: &str, registry: &str) -> Option<Credentials> {
    let config: DockerConfig = match serde_json::from_str(config) {
        Ok(config) => config,
        Err(error) => {
            // Without the text: it is made of secrets.
            let (line, column) = (error.line(), error.column());
            tracing::warn!(line, column, "Docker's config.json is not understood and not used");
            return None;
        }
    };
    let auth = config.auths.iter().find(|(key, _)| host(key) == host(registry)).map(|(_, entry)| &entry.auth);
    let helped = config.cred_helpers.keys().any(|key| host(key) == host(registry));
    let Some(auth) = auth.and_then(Option::as_ref) else {
        // With a store for all, an entry without credentials says that they lie there.
        if helped || auth.is_some() && config.creds_store.is_some() {
            tracing::warn!(
                "the credentials for {registry} lie with a helper program of Docker's, which is not run: name them with --credentials"
            );
        }
        return None;
    };
    let plain = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some(Credentials { user: user.to_owned(), password: Secret::new(password) })
}

/// The registry of a key: older tools wrote the address of the API. Docker's own has three names.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    match key.split('/').next().unwrap_or(key) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn credentials_are_found_for_their_registry_alone() {
        // `printf ada:s3:cret | base64`
        let config = r#"{"auths": {"localhost:5000": {"auth": "YWRhOnMzOmNyZXQ="}, "https://index.example/v1/": {"auth": "YWRhOnMzOmNyZXQ="},
            "helped.example": {}}, "credsStore": "desktop"}"#;
        for registry in ["localhost:5000", "index.example"] {
            let found = in_config(config, registry).unwrap();
            assert_eq!((found.user.as_str(), found.password.reveal()), ("ada", "s3:cret"));
            assert!(!format!("{found:?}").contains("s3:cret"));
        }
        for registry in ["localhost", "localhost:50", "helped.example", "elsewhere.example"] {
            assert!(in_config(config, registry).is_none(), "{registry}");
        }
        let hub = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YWRhOnMzOmNyZXQ="}}}"#;
        for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(in_config(hub, name).unwrap().user, "ada", "{name}");
        }
        assert!(in_config("not json", "localhost:5000").is_none());
    }
}
