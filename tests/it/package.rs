//! `rapport package`: what it makes, that it is always the same, and that it is what Lambda runs.

use std::fs::{self, File};
use std::path::Path;

use rapport_cli::Terminal;
use rapport_cli::package::{Arch, Arguments, Made, make};
use serde_json::Value;
use tempfile::TempDir;
use zip::ZipArchive;

use crate::support::Text;
use crate::support::deployment::{CONFIG, World};
use crate::support::events::{Door, text_webhook};
use crate::support::runtime_api::binary;

const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn arguments(folder: &Path, config: &str) -> Arguments {
    fs::write(folder.join("rapport.toml"), config).unwrap();
    fs::write(folder.join("signing.key"), KEY).unwrap();
    Arguments {
        config: folder.join("rapport.toml"),
        arch: if cfg!(target_arch = "aarch64") { Arch::Arm64 } else { Arch::X86_64 },
        out: folder.join("out"),
        key: folder.join("signing.key"),
        bootstrap: Some(binary()),
    }
}

fn package(folder: &Path) -> Made {
    make(&arguments(folder, CONFIG), &Terminal::of_process()).unwrap()
}

#[tokio::test]
async fn what_is_packaged_is_what_lambda_runs() {
    let folder = TempDir::new().unwrap();
    let made = package(folder.path());
    let root = folder.path().join("task");
    ZipArchive::new(File::open(&made.path).unwrap()).unwrap().extract(&root).unwrap();

    let names: Vec<_> = made.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!((names[0], &names[3..]), ("bootstrap", &["package.json", "rapport.toml", "sbom.cdx.json"][..]));
    assert_eq!(fs::read(root.join("bootstrap")).unwrap(), fs::read(binary()).unwrap());
    let bill: Value = serde_json::from_slice(&fs::read(root.join("sbom.cdx.json")).unwrap()).unwrap();
    let parts: Vec<_> = bill["components"].as_array().unwrap().iter().map(|part| part["bom-ref"].as_str()).collect();
    assert!(parts.contains(&Some("whatsapp.wasm")) && parts.contains(&Some("bootstrap")), "{parts:?}");
    let depends = bill["dependencies"].as_array().unwrap();
    let whatsapp = depends.iter().find(|one| one["ref"] == "pkg:cargo/rapport-whatsapp@0.1.0").unwrap();
    assert!(whatsapp["dependsOn"].to_string().contains("pkg:cargo/serde_json@1"), "{whatsapp}");

    let world = World::new().await;
    let more = [("LAMBDA_TASK_ROOT", root.to_str().unwrap()), ("RAPPORT_TRUSTED_KEYS", made.signer.as_str())];
    let function = world.start_with("webhook", &more).await;
    let text = text_webhook(&Text::new("16505551234", 1)).through(Door::FunctionUrl);
    assert_eq!((function.ask(&text).await.status, world.events().await), (200, 1));
    let other = world.start_with("webhook", &more[..1]).await;
    assert_eq!((other.ask(&text).await.status, world.events().await), (500, 1), "a deployment that trusts another key");
}

#[test]
fn the_same_inputs_are_the_same_bytes_wherever_they_are_packed() {
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (one, other) = (package(here.path()), package(there.path()));
    assert!(fs::read(&one.path).unwrap() == fs::read(&other.path).unwrap());
    assert_eq!(one.signer, other.signer);
}

#[test]
fn what_no_function_could_use_is_refused_with_the_fix() {
    let folder = TempDir::new().unwrap();
    let refusal = |arguments: &Arguments| {
        let error = make(arguments, &Terminal::of_process()).err().unwrap();
        assert!(!arguments.out.exists());
        format!("{error:#}")
    };
    for (from, to, expected) in [
        ("\"secret:sms\"", "\"env:SMS\"", "connection `sms-eu`: secret `auth-token` is a reference to this machine's"),
        ("tenant-key = \"secret:tenant-key\"", "", "`tenant-key` is missing; fix: "),
        ("phone-number-ids", "phone-numbers", "connection `wa-eu`: unknown key `phone-numbers` in `config`; fix: "),
        ("auth-token", "auth-tokn", "fix: write `auth-token`"),
        ("connector = \"sms\"", "connector = \"smss\"", "connection `sms-eu`: connector `smss`"),
    ] {
        assert!(CONFIG.contains(from));
        let refused = refusal(&arguments(folder.path(), &CONFIG.replace(from, to)));
        assert!(refused.contains(expected), "{refused}");
    }
    let other = if cfg!(target_arch = "aarch64") { Arch::X86_64 } else { Arch::Arm64 };
    let refused = refusal(&Arguments { arch: other, ..arguments(folder.path(), CONFIG) });
    assert!(refused.contains("for another processor than"), "{refused}");
    let no_program = Some(folder.path().join("rapport.toml"));
    let refused = refusal(&Arguments { bootstrap: no_program, ..arguments(folder.path(), CONFIG) });
    assert!(refused.contains("it is not a 64-bit ELF program; fix: "), "{refused}");
}
