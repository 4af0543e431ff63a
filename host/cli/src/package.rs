//! Makes the zip that runs on Lambda: the binary, the operator's configuration, and each of its connectors compiled ahead
//! of time and signed.
//!
//! The same inputs make the same bytes: names in order, no times, no owners, no paths of the machine.

mod archive;
mod bootstrap;
mod sbom;
mod signing;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rapport_config::package::{CONFIG_FILE, FILE, FORMAT, Package, PackagedConnector, check_references};
use rapport_connections as connections;
use rapport_sandbox::{Manifest, Options, Sandbox, SigningKey, Target, artefact, engine_name};
use ring::digest::{SHA256, digest};

use crate::Terminal;
use crate::connector::interface::{Interface, short_name};
use crate::connector::{self, Component, Progress, replace, thousands};
use crate::service::Settings;
use crate::terminal::Tone;

pub use archive::Entry;
use archive::{Archive, Mode};

/// Bytes. The largest zip that Lambda takes when it is uploaded straight to a function; by way of S3 it may be larger.
/// Source: Lambda quotas, 2026-11.
const DIRECT_UPLOAD_BYTES_MAX: usize = 50 << 20;
/// Bytes. The largest that a function may be, unzipped. Source: as above.
const UNZIPPED_BYTES_MAX: usize = 250 << 20;

/// What a package is made of.
#[derive(clap::Args)]
pub struct Arguments {
    /// Connections, keys and where secrets are; every secret is `secret:NAME`
    #[arg(long, value_name = "FILE", default_value = "rapport.toml")]
    pub config: PathBuf,
    /// The processor that the functions run on
    #[arg(long, value_enum, default_value_t = Arch::Arm64)]
    pub arch: Arch,
    /// Where rapport-<ARCH>.zip is written
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    pub out: PathBuf,
    /// The Ed25519 key that signs the connectors, 64 hexadecimal digits; made if it is not there
    #[arg(long, value_name = "FILE", default_value = "signing.key")]
    pub key: PathBuf,
    /// A `bootstrap` that was built before; without it, it is built from the checkout that this command is run in
    #[arg(long, value_name = "FILE")]
    pub bootstrap: Option<PathBuf>,
}

/// A processor, as Lambda calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arch {
    /// AWS Graviton: a fifth cheaper
    Arm64,
    /// Intel and AMD
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Arm64 => Target::Aarch64,
            Self::X86_64 => Target::X86_64,
        }
    }
}

/// Makes the package, and says how large it is and whom the deployment has to trust.
///
/// # Errors
/// The configuration is wrong or not one for a function, a connector cannot be built, or the binary cannot.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let made = make(arguments, terminal)?;
    made.print(terminal);
    Ok(())
}

/// A package that was written.
pub struct Made {
    /// The zip.
    pub path: PathBuf,
    /// What is in it, in its order.
    pub files: Vec<Entry>,
    /// Bytes of the zip.
    pub zipped: usize,
    /// The public key that a deployment has to trust.
    pub signer: String,
}

/// Makes the package.
///
/// # Errors
/// As [`run`].
pub fn make(arguments: &Arguments, terminal: &Terminal) -> Result<Made> {
    let Arguments { config: config_path, arch, out, key, bootstrap } = arguments;
    let settings = Settings::read(config_path)?;
    let in_config = || format!("`{}`", config_path.display());
    check_references(&settings.config).with_context(in_config)?;
    settings.config.warnings().iter().for_each(|warning| terminal.step(warning));
    let connectors = components(&settings, terminal).with_context(in_config)?;
    let key = signing::read_or_make(key, terminal)?;
    let binary = match bootstrap {
        Some(path) => bootstrap::read(path, *arch)?,
        None => bootstrap::build(*arch, terminal)?,
    };

    terminal.step(&format!("compiling {} connectors for {}", connectors.len(), arch.name()));
    let artefacts = compile(&connectors, arch.target(), &key)?;
    let package = describe(*arch, &key, &artefacts);
    let bom = sbom::of(&binary, *arch, connectors.values().map(|one| one.folder.as_deref()), &package)?;

    let mut archive = Archive::new();
    archive.add("bootstrap", &binary.bytes, Mode::Program)?;
    for (packaged, artefact) in artefacts.values() {
        archive.add(&packaged.file, artefact, Mode::Data)?;
    }
    archive.add(FILE, package.to_text().as_bytes(), Mode::Data)?;
    archive.add(CONFIG_FILE, settings.text.as_bytes(), Mode::Data)?;
    archive.add(sbom::FILE, bom.as_bytes(), Mode::Data)?;
    let (zip, files) = archive.finish()?;

    fs::create_dir_all(out).with_context(|| format!("`{}`", out.display()))?;
    let path = out.join(format!("rapport-{}.zip", arch.name()));
    replace(&path, &zip)?;
    Ok(Made { path, files, zipped: zip.len(), signer: package.signer })
}

/// Every connector of a configuration by the words that name it, built; what is written of each connection is checked.
fn components(settings: &Settings, terminal: &Terminal) -> Result<BTreeMap<String, Component>> {
    let mut components = BTreeMap::new();
    for (name, written) in &settings.config.connections {
        let words = &written.connector;
        if !components.contains_key(words) {
            let progress = |step: Progress| terminal.progress(&step);
            let component = connector::component(words, &settings.base, &progress);
            let component = component.with_context(|| format!("connection `{name}`: connector `{words}`"))?;
            components.insert(words.clone(), component);
        }
        let manifest = manifest(&components[words])?;
        connections::check(name, &manifest, written)?;
        if let Some(lacking) = connections::lacking(name, &manifest, written) {
            terminal.step(&lacking);
        }
    }
    Ok(components)
}

fn manifest(component: &Component) -> Result<Manifest> {
    let manifest = Manifest::from_component(&component.bytes)?;
    Ok(manifest.unwrap_or_else(|| Manifest::without(&component.id)))
}

type Artefacts = BTreeMap<String, (PackagedConnector, Vec<u8>)>;

fn compile(components: &BTreeMap<String, Component>, target: Target, key: &SigningKey) -> Result<Artefacts> {
    let sandbox = Sandbox::new(Options::default())?;
    let mut artefacts = Artefacts::new();
    for (words, component) in components {
        let manifest = manifest(component)?;
        let compiled = sandbox.compile(&component.bytes, target);
        let artefact = compiled.and_then(|compiled| artefact::pack(&component.bytes, &compiled, &component.id, key));
        let artefact = artefact.with_context(|| format!("connector `{words}`"))?;
        // Two words may mean one connector, and two connectors may have one id: the digest keeps them apart.
        let component_sha256 = sha256(&component.bytes);
        let packaged = PackagedConnector {
            file: format!("connectors/{}-{}.artefact", manifest.id, &component_sha256[..16]),
            id: manifest.id,
            version: manifest.version,
            component_sha256,
            artefact_sha256: sha256(&artefact),
            bytes: artefact.len() as u64,
            sends: Interface::of(&component.bytes)?.exports.iter().any(|name| short_name(name) == "sending"),
        };
        artefacts.insert(words.clone(), (packaged, artefact));
    }
    Ok(artefacts)
}

fn describe(arch: Arch, key: &SigningKey, artefacts: &Artefacts) -> Package {
    Package {
        format: FORMAT,
        rapport: env!("CARGO_PKG_VERSION").to_owned(),
        engine: engine_name().to_owned(),
        arch: arch.name().to_owned(),
        connectors: artefacts.iter().map(|(words, (packaged, _))| (words.clone(), packaged.clone())).collect(),
        signer: key.public().to_string(),
    }
}

impl Made {
    fn print(&self, terminal: &Terminal) {
        let quiet = |text: &str| terminal.paint(Tone::Quiet, text);
        println!("{}", quiet(&format!("{:>14}  {:>14}  ", "bytes", "zipped")));
        for file in &self.files {
            println!("{:>14}  {:>14}  {}", thousands(file.bytes), thousands(file.zipped), file.name);
        }
        let unzipped: u64 = self.files.iter().map(|file| file.bytes).sum();
        println!("{:>14}  {:>14}  {}", thousands(unzipped), thousands(self.zipped as u64), self.path.display());
        if unzipped > UNZIPPED_BYTES_MAX as u64 {
            terminal.step("unzipped it is larger than Lambda's 250 MiB; fix: fewer connectors in one package");
        } else if self.zipped > DIRECT_UPLOAD_BYTES_MAX {
            terminal
                .step("it is larger than 50 MiB: Lambda takes it from S3 only, which is how `sam deploy` brings it");
        }
        println!("{} {}", quiet("signer"), self.signer);
    }
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
