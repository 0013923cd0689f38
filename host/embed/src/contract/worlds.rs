//! The worlds that this host serves, in one table. A component tells by the version of what it exports which one it was built for,
//! and is linked, made and called by the bindings of that one.
//!
//! A further world is a module of bindings beside this one, which answers in the terms of the newest world, and a row here.

use std::sync::Arc;

use semver::Version;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::{
    Error, Identity, Info, ObjectInfo, ObjectSchema, Outcome, Page, Plan, QueryRequest, WriteRequest, WrittenBy, v0_1,
};
use crate::error::LoadError;
use crate::instance::BoxFuture;
use crate::state::State;

/// The package that connectors are written against.
const PACKAGE: &str = "ipaas:connector";
/// What every connector exports.
const EXPORTS: [&str; 2] = ["metadata", "connection"];

/// A call under way. The outer error is a trap.
pub(crate) type Call<'a, T> = BoxFuture<'a, wasmtime::Result<T>>;
/// A call that the connector may answer with a failure.
pub(crate) type Answer<'a, T> = Call<'a, Result<T, Error>>;

/// A compiled component of some world, with its imports linked and its exports found.
pub(crate) trait Prepared: Send + Sync {
    fn instantiate<'a>(&'a self, store: &'a mut Store<State>) -> Call<'a, Box<dyn Exports>>;
}

/// What an instance exports, whatever its world.
pub(crate) trait Exports: Send + Sync {
    fn describe<'a>(&'a self, store: &'a mut Store<State>) -> Call<'a, Info>;
    fn configure<'a>(&'a self, store: &'a mut Store<State>, settings: String) -> Call<'a, Result<(), Vec<Error>>>;
    fn test<'a>(&'a self, store: &'a mut Store<State>) -> Answer<'a, Identity>;
    fn list_objects<'a>(&'a self, store: &'a mut Store<State>) -> Answer<'a, Vec<ObjectInfo>>;
    fn describe_object<'a>(&'a self, store: &'a mut Store<State>, name: String) -> Answer<'a, ObjectSchema>;
    fn query<'a>(&'a self, store: &'a mut Store<State>, request: QueryRequest) -> Answer<'a, Page>;
    fn explain<'a>(&'a self, store: &'a mut Store<State>, request: QueryRequest) -> Answer<'a, Plan>;
    fn create<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>>;
    fn update<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>>;
    fn delete<'a>(&'a self, store: &'a mut Store<State>, request: WriteRequest) -> Answer<'a, Vec<Outcome>>;
    fn resolve<'a>(
        &'a self,
        store: &'a mut Store<State>,
        written_by: WrittenBy,
        request: WriteRequest,
    ) -> Answer<'a, Vec<Outcome>>;
}

/// One version of the world.
pub(crate) struct World {
    /// The newest version of its series that this host has. Older ones of the series are served too: a series only ever gets
    /// further imports.
    newest: Version,
    /// The contract's interfaces that its components may import.
    imports: &'static [&'static str],
    link: fn(&mut Linker<State>) -> wasmtime::Result<()>,
    prepare: fn(InstancePre<State>) -> wasmtime::Result<Arc<dyn Prepared>>,
}

/// Every world that is served, the newest last.
static WORLDS: [World; 1] = [World {
    newest: Version::new(0, 1, 0),
    imports: &["control", "logging", "quota", "transport", "types", "variables"],
    link: v0_1::link,
    prepare: v0_1::prepare,
}];

/// Links what components of any world may import.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    WORLDS.iter().try_for_each(|world| (world.link)(linker))
}

/// The world of a component with these exports.
///
/// # Errors
/// [`LoadError::NotAConnector`], or [`LoadError::WorldVersion`] if it is of a world that is not served.
pub(crate) fn of(exports: &[String]) -> Result<&'static World, LoadError> {
    among(&WORLDS, exports)
}

fn among<'a>(worlds: &'a [World], exports: &[String]) -> Result<&'a World, LoadError> {
    let mut found: Option<&World> = None;
    for interface in EXPORTS {
        let version = exports.iter().find_map(|export| version_of(export, interface));
        let missing = || LoadError::NotAConnector {
            missing: format!("{PACKAGE}/{interface}@{}", newest().newest),
            exports: exports.to_vec(),
        };
        let version = version.ok_or_else(missing)?;
        let world = worlds.iter().find(|world| same_series(&world.newest, &version));
        let world = world.ok_or_else(|| refused(&version))?;
        // Half of one world and half of another are neither.
        if found.is_some_and(|other| !same_series(&other.newest, &version)) {
            return Err(missing());
        }
        found = Some(world);
    }
    Ok(found.unwrap_or(newest()))
}

impl World {
    /// Whether a component of this world may import this interface of the contract.
    pub(crate) fn offers(&self, import: &str) -> bool {
        let same = |name: &&&str| version_of(import, name).is_some_and(|version| same_series(&self.newest, &version));
        self.imports.iter().any(|name| same(&name))
    }

    /// Finds the exports of a component of this world. `imports` are the component's own.
    ///
    /// # Errors
    /// [`LoadError::WorldVersion`] if an import is of a newer version than this host has and wants what that one added, and
    /// [`LoadError::Interface`] if names fit and types do not.
    pub(crate) fn prepare(
        &self,
        linked: wasmtime::Result<InstancePre<State>>,
        imports: &[String],
    ) -> Result<Arc<dyn Prepared>, LoadError> {
        linked.and_then(self.prepare).map_err(|error| {
            let newer = self.imports.iter().find_map(|name| {
                let version = imports.iter().find_map(|import| version_of(import, name))?;
                (version > self.newest).then(|| refused(&version))
            });
            newer.unwrap_or_else(|| LoadError::Interface(format!("{error:#}")))
        })
    }
}

fn newest() -> &'static World {
    let [.., newest] = &WORLDS;
    newest
}

/// The version of a contract's interface of this name: `0.1.0` of `ipaas:connector/connection@0.1.0`.
fn version_of(name: &str, interface: &str) -> Option<Version> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.strip_prefix(interface)?;
    rest.strip_prefix('@')?.parse().ok()
}

/// Whether two versions differ in nothing that breaks: the first part that is not zero is the same.
fn same_series(one: &Version, other: &Version) -> bool {
    if one.major == 0 { (other.major, other.minor) == (0, one.minor) } else { one.major == other.major }
}

/// The refusal of a component of a version that is not served.
fn refused(version: &Version) -> LoadError {
    let served: Vec<String> = WORLDS.iter().map(|world| world.newest.to_string()).collect();
    LoadError::WorldVersion {
        found: format!("{PACKAGE}@{version}"),
        supported: format!("{PACKAGE}@{}", served.join(" and ")),
        way_out: if *version > newest().newest { "use a newer host" } else { "use a newer version of the connector" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a component of this version of the contract exports.
    fn exports(version: &str) -> Vec<String> {
        EXPORTS.iter().map(|interface| format!("{PACKAGE}/{interface}@{version}")).collect()
    }

    #[test]
    fn components_of_several_worlds_are_told_apart_side_by_side() {
        let world = |minor, imports| World {
            newest: Version::new(0, minor, 0),
            imports,
            link: v0_1::link,
            prepare: v0_1::prepare,
        };
        let worlds = [world(1, &["quota"][..]), world(2, &["quota", "files"])];
        for (version, newest, offers_files) in
            [("0.1.0", "0.1.0", false), ("0.1.9", "0.1.0", false), ("0.2.3", "0.2.0", true)]
        {
            let world = among(&worlds, &exports(version)).unwrap_or_else(|error| panic!("{version}: {error}"));
            assert_eq!(world.newest.to_string(), newest);
            assert_eq!(world.offers(&format!("{PACKAGE}/files@{version}")), offers_files, "{version}");
            assert!(world.offers(&format!("{PACKAGE}/quota@{version}")), "{version}");
        }
        let refusal = |exports: &[String]| among(&worlds, exports).map(|world| world.newest.clone()).unwrap_err();
        assert!(matches!(refusal(&exports("0.3.0")), LoadError::WorldVersion { .. }));
        let halves = [exports("0.1.0").remove(0), exports("0.2.0").remove(1)];
        assert!(matches!(refusal(&halves), LoadError::NotAConnector { .. }), "half of each");
    }

    #[test]
    fn a_series_ends_where_something_breaks() {
        let same = |one: &str, other: &str| same_series(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("0.1.0", "0.1.7") && same("1.2.0", "1.0.3"));
        assert!(!same("0.1.0", "0.2.0") && !same("0.1.0", "1.1.0") && !same("1.0.0", "2.0.0"));
    }

    #[test]
    fn no_two_rows_are_of_one_series_and_the_newest_is_last() {
        assert!(
            WORLDS.is_sorted_by(|one, other| one.newest < other.newest && !same_series(&one.newest, &other.newest))
        );
    }
}
