//! The contract of `wit/`: whole, documented, and never changed once released.

mod bindings;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use wit_component::semver_check;
use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, Type, TypeDef, TypeDefKind, TypeOwner, WorldKey};

use crate::connectors::repository;

/// Four parts, and every set of them that makes a connector.
const WORLDS: [&str; 11] = [
    "connector",
    "handshake-connector",
    "inbound-connector",
    "inbound-handshake-connector",
    "inbound-handshake-sending-connector",
    "inbound-polling-connector",
    "inbound-polling-sending-connector",
    "inbound-sending-connector",
    "polling-connector",
    "polling-sending-connector",
    "sending-connector",
];
const INTERFACES: [&str; 8] = ["handshake", "http", "inbound", "log", "polling", "sending", "types", "verify"];

/// Each released file and its SHA-256. A line is added with a release and never changed: connectors in the field were
/// built with these very words.
const RELEASED: [(&str, &str); 0] = [];

#[test]
fn the_contract_has_its_worlds_and_interfaces() {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, &working_copy());
    let package = &resolve.packages[package];
    assert_eq!(sorted(package.worlds.keys()), WORLDS);
    assert_eq!(sorted(package.interfaces.keys()), INTERFACES);
}

/// A component imports the interface of every type that it uses. If one of these had a function, every connector would have to
/// be given it.
#[test]
fn shared_types_live_in_interfaces_without_functions() {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, &working_copy());
    let package = &resolve.packages[package];
    for world in package.worlds.values() {
        for key in resolve.worlds[*world].imports.keys() {
            let WorldKey::Interface(id) = key else { panic!("an import without an interface") };
            let interface = &resolve.interfaces[*id];
            let name = interface.name.as_deref().unwrap_or_default();
            assert!(interface.functions.is_empty() || ["log", "verify"].contains(&name), "`{name}` has a function");
        }
    }
}

#[test]
fn a_released_contract_never_changes() {
    let mut present = Vec::new();
    for version in versions() {
        for (name, text) in files(&repository().join("wit/released").join(&version)) {
            present.push((format!("{version}/{name}"), hash(&text)));
        }
    }
    let recorded = RELEASED.map(|(file, hash)| (file.to_owned(), hash.to_owned()));
    assert_eq!(present, recorded);
}

#[test]
fn the_working_copy_is_its_own_release_or_a_later_one() {
    let version = version_of(&working_copy());
    if versions().contains(&version) {
        let released = files(&repository().join("wit/released").join(&version));
        assert!(working_copy() == released, "version {version} is released; fix: a new version in wit/*.wit");
    }
}

#[test]
fn connectors_of_every_release_run_on_the_working_copy() {
    for version in versions() {
        let released = files(&repository().join("wit/released").join(&version));
        for world in worlds_of(&released) {
            compatible(&released, &working_copy(), &world)
                .unwrap_or_else(|error| panic!("{version}, `{world}`: {error:?}"));
        }
    }
}

#[test]
fn a_change_that_breaks_connectors_is_found() {
    let released = working_copy();
    let changes = [
        ("types.wit", "forwarded: bool,", "forwarded: bool, starred: bool,", "inbound-connector"),
        ("verify.wit", "secret: string, candidate: string", "secret: string, candidate: list<u8>", "inbound-connector"),
        ("sending.wit", "mark-read(of-message),", "", "sending-connector"),
        ("http.wit", "keep: bool,", "keep: bool, times: u8,", "polling-connector"),
    ];
    for (file, from, to, world) in changes {
        let mut changed = released.clone();
        let text = changed.get_mut(file).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        *text = text.replace(from, to);
        assert!(compatible(&released, &changed, world).is_err(), "{file}: {from} → {to}");
    }
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, &working_copy());
    let mut bare = Vec::new();
    for (name, id) in &resolve.packages[package].worlds {
        note(&mut bare, resolve.worlds[*id].docs.contents.as_deref(), format!("world {name}"));
    }
    for (name, id) in &resolve.packages[package].interfaces {
        let interface = &resolve.interfaces[*id];
        note(&mut bare, interface.docs.contents.as_deref(), format!("interface {name}"));
        for (function, item) in &interface.functions {
            note(&mut bare, item.docs.contents.as_deref(), format!("{name}.{function}"));
        }
        for (item, type_id) in &interface.types {
            let definition = &resolve.types[*type_id];
            if !is_used_from_elsewhere(&resolve, definition, *id) {
                note(&mut bare, definition.docs.contents.as_deref(), format!("{name}.{item}"));
            }
        }
    }
    assert!(bare.is_empty(), "without a `///`: {}", bare.join(", "));
}

/// Files by name.
type Files = BTreeMap<String, String>;

fn working_copy() -> Files {
    files(&repository().join("wit"))
}

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let wit =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "wit"));
    wit.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn versions() -> Vec<String> {
    // The folder comes with the release of 0.2.0, the first one.
    let folders = fs::read_dir(repository().join("wit/released")).into_iter().flatten();
    let mut versions: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    versions.sort();
    versions
}

fn version_of(files: &Files) -> String {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, files);
    resolve.packages[package].name.version.as_ref().expect("the package has a version").to_string()
}

fn parse(resolve: &mut Resolve, files: &Files) -> PackageId {
    let mut map = SourceMap::default();
    for (name, text) in files {
        map.push_str(name, text.as_str());
    }
    let group = map.parse().map_err(|(_, error)| error).unwrap_or_else(|error| panic!("{error}"));
    resolve.push_group(group).unwrap_or_else(|error| panic!("{error}"))
}

fn worlds_of(files: &Files) -> Vec<String> {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, files);
    resolve.packages[package].worlds.keys().cloned().collect()
}

/// Whether a component of `world` in `released` runs on a host of `working`. Both are one package of one version, and
/// a resolver takes each only once, so the released one is given a version that no release has; the check ignores it.
fn compatible(released: &Files, working: &Files, world: &str) -> Result<(), impl std::fmt::Debug> {
    let package_line = |text: &String| text.replacen(&format!("@{};", version_of(released)), "@0.0.0;", 1);
    let released: Files = released.iter().map(|(name, text)| (name.clone(), package_line(text))).collect();
    let mut resolve = Resolve::default();
    let [released, working] = [&released, working].map(|files| parse(&mut resolve, files));
    let [previous, new] = [released, working].map(|package| resolve.packages[package].worlds[world]);
    semver_check(resolve, previous, new)
}

/// `use types.{event}` makes an alias of the same name; what it stands for is documented where it is defined.
fn is_used_from_elsewhere(resolve: &Resolve, definition: &TypeDef, interface: InterfaceId) -> bool {
    let TypeDefKind::Type(Type::Id(target)) = definition.kind else { return false };
    resolve.types[target].owner != TypeOwner::Interface(interface)
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn note(bare: &mut Vec<String>, docs: Option<&str>, item: String) {
    if docs.is_none_or(|docs| docs.trim().is_empty()) {
        bare.push(item);
    }
}

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
