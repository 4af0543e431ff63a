//! Resolving secret references: only here, only at the start, never in a message.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rapport_config::SecretRef;
use rapport_model::TenantKey;
use rapport_sandbox::Secret;
use ring::rand::{SecureRandom, SystemRandom};

/// The value behind a reference. `what` names its use, for messages.
pub(crate) fn resolve(reference: &SecretRef, what: &str, relative_to: &Path) -> Result<Secret> {
    let bytes = match reference {
        SecretRef::Env(name) => match std::env::var(name) {
            Ok(value) => value.into_bytes(),
            Err(_) => bail!("{what}: environment variable `{name}` is not set; fix: set it, or name another"),
        },
        SecretRef::Store(name) => bail!(
            "{what}: `secret:{name}` is an entry of the secret store of a deployment, and there is none here; \
             fix: name `env:NAME` or `file:PATH` in the configuration of this machine"
        ),
        SecretRef::File(path) => {
            let path = relative_to.join(path);
            match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => bail!(
                    "{what}: `{}`: {error}; fix: write the secret into that file, or name another; a relative path begins at \
                     the configuration's folder",
                    path.display()
                ),
            }
        }
    };
    let secret = Secret::configured(&bytes);
    if secret.reveal().is_empty() {
        bail!("{what}: the secret is empty; fix: an empty secret would let everybody in, set a real one");
    }
    Ok(secret)
}

/// The tenant key of a configuration, or the one that the data folder keeps and that is made with it.
pub(crate) fn tenant_key(reference: Option<&SecretRef>, data: &Path, relative_to: &Path) -> Result<TenantKey> {
    let bytes = match reference {
        Some(reference) => resolve(reference, "`tenant-key`", relative_to)?.reveal().to_vec(),
        None => kept_tenant_key(&data.join("tenant-key"))?,
    };
    let short = "`tenant-key` is shorter than 16 bytes; fix: `openssl rand -hex 32` makes one";
    TenantKey::new(&bytes).context(short)
}

fn kept_tenant_key(path: &Path) -> Result<Vec<u8>> {
    if let Ok(kept) = fs::read(path) {
        return Ok(kept);
    }
    let key = random_hex(32)?;
    write_private(path, key.as_bytes()).with_context(|| format!("`{}`", path.display()))?;
    Ok(key.into_bytes())
}

/// As many random bytes, in hex.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    SystemRandom::new().fill(&mut random).ok().context("the system gives no random numbers")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only its owner reads, to disk.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
