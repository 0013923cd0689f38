//! `versions list` and `versions available`.

use std::time::UNIX_EPOCH;

use connector_versions::{Before, Installed, Serving, SignaturePolicy, Versions};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::commands::{print, print_json};
use crate::error::{Failure, Failures, Result};
use crate::output::table::{base, terminal_width};
use crate::remote::version_failed;
use crate::session::Session;

pub(super) fn installed(session: &Session, of: Option<&str>) -> Result<()> {
    let Some(versions) = Versions::existing(&session.global.project).map_err(|error| version_failed(&error))? else {
        return none(session);
    };
    let mut all = versions.list().map_err(|error| version_failed(&error))?;
    all.retain(|version| of.is_none_or(|of| version.connector == of));
    let mut rows = Vec::new();
    for version in &all {
        let serving = versions.serving(&version.connector).map_err(|error| version_failed(&error))?;
        let policy = versions.signature_policy_of(&version.source).map_err(|error| version_failed(&error))?;
        let verdict = match policy {
            SignaturePolicy::Off => "not looked at".to_owned(),
            _ => versions.verdict(version).map_err(|error| version_failed(&error))?.to_string(),
        };
        let refused = versions.refusal(version).map_err(|error| version_failed(&error))?;
        let refused = refused.map(|refusal| refusal.to_string());
        rows.push((version, state(version, &serving), serving.pinned, refused, verdict));
    }
    if session.global.json {
        let list = rows.iter().map(|(version, state, pinned, refused, verdict)| {
            json!({
                "connector": version.connector, "version": version.version.to_string(),
                "digest": version.digest.to_string(), "state": state, "pinned": *pinned && *state == "in use",
                "refused": refused, "signature": verdict, "world": version.world, "source": version.source,
                "installed_at": installed_at(version),
            })
        });
        return print_json(&list.collect());
    }
    if rows.is_empty() {
        return none(session);
    }
    let mut table = base(terminal_width());
    table.set_header(["connector", "version", "state", "digest", "signature", "source", "installed"]);
    for (version, state, pinned, refused, verdict) in rows {
        let pinned = (pinned && state == "in use").then_some("pinned");
        let words = [Some(state).filter(|state| !state.is_empty()), pinned, refused.as_ref().map(|_| "refused")];
        // A reason with its digests is longer than a column.
        if let Some(reason) = refused {
            session.note(format!("{} is refused: {reason}", version.title()));
        }
        table.add_row([
            version.connector.clone(),
            version.version.to_string(),
            words.into_iter().flatten().collect::<Vec<_>>().join(", "),
            version.digest.short(),
            verdict,
            version.source.clone(),
            installed_at(version),
        ]);
    }
    print(&format!("{}\n", table.trim_fmt()))
}

fn none(session: &Session) -> Result<()> {
    if session.global.json {
        return print_json(&json!([]));
    }
    session.note("no version is installed; the bundled one serves");
    Ok(())
}

fn state(version: &Installed, serving: &Serving) -> &'static str {
    if serving.version.as_ref().is_some_and(|one| one.digest == version.digest) {
        "in use"
    } else if matches!(&serving.before, Some(Before::Installed(one)) if one.digest == version.digest) {
        "before"
    } else {
        ""
    }
}

fn installed_at(version: &Installed) -> String {
    let seconds = version.installed_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

pub(super) async fn available(session: &Session, of: Option<&str>) -> Result<()> {
    let versions = match Versions::existing(&session.global.project).map_err(|error| version_failed(&error))? {
        Some(versions) if !versions.sources().map_err(|error| version_failed(&error))?.is_empty() => versions,
        _ => {
            session.note("there are no sources; `connector versions sources add` names one");
            return if session.global.json { print_json(&json!([])) } else { Ok(()) };
        }
    };
    let answers = versions.offers(of, &session.variables()?).await.map_err(|error| version_failed(&error))?;
    let here = versions.list().map_err(|error| version_failed(&error))?;
    let (mut rows, mut failures): (Vec<_>, Vec<Failure>) = (Vec::new(), Vec::new());
    for (source, answer) in answers {
        match answer {
            Ok(offers) => rows.extend(offers.into_iter().map(|offer| {
                let same = |one: &&Installed| one.connector == offer.connector && one.version == offer.version;
                let installed = here.iter().any(|one| same(&one));
                (offer, installed, source.place.clone())
            })),
            Err(error) => failures.push(version_failed(&error)),
        }
    }
    if session.global.json {
        let list: Vec<Value> = rows
            .iter()
            .map(|(offer, installed, source)| {
                json!({
                    "connector": offer.connector, "version": offer.version.to_string(), "installed": installed,
                    "source": source, "place": offer.place.to_string(),
                })
            })
            .collect();
        print_json(&json!(list))?;
    } else if !rows.is_empty() {
        let mut table = base(terminal_width());
        table.set_header(["connector", "version", "installed", "place"]);
        for (offer, installed, _) in rows {
            let installed = if installed { "yes" } else { "" };
            table.add_row([offer.connector, offer.version.to_string(), installed.to_owned(), offer.place.to_string()]);
        }
        print(&format!("{}\n", table.trim_fmt()))?;
    } else if failures.is_empty() {
        session.note("the sources have no versions");
    }
    Failures::check(failures)
}
