//! How bytes become a version that serves: fetched, checked, installed, tried, in use. Each step has a type that only the step
//! before it makes, so what was not checked cannot be installed and what was not loaded cannot get into use.

use std::time::SystemTime;

use connector_host::{Connector, Host};
use semver::Version;

use crate::digest::Digest;
use crate::error::{Refusal, VersionsError};
use crate::files::MAX_SIZE;
use crate::signature::{Signed, Verdict};
use crate::versions::{Before, How, Installed, Versions};

/// A component as a source gave it. Nothing about it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub wasm: Vec<u8>,
    /// Where it came from: a file's path, or `oci://…@sha256:…`.
    pub source: String,
    /// The signatures that came with it.
    pub signatures: Vec<Signed>,
}

/// What a fetched component must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The connector; any, if this is none.
    pub connector: Option<String>,
    /// The version; any, if this is none.
    pub version: Option<Version>,
}

/// A component that is a connector, of the version that was expected. Nothing is said of who signed it: it may be pushed, and is
/// not to be installed.
#[derive(Debug)]
pub struct Described {
    pub(crate) wasm: Vec<u8>,
    pub(crate) version: Installed,
    connector: Connector,
}

impl Described {
    /// What it will be once it is installed.
    pub fn version(&self) -> &Installed {
        &self.version
    }

    /// It, compiled.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }
}

/// The same, and the policy lets it pass.
#[derive(Debug)]
pub struct Checked {
    pub(crate) described: Described,
    verdict: Verdict,
}

impl Checked {
    /// What it will be once it is installed.
    pub fn version(&self) -> &Installed {
        self.described.version()
    }

    /// It, compiled.
    pub fn connector(&self) -> &Connector {
        self.described.connector()
    }

    /// What its signatures are worth.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

/// An installed version that this host has loaded just now. It is its to be tried further (a connection's test), then put in use.
#[derive(Clone, Debug)]
pub struct Ready {
    pub(crate) version: Installed,
    connector: Connector,
}

impl Ready {
    /// The version.
    pub fn version(&self) -> &Installed {
        &self.version
    }

    /// It, compiled.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }
}

/// What serves a connector, compiled.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// It, compiled.
    pub connector: Connector,
    /// The installed version; none: the one that the program brings along.
    pub version: Option<Installed>,
    /// The version in use, if it cannot serve: the one before it does.
    pub held_back: Option<HeldBack>,
    /// [`crate::Serving::change`] when it was loaded.
    pub change: u64,
}

/// A version that should serve and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its name, version and digest, for people.
    pub version: String,
    /// Why, with its causes.
    pub reason: String,
}

impl Fetched {
    /// Checks everything but the signatures: size, world and description, by loading it, and that it is what was expected. For who
    /// publishes it: its signature may only be about to be made.
    ///
    /// # Errors
    /// [`VersionsError::Refused`] with the reason.
    pub async fn describe(self, host: &Host, expected: &Expected) -> Result<Described, VersionsError> {
        let refused = |source: Refusal| VersionsError::Refused { what: self.source.clone(), source };
        self.sized().map_err(refused)?;
        let connector = host.load(&self.wasm).await.map_err(|error| refused(error.into()))?;
        let version = Installed {
            connector: connector.info().name.clone(),
            version: described(&connector, expected).map_err(refused)?,
            digest: Digest::of(&self.wasm),
            world: world(&connector),
            source: self.source,
            signatures: self.signatures,
            installed_at: SystemTime::now(),
        };
        Ok(Described { wasm: self.wasm, version, connector })
    }

    fn sized(&self) -> Result<(), Refusal> {
        if self.wasm.len() as u64 > MAX_SIZE { Err(Refusal::Size) } else { Ok(()) }
    }
}

impl Versions {
    /// Checks a component: size, signatures as the policy says, then world and description, by loading it, then that it is what
    /// was expected.
    ///
    /// # Errors
    /// [`VersionsError::Refused`] with the reason.
    pub async fn check(&self, host: &Host, fetched: Fetched, expected: &Expected) -> Result<Checked, VersionsError> {
        let refused = |source: Refusal| VersionsError::Refused { what: fetched.source.clone(), source };
        fetched.sized().map_err(refused)?;
        let verdict =
            self.demands(&fetched.source)?.admit(&Digest::of(&fetched.wasm), &fetched.signatures).map_err(refused)?;
        Ok(Checked { described: fetched.describe(host, expected).await?, verdict })
    }

    /// Whether a test may put this version in use, which nobody has asked for: as [`crate::AutoUpdate`] says.
    ///
    /// # Errors
    /// [`VersionsError::Refused`] with the reason.
    pub fn check_unasked(&self, checked: &Checked) -> Result<(), VersionsError> {
        let Installed { digest, signatures, source, .. } = checked.version();
        let admitted = self.demands(source)?.admit_unasked(digest, signatures);
        admitted.map(drop).map_err(|source| VersionsError::Refused { what: checked.version().title(), source })
    }

    /// Loads an installed version: its bytes must have its digest, its signatures must still do, and it must still be what it was.
    ///
    /// # Errors
    /// [`VersionsError::Refused`] with the reason.
    pub async fn ready(&self, host: &Host, version: &Installed) -> Result<Ready, VersionsError> {
        let refused = |source: Refusal| VersionsError::Refused { what: version.title(), source };
        let wasm = self.admitted(version)?.map_err(refused)?;
        let connector = host.load(&wasm).await.map_err(|error| refused(error.into()))?;
        let expected = Expected { connector: Some(version.connector.clone()), version: Some(version.version.clone()) };
        described(&connector, &expected).map_err(refused)?;
        Ok(Ready { version: version.clone(), connector })
    }

    /// What keeps an installed version from serving, as far as that is seen without loading it: its file and its signatures.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn refusal(&self, version: &Installed) -> Result<Option<Refusal>, VersionsError> {
        Ok(self.admitted(version)?.err())
    }

    /// The bytes of an installed version, if its signatures still do and the bytes are those that were installed.
    fn admitted(&self, version: &Installed) -> Result<Result<Vec<u8>, Refusal>, VersionsError> {
        let admitted = self.demands(&version.source)?.admit(&version.digest, &version.signatures);
        Ok(admitted.and_then(|_verdict| self.bytes(version)))
    }

    /// What serves a connector now, compiled; `bundled` is the version that the program brings along, if it has one of this
    /// connector. If the version in use cannot serve (damaged, not trusted any more, not for this host) and is not pinned, the one
    /// before it serves, and the answer says why. None: nothing was ever put in use, and nothing is bundled.
    ///
    /// # Errors
    /// [`VersionsError::Refused`] if nothing can serve.
    pub async fn load(
        &self,
        host: &Host,
        connector: &str,
        bundled: Option<&[u8]>,
    ) -> Result<Option<Loaded>, VersionsError> {
        let serving = self.serving(connector)?;
        let change = serving.change;
        let from_bundle = async |held_back| match bundled {
            None => Ok(None),
            Some(wasm) => {
                let loaded = host.load(wasm).await.map_err(|error| VersionsError::Refused {
                    what: format!("the bundled {connector}"),
                    source: error.into(),
                })?;
                let ours = loaded.info().name == connector;
                Ok(ours.then_some(Loaded { connector: loaded, version: None, held_back, change }))
            }
        };
        let Some(version) = serving.version else { return from_bundle(None).await };
        let error = match self.ready(host, &version).await {
            Ok(ready) => {
                let version = Some(ready.version);
                return Ok(Some(Loaded { connector: ready.connector, version, held_back: None, change }));
            }
            Err(error) => error,
        };
        if serving.pinned {
            return Err(error);
        }
        let held_back = Some(HeldBack { version: version.title(), reason: with_causes(&error) });
        let instead = match serving.before {
            Some(Before::Installed(before)) => {
                let ready = self.ready(host, &before).await.ok();
                let loaded = |ready: Ready| Loaded {
                    connector: ready.connector,
                    version: Some(ready.version),
                    held_back,
                    change,
                };
                ready.map(loaded)
            }
            Some(Before::Bundled) => from_bundle(held_back).await?,
            None => None,
        };
        instead.map(Some).ok_or(error)
    }

    /// Puts what served before in use again. What served until now is no automatic update any more; it can be rolled back to in
    /// turn. `bundled` says whether the program brings a version of this connector along. Answers the version that serves now, none
    /// for the bundled one.
    ///
    /// # Errors
    /// [`VersionsError::NoneBefore`], [`VersionsError::Pinned`], or the reason why what served before cannot.
    pub async fn rollback(
        &self,
        host: &Host,
        connector: &str,
        bundled: bool,
    ) -> Result<Option<Installed>, VersionsError> {
        let how = How { back: true, ..How::default() };
        match self.serving(connector)?.before {
            Some(Before::Installed(before)) => {
                let ready = self.ready(host, &before).await?;
                self.switch(connector, Some(&ready.version.digest), how)?;
                Ok(Some(ready.version))
            }
            Some(Before::Bundled) if bundled => self.switch(connector, None, how).map(|_| None),
            _ => Err(VersionsError::NoneBefore(connector.to_owned())),
        }
    }
}

/// The version that a connector says it is, if it is what was expected.
fn described(connector: &Connector, expected: &Expected) -> Result<Version, Refusal> {
    let info = connector.info();
    if let Some(name) = expected.connector.as_ref().filter(|name| **name != info.name) {
        return Err(Refusal::Name { expected: name.clone(), found: info.name.clone() });
    }
    let version: Version = info.version.parse().map_err(|_| Refusal::NotSemantic(info.version.clone()))?;
    match &expected.version {
        Some(meant) if *meant != version => {
            Err(Refusal::Version { expected: meant.to_string(), found: version.to_string() })
        }
        _ => Ok(version),
    }
}

/// The world that a connector is built for, by the version of what it exports: `ipaas:connector/connector@0.1.0`.
fn world(connector: &Connector) -> String {
    let of = |export: &String| {
        let (interface, version) = export.split_once('@')?;
        Some(format!("{}/connector@{version}", interface.strip_suffix("/connection")?))
    };
    connector.exports().iter().find_map(of).unwrap_or_default()
}

/// An error with everything that caused it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Many libraries repeat the inner error's text in the outer one.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
