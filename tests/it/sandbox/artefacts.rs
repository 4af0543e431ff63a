//! Artefacts: made by the compiling build, refused when anything about them is wrong, loaded without a compiler.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use rapport_sandbox::artefact::{PublicKey, SigningKey, pack};
use rapport_sandbox::{ArtefactError, Connector, LoadError, Options, Sandbox, Target};

use super::assert_good;
use crate::connectors::{self, repository};

/// Where the signed part begins: after mark, key and signature.
const SIGNED: usize = 8 + 32 + 64;
const KEY_BYTES: usize = 32;

fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(Options::default()).unwrap())
}

fn compiled() -> &'static [u8] {
    static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPILED.get_or_init(|| sandbox().compile(connectors::hostile(), Target::host().unwrap()).unwrap())
}

fn artefact() -> Vec<u8> {
    pack(connectors::hostile(), compiled(), "unused", &key()).unwrap()
}

fn load(artefact: &[u8]) -> Result<Connector, LoadError> {
    sandbox().load(artefact, &[SigningKey::from_seed(&[2; 32]).public(), key().public()])
}

fn refusal(artefact: &[u8]) -> ArtefactError {
    match load(artefact) {
        Err(LoadError::Artefact(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Signs what is in an artefact again, as whoever has the key could.
fn signed_again(artefact: &[u8]) -> Vec<u8> {
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[1; KEY_BYTES]).unwrap();
    let signature = pair.sign(&artefact[SIGNED..]);
    [&artefact[..8 + KEY_BYTES], signature.as_ref(), &artefact[SIGNED..]].concat()
}

#[test]
fn a_good_artefact_is_the_connector() {
    let connector = load(&artefact()).unwrap();
    let direct = sandbox().load_component(connectors::hostile(), "hostile").unwrap();
    assert_eq!(connector.manifest(), direct.manifest());
    assert_eq!(connector.digest(), direct.digest());
    assert_good(&connector);
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let artefact = artefact();
    let places = (0..SIGNED + 200).chain((SIGNED + 200..artefact.len()).step_by(1_009)).chain([artefact.len() - 1]);
    for at in places {
        let mut changed = artefact.clone();
        changed[at] ^= 0x20;
        let error = refusal(&changed);
        let fits = match at {
            0..7 => error == ArtefactError::Unsigned,
            7 => matches!(error, ArtefactError::Format(_)),
            8..40 => matches!(error, ArtefactError::UntrustedKey(_)),
            _ => matches!(error, ArtefactError::Altered(_)),
        };
        assert!(fits, "byte {at}: {error}");
    }
}

#[test]
fn a_truncated_artefact_is_refused() {
    let artefact = artefact();
    assert_eq!(refusal(&[]), ArtefactError::Unsigned);
    assert_eq!(refusal(&artefact[..50]), ArtefactError::Truncated(50));
    assert!(matches!(refusal(&artefact[..artefact.len() - 1]), ArtefactError::Altered(_)));
    for length in (0..SIGNED + 400).chain((SIGNED..artefact.len()).step_by(10_007)) {
        assert!(load(&artefact[..length]).is_err());
        // Even whoever has the key cannot make the host read past the end.
        if length > SIGNED {
            assert!(load(&signed_again(&artefact[..length])).is_err());
        }
    }
}

#[test]
fn compiled_code_and_components_without_a_signature_are_refused() {
    assert_eq!(refusal(compiled()), ArtefactError::Unsigned);
    assert_eq!(refusal(connectors::hostile()), ArtefactError::Unsigned);
}

#[test]
fn another_key_is_refused_by_name() {
    let other = SigningKey::from_seed(&[9; 32]);
    let error = refusal(&pack(connectors::hostile(), compiled(), "unused", &other).unwrap());
    assert_eq!(error, ArtefactError::UntrustedKey(other.public().to_string()));
    assert_eq!(PublicKey::parse(&other.public().to_string()), Some(other.public()));
    assert_eq!(PublicKey::parse("12"), None);
    assert!(load(&artefact()).is_ok() && sandbox().load(&artefact(), &[]).is_err());
}

#[test]
fn another_engine_is_refused_by_name() {
    let mut artefact = artefact();
    // After the digest and a length: `48.0.8+…`.
    let at = SIGNED + 32 + 4;
    assert_eq!(&artefact[at..at + 7], b"48.0.8+");
    artefact[at + 5] = b'9';
    let ArtefactError::OtherEngine { found, expected } = refusal(&signed_again(&artefact)) else { panic!() };
    assert!(found.starts_with("48.0.9+") && expected.starts_with("48.0.8+"));
}

#[test]
fn the_engine_has_the_version_of_the_lock_file() {
    let lock = fs::read_to_string(repository().join("Cargo.lock")).unwrap();
    let version = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).unwrap().split('"').next().unwrap();
    let at = SIGNED + 32 + 4;
    assert!(artefact()[at..].starts_with(format!("{version}+").as_bytes()));
}

#[test]
fn one_machine_compiles_for_both_processors_and_runs_its_own() {
    for target in [Target::X86_64, Target::Aarch64] {
        let compiled = sandbox().compile(connectors::hostile(), target).unwrap();
        let artefact = pack(connectors::hostile(), &compiled, "unused", &key()).unwrap();
        if Some(target) == Target::host() {
            assert_good(&load(&artefact).unwrap());
        } else {
            let ArtefactError::OtherTarget { found, expected } = refusal(&artefact) else { panic!() };
            assert_eq!((found.as_str(), expected.as_str()), (target.name(), std::env::consts::ARCH));
        }
    }
    assert!(pack(connectors::hostile(), b"\x7fELF", "unused", &key()).is_err());
}

/// It builds the sandbox a second time, which takes a minute and a half of CPU: `.ci/run` does that. Settings that only a
/// compiler has are in the hash of both builds, by their text (`engine.rs`).
#[test]
#[ignore = "run by `.ci/run`: it builds the sandbox a second time"]
fn a_build_without_a_compiler_loads_what_a_build_with_one_wrote() {
    let folder = repository().join("target/runtime-only");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("hostile.rapport");
    fs::write(&file, artefact()).unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let run = Command::new(cargo)
        .current_dir(repository())
        .args(["run", "--quiet", "-p", "rapport-sandbox", "--no-default-features", "--example", "load"])
        // Of its own, or the two builds would undo each other's features. Not optimised: it is called once.
        .args(["--target-dir", "target/runtime-only", "--config", "profile.dev.package.\"*\".opt-level=0", "--"])
        .arg(&file)
        .arg(key().public().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("hostile") && said.contains("rejected"), "{said}");
}
