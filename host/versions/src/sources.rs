//! The places in which a project looks for newer versions, and how each is reached.

use std::path::{Path, PathBuf};

use connector_host::{Secret, Variables, is_variable_name, resolved};
use connector_store::Changed;
use rusqlite::Connection;

use crate::credentials::Credentials;
use crate::error::VersionsError;
use crate::files;
use crate::place::{Image, Offer, Place};
use crate::registry::Access;
use crate::signature::SignaturePolicy;
use crate::versions::Versions;

/// A place that is looked at for newer versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// A folder (relative to the project's) or `oci://HOST/REPOSITORY`.
    pub place: String,
    /// Only versions of this connector are taken from it. A repository that is not named like its connector needs it.
    pub connector: Option<String>,
    /// A registry without TLS.
    pub plain_http: bool,
    /// Certificate authorities to trust besides the system's: a PEM file, relative to the project's folder.
    pub ca_file: Option<PathBuf>,
    /// `[user]:[password]`: the variables that hold the credentials. Never the credentials themselves.
    pub credentials: Option<String>,
    /// What signatures must be of versions that come from it; the project's policy holds, if this is none.
    pub signatures: Option<SignaturePolicy>,
}

/// What a source answered.
pub type Answer = (Source, Result<Vec<Offer>, VersionsError>);

impl Source {
    /// How it is reached.
    ///
    /// # Errors
    /// [`VersionsError::Place`] if a variable or the file of authorities is missing.
    pub fn access(&self, project: &Path, variables: &dyn Variables) -> Result<Access, VersionsError> {
        let extra_roots = match &self.ca_file {
            None => String::new(),
            Some(path) => files::read_text(&project.join(path)).map_err(|error| {
                VersionsError::place(&self.place, format!("cannot read {}: {error}", path.display()))
            })?,
        };
        let credentials = match &self.credentials {
            None => None,
            Some(text) => {
                Some(credentials(text, variables).map_err(|reason| VersionsError::place(&self.place, reason))?)
            }
        };
        Ok(Access { plain_http: self.plain_http, extra_roots, credentials })
    }

    /// Whether a version came from here: [`crate::Installed::source`] says from where.
    pub(crate) fn gave(&self, project: &Path, from: &str) -> bool {
        match self.place(project) {
            Ok(Place::Folder(folder)) => Path::new(from).parent() == Some(folder.as_path()),
            Ok(Place::Registry(image)) => match Place::parse(from) {
                Ok(Place::Registry(of)) => (of.registry, of.repository) == (image.registry, image.repository),
                _ => false,
            },
            _ => false,
        }
    }

    fn place(&self, project: &Path) -> Result<Place, VersionsError> {
        match Place::parse(&self.place)? {
            registry @ Place::Registry(_) => Ok(registry),
            Place::File(path) | Place::Folder(path) => Ok(Place::Folder(project.join(path))),
        }
    }
}

/// Reads `[user]:[password]`.
fn credentials(text: &str, variables: &dyn Variables) -> Result<Credentials, String> {
    let value =
        |name: &str| resolved(&format!("[{name}]"), variables).ok_or_else(|| format!("there is no variable `{name}`"));
    let (user, password) = credential_names(text).ok_or(CREDENTIALS)?;
    Ok(Credentials { user: value(user)?, password: Secret::new(value(password)?) })
}

/// Told instead of a text that is something else, which is not repeated: somebody may have typed a password.
const CREDENTIALS: &str = "credentials are written [USER]:[PASSWORD], two variables";

/// The two variables in `[user]:[password]`.
fn credential_names(text: &str) -> Option<(&str, &str)> {
    let (user, password) = text.strip_prefix('[')?.strip_suffix(']')?.split_once("]:[")?;
    (is_variable_name(user) && is_variable_name(password)).then_some((user, password))
}

/// The sources, in the order in which they were added.
pub(crate) fn sources(connection: &Connection) -> rusqlite::Result<Vec<Source>> {
    let sql = "SELECT place, connector, plain_http, ca_file, credentials, signatures FROM sources ORDER BY position";
    let mut query = connection.prepare(sql)?;
    let source = |row: &rusqlite::Row<'_>| {
        let signatures = row.get::<_, Option<String>>(5)?;
        Ok(Source {
            place: row.get(0)?,
            connector: row.get(1)?,
            plain_http: row.get(2)?,
            ca_file: row.get::<_, Option<String>>(3)?.map(PathBuf::from),
            credentials: row.get(4)?,
            // Only what is understood relaxes the rule.
            signatures: signatures.map(|text| text.parse().unwrap_or(SignaturePolicy::Require)),
        })
    };
    query.query_map([], source)?.collect()
}

impl Versions {
    /// The sources, in the order in which they were added.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn sources(&self) -> Result<Vec<Source>, VersionsError> {
        Ok(self.database.read(sources)?)
    }

    /// Adds a source, or changes the one of this place.
    ///
    /// # Errors
    /// [`VersionsError::Place`] if it is none; [`VersionsError::Database`].
    pub fn add_source(&self, source: &Source) -> Result<(), VersionsError> {
        if let Place::Registry(Image { tag, digest, .. }) = source.place(&self.project)?
            && (tag.is_some() || digest.is_some())
        {
            return Err(VersionsError::place(&source.place, "a source is a whole repository, without tag and digest"));
        }
        if source.credentials.as_deref().is_some_and(|text| credential_names(text).is_none()) {
            return Err(VersionsError::place(&source.place, CREDENTIALS));
        }
        let ca_file = source.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned());
        self.database.change(|transaction| {
            transaction.execute(
                "INSERT INTO sources (place, connector, plain_http, ca_file, credentials, signatures)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (place) DO UPDATE
                 SET connector = ?2, plain_http = ?3, ca_file = ?4, credentials = ?5, signatures = ?6",
                rusqlite::params![
                    source.place,
                    source.connector,
                    source.plain_http,
                    ca_file,
                    source.credentials,
                    source.signatures.map(SignaturePolicy::word),
                ],
            )?;
            Ok::<_, Changed<VersionsError>>(())
        })
    }

    /// Removes a source. Answers whether it was there.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub fn remove_source(&self, place: &str) -> Result<bool, VersionsError> {
        self.database
            .change(|transaction| Ok(transaction.execute("DELETE FROM sources WHERE place = ?1", [place])? > 0))
    }

    /// Asks every source what it has, of `connector` or of all. A source that fails does not keep the others from answering.
    ///
    /// # Errors
    /// [`VersionsError::Database`].
    pub async fn offers(
        &self,
        connector: Option<&str>,
        variables: &dyn Variables,
    ) -> Result<Vec<Answer>, VersionsError> {
        let mut answers = Vec::new();
        for source in self.sources()? {
            let fits = |wanted: &&str| source.connector.as_deref().is_none_or(|only| only == *wanted);
            if connector.is_some_and(|wanted| !fits(&wanted)) {
                continue;
            }
            let asked = async {
                let access = source.access(&self.project, variables)?;
                let place = source.place(&self.project)?;
                let mut offers = match (&place, &source.connector) {
                    // The repository's own name says nothing then.
                    (Place::Registry(_), Some(name)) => {
                        let mut offers = place.offers(None, &access).await?;
                        offers.iter_mut().for_each(|offer| offer.connector.clone_from(name));
                        offers
                    }
                    (_, only) => place.offers(only.as_deref(), &access).await?,
                };
                offers.retain(|offer| connector.is_none_or(|wanted| offer.connector == wanted));
                Ok(offers)
            };
            let answer = asked.await;
            answers.push((source, answer));
        }
        Ok(answers)
    }

    /// How the registry of this place is reached: as the source on the same registry is, if there is one.
    ///
    /// # Errors
    /// As [`Source::access`].
    pub fn access(&self, place: &Place, variables: &dyn Variables) -> Result<Access, VersionsError> {
        let Place::Registry(image) = place else { return Ok(Access::default()) };
        let same = |source: &Source| matches!(Place::parse(&source.place), Ok(Place::Registry(other)) if other.registry == image.registry);
        let source = self.sources()?.into_iter().find(same);
        source.map_or(Ok(Access::default()), |source| source.access(&self.project, variables))
    }
}
