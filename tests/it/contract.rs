//! The contract of `wit/`: whole, documented, and never changed once released.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use wit_component::semver_check;
use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, Type, TypeDef, TypeDefKind, TypeOwner};

use crate::connectors::repository;

const WORLDS: [&str; 4] = ["connector", "handshake-connector", "inbound-connector", "outbound-connector"];
const INTERFACES: [&str; 7] = ["handshake", "http", "inbound", "log", "outbound", "types", "verify"];

/// Each released file and its SHA-256. A line is added with a release and never changed: connectors in the field were
/// built with these very words.
const RELEASED: [(&str, &str); 23] = [
    ("0.1.0/http.wit", "d6365b7cfb9d626b6b8ef9bca3b813db77268567528fcc6905a19253d5e20bea"),
    ("0.1.0/inbound.wit", "8cae964a7096ccc0afc3532b31e004baf3ba725b4a4b439b47d3ce5c7845675a"),
    ("0.1.0/log.wit", "31baaf460c516d042a92e21a08d3778d4966d96d95800141feb095efa7625cc0"),
    ("0.1.0/outbound.wit", "766462cc33cee6bd543c28d18034d373f52b17fb461892038bb87e7390c0ab16"),
    ("0.1.0/types.wit", "0d50607bc8452e43d4613e3986a9ab20a07f22393a8ff56e8a35da0d66fa8ccc"),
    ("0.1.0/verify.wit", "955ae14d6585ec715e900bd7d6a718fb4c3726c6642e5f9c367905bc89edd9f3"),
    ("0.1.0/world.wit", "04f0b320297e232cb30ebd3a0cf778d317d71dba583dd0c139adb5efb3cb3f09"),
    ("0.1.1/handshake.wit", "727094f81ca29825027b7ba7a83dadf4fe733d907d6222a6a4e53d62fd346bf0"),
    ("0.1.1/http.wit", "8cbdf2dd844e988505fc2ff2cd921a1bae033d7565094e1d9e425543ef3f1256"),
    ("0.1.1/inbound.wit", "98dead4843d5c4f4eac68943fb7ccc96fb3eea2acbbcf7a0fffe456ca34928f6"),
    ("0.1.1/log.wit", "248a1df846de6266994135a90c5ef92bc5199cf0769184c1d40ed13dee3223e1"),
    ("0.1.1/outbound.wit", "f9b1cf15a2b794c3116a526f9b55e100ddb855883e951fab38093325f0ab5d32"),
    ("0.1.1/types.wit", "7ca944c78c7e06d1a7717fd2173d1da933a23eb5ce01b28cc8b3e6ea802d95a1"),
    ("0.1.1/verify.wit", "8b334d387c816918be3cfe56d24f08ff1f1c7982b875b0d45b13b330b3d64f42"),
    ("0.1.1/world.wit", "d561da16e486446632d604b2c5f8453b11470727708f2e1bd5412a4784a0adb1"),
    ("0.1.2/handshake.wit", "01ff10453d07ca2c1a5e51d24c42197d2223694b6c6a2f407e5641fdc269c8f4"),
    ("0.1.2/http.wit", "74a04aa8415ab21efb64ae64bf53016d516dc4f1e02b681217e12dbd9569f589"),
    ("0.1.2/inbound.wit", "6fac836043ce22c57756fd01d4f8ea26a7d8a2a6d8099704fc464c57a62a1a28"),
    ("0.1.2/log.wit", "5ae4c848adb8c086d900d0c424e2b7ceeb9278b7fc179033232fffc056c3b055"),
    ("0.1.2/outbound.wit", "8948c80d52716dc46d0185cb938bfc284d85e3118ab17b709d83f9583f620309"),
    ("0.1.2/types.wit", "1b62f570bb080e133a0ab88abbd746ef96bdd9442aab52863a2e407ac7f7f58a"),
    ("0.1.2/verify.wit", "373db7278e4f943cf1559fc96c436f507307a6e465d09a4e901a92a12482ccb6"),
    ("0.1.2/world.wit", "2f25930f37e9cb4e10f5528413564b254e1ffd5e8b3b04ef7b2cf205529a36e9"),
];

#[test]
fn the_contract_has_its_worlds_and_interfaces() {
    let mut resolve = Resolve::default();
    let package = parse(&mut resolve, &working_copy());
    let package = &resolve.packages[package];
    assert_eq!(sorted(package.worlds.keys()), WORLDS);
    assert_eq!(sorted(package.interfaces.keys()), INTERFACES);
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
        ("outbound.wit", "mark-read(string),", "", "outbound-connector"),
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
