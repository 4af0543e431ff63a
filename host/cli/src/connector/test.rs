//! Tests connectors: the suite of `rapport_sdk::testing`, natively and on the component in the sandbox.

mod agreement;
mod directions;
mod leaving;
mod native;
mod sandboxed;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rapport_sandbox::{Manifest, with_manifest};
use rapport_sdk::testing::outbound::{
    OutboundOptions, SendingSubject, read_outbound_fixtures, read_polling_fixtures, run_sending_suite,
};
use rapport_sdk::testing::{self as kit, Budgets, Effort, Expectations, Options, Report};

use super::interface::Interface;
use super::{build, read_manifest};
use crate::Terminal;

pub use directions::Pulling;
pub use sandboxed::Sandboxed;

/// A component that was made without cargo, beside its connector.toml.
const FOREIGN_COMPONENT: &str = "connector.wasm";

/// What is done with `*.events.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blessing {
    /// They are what has to come out.
    Compare,
    /// They are written from the native run; then the component has to agree with it.
    Bless,
    /// The same, where events of before are gone too.
    BlessAll,
}

/// What testing one connector came to.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Its manifest.
    pub manifest: Manifest,
    /// What its component imports and exports.
    pub interface: Interface,
    /// Of the crate's own tests; none for a connector in another language.
    pub native: Option<Report>,
    /// Of the component.
    pub sandbox: Report,
}

impl Tested {
    /// Whether nothing failed.
    pub fn is_clean(&self) -> bool {
        self.sandbox.is_clean() && self.native.as_ref().is_none_or(Report::is_clean)
    }
}

/// Tests the connectors in these folders and prints what came of it.
///
/// # Errors
/// One fails, or does not build.
pub fn run(folders: &[PathBuf], blessing: Blessing, terminal: &Terminal) -> Result<()> {
    let mut failed = Vec::new();
    for folder in folders {
        let name = folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.display().to_string());
        match test(folder, blessing, terminal) {
            Ok(tested) => {
                table::print(&tested, terminal);
                if !tested.is_clean() {
                    failed.push(tested.manifest.id);
                }
            }
            Err(error) => {
                terminal.failure(&error.context(format!("connector `{name}`")));
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("{} of {} connectors fail: {}", failed.len(), folders.len(), failed.join(", "))
    }
}

/// Builds one connector and runs the suite on it, natively and in the sandbox.
///
/// # Errors
/// It does not build, or its tests do not run the suite.
pub fn test(folder: &Path, blessing: Blessing, terminal: &Terminal) -> Result<Tested> {
    // First: a fixture that cannot be read is a mistake of its own, and natively it would be told as a panic.
    fixtures(folder)?;
    let is_crate = folder.join("Cargo.toml").is_file();
    let component = component_of(folder, terminal)?;
    let native = match (is_crate, blessing) {
        (false, Blessing::Compare) => None,
        (false, Blessing::Bless | Blessing::BlessAll) => {
            bail!(
                "`--bless` needs a native run, and the folder has no crate; fix: write the `.events.json` files by hand"
            )
        }
        (true, Blessing::Compare) => Some(Expectations::Verbatim),
        (true, Blessing::Bless) => Some(Expectations::Bless),
        (true, Blessing::BlessAll) => Some(Expectations::BlessAll),
    };
    let native = native.map(|expectations| {
        terminal.step("running its own tests, and the suite natively");
        native::run(folder, expectations)
    });
    let native = native.transpose()?;
    terminal.step("running the suite on the component in the sandbox");
    let (manifest, interface, sandbox) = in_sandbox(folder, &component)?;
    Ok(Tested { manifest, interface, native, sandbox })
}

/// Runs the suite on a component, against the fixtures in `folder`.
///
/// # Errors
/// It does not load, or there are no fixtures.
pub fn in_sandbox(folder: &Path, component: &[u8]) -> Result<(Manifest, Interface, Report)> {
    let manifest = Manifest::from_component(component)?.context("the component carries no manifest")?;
    let interface = Interface::of(component)?;
    let subject = Sandboxed::new(component, &manifest.id)?;
    let fixtures = if subject.receives() { fixtures(folder)? } else { Vec::new() };
    let limits = &manifest.limits;
    let size = u64::try_from(component.len()).unwrap_or(u64::MAX);
    let budgets = Budgets::of_limits(limits.cpu_ms, limits.memory_mib, limits.output_kib)
        .with_component(size, limits.component_kib * 1024);
    let options = Options { effort: Effort::SANDBOX, expectations: Expectations::Values, budgets: Some(budgets) };
    let mut report = if subject.receives() { kit::run_suite(&subject, &fixtures, &options) } else { Report::default() };
    let outbound = OutboundOptions { budgets: Some(budgets), ..OutboundOptions::new(Expectations::Values) };
    for direction in [SENDING, POLLING] {
        let mut more = direction.run(folder, &manifest, &subject, &outbound)?;
        report.checks.append(&mut more.checks);
        report.maxima.append(&mut more.maxima);
    }
    let mut agreement = agreement::check(&manifest, &interface, &fixtures, &subject);
    agreement.failures.extend(other_name(folder, &manifest.id));
    report.checks.push(agreement);
    Ok((manifest, interface, report))
}

/// A configuration names the folder, and logs and metrics the id.
fn other_name(folder: &Path, id: &str) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    (name != id).then(|| format!("`id` is `{id}`, and the folder's name is `{name}`; fix: give both the same name"))
}

/// One of the two directions in which a connector describes requests.
struct Direction {
    /// Of the contract.
    interface: &'static str,
    /// Of `fixtures`.
    folder: &'static str,
    /// The end of the file that a fixture begins with.
    asked: &'static str,
}

const SENDING: Direction = Direction { interface: "sending", folder: "outbound", asked: "operation.json" };
const POLLING: Direction = Direction { interface: "polling", folder: "polling", asked: "poll.json" };

impl Direction {
    /// Runs its suite on a component that has the interface.
    fn run(
        &self,
        folder: &Path,
        manifest: &Manifest,
        component: &Sandboxed,
        options: &OutboundOptions,
    ) -> Result<Report> {
        let path = folder.to_str().context("the folder's path is not UTF-8")?;
        let pulling = Pulling(component);
        let (subject, exported, fixtures): (&dyn SendingSubject, _, _) = match self.interface {
            "polling" => (&pulling, component.polls(), read_polling_fixtures(path)),
            _ => (component, component.sends(), read_outbound_fixtures(path)),
        };
        let fixtures = fixtures.map_err(anyhow::Error::msg)?;
        let Self { interface, folder, asked } = self;
        match (exported, fixtures.is_empty()) {
            (true, false) => {
                let mut report = run_sending_suite(subject, &fixtures, options);
                report.checks.push(leaving::run(manifest, subject, &fixtures, folder)?);
                Ok(report)
            }
            (false, true) => Ok(Report::default()),
            (true, true) => {
                bail!("it exports `{interface}`, and has no fixture; fix: write `fixtures/{folder}/<case>.{asked}`")
            }
            (false, false) => {
                bail!("it has `fixtures/{folder}`, and does not export `{interface}`; fix: `rapport_sdk::export!`")
            }
        }
    }
}

pub(super) fn fixtures(folder: &Path) -> Result<Vec<kit::Fixture>> {
    let folder = folder.to_str().context("the folder's path is not UTF-8")?;
    kit::read_fixtures(folder).map_err(anyhow::Error::msg)
}

/// The component of a connector: built, or made without cargo.
pub(super) fn component_of(folder: &Path, terminal: &Terminal) -> Result<Vec<u8>> {
    if folder.join("Cargo.toml").is_file() {
        Ok(build(folder, &|progress| terminal.progress(&progress))?.bytes)
    } else {
        component_in(folder)
    }
}

/// The component of a connector that cargo does not build.
fn component_in(folder: &Path) -> Result<Vec<u8>> {
    let manifest = read_manifest(folder)?;
    let path = folder.join(FOREIGN_COMPONENT);
    if !path.is_file() {
        bail!("`{}`: expected a Cargo.toml or a `{FOREIGN_COMPONENT}`, found neither; fix: build it", folder.display());
    }
    let bytes = fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
    Ok(with_manifest(&bytes, &manifest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_folder_s_name() {
        assert_eq!(other_name(Path::new("plugins/acme"), "acme"), None);
        let other = other_name(Path::new("plugins/acme"), "acme2").unwrap();
        assert_eq!(other, "`id` is `acme2`, and the folder's name is `acme`; fix: give both the same name");
    }
}
