//! The program of a package: built for the functions' processor and system, and looked at before it is packed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::{FileHeader as _, SectionHeader as _};

use super::Arch;
use crate::Terminal;
use crate::connector::{nested_cargo, toolchain};

/// The C library of `provided.al2023`: a binary that wants a newer one does not start. Source: Amazon Linux 2023's
/// package list, 2026-11.
const GLIBC_MAX: (u32, u32) = (2, 34);
/// The crate of the program, from the top of the checkout.
const CRATE: &str = "host/lambda";

/// A program for a package.
pub(super) struct Binary {
    pub(super) bytes: Vec<u8>,
    /// The checkout that it was built from; none: somebody else built it.
    pub(super) checkout: Option<PathBuf>,
}

impl Arch {
    fn processor(self) -> &'static str {
        self.target().name()
    }

    /// The compiler's name of the functions' system.
    pub(super) fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// A program that was built before.
///
/// # Errors
/// It cannot be read, or would not start there.
pub(super) fn read(path: &Path, arch: Arch) -> Result<Binary> {
    let bytes = fs::read(path).with_context(|| format!("`{}`", path.display()))?;
    check(&bytes, arch).with_context(|| format!("`{}`", path.display()))?;
    Ok(Binary { bytes, checkout: None })
}

/// Builds the program from the checkout that this command is run in.
///
/// # Errors
/// There is no checkout, no compiler or linker for the processor, or it does not compile.
pub(super) fn build(arch: Arch, terminal: &Terminal) -> Result<Binary> {
    let here = std::env::current_dir().context("the working directory is gone")?;
    let Some(checkout) = here.ancestors().find(|folder| folder.join(CRATE).join("Cargo.toml").is_file()) else {
        bail!("no checkout of Rapport at `{}` or above; fix: run this in one, or give --bootstrap", here.display())
    };
    toolchain::require_target(arch.triple(), checkout, &|step| terminal.progress(&step))?;
    terminal.step(&format!("building bootstrap for {} (the first time takes minutes)", arch.name()));
    // Of its own: an outer `cargo run` holds the lock of the usual one until this ends.
    let directory = nested_cargo::target_directory(&checkout.join("Cargo.toml"))?.join("lambda");
    nested_cargo::run(cargo(checkout, &directory, arch)?)?;
    let path = directory.join(arch.triple()).join("lambda/bootstrap");
    let built = read(&path, arch)?;
    Ok(Binary { checkout: Some(checkout.to_owned()), ..built })
}

/// The build, by the first way that this machine has: cargo-zigbuild, which builds for every processor and an old C
/// library; the compiler of this machine for its own processor; Debian's cross compiler.
fn cargo(checkout: &Path, directory: &Path, arch: Arch) -> Result<Command> {
    let mut cargo = nested_cargo::cargo(checkout);
    let cross = format!("{}-linux-gnu-gcc", arch.processor());
    let mut target = arch.triple().to_owned();
    if runs("cargo-zigbuild") {
        cargo.arg("zigbuild");
        target += &format!(".{}.{}", GLIBC_MAX.0, GLIBC_MAX.1);
    } else if arch.processor() == std::env::consts::ARCH && cfg!(target_os = "linux") {
        cargo.arg("build");
    } else if runs(&cross) {
        let name = arch.triple().replace('-', "_");
        cargo.arg("build").env(format!("CC_{name}"), &cross);
        cargo.env(format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), &cross);
    } else {
        bail!(
            "this machine cannot build for {}; fix: `pip install cargo-zigbuild`, which brings a linker, or Debian's \
             package gcc-{}-linux-gnu; or give --bootstrap, built elsewhere",
            arch.name(),
            arch.processor().replace('_', "-")
        );
    }
    cargo
        .args(["--profile", "lambda", "--locked", "--package", "rapport-lambda", "--bin", "bootstrap"])
        .args(["--target", &target])
        .arg("--target-dir")
        .arg(directory)
        .env("CARGO_ENCODED_RUSTFLAGS", same_paths_everywhere(checkout)?);
    Ok(cargo)
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Messages of panics name source files: by the same paths on every machine, so that the same sources are the same bytes.
fn same_paths_everywhere(checkout: &Path) -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let checkout = checkout.canonicalize().with_context(|| format!("`{}`", checkout.display()))?;
    let mut flags = vec![format!("--remap-path-prefix={}=/rapport", checkout.display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=/cargo", home.display())));
    Ok(flags.join("\u{1f}"))
}

/// Checks that a program is one for this processor, and that Lambda's C library has what it wants.
fn check(bytes: &[u8], arch: Arch) -> Result<()> {
    let fix = "fix: give --bootstrap a Linux program built with this --arch";
    let Ok(header) = FileHeader64::<Endianness>::parse(bytes) else { bail!("it is not a 64-bit ELF program; {fix}") };
    let endian = header.endian()?;
    let machine = match arch {
        Arch::Arm64 => EM_AARCH64,
        Arch::X86_64 => EM_X86_64,
    };
    if header.e_machine(endian) != machine {
        bail!("the program is for another processor than {}; {fix}", arch.name());
    }
    match newest_glibc(header, endian, bytes)? {
        Some(newest) if newest > GLIBC_MAX => bail!(
            "it wants glibc {}.{}, and `provided.al2023` has {}.{}; fix: `pip install cargo-zigbuild`, which builds for \
             that one, or build on an older system",
            newest.0,
            newest.1,
            GLIBC_MAX.0,
            GLIBC_MAX.1
        ),
        _ => Ok(()),
    }
}

/// The newest version of glibc that a program's symbols want; none: it wants none.
fn newest_glibc(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    bytes: &[u8],
) -> Result<Option<(u32, u32)>, object::Error> {
    let sections = header.sections(endian, bytes)?;
    let mut newest = None;
    for section in sections.iter() {
        let Some((mut libraries, strings)) = section.gnu_verneed(endian, bytes)? else { continue };
        let strings = sections.strings(endian, bytes, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                newest = newest.max(glibc(version.name(endian, strings)?));
            }
        }
    }
    Ok(newest)
}

/// `GLIBC_2.34` as numbers.
fn glibc(name: &[u8]) -> Option<(u32, u32)> {
    let (major, rest) = str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split_once('.')?;
    let minor = rest.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_glibc_are_numbers() {
        assert_eq!(glibc(b"GLIBC_2.34"), Some((2, 34)));
        assert_eq!(glibc(b"GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!(glibc(b"GCC_3.0"), None);
        assert!(glibc(b"GLIBC_2.4") < glibc(b"GLIBC_2.34"));
    }

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn a_program_for_another_processor_and_a_text_are_refused() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(newest_glibc(FileHeader64::parse(&*own).unwrap(), Endianness::Little, &own).unwrap().is_some());
        let error = |bytes: &[u8], arch| check(bytes, arch).unwrap_err().to_string();
        assert!(error(&own, Arch::Arm64).contains("another processor than arm64; fix: "));
        assert!(error(b"#!/bin/sh", Arch::X86_64).contains("it is not a 64-bit ELF program"));
    }
}
