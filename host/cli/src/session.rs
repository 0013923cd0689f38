//! What commands work with: the host, the connector, the project with its variables, and connections opened from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connector_host::contract::ObjectSchema;
use connector_host::{
    Connection, ConnectionConfig, Connector, Deployment, Grant, Host, HostConfig, Observer, OpenError, Origin,
};
use serde_json::Value;

use crate::args::Global;
use crate::error::{Failure, Failures, Result, suggest};
use crate::interrupt::Interrupt;
use crate::project::{Project, Saved, bad_name};
use crate::proxy;
use crate::remote;
use crate::schema::Schema;
use crate::store;
use crate::terminal;
use crate::unsettled::Via;
use crate::variables::{self, Sources, Variables};

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Activities at once of a command: it runs one or two.
const ACTIVITIES: u32 = 8;

/// A command's surroundings.
pub(crate) struct Session {
    pub project: Project,
    pub global: Global,
    pub interrupt: Interrupt,
    /// Who is told what happens in the host.
    pub observer: Option<Arc<dyn Observer>>,
    /// Activities at once, of a process that stays.
    pub activities: Option<u32>,
}

/// A connector, and whether it is the one that this program brings along.
pub(crate) struct Loaded {
    pub host: Host,
    pub connector: Connector,
    /// Through which connections get it.
    pub deployment: Deployment,
    pub bundled: bool,
    /// What messages call it: a file's path, or `bundled`.
    pub source: String,
}

impl Session {
    pub(crate) fn new(global: Global, interrupt: Interrupt) -> Self {
        let project = Project::new(&global.project);
        Self { project, global, interrupt, observer: None, activities: None }
    }

    /// Whether notes for people may go to stderr.
    pub(crate) fn chatty(&self) -> bool {
        !self.global.quiet && !self.global.json
    }

    /// A note for people on stderr.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        if self.chatty() {
            terminal::tell(&format!("{}\n", terminal::clean(&text.to_string())));
        }
    }

    /// The project's variables.
    pub(crate) fn variables(&self) -> Result<Variables> {
        let own = self.project.variables_file();
        let process = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Variables::load(&Sources {
            file: self.global.variables.as_deref().unwrap_or(&own),
            file_required: self.global.variables.is_some(),
            secrets: &self.project.secrets_file(),
            environment: self.global.environment.as_deref(),
            process: process.collect(),
            command_line: &self.global.vars,
        })
        .map_err(Failures)
    }

    /// The connector of `--connector`, or else the bundled one.
    pub(crate) async fn connector(&self) -> Result<Loaded> {
        let (bytes, source) = match (&self.global.connector, COMPONENT) {
            (Some(path), _) => {
                let bytes = std::fs::read(path).map_err(|e| {
                    Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(&e)
                })?;
                (bytes, path.display().to_string())
            }
            (None, Some(bytes)) => (bytes.to_vec(), "bundled".to_owned()),
            (None, None) => {
                let failure = Failure::new("this program was built without the BigCommerce component");
                return Err(failure
                    .hint("run `cargo xtask components` and build again, or pass --connector FILE.wasm")
                    .into());
            }
        };
        let config = HostConfig {
            cache_dir: self.cache_dir(),
            activities: self.activities.unwrap_or(ACTIVITIES),
            // Address space set aside pays off with many instances, not with one.
            pooling: self.activities.is_some(),
            observer: self.observer.clone(),
        };
        let host = Host::new(config).map_err(|e| Failure::defect("cannot start").causes_of(&e))?;
        let connector = host.load(&bytes).await.map_err(|e| remote::load_failed(&source, &e))?;
        let deployment = Deployment::new(&connector);
        Ok(Loaded { host, connector, deployment, bundled: COMPONENT == Some(bytes.as_slice()), source })
    }

    fn cache_dir(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.global.cache_dir {
            return Some(folder.clone());
        }
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = var("XDG_CACHE_HOME").filter(|p| p.is_absolute()).or_else(|| {
            if cfg!(windows) {
                var("LOCALAPPDATA")
            } else if cfg!(target_os = "macos") {
                var("HOME").map(|home| home.join("Library/Caches"))
            } else {
                var("HOME").map(|home| home.join(".cache"))
            }
        });
        base.map(|base| base.join("connector"))
    }

    /// Opens a connection of the project, by its name.
    pub(crate) async fn connection(&self, name: &str) -> Result<Connection> {
        Ok(self.connection_and_store(name).await?.0)
    }

    /// Opens a connection of the project, by its name; says to which store it leads.
    pub(crate) async fn connection_and_store(&self, name: &str) -> Result<(Connection, Via)> {
        let saved = self.project.connection(name)?;
        let variables = self.variables()?;
        let loaded = self.connector().await?;
        let schema = parse_schema(&loaded.connector.info().settings_schema)?;
        let via = Via {
            name: saved.name.clone(),
            connector: saved.connector.clone(),
            store: store::digest(&schema, &saved.settings, &variables),
        };
        Ok((self.open(&loaded, &saved, variables).await?, via))
    }

    /// Opens a connection. Tells everything that is wrong with it at once. Makes no request.
    pub(crate) async fn open(&self, loaded: &Loaded, saved: &Saved, mut variables: Variables) -> Result<Connection> {
        let info = loaded.connector.info();
        let place = self.place(saved);
        if saved.connector != info.name {
            let failure = Failure::new(format!("{}uses the connector `{}`", place.of(None), saved.connector));
            return Err(failure
                .cause(format!("the {} component is the connector `{}`", loaded.source, info.name))
                .hint(format!("pass the component of `{}` with --connector FILE.wasm", saved.connector))
                .into());
        }
        let settings = Value::Object(saved.settings.clone());
        // What a secret setting mentions is a secret, whatever the file of variables says about it.
        let schema = parse_schema(&info.settings_schema)?;
        let secret = saved.settings.iter().filter(|(key, _)| schema.is_secret(key));
        for mention in secret.flat_map(|(_, value)| connector_host::mentions(value)) {
            variables.hide(&mention.name);
        }
        let undefined: Vec<_> = connector_host::mentions(&settings)
            .into_iter()
            .filter(|m| !m.has_default && variables.find(&m.name).is_none_or(|v| v.value.is_none()))
            .collect();
        let mut failures: Vec<Failure> = undefined
            .iter()
            .map(|mention| {
                let name = &mention.name;
                Failure::new(format!(
                    "{}setting `{}` mentions the variable `{name}`, which is not defined",
                    place.of(Some(&mention.pointer)),
                    mention.pointer.trim_start_matches('/'),
                ))
                .hint(format!(
                    "define it under [variables] in {}, as environment variable {}{}, or with --var {name}=VALUE",
                    self.global.variables.clone().unwrap_or_else(|| self.project.variables_file()).display(),
                    variables::PREFIX,
                    variables::shell_name(name),
                ))
                .with("kind", "configuration")
                .with("pointer", mention.pointer.as_str())
                .with("variable", name.as_str())
            })
            .collect();

        let mut config = ConnectionConfig::new(&saved.name, settings.to_string());
        config.variables = Arc::new(variables);
        config.grants = grants(loaded, saved);
        let (proxy, bypass) = (self.global.proxy.as_deref(), self.global.proxy_bypass.as_deref());
        config.proxy = proxy::configured(proxy, bypass, |name| std::env::var(name).ok())?;
        if let Some(path) = &saved.ca_file {
            let path = self.project.resolve(path);
            match std::fs::read_to_string(&path) {
                Ok(text) => config.extra_roots = text,
                Err(e) => failures.push(
                    Failure::new(format!(
                        "{}cannot read the certificate authorities in `{}`",
                        place.of(None),
                        path.display()
                    ))
                    .causes_of(&e),
                ),
            }
        }
        let opened = loaded.host.open(&loaded.deployment, config).await;
        match opened {
            Ok(connection) if failures.is_empty() => return Ok(connection),
            Ok(_) => {}
            Err(OpenError::Settings(list)) => {
                // An undefined variable was told already, with what to do about it.
                let told = |pointer: &Option<String>| {
                    pointer.as_ref().is_some_and(|p| undefined.iter().any(|m| m.pointer == *p))
                };
                for error in list.iter().filter(|e| !told(&e.pointer)) {
                    let pointer = error.pointer.as_deref();
                    let mut failure = remote::failure(error);
                    failure.message = format!("{}{}", place.of(pointer), failure.message);
                    failures.push(failure);
                }
            }
            Err(OpenError::Name { name, reason }) => failures.push(bad_name(&name, reason)),
            Err(OpenError::Ended(end)) => failures.push(remote::ended(&end)),
            Err(error) => failures.push(Failure::new(format!("{}{error}", place.of(None)))),
        }
        if failures.is_empty() {
            failures.push(Failure::defect(format!("{}the settings are refused without a reason", place.of(None))));
        }
        Err(Failures(failures))
    }

    fn place<'a>(&'a self, saved: &'a Saved) -> Place<'a> {
        Place { file: self.project.connections_file(), saved }
    }
}

/// Where a connection's mistakes are, for messages.
struct Place<'a> {
    file: PathBuf,
    saved: &'a Saved,
}

impl Place<'_> {
    fn of(&self, pointer: Option<&str>) -> String {
        let name = &self.saved.name;
        match self.saved.lines.of(pointer) {
            0 => format!("connection `{name}`: "),
            line => format!("{}:{line}: connection `{name}`: ", self.file.display()),
        }
    }
}

/// What a connection may reach: what the operator grants in the file, and for the bundled connector what it asks for.
fn grants(loaded: &Loaded, saved: &Saved) -> Vec<Grant> {
    let asked: Vec<Origin> = loaded.connector.info().origins.iter().filter_map(|o| o.parse().ok()).collect();
    let by_operator = saved.grants.iter().map(|origin| {
        // An origin that the connector asks for is a public service: granting it opens no way into the local network.
        if asked.contains(origin) { Grant::asked(origin.clone()) } else { Grant::extra(origin.clone()) }
    });
    let out_of_the_box = asked.iter().filter(|_| loaded.bundled).cloned().map(Grant::asked);
    by_operator.chain(out_of_the_box).collect()
}

/// What an object is; names its neighbours if there is none of that name.
pub(crate) async fn describe(connection: &Connection, object: &str) -> Result<ObjectSchema> {
    match connection.describe_object(object).await {
        Ok(schema) => Ok(schema),
        Err(error) => {
            let mut failures = remote::call_failed(&error);
            if let Ok(objects) = connection.list_objects().await
                && !objects.iter().any(|o| o.name == object)
                && let Some(first) = failures.0.first_mut().filter(|f| !f.message.contains("did you mean"))
            {
                first.hint = Some(
                    suggest(object, objects.iter().map(|o| o.name.as_str()))
                        .unwrap_or_else(|| format!("`connector objects {}` lists them", connection.name())),
                );
            }
            Err(failures)
        }
    }
}

/// Reads a schema that the connector handed out.
pub(crate) fn parse_schema(text: &str) -> Result<Schema> {
    Schema::parse(text).map_err(|e| Failure::defect("the connector's schema is no JSON").causes_of(&e).into())
}

/// A path as the project's file should hold it: relative to the project if it was typed relative to the current folder.
pub(crate) fn path_in_project(project: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() || project == Path::new(".") {
        return path.to_owned();
    }
    match path.strip_prefix(project) {
        Ok(inside) => inside.to_owned(),
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}
