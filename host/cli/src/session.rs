//! What commands work with: the host, the connector, the project with its variables, and connections opened from it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use connector_host::contract::ObjectSchema;
use connector_host::{
    Connection, ConnectionConfig, Connector, Deployment, Grant, Host, HostConfig, Observer, OpenError, Origin,
    ProxyConfig, Secret,
};
use connector_store::{KeySources, Saved};
use connector_versions::{Versions, VersionsError};
use serde_json::Value;

use crate::args::Global;
use crate::error::{Failure, Failures, Result, suggest};
use crate::folders;
use crate::interrupt::Interrupt;
use crate::project::{Project, bad_name, failed};
use crate::proxy;
use crate::remote;
use crate::schema::Schema;
use crate::store;
use crate::terminal;
use crate::unsettled::Via;
use crate::variables::{self, Run, Sources, Variables};

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
    host: OnceLock<Host>,
    run: Run,
}

/// A connector, and what it may reach without being granted it.
pub(crate) struct Loaded {
    pub host: Host,
    pub connector: Connector,
    /// Through which connections get it.
    pub deployment: Deployment,
    /// Origins that are granted out of the box.
    pub granted: Vec<Origin>,
    /// What messages call it: a file's path, `bundled` or `installed`.
    pub source: String,
    /// [`connector_versions::Serving::change`] when it was loaded; 0 if the project has no versions.
    pub change: u64,
}

impl Loaded {
    pub(crate) fn new(host: Host, connector: Connector, granted: Vec<Origin>, source: String) -> Self {
        Self { deployment: Deployment::new(&connector), host, connector, granted, source, change: 0 }
    }
}

impl Session {
    pub(crate) fn new(global: Global, interrupt: Interrupt) -> Self {
        let project = Project::new(&global.project, key_sources(&global));
        Self { project, global, interrupt, observer: None, activities: None, host: OnceLock::new(), run: Run::begin() }
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

    /// The file of variables that counts.
    pub(crate) fn variables_file(&self) -> PathBuf {
        self.global.variables.clone().unwrap_or_else(|| self.project.variables_file())
    }

    /// The project's variables.
    pub(crate) fn variables(&self) -> Result<Variables> {
        let file = self.variables_file();
        let process = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Variables::load(Sources {
            file: &file,
            file_required: self.global.variables.is_some(),
            store: self.project.store()?,
            environment: self.global.environment.as_deref(),
            process: process.collect(),
            command_line: &self.global.vars,
            run: &self.run,
        })
        .map_err(Failures)
    }

    /// The connector of `--connector`, or else the one of this name, or else the bundled one: in the version that serves.
    pub(crate) async fn connector(&self, name: Option<&str>) -> Result<Loaded> {
        let host = self.host()?;
        if let Some(path) = &self.global.connector {
            let bytes = crate::files::read(path, connector_versions::MAX_SIZE)
                .map_err(|e| Failure::new(format!("cannot read the component `{}`", path.display())).causes_of(&e))?;
            let source = path.display().to_string();
            let connector = host.load(&bytes).await.map_err(|e| remote::load_failed(&source, &e))?;
            let granted = if COMPONENT == Some(bytes.as_slice()) { asked(&connector) } else { Vec::new() };
            return Ok(Loaded::new(host, connector, granted, source));
        }
        if let Some(loaded) = self.installed(&host, name).await? {
            return Ok(loaded);
        }
        match self.bundled(&host).await? {
            Some(connector) => {
                let granted = asked(&connector);
                Ok(Loaded::new(host, connector, granted, "bundled".to_owned()))
            }
            None => {
                let failure = Failure::new("this program was built without the BigCommerce component");
                Err(failure.hint("run `cargo xtask components` and build again, or pass --connector FILE.wasm").into())
            }
        }
    }

    /// The host of this process, made when somebody needs it.
    pub(crate) fn host(&self) -> Result<Host> {
        if let Some(host) = self.host.get() {
            return Ok(host.clone());
        }
        let config = HostConfig {
            cache_dir: self.cache_dir(),
            activities: self.activities.unwrap_or(ACTIVITIES),
            // Address space set aside pays off with many instances, not with one.
            pooling: self.activities.is_some(),
            observer: self.observer.clone(),
            ..HostConfig::default()
        };
        let host = Host::new(config).map_err(|e| Failure::defect("cannot start").causes_of(&e))?;
        Ok(self.host.get_or_init(|| host).clone())
    }

    /// The connector that this program brings along.
    pub(crate) async fn bundled(&self, host: &Host) -> Result<Option<Connector>> {
        let Some(bytes) = COMPONENT else { return Ok(None) };
        Ok(Some(host.load(bytes).await.map_err(|e| remote::load_failed("bundled", &e))?))
    }

    /// Its name.
    pub(crate) async fn bundled_name(&self, host: &Host) -> Result<Option<String>> {
        Ok(self.bundled(host).await?.map(|connector| connector.info().name.clone()))
    }

    /// What the project's store of versions says serves.
    async fn installed(&self, host: &Host, name: Option<&str>) -> Result<Option<Loaded>> {
        let failed = |e: VersionsError| remote::version_failed(&e);
        let Some(versions) = Versions::existing(&self.global.project).map_err(failed)? else { return Ok(None) };
        let name = match name {
            Some(name) => Some(name.to_owned()),
            None => self.bundled_name(host).await?,
        };
        let Some(name) = name else { return Ok(None) };
        let Some(serving) = versions.load(host, &name, COMPONENT).await.map_err(failed)? else { return Ok(None) };
        if let Some(held_back) = &serving.held_back {
            let version = serving.connector.info().version.as_str();
            tracing::warn!(reason = held_back.reason, "{} does not serve; {version} goes on", held_back.version);
        }
        let source = if serving.version.is_some() { "installed" } else { "bundled" }.to_owned();
        let granted = self.granted_out_of_the_box(host, &serving.connector).await?;
        let change = serving.change;
        Ok(Some(Loaded { change, ..Loaded::new(host.clone(), serving.connector, granted, source) }))
    }

    /// What a version may reach without being granted it: what it and the bundled version of the same connector both ask for.
    pub(crate) async fn granted_out_of_the_box(&self, host: &Host, connector: &Connector) -> Result<Vec<Origin>> {
        let known = match self.bundled(host).await? {
            Some(bundled) if bundled.info().name == connector.info().name => asked(&bundled),
            _ => Vec::new(),
        };
        Ok(asked(connector).into_iter().filter(|origin| known.contains(origin)).collect())
    }

    fn cache_dir(&self) -> Option<PathBuf> {
        self.global.cache_dir.clone().or_else(folders::cache)
    }

    /// Opens a connection of the project, by its name.
    pub(crate) async fn connection(&self, name: &str) -> Result<Connection> {
        Ok(self.connection_and_store(name).await?.0)
    }

    /// Opens a connection of the project, by its name; says to which store it leads.
    pub(crate) async fn connection_and_store(&self, name: &str) -> Result<(Connection, Via)> {
        let saved = self.project.connection(name)?;
        let variables = self.variables()?.of(&saved);
        let loaded = self.connector(Some(&saved.connector)).await?;
        let schema = parse_schema(&loaded.connector.info().settings_schema)?;
        let via = Via {
            name: saved.name.clone(),
            connector: saved.connector.clone(),
            store: store::digest(&schema, &saved.settings, &variables),
        };
        Ok((self.open(&loaded, &saved, variables).await?, via))
    }

    /// Opens a connection. Tells everything that is wrong with it at once. Makes no request.
    pub(crate) async fn open(&self, loaded: &Loaded, saved: &Saved, variables: Variables) -> Result<Connection> {
        let connector = loaded.deployment.connector();
        let info = connector.info();
        let variables = variables.of(saved);
        let place = format!("connection `{}`: ", saved.name);
        if saved.connector != info.name {
            let failure = Failure::new(format!("{place}uses the connector `{}`", saved.connector));
            return Err(failure
                .cause(format!("the {} component is the connector `{}`", loaded.source, info.name))
                .hint(format!("pass the component of `{}` with --connector FILE.wasm", saved.connector))
                .into());
        }
        let settings = Value::Object(saved.settings.clone());
        let (undefined, mut failures) = self.undefined(&settings, &variables, &place);

        let mut config = ConnectionConfig::new(&saved.name, settings.to_string());
        config.variables = Arc::new(variables);
        config.grants = grants(&connector, loaded, saved);
        config.proxy = self.proxy()?;
        if let Some(path) = &saved.ca_file {
            let path = self.project.resolve(path);
            match crate::files::read_text(&path) {
                Ok(text) => config.extra_roots = text,
                Err(e) => failures.push(
                    Failure::new(format!("{place}cannot read the certificate authorities in `{}`", path.display()))
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
                let told = |pointer: &Option<String>| pointer.as_ref().is_some_and(|p| undefined.contains(p));
                for error in list.iter().filter(|e| !told(&e.pointer)) {
                    let mut failure = remote::failure(error);
                    failure.message = format!("{place}{}", failure.message);
                    failures.push(failure);
                }
            }
            Err(OpenError::Name { name, reason }) => failures.push(bad_name(&name, reason)),
            Err(OpenError::Ended(end)) => failures.push(remote::ended(&end)),
            Err(error) => failures.push(Failure::new(format!("{place}{error}"))),
        }
        if failures.is_empty() {
            failures.push(Failure::defect(format!("{place}the settings are refused without a reason")));
        }
        Err(Failures(failures))
    }

    /// The operator's proxy.
    pub(crate) fn proxy(&self) -> Result<Option<ProxyConfig>> {
        let (proxy, bypass) = (self.global.proxy.as_deref(), self.global.proxy_bypass.as_deref());
        proxy::configured(proxy, bypass, |name| std::env::var(name).ok())
    }

    /// The settings that cannot be had because a variable has no value, or none that can be read, with what to do about each.
    fn undefined(&self, settings: &Value, variables: &Variables, place: &str) -> (Vec<String>, Vec<Failure>) {
        let (mut pointers, mut failures) = (Vec::new(), Vec::new());
        for mention in connector_host::mentions(settings) {
            let (name, setting) = (&mention.name, mention.pointer.trim_start_matches('/'));
            let value = variables.find(name).map(|variable| variable.and_then(|v| v.value));
            let failure = match value.and_then(|held| held.map(|held| variables.reveal(&held)).transpose()) {
                Ok(Some(_)) => continue,
                Ok(None) if mention.default.is_some() => continue,
                Ok(None) => self.undefined_variable(name, &format!("{place}setting `{setting}`")),
                Err(error) => {
                    let failure = failed(&error);
                    Failure { message: format!("{place}setting `{setting}`: {}", failure.message), ..failure }
                }
            };
            failures.push(failure.with("kind", "configuration").with("pointer", mention.pointer.as_str()));
            pointers.push(mention.pointer);
        }
        (pointers, failures)
    }

    fn undefined_variable(&self, name: &str, setting: &str) -> Failure {
        let file = self.variables_file();
        Failure::new(format!("{setting} mentions the variable `{name}`, which is not defined"))
            .hint(format!(
                "keep it with `connector variables set {name}`, or define it under [variables] in {}, as environment variable \
                 {}{}, or with --var {name}=VALUE",
                file.display(),
                variables::PREFIX,
                variables::shell_name(name),
            ))
            .with("variable", name)
    }
}

/// Where the key for hidden values may lie.
fn key_sources(global: &Global) -> KeySources {
    KeySources {
        environment: std::env::var("CONNECTOR_KEY").ok().map(Secret::new),
        file: global.key_file.clone(),
        folder: folders::configuration().map(|folder| folder.join("keys")),
        keyring: true,
    }
}

/// The origins that a connector asks for.
fn asked(connector: &Connector) -> Vec<Origin> {
    connector.info().origins.iter().filter_map(|o| o.parse().ok()).collect()
}

/// What a connection may reach: what the operator grants in the file, and what is granted out of the box.
fn grants(connector: &Connector, loaded: &Loaded, saved: &Saved) -> Vec<Grant> {
    let asked = asked(connector);
    let by_operator = saved.grants.iter().map(|origin| {
        // An origin that the connector asks for is a public service: granting it opens no way into the local network.
        if asked.contains(origin) { Grant::asked(origin.clone()) } else { Grant::extra(origin.clone()) }
    });
    let out_of_the_box = loaded.granted.iter().cloned().map(Grant::asked);
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
