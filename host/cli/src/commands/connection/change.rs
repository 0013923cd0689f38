//! `connection add` and `edit`: what is typed is checked as a whole by the connector before it is saved.

use connector_host::{Origin, Secret};
use connector_store::{Name, Saved, Store, StoreError};
use connector_versions::Versions;
use serde_json::json;

use super::super::{print, print_json};
use super::typed::{self, Typed};
use crate::args::Changes;
use crate::draft::Draft;
use crate::error::{Failure, Failures, Result, suggest};
use crate::project::{bad_name, failed};
use crate::schema::Schema;
use crate::session::{Loaded, Session, parse_schema};
use crate::settings;

/// How often a change is made anew because others were faster.
const ATTEMPTS: u32 = 50;

/// What was typed to change a connection.
pub(super) struct Edit {
    pub(super) changes: Changes,
    pub(super) unset: Vec<String>,
    pub(super) revoke: Vec<String>,
    pub(super) no_ca_file: bool,
}

impl Edit {
    fn is_empty(&self) -> bool {
        let Changes { set, grants, ca_file } = &self.changes;
        let lists = [set, grants, &self.unset, &self.revoke];
        lists.iter().all(|list| list.is_empty()) && ca_file.is_none() && !self.no_ca_file
    }
}

pub(super) async fn add(
    session: &Session,
    name: &str,
    using: Option<&str>,
    changes: &Changes,
    replace: bool,
) -> Result<()> {
    connector_store::check_name(name).map_err(|reason| bad_name(name, reason))?;
    let loaded = session.connector(using).await?;
    let info = loaded.connector.info();
    if let Some(using) = using.filter(|using| **using != info.name) {
        return Err(not_there(session, using, &info.name).into());
    }
    let mut saved = Saved::new(&info.name, name);
    if let Some(store) = session.project.store()? {
        let wanted = Name { connector: Some(info.name.clone()), name: name.to_owned() };
        match store.connection(&wanted) {
            Ok(old) if replace => saved.kept = old.kept,
            Ok(_) => {
                let failure = Failure::new(format!("there is a connection `{name}` already"));
                return Err(failure.hint("choose another name, or pass --replace").into());
            }
            Err(StoreError::NoConnection(_)) => {}
            Err(error) => return Err(failed(&error).into()),
        }
    }
    let schema = parse_schema(&info.settings_schema)?;
    let typed = typed::typed_all(&changes.set, &schema)?;
    let secrets = apply(session, &mut saved, changes, &typed, &schema)?;
    let draft = Draft { saved, secrets };
    draft.open(session, &loaded).await?;
    let store = session.project.made_store()?;
    let kept = [(draft.saved, draft.secrets)];
    store.save(&kept).map_err(|error| failed(&error))?;
    let [(saved, secrets)] = kept;
    tell(session, &store, &saved, &secrets)?;
    tell_what_is_not_granted(session, &loaded, &saved);
    tell_what_was_seen(session, &typed, &schema);
    if !session.global.json {
        session.note(format!("`connector test {name}` proves that it works."));
    }
    Ok(())
}

pub(super) async fn edit(session: &Session, name: &str, edit: &Edit) -> Result<()> {
    if edit.is_empty() {
        let failure = Failure::new("there is nothing to change");
        return Err(failure.hint("say what with --set, --unset, --grant, --revoke or --ca-file").into());
    }
    // A mistake in the name is told before the connector is loaded.
    let present = session.project.connection(name)?;
    let loaded = session.connector(Some(&present.connector)).await?;
    let schema = parse_schema(&loaded.connector.info().settings_schema)?;
    let typed = typed::typed_all(&edit.changes.set, &schema)?;
    let store = session.project.made_store()?;
    for _ in 0..ATTEMPTS {
        let mut saved = session.project.connection(name)?;
        take_away(&mut saved, edit)?;
        let secrets = apply(session, &mut saved, &edit.changes, &typed, &schema)?;
        let draft = Draft { saved, secrets };
        draft.open(session, &loaded).await?;
        let kept = [(draft.saved, draft.secrets)];
        match store.save(&kept) {
            Ok(()) => {
                let [(saved, secrets)] = kept;
                tell(session, &store, &saved, &secrets)?;
                tell_what_was_seen(session, &typed, &schema);
                return Ok(());
            }
            // What others have changed meanwhile stays: this change goes on top of it.
            Err(StoreError::ChangedMeanwhile(_)) => {}
            Err(error) => return Err(failed(&error).into()),
        }
    }
    Err(failed(&StoreError::ChangedMeanwhile(name.to_owned())).into())
}

fn take_away(saved: &mut Saved, edit: &Edit) -> Result<()> {
    let mut failures = Vec::new();
    for key in &edit.unset {
        if saved.settings.remove(key).is_none() {
            let failure = Failure::new(format!("the connection `{}` has no setting `{key}`", saved.name));
            let hint = suggest(key, saved.settings.keys().map(String::as_str));
            failures.push(Failure { hint, ..failure });
        }
    }
    for text in &edit.revoke {
        let before = saved.grants.len();
        let origin = text.parse::<Origin>().ok();
        saved.grants.retain(|granted| Some(granted) != origin.as_ref());
        if saved.grants.len() == before {
            failures.push(Failure::new(format!("the connection `{}` has no grant for `{text}`", saved.name)));
        }
    }
    if edit.no_ca_file {
        saved.ca_file = None;
    }
    Failures::check(failures)
}

/// Puts what was typed into a connection; returns the secrets to be kept with it. Tells all mistakes at once.
fn apply(
    session: &Session,
    saved: &mut Saved,
    changes: &Changes,
    typed: &[Typed],
    schema: &Schema,
) -> Result<Vec<(String, Secret)>> {
    let (mut failures, mut secrets) = (Vec::new(), Vec::new());
    if let Some(path) = &changes.ca_file {
        saved.ca_file = Some(session.project.relative(path));
    }
    for text in &changes.grants {
        match text.parse::<Origin>() {
            Ok(origin) if saved.grants.contains(&origin) => {}
            Ok(origin) => saved.grants.push(origin),
            Err(error) => failures.push(Failure::new(format!("cannot grant `{text}`")).causes_of(&error)),
        }
    }
    for one in typed {
        failures.extend(settings::put(saved, &mut secrets, schema, (one.key.clone(), one.value.clone())).err());
    }
    Failures::check(failures)?;
    Ok(secrets)
}

fn tell(session: &Session, store: &Store, saved: &Saved, secrets: &[(String, Secret)]) -> Result<()> {
    let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    if session.global.json {
        return print_json(&json!({ "connection": saved.name, "connector": saved.connector, "secrets": names }));
    }
    print(&format!("Connection `{}` is saved in {}.\n", saved.name, store.path().display()))?;
    for name in names {
        print(&format!("Its secret is kept there too, encrypted, as the hidden variable `{name}`.\n"))?;
    }
    Ok(())
}

fn tell_what_is_not_granted(session: &Session, loaded: &Loaded, saved: &Saved) {
    let asked = loaded.connector.info().origins.iter().filter_map(|origin| origin.parse::<Origin>().ok());
    for origin in asked.filter(|origin| !loaded.granted.contains(origin) && !saved.grants.contains(origin)) {
        session.note(format!("note: the connector asks to reach {origin}, which is not granted (--grant {origin})"));
    }
}

/// What to tell who typed a secret where others can see it.
fn tell_what_was_seen(session: &Session, typed: &[Typed], schema: &Schema) {
    for Typed { key, .. } in typed.iter().filter(|one| one.was_seen(schema)) {
        session.note(format!("note: others can see the command line: `--set {key}=-` reads the secret from stdin"));
    }
}

fn not_there(session: &Session, using: &str, instead: &str) -> Failure {
    let failure = Failure::new(format!("no version of the connector `{using}` is in use in this project"));
    let known = Versions::existing(&session.global.project).ok().flatten();
    let known = known.and_then(|versions| versions.connectors().ok()).unwrap_or_default();
    if known.iter().any(|name| name == using) {
        return failure.hint(format!(
            "`connector versions list --of {using}` says which there are, `versions use` switches to one"
        ));
    }
    let close = match known.is_empty() {
        true => None,
        false => suggest(using, known.iter().map(String::as_str).chain([instead])),
    };
    failure.hint(close.unwrap_or_else(|| "`connector versions install PLACE --use` brings one".to_owned()))
}
