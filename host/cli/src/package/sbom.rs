//! What a package is made of, crate by crate, as a CycloneDX 1.6 document (ECMA-424).
//!
//! Cargo says what was linked: for the target, with the features, without what only builds or tests need.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rapport_config::package::{Package, PackagedConnector};
use serde::Deserialize;
use serde_json::{Value, json};

use super::bootstrap::Binary;
use super::{Arch, sha256};
use crate::connector::{nested_cargo, toolchain};

/// Its name in a package.
pub(super) const FILE: &str = "sbom.cdx.json";
/// How the document calls the package and its program.
const PACKAGE: &str = "package";
const PROGRAM: &str = "bootstrap";

/// The document. It has no serial number and no time, so that the same package has the same one. Of a program that was
/// built elsewhere and of a connector without its crate it has the digests only.
///
/// `folders` are the crates of the package's connectors, in their order.
///
/// # Errors
/// Cargo does not say what a crate is made of.
pub(super) fn of<'a>(
    binary: &Binary,
    arch: Arch,
    folders: impl Iterator<Item = Option<&'a Path>>,
    package: &Package,
) -> Result<String> {
    let mut bill = Bill::default();
    let program = application(PROGRAM, &package.rapport, &sha256(&binary.bytes));
    bill.part(PACKAGE, PROGRAM.to_owned(), program);
    if let Some(checkout) = &binary.checkout {
        bill.crates(PROGRAM, &checkout.join("host/lambda"), arch.triple())?;
    }
    for (connector, folder) in package.connectors.values().zip(folders) {
        let PackagedConnector { id, version, component_sha256, .. } = connector;
        let name = format!("{id}.wasm");
        bill.part(PACKAGE, name.clone(), application(&name, version, component_sha256));
        if let Some(folder) = folder {
            bill.crates(&name, folder, toolchain::WASM)?;
        }
    }
    Ok(bill.document(&format!("rapport-{}", arch.name()), &package.rapport))
}

fn application(name: &str, version: &str, sha256: &str) -> Value {
    json!({
        "type": "application",
        "bom-ref": name,
        "name": name,
        "version": version,
        "hashes": [{ "alg": "SHA-256", "content": sha256 }],
    })
}

/// Parts by what they are called, and what each is made of.
#[derive(Default)]
struct Bill {
    parts: BTreeMap<String, Value>,
    made_of: BTreeMap<String, BTreeSet<String>>,
}

impl Bill {
    fn part(&mut self, whole: &str, name: String, part: Value) {
        self.made_of.entry(whole.to_owned()).or_default().insert(name.clone());
        self.made_of.entry(name.clone()).or_default();
        self.parts.entry(name).or_insert(part);
    }

    /// Adds what the crate in `folder` is linked from, as parts of `whole`.
    fn crates(&mut self, whole: &str, folder: &Path, target: &str) -> Result<()> {
        let checksums = checksums(folder)?;
        // The way from the crate down to the line that is read.
        let mut way: Vec<String> = Vec::new();
        for line in tree(folder, target)?.lines() {
            let Some(line) = Line::read(line) else { continue };
            way.truncate(line.depth);
            let above = way.last().map_or(whole, String::as_str).to_owned();
            let part = line.part(checksums.get(&(line.name.to_owned(), line.version.to_owned())));
            self.part(&above, line.purl(), part);
            way.push(line.purl());
        }
        Ok(())
    }

    fn document(self, name: &str, version: &str) -> String {
        let dependencies = self.made_of.iter().map(|(whole, parts)| json!({ "ref": whole, "dependsOn": parts }));
        let package = json!({ "type": "application", "bom-ref": PACKAGE, "name": name, "version": version });
        let document = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": package },
            "dependencies": dependencies.collect::<Vec<_>>(),
            "components": self.parts.into_values().collect::<Vec<_>>(),
        });
        format!("{document:#}\n")
    }
}

/// A crate, as [`tree`] writes it.
struct Line<'a> {
    /// 0: the crate that was asked for.
    depth: usize,
    name: &'a str,
    version: &'a str,
    license: &'a str,
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut columns = line.split('\t');
        let (depth, package, license) = (columns.next()?, columns.next()?, columns.next()?);
        let (name, rest) = package.split_once(" v")?;
        let version = rest.split(' ').next()?;
        // A crate that was written out before ends so.
        let license = license.strip_suffix(" (*)").unwrap_or(license);
        Some(Self { depth: depth.parse().ok()?, name, version, license })
    }

    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B"))
    }

    /// `checksum`: of the file that the registry gave; none: it lies in the checkout.
    fn part(&self, checksum: Option<&String>) -> Value {
        let mut part = json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "purl": self.purl(),
        });
        if !self.license.is_empty() {
            // `MIT/Apache-2.0` is how crates wrote "or" before SPDX.
            part["licenses"] = json!([{ "expression": self.license.replace('/', " OR ") }]);
        }
        if let Some(checksum) = checksum {
            part["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        part
    }
}

/// Depth, crate and licence of all that the crate in `folder` is linked from.
fn tree(folder: &Path, target: &str) -> Result<String> {
    let mut cargo = nested_cargo::cargo(folder);
    cargo
        .args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--target", target, "--prefix", "depth"])
        .args([OsStr::new("--format"), OsStr::new("\t{p}\t{l}"), OsStr::new("--manifest-path")])
        .arg(folder.join("Cargo.toml").canonicalize().with_context(|| format!("`{}`", folder.display()))?);
    String::from_utf8(nested_cargo::run(cargo)?).context("`cargo tree` wrote no text")
}

/// By name and version, what the lock file next above `folder` says.
fn checksums(folder: &Path) -> Result<BTreeMap<(String, String), String>> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let folder = folder.canonicalize().with_context(|| format!("`{}`", folder.display()))?;
    let Some(path) = folder.ancestors().map(|above| above.join("Cargo.lock")).find(|path| path.is_file()) else {
        return Ok(BTreeMap::new());
    };
    let text = fs::read_to_string(&path).with_context(|| format!("`{}`", path.display()))?;
    let lock: Lock = toml::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    let locked = lock.package.into_iter().filter_map(|one| Some(((one.name, one.version), one.checksum?)));
    Ok(locked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_a_part_with_its_licence_and_digest() {
        let line = Line::read("2\tring v0.17.14\tApache-2.0 AND ISC").unwrap();
        assert_eq!((line.depth, line.purl().as_str()), (2, "pkg:cargo/ring@0.17.14"));
        let part = line.part(Some(&"ab".to_owned()));
        assert_eq!(part["licenses"][0]["expression"], "Apache-2.0 AND ISC");
        assert_eq!(part["hashes"][0]["content"], "ab");
        let again = Line::read("1\tzstd-sys v2.0.16+zstd.1.5.7\tMIT/Apache-2.0 (*)").unwrap();
        assert_eq!(again.part(None)["purl"], "pkg:cargo/zstd-sys@2.0.16%2Bzstd.1.5.7");
        assert_eq!(again.part(None)["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(Line::read("").is_none());
    }
}
