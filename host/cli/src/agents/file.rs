//! The file of agents, read with the line of every mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use connector_host::is_variable_name;
use http::Uri;

use super::{Agent, CoordinatorAddress, Group, User};
use crate::error::{Failure, Failures, Result};
use crate::toml_file::{Entry, TomlFile};

/// Agents of one group at most.
const MOST_AGENTS: usize = 64;

/// All groups, by name; none if there is no file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Group>> {
    let Some(file) = TomlFile::read(path)? else { return Ok(BTreeMap::new()) };
    let mut reader = Reader { file: &file, failures: Vec::new() };
    let groups = reader.groups();
    Failures::check(reader.failures)?;
    Ok(groups)
}

struct Reader<'a> {
    file: &'a TomlFile,
    failures: Vec<Failure>,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, line: usize, what: impl std::fmt::Display) {
        self.failures.push(self.file.mistake(line, what));
    }

    /// The members of a table.
    fn table(&mut self, entry: &Entry<'a>, what: &str) -> Vec<Entry<'a>> {
        match entry.item.as_table_like() {
            Some(table) => self.file.entries(table),
            None => {
                self.wrong(entry.line, format!("{what} must be a table"));
                Vec::new()
            }
        }
    }

    fn text(&mut self, entry: &Entry<'a>) -> Option<&'a str> {
        let text = entry.item.as_str();
        if text.is_none() {
            self.wrong(entry.line, format!("`{}` must be a text", entry.key));
        }
        text
    }

    fn groups(&mut self) -> BTreeMap<String, Group> {
        let mut groups = BTreeMap::new();
        for root in self.file.entries(self.file.root()) {
            if root.key != "groups" {
                self.failures.push(self.file.unknown(&root, "the file", &["groups"]));
                continue;
            }
            for entry in self.table(&root, "`groups`") {
                let group = self.group(&entry);
                groups.insert(entry.key.to_owned(), group);
            }
        }
        groups
    }

    fn group(&mut self, entry: &Entry<'a>) -> Group {
        let place = format!("the group `{}`", entry.key);
        let mut group = Group { name: entry.key.to_owned(), coordinator: None, agents: BTreeMap::new() };
        self.name(entry);
        for part in self.table(entry, &place) {
            match part.key {
                "coordinator" => group.coordinator = self.coordinator(&part),
                "agents" => {
                    for entry in self.table(&part, "`agents`") {
                        self.name(&entry);
                        if let Some(agent) = self.agent(&entry) {
                            group.agents.insert(entry.key.to_owned(), agent);
                        }
                    }
                }
                _ => self.failures.push(self.file.unknown(&part, &place, &["coordinator", "agents"])),
            }
        }
        if group.agents.len() > MOST_AGENTS {
            self.wrong(entry.line, format!("{place} has more than {MOST_AGENTS} agents"));
        }
        group
    }

    /// Names stand in keys of the coordinator and in logs.
    fn name(&mut self, entry: &Entry<'a>) {
        if !is_variable_name(entry.key) {
            let failure = self.file.mistake(entry.line, format!("`{}` cannot be a name", entry.key.escape_debug()));
            self.failures
                .push(failure.hint("a name is made of letters, digits, `_`, `-` and `.`, and begins with a letter"));
        }
    }

    /// An address alone, or a table of it and of what it takes to ask there.
    fn coordinator(&mut self, entry: &Entry<'a>) -> Option<CoordinatorAddress> {
        if entry.item.as_table_like().is_none() {
            return self.address(entry).map(|url| CoordinatorAddress { url, ..CoordinatorAddress::default() });
        }
        const KEYS: [&str; 4] = ["url", "user", "password", "ca-file"];
        let (mut url, mut user, mut password, mut ca_file, before) = (None, None, None, None, self.failures.len());
        let parts = self.table(entry, "`coordinator`");
        let secret = parts.iter().any(|part| part.key == "password");
        for part in &parts {
            match part.key {
                "url" if secret => url = self.encrypted_address(part),
                "url" => url = self.address(part),
                "user" => user = self.text(part),
                "password" => password = self.secret(part),
                "ca-file" => ca_file = self.text(part).map(PathBuf::from),
                _ => self.failures.push(self.file.unknown(part, "`coordinator`", &KEYS)),
            }
        }
        if self.failures.len() > before {
            return None;
        }
        let user = match (user, password) {
            (Some(name), Some(password)) => Some(User { name: name.to_owned(), password }),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong(entry.line, "`coordinator` has a `user`, and no `password`");
                return None;
            }
            (None, Some(_)) => {
                self.wrong(entry.line, "`coordinator` has a `password`, and no `user`");
                return None;
            }
        };
        if url.is_none() {
            self.wrong(entry.line, "`coordinator` has no `url`");
        }
        url.map(|url| CoordinatorAddress { url, user, ca_file })
    }

    fn agent(&mut self, entry: &Entry<'a>) -> Option<Agent> {
        let place = format!("the agent `{}`", entry.key);
        let (mut url, mut token, before) = (None, None, self.failures.len());
        for part in self.table(entry, &place) {
            match part.key {
                "url" => url = self.encrypted_address(&part),
                "token" => token = self.secret(&part),
                _ => self.failures.push(self.file.unknown(&part, &place, &["url", "token"])),
            }
        }
        if url.is_none() && self.failures.len() == before {
            self.wrong(entry.line, format!("{place} has no `url`"));
        }
        url.map(|url| Agent { url, token })
    }

    /// A base address, without a slash at its end.
    fn address(&mut self, entry: &Entry<'a>) -> Option<String> {
        let text = self.text(entry)?;
        let uri = text.parse::<Uri>().ok().filter(|uri| {
            // Who asks is said by a token, which is a variable: no user in the address.
            let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
            plain && uri.query().is_none() && matches!(uri.scheme_str(), Some("http" | "https"))
        });
        if uri.is_none() {
            self.wrong(entry.line, format!("`{}` must be an address: https://HOST[:PORT]", entry.key));
        }
        uri.map(|_| text.trim_end_matches('/').to_owned())
    }

    /// An address to which secrets go, which nobody may read on the way: a token, a password, what somebody has typed.
    fn encrypted_address(&mut self, entry: &Entry<'a>) -> Option<String> {
        let url = self.address(entry)?;
        let uri: Uri = url.parse().ok()?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if uri.scheme_str() == Some("https") || here {
            return Some(url);
        }
        let failure = self.file.mistake(entry.line, format!("`{url}` is not encrypted, and leads to another machine"));
        self.failures.push(
            failure.hint("secrets travel to it: give it TLS, or put a proxy with TLS before it, and write https://"),
        );
        None
    }

    /// The variable in the place of a secret.
    fn secret(&mut self, entry: &Entry<'a>) -> Option<String> {
        let text = self.text(entry)?;
        let name = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|name| is_variable_name(name));
        if name.is_none() {
            let failure = self.file.mistake(entry.line, format!("a {} does not stand in this file", entry.key));
            self.failures.push(
                failure
                    .hint(format!("keep it in a hidden variable, and write its name: {} = \"[VARIABLE]\"", entry.key)),
            );
        }
        name.map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read_text(text: &str) -> Result<BTreeMap<String, Group>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agents.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn groups_and_their_agents_are_read() {
        let text = "[groups.g]\ncoordinator = \"http://etcd:2379/\"\n[groups.g.agents]\na = { url = \"https://a.example.com/\", token = \"[t]\" }\n\
            b = { url = \"http://127.0.0.1:8017\" }\n";
        let groups = read_text(text).unwrap();
        let agent = |url: &str, token: Option<&str>| Agent { url: url.to_owned(), token: token.map(str::to_owned) };
        let coordinator = groups["g"].coordinator.as_ref().unwrap();
        assert_eq!((coordinator.url.as_str(), &coordinator.user), ("http://etcd:2379", &None));
        assert_eq!(groups["g"].agents["a"], agent("https://a.example.com", Some("t")));
        assert_eq!(groups["g"].agents["b"], agent("http://127.0.0.1:8017", None));
    }

    #[test]
    fn a_coordinator_may_want_a_user_whose_password_is_a_variable() {
        let read = |text: &str| read_text(&format!("[groups.g.coordinator]\n{text}\n"));
        let whole = "url = \"https://etcd\"\nuser = \"u\"\npassword = \"[p]\"\nca-file = \"ca.pem\"";
        let user = User { name: "u".to_owned(), password: "p".to_owned() };
        let wanted =
            CoordinatorAddress { url: "https://etcd".to_owned(), user: Some(user), ca_file: Some("ca.pem".into()) };
        assert_eq!(read(whole).unwrap()["g"].coordinator, Some(wanted));
        for (wrong, words) in [
            ("user = \"u\"\npassword = \"[p]\"", "`coordinator` has no `url`"),
            ("url = \"https://etcd\"\nuser = \"u\"", "and no `password`"),
            ("url = \"https://etcd\"\npassword = \"[p]\"", "and no `user`"),
            ("url = \"https://etcd\"\nuser = \"u\"\npassword = \"s3cret\"", "a password does not stand in this file"),
            ("url = \"http://etcd\"\nuser = \"u\"\npassword = \"[p]\"", "not encrypted, and leads to another machine"),
            ("url = \"https://etcd\"\nca_file = \"ca.pem\"", "did you mean `ca-file`?"),
        ] {
            let told = read(wrong).unwrap_err().render(false);
            assert!(told.contains(words) && !told.contains("s3cret"), "{wrong}: {told}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_a_token_never() {
        let text = "[group]\n[groups.g]\ncoordinatr = \"x\"\n[groups.g.agents.a]\nurl = \"http://a.example.com\"\ntoken = \"s3cret\"\n\
            [groups.g.agents.b]\n[groups.g.agents.c]\nurl = \"ftp://c\"\n";
        let told = read_text(text).unwrap_err().render(false);
        for (line, words) in [
            (1, "the file has no key `group`"),
            (3, "did you mean `coordinator`?"),
            (5, "leads to another machine"),
            (6, "a token does not stand in this file"),
            (7, "the agent `b` has no `url`"),
            (9, "must be an address"),
        ] {
            assert!(told.contains(&format!("agents.toml:{line}: ")) && told.contains(words), "{line} {words}: {told}");
        }
        assert!(!told.contains("s3cret"), "{told}");
    }
}
