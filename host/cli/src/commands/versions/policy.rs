//! `versions sources` and `versions policy`.

use connector_versions::{Digest, SignaturePolicy, TrustedKey, Versions};
use serde_json::{Value, json};

use super::{name_of, open, read_text, typed_source};
use crate::args::versions as args;
use crate::commands::{print, print_json};
use crate::error::{Failure, Result, suggest};
use crate::output::table::{base, terminal_width};
use crate::remote::version_failed;
use crate::session::Session;

pub(super) fn sources(session: &Session, command: args::Sources) -> Result<()> {
    match command {
        args::Sources::List => list(session),
        args::Sources::Add { place, signatures, name, network } => {
            let in_project = |path| session.project.relative(path);
            let place = match place.starts_with("oci://") {
                true => place,
                false => in_project(place.as_ref()).display().to_string(),
            };
            let mut source = typed_source(place, &network);
            source.ca_file = source.ca_file.as_deref().map(in_project);
            source.connector = name.of;
            source.signatures = signatures;
            open(session)?.add_source(&source).map_err(|error| version_failed(&error))?;
            if session.global.json {
                return print_json(&json!({ "added": source.place }));
            }
            print(&format!("{} is a source.\n", source.place))
        }
        args::Sources::Remove { place } => {
            let versions = open(session)?;
            if !versions.remove_source(&place).map_err(|error| version_failed(&error))? {
                let known = versions.sources().map_err(|error| version_failed(&error))?;
                let failure = Failure::new(format!("{place} is no source"));
                let hint = suggest(&place, known.iter().map(|source| source.place.as_str()));
                return Err(hint.map_or(failure.clone(), |hint| failure.hint(hint)).into());
            }
            if session.global.json {
                return print_json(&json!({ "removed": place }));
            }
            print(&format!("{place} is no source any more.\n"))
        }
    }
}

fn list(session: &Session) -> Result<()> {
    let existing = Versions::existing(&session.global.project).map_err(|error| version_failed(&error))?;
    let sources =
        existing.map_or(Ok(Vec::new()), |versions| versions.sources()).map_err(|error| version_failed(&error))?;
    if session.global.json {
        let list: Vec<Value> = sources
            .iter()
            .map(|source| {
                json!({
                    "place": source.place, "connector": source.connector, "plain_http": source.plain_http,
                    "ca_file": source.ca_file.as_ref().map(|path| path.display().to_string()),
                    "credentials": source.credentials, "signatures": source.signatures.map(SignaturePolicy::word),
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    if sources.is_empty() {
        session.note("there are no sources; `connector versions sources add` names one");
        return Ok(());
    }
    let mut table = base(terminal_width());
    table.set_header(["source", "connector", "credentials", "options"]);
    for source in sources {
        let mut options: Vec<String> = Vec::new();
        options.extend(source.plain_http.then(|| "plain http".to_owned()));
        options.extend(source.signatures.map(|policy| format!("signatures {}", policy.word())));
        options.extend(source.ca_file.map(|path| format!("ca-file {}", path.display())));
        table.add_row([
            source.place,
            source.connector.unwrap_or_default(),
            source.credentials.unwrap_or_default(),
            options.join(", "),
        ]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

pub(super) fn policy(session: &Session, change: &args::Policy) -> Result<()> {
    let versions = open(session)?;
    for path in &change.trust {
        let pem = read_text(path, "public key")?;
        versions.trust(&name_of(path), &pem).map_err(|error| version_failed(&error))?;
    }
    for key in &change.distrust {
        let keys = versions.trusted_keys().map_err(|error| version_failed(&error))?;
        let id = find(&keys, key)?;
        versions.distrust(&id).map_err(|error| version_failed(&error))?;
    }
    if let Some(policy) = change.signatures {
        versions.set_signature_policy(policy).map_err(|error| version_failed(&error))?;
    }
    if let Some(switch) = change.auto_update {
        versions.set_auto_update(switch).map_err(|error| version_failed(&error))?;
    }
    let signatures = versions.signature_policy().map_err(|error| version_failed(&error))?;
    let auto_update = versions.auto_update().map_err(|error| version_failed(&error))?;
    let keys = versions.trusted_keys().map_err(|error| version_failed(&error))?;
    if session.global.json {
        let keys: Vec<Value> = keys.iter().map(|key| json!({ "name": key.name, "id": key.id.to_string() })).collect();
        return print_json(
            &json!({ "signatures": signatures.word(), "auto_update": auto_update.word(), "trusted": keys }),
        );
    }
    print(&format!("signatures   {}\nauto-update  {}\n", signatures.word(), auto_update.word()))?;
    for key in keys {
        print(&format!("trusted      {} ({})\n", key.name, key.id.short()))?;
    }
    Ok(())
}

fn find(keys: &[TrustedKey], wanted: &str) -> Result<Digest> {
    let fits = |key: &&TrustedKey| key.name == wanted || wanted.len() > 12 && key.id.to_string().starts_with(wanted);
    let mut fitting = keys.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key.id),
        (Some(_), Some(_)) => {
            let failure = Failure::new(format!("several trusted keys are called `{wanted}`"));
            let ids: Vec<String> = keys.iter().filter(fits).map(|key| key.id.to_string()).collect();
            Err(failure.hint(format!("name one by its digest: {}", ids.join(", "))).into())
        }
        _ => {
            let failure = Failure::new(format!("no trusted key is called `{wanted}`"));
            let hint = suggest(wanted, keys.iter().map(|key| key.name.as_str()));
            Err(hint.map_or(failure.clone(), |hint| failure.hint(hint)).into())
        }
    }
}
