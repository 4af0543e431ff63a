//! Says what a connector is: what it takes and gives, what it may use, and what an operator has to set.

mod artefact;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rapport_model::hosts::HostPattern;
use rapport_sandbox::{Feed, Manifest, ObjectPlace, Proof, Quality};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::interface::{Interface, short_name};
use super::{Progress, build, folder, thousands};
use crate::Terminal;
use crate::terminal::Tone;

use artefact::{ArtefactHeader, is_artefact};

/// How every WebAssembly binary begins.
const WEBASSEMBLY: &[u8] = b"\0asm";
/// Characters of the longest name of a fact, and two of space.
const NAME_WIDTH: usize = 15;

/// What a file says of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// The manifest that it carries, if it carries one.
    pub manifest: Option<Manifest>,
    /// What sort of file it is.
    pub sort: Sort,
}

/// What sort of file it is.
#[derive(Clone, Debug)]
pub enum Sort {
    /// A component, which says what it imports and exports.
    Component(Interface),
    /// Compiled and signed; what it imported was checked when it was made.
    Artefact(Box<ArtefactHeader>),
}

/// How facts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table for a person.
    Table,
    /// JSON for a program.
    Json,
}

/// Prints what the connector in `words` is: a component, an artefact, or a folder or name of one, which is built.
///
/// # Errors
/// It cannot be read or built, or is no connector.
pub fn run(words: &str, form: Form, terminal: &Terminal) -> Result<()> {
    let facts = facts(words, &|progress| terminal.progress(&progress))?;
    match form {
        Form::Json => println!("{:#}", facts.to_json()),
        Form::Table => facts.lines().iter().for_each(|(name, value)| {
            println!("{}{value}", terminal.paint(Tone::Quiet, &format!("{name:NAME_WIDTH$}")));
        }),
    }
    Ok(())
}

/// What the connector in `words` says of itself.
///
/// # Errors
/// It cannot be read or built, or is no connector.
pub fn facts(words: &str, progress: &dyn Fn(Progress)) -> Result<Facts> {
    let path = Path::new(words);
    if path.is_file() {
        let bytes = fs::read(path).with_context(|| format!("`{words}`"))?;
        return Facts::of(path.to_owned(), &bytes).with_context(|| format!("`{words}`"));
    }
    let built = build(&folder(words, Path::new("."))?, progress)?;
    Facts::of(built.component, &built.bytes)
}

impl Facts {
    /// Of a file's bytes.
    ///
    /// # Errors
    /// They are neither a component nor an artefact.
    pub fn of(file: PathBuf, bytes: &[u8]) -> Result<Self> {
        let size = u64::try_from(bytes.len())?;
        if is_artefact(bytes) {
            let head = ArtefactHeader::of(bytes)?;
            let (digest, manifest) = (head.digest.clone(), head.manifest.clone());
            return Ok(Self { file, bytes: size, digest, manifest, sort: Sort::Artefact(Box::new(head)) });
        }
        if !bytes.starts_with(WEBASSEMBLY) {
            bail!(
                "expected a component (`rapport connector build` makes it) or a signed artefact, found neither; fix: name \
                 another file"
            );
        }
        let interface = Interface::of(bytes)?;
        let digest = hex(digest(&SHA256, bytes).as_ref());
        Ok(Self {
            file,
            bytes: size,
            digest,
            manifest: Manifest::from_component(bytes)?,
            sort: Sort::Component(interface),
        })
    }

    /// One line a fact: its name and value.
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines = vec![("file".to_owned(), self.file.display().to_string())];
        let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
        match &self.sort {
            Sort::Component(interface) => {
                line("imports", words(&interface.imports));
                line("exports", words(&interface.exports));
                for foreign in interface.foreign_imports() {
                    line("not allowed", format!("import `{foreign}`; a connector may import `verify` and `log`"));
                }
            }
            Sort::Artefact(head) => {
                let verdict = if head.is_signed { "good" } else { "WRONG: it was altered" };
                line("signed by", format!("{} (signature {verdict})", head.key));
                line("compiled for", format!("{}, engine {}", head.processor, head.engine));
            }
        }
        line("size", self.size());
        line("digest", format!("sha256 {}", self.digest));
        match &self.manifest {
            Some(manifest) => lines.extend(manifest_lines(manifest)),
            None => line("manifest", "none; the defaults hold".into()),
        }
        lines
    }

    fn size(&self) -> String {
        let size = format!("{} bytes", thousands(self.bytes));
        match (&self.sort, &self.manifest) {
            (Sort::Component(_), Some(manifest)) => {
                format!("{size} of {}", thousands(manifest.limits.component_kib * 1024))
            }
            _ => size,
        }
    }

    /// The same for a program.
    pub fn to_json(&self) -> Value {
        let mut facts = json!({
            "file": self.file.display().to_string(), "bytes": self.bytes, "digest": self.digest,
            "manifest": self.manifest.as_ref().map(manifest_json),
        });
        match &self.sort {
            Sort::Component(interface) => {
                facts["kind"] = "component".into();
                facts["imports"] = json!(interface.imports);
                facts["exports"] = json!(interface.exports);
                facts["foreign-imports"] = json!(interface.foreign_imports());
            }
            Sort::Artefact(head) => {
                facts["kind"] = "artefact".into();
                facts["signed-by"] = head.key.clone().into();
                facts["signature-good"] = head.is_signed.into();
                facts["engine"] = head.engine.clone().into();
                facts["processor"] = head.processor.clone().into();
            }
        }
        facts
    }
}

fn manifest_lines(manifest: &Manifest) -> Vec<(String, String)> {
    let limits = &manifest.limits;
    let mut lines = vec![
        ("connector".to_owned(), format!("{} ({}) {}", manifest.id, manifest.name, manifest.version)),
        ("contract".to_owned(), manifest.contract.clone()),
        ("signature".to_owned(), manifest.signature.clone().unwrap_or_else(|| "–".to_owned())),
        ("level".to_owned(), manifest.level.map_or("–", Quality::name).to_owned()),
        (
            "limits".to_owned(),
            format!(
                "{} MiB of memory, {} ms of CPU time, {} KiB of body, {} KiB of output",
                limits.memory_mib, limits.cpu_ms, limits.body_kib, limits.output_kib
            ),
        ),
    ];
    lines.extend(manifest.secrets.iter().map(|(name, known)| {
        let used = if known.used.is_for_sending() { format!(" (for {})", known.used) } else { String::new() };
        ("secret".to_owned(), format!("{name}{used}: {known}"))
    }));
    if !manifest.hosts.api.is_empty() {
        lines.push(("sends to".to_owned(), names(&manifest.hosts.api).join(", ")));
    }
    lines.extend(
        manifest.aws.iter().map(|(service, actions)| ("aws".to_owned(), format!("{service}: {}", actions.join(", ")))),
    );
    if let Some(unsigned) = &manifest.unsigned {
        let when =
            if unsigned.when.0.is_empty() { String::new() } else { format!(", when {}", json!(unsigned.when.0)) };
        lines.push(("unsigned".to_owned(), format!("{}{when}", unsigned.reason)));
    }
    if let Some(Feed { from, object }) = &manifest.feed {
        lines.push(("feed".to_owned(), from.clone()));
        lines.extend(object.as_ref().map(|ObjectPlace { bucket, key }| {
            ("feed object".to_owned(), format!("of the bucket at `{bucket}`, by the key at `{key}`"))
        }));
    }
    let hosts = [("certificates", &manifest.hosts.certificates), ("confirmations", &manifest.hosts.confirmations)];
    for (what, hosts) in hosts.into_iter().filter(|(_, hosts)| !hosts.is_empty()) {
        lines.push((what.to_owned(), names(hosts).join(", ")));
    }
    let proof = |proof: &Proof| ("proof".to_owned(), format!("`{}`, under secret `{}`", proof.header, proof.secret));
    lines.extend(manifest.verify.proofs.iter().map(proof));
    let redact = &manifest.redact;
    let places = [&redact.headers, &redact.query, &redact.json, &redact.xml, &redact.form];
    let places: Vec<&str> = places.into_iter().flatten().map(String::as_str).collect();
    if !places.is_empty() {
        lines.push(("redacted".to_owned(), places.join(", ")));
    }
    lines.extend(manifest.replay.iter().map(|replay| ("signs no time".to_owned(), replay.exception.clone())));
    lines
}

fn manifest_json(manifest: &Manifest) -> Value {
    let limits = &manifest.limits;
    json!({
        "id": manifest.id, "name": manifest.name, "version": manifest.version, "contract": manifest.contract,
        "signature": manifest.signature, "level": manifest.level.map(Quality::name),
        "unsigned": manifest.unsigned.as_ref().map(|unsigned| json!({"reason": unsigned.reason, "when": unsigned.when.0})),
        "feed": manifest.feed.as_ref().map(|feed| json!({
            "from": feed.from,
            "object": feed.object.as_ref().map(|place| json!({"bucket": place.bucket, "key": place.key})),
        })),
        "limits": {
            "memory-mib": limits.memory_mib, "cpu-ms": limits.cpu_ms, "output-kib": limits.output_kib,
            "body-kib": limits.body_kib, "component-kib": limits.component_kib,
        },
        "hosts": {
            "certificates": names(&manifest.hosts.certificates), "confirmations": names(&manifest.hosts.confirmations),
            "api": names(&manifest.hosts.api),
        },
        "aws": manifest.aws,
        "uses": manifest.secrets.iter().map(|(name, known)| (name, known.used.to_string())).collect::<BTreeMap<_, _>>(),
        "proofs": manifest.verify.proofs.iter().map(|proof| json!({
            "header": proof.header, "secret": proof.secret, "when": proof.when.0,
        })).collect::<Vec<_>>(),
        "replay": manifest.replay.iter().map(|replay| json!({
            "exception": replay.exception, "when": replay.when.0,
        })).collect::<Vec<_>>(),
        "secrets": secrets_of(manifest), "config": manifest.config,
    })
}

fn secrets_of(manifest: &Manifest) -> BTreeMap<&str, &str> {
    manifest.secrets.iter().map(|(name, known)| (name.as_str(), known.what.as_str())).collect()
}

fn names(hosts: &[HostPattern]) -> Vec<String> {
    hosts.iter().map(ToString::to_string).collect()
}

fn words(interfaces: &[String]) -> String {
    let names: Vec<&str> = interfaces.iter().map(|name| short_name(name)).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
