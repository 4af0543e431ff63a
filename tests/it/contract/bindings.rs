//! The SDK's bindings: generated from `wit/` and checked in, because a connector's build would otherwise compile the whole
//! WebAssembly toolchain for a procedural macro.

use std::fs;
use std::path::Path;

use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};
use wit_parser::{Resolve, Type, TypeDef, TypeDefKind};

const FIX: &str = "BLESS=1 cargo test -p rapport-tests --test it contract";

/// A module of the SDK's `bindings`, and the world that it is generated from. All worlds share the first one's types, so
/// that a connector exports any of them.
const MODULES: [(&str, &str); 4] = [
    ("inbound", "inbound-connector"),
    ("handshake", "handshake-connector"),
    ("polling", "polling-connector"),
    ("sending", "sending-connector"),
];

/// Interfaces that the first module has for all.
const SHARED: [&str; 3] = ["types", "http", "log"];

/// Fields that are left out of JSON if they say nothing: those that came after the first events were stored.
const LEFT_OUT: [(&str, &str); 8] = [
    ("types/message.reference", "Option::is_none"),
    ("types/message.references", "Vec::is_empty"),
    ("types/message.copies", "Vec::is_empty"),
    ("types/message.participant", "Option::is_none"),
    ("types/message.standby", "std::ops::Not::not"),
    ("types/delivery.reference", "Option::is_none"),
    ("types/control.role", "Option::is_none"),
    ("types/control.by", "Option::is_none"),
];

#[test]
fn the_sdks_bindings_are_those_of_the_contract() {
    let repository = crate::connectors::repository();
    let folder = repository.join("plugins/sdk/src/bindings");
    for (module, text) in bindings(&repository.join("wit")) {
        let path = folder.join(format!("{module}.rs"));
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == text, "`{}` is not what wit/ says; fix: {FIX}", path.display());
    }
}

/// Each module with its text.
pub fn bindings(wit: &Path) -> Vec<(&'static str, String)> {
    MODULES.map(|(module, world)| (module, generate(wit, module, world))).into()
}

fn generate(wit: &Path, module: &str, world: &str) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).unwrap();
    let id = resolve.select_world(&[package], Some(world)).unwrap();
    let is_first = module == MODULES[0].0;
    let mut opts = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{module}")),
        default_bindings_module: Some(format!("rapport_sdk::bindings::{module}")),
        additional_derive_attributes: ["PartialEq", "Clone", "serde::Serialize"].map(str::to_owned).into(),
        generate_unused_types: true,
        ..Opts::default()
    };
    let imported: Vec<String> = resolve.worlds[id].imports.keys().map(|key| resolve.name_world_key(key)).collect();
    for interface in SHARED {
        let name = resolve.id_of(resolve.packages[package].interfaces[interface]).unwrap();
        if !is_first && imported.contains(&name) {
            let path = format!("super::inbound::rapport::connector::{interface}");
            opts.with.push((name, WithOption::Path(path)));
        }
    }
    for interface in if is_first { vec!["types", "http", module] } else { vec![module] } {
        let interface_id = resolve.packages[package].interfaces[interface];
        let full_name = resolve.id_of(interface_id).unwrap();
        for (name, id) in &resolve.interfaces[interface_id].types {
            let selector = format!("{full_name}/{name}");
            attributes(&resolve, &mut opts, &selector, &format!("{interface}/{name}"), &resolve.types[*id]);
        }
    }
    let mut files = Files::default();
    opts.build().generate(&mut resolve, id, &mut files).unwrap();
    let (_, text) = files.iter().next().unwrap();
    let head = format!("// Generated from wit/ by tests/it/contract/bindings.rs. After a change of wit/: {FIX}\n");
    head + &narrow(str::from_utf8(text).unwrap())
}

/// One space a level instead of four: the layers of what is nested are as deep as the contract's types, and half of the
/// text would be white space.
fn narrow(text: &str) -> String {
    let mut narrow = String::with_capacity(text.len() / 2);
    for line in text.lines() {
        let code = line.trim_start_matches(' ');
        narrow.extend(std::iter::repeat_n(' ', (line.len() - code.len()) / 4));
        narrow.push_str(code);
        narrow.push('\n');
    }
    narrow
}

/// The JSON form of a type: the one that `data` of a CloudEvent and `fixtures/**/*.events.json` have. Names in snake_case, a
/// variant as a one-key object, `json` as JSON. Natively a test kit reads it, too.
fn attributes(resolve: &Resolve, opts: &mut Opts, selector: &str, short: &str, definition: &TypeDef) {
    let mut of_type =
        |attribute: &str| opts.additional_type_attributes.push((selector.to_owned(), attribute.to_owned()));
    match definition.kind {
        TypeDefKind::Variant(_) | TypeDefKind::Enum(_) => {
            of_type("#[cfg_attr(not(target_arch = \"wasm32\"), derive(serde::Deserialize))]");
            of_type("#[serde(rename_all = \"snake_case\")]");
        }
        TypeDefKind::Record(_) => of_type("#[cfg_attr(not(target_arch = \"wasm32\"), derive(serde::Deserialize))]"),
        _ => {}
    }
    let members: Vec<(&str, Option<Type>)> = match &definition.kind {
        TypeDefKind::Record(record) => {
            record.fields.iter().map(|field| (field.name.as_str(), Some(field.ty))).collect()
        }
        TypeDefKind::Variant(variant) => variant.cases.iter().map(|case| (case.name.as_str(), case.ty)).collect(),
        _ => Vec::new(),
    };
    for (name, ty) in members {
        let mut of_member = |attribute: String| {
            opts.additional_member_attributes.push((format!("{selector}.{name}"), attribute));
        };
        let short = format!("{short}.{name}");
        let left_out = LEFT_OUT.iter().find(|(member, _)| *member == short);
        match ty.and_then(|ty| json_form(resolve, &ty)) {
            _ if short == "types/event.body" => of_member("#[serde(flatten)]".into()),
            _ if left_out.is_some() => {
                let empty = left_out.map(|(_, empty)| *empty).unwrap_or_default();
                of_member(format!("#[serde(default, skip_serializing_if = \"{empty}\")]"));
            }
            _ if short == "types/event-body.control" => {
                of_member("#[serde(with = \"crate::contract_json::control\")]".into())
            }
            Some(form) => of_member(format!("#[serde(with = \"crate::contract_json::{form}\")]")),
            None => {}
        }
    }
}

/// The module of the SDK's `contract_json` that writes a type in which WIT's `json` is.
fn json_form(resolve: &Resolve, ty: &Type) -> Option<&'static str> {
    let Type::Id(id) = ty else { return None };
    let definition = &resolve.types[*id];
    let is_json = |ty: &Type| matches!(ty, Type::Id(id) if is_named(resolve, &resolve.types[*id], "json"));
    match &definition.kind {
        _ if is_named(resolve, definition, "json") => Some("text"),
        _ if is_named(resolve, definition, "extensions") => Some("object"),
        TypeDefKind::Option(inner) if is_json(inner) => Some("option"),
        TypeDefKind::List(inner) if is_json(inner) => Some("list"),
        TypeDefKind::Tuple(tuple) if tuple.types.len() == 2 && is_json(&tuple.types[1]) => Some("named"),
        _ => None,
    }
}

/// Whether it is the type of this name, here or by `use`.
fn is_named(resolve: &Resolve, definition: &TypeDef, name: &str) -> bool {
    let target = match definition.kind {
        TypeDefKind::Type(Type::Id(target)) => is_named(resolve, &resolve.types[target], name),
        _ => false,
    };
    target || definition.name.as_deref() == Some(name)
}
