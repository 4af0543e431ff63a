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
const RELEASED: [(&str, &str); 9] = [
    ("0.2.0/handshake.wit", "a426ceb6d2ac65067f37f0df9080695160d87fffc7f7f99a1a2a9af29f1ed214"),
    ("0.2.0/http.wit", "07891b7ae58c0c00c879809bb146d0b819f58a03e159ba11fdf303e1c43eaa3c"),
    ("0.2.0/inbound.wit", "0aa9b702683fd458a663bbddc4f15e815a1a19aceb7495ded1c29e8324c867d6"),
    ("0.2.0/log.wit", "b66fb041eeb633d92713f0977bb8e58320ee0e967fb5bd73835f9241908c952e"),
    ("0.2.0/polling.wit", "9abf4aa99d688675ea3f93b7946b71454b10e089d0ffe9e3bbcc6374fbbb11f8"),
    ("0.2.0/sending.wit", "b128976a0f15a8aa9c5bf19692e875eee21fdec139a462eaaba8ad1bc12112e1"),
    ("0.2.0/types.wit", "bbddab2fa787eac62fed48508d3676f34c643e71366515a00b86afd0c2514b52"),
    ("0.2.0/verify.wit", "f1e298b9ac61e34dfe37b25b738f28bc4cf6c6ea8e626223d13c3df89295c4b7"),
    ("0.2.0/world.wit", "cc0ad002709430789f1a5de83e9f0f2ca40433ba531a6f228e7b96c7ee594414"),
];

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
        assert_eq!(changed_since(&released, &working_copy()), None);
    }
}

#[test]
fn a_byte_of_a_released_contract_that_changes_is_found_with_the_fix() {
    let released = working_copy();
    for (file, text) in &released {
        let mut changed = released.clone();
        changed.insert(file.clone(), text.replacen("///", "//", 1) + "\n");
        let said = changed_since(&released, &changed).unwrap();
        assert!(said.starts_with(&format!("wit/{file}: 0.2.0 is released; fix: make 0.3.0: ")), "{said}");
    }
    let mut more = released.clone();
    more.insert("calls.wit".into(), "package rapport:connector@0.2.0;\n".into());
    assert!(changed_since(&released, &more).unwrap().starts_with("wit/calls.wit: "));
    assert!(changed_since(&more, &released).unwrap().starts_with("wit/calls.wit: "));
}

/// The first file that is not as it was released, and what to do.
fn changed_since(released: &Files, working: &Files) -> Option<String> {
    let file = released.keys().chain(working.keys()).find(|file| released.get(*file) != working.get(*file))?;
    let version = version_of(released);
    let next = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok()).unwrap_or_default() + 1;
    Some(format!(
        "wit/{file}: {version} is released; fix: make 0.{next}.0: write it behind the `@` of every file of wit/, or say the new \
         thing in `extensions` or `other`"
    ))
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
    let folders = fs::read_dir(repository().join("wit/released")).unwrap();
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
