//! The connectors of a package, each loaded when it is first needed, and then kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rapport_config::package::Package;
use rapport_sandbox::{Connector, LoadError, Options, PublicKey, Sandbox};

/// Loads artefacts, and nothing that a trusted key did not sign.
pub struct Connectors {
    root: PathBuf,
    package: Package,
    trusted: Vec<PublicKey>,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    sandbox: Option<Sandbox>,
    connectors: HashMap<String, Connector>,
}

/// Why a connector could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum NotInPackage {
    #[error(transparent)]
    Engine(#[from] LoadError),
    #[error("connector `{0}` is not in the package; fix: make it again with `rapport package` and this configuration")]
    Unknown(String),
    #[error("connector `{connector}`, `{file}`: {source}")]
    Load { connector: String, file: String, source: Box<LoadError> },
    #[error(
        "connector `{connector}`, `{file}`: expected the component {expected}, found {found}; fix: make the package again"
    )]
    Other { connector: String, file: String, expected: String, found: String },
}

impl Connectors {
    /// The connectors of a package whose top folder is `root`. Nothing is loaded yet.
    pub fn new(root: PathBuf, package: Package, trusted: Vec<PublicKey>) -> Self {
        Self { root, package, trusted, loaded: Mutex::default() }
    }

    /// Whether a configuration's words name a connector of the package.
    pub fn has(&self, words: &str) -> bool {
        self.package.connectors.contains_key(words)
    }

    /// Whether that connector sends messages, as the package says.
    pub fn sends(&self, words: &str) -> bool {
        self.package.connectors.get(words).is_some_and(|packaged| packaged.sends)
    }

    /// Starts the engine, which a function may do while it waits for the network, and loads the connector of a package that
    /// has no other.
    ///
    /// # Errors
    /// It is tried again with the first webhook.
    pub fn start(&self) -> Result<(), NotInPackage> {
        let mut all = self.package.connectors.keys();
        match (all.next(), all.next()) {
            (Some(only), None) => self.get(only).map(drop),
            _ => Ok(sandbox(&mut self.loaded.lock().unwrap_or_else(PoisonError::into_inner)).map(drop)?),
        }
    }

    /// A connector by the words of a configuration.
    ///
    /// # Errors
    /// [`NotInPackage`], before anything of it ran.
    pub fn get(&self, words: &str) -> Result<Connector, NotInPackage> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = loaded.connectors.get(words) {
            return Ok(connector.clone());
        }
        let packaged = self.package.connectors.get(words).ok_or_else(|| NotInPackage::Unknown(words.to_owned()))?;
        let file = &packaged.file;
        let load = |sandbox: Sandbox| sandbox.load_file(&self.root.join(file), &self.trusted);
        let connector = sandbox(&mut loaded).and_then(load).map_err(|source| NotInPackage::Load {
            connector: words.to_owned(),
            file: file.clone(),
            source: Box::new(source),
        })?;
        // Every byte of the artefact was signed; what is left to find is another one's artefact under this name.
        if connector.digest() != packaged.component_sha256 {
            return Err(NotInPackage::Other {
                connector: words.to_owned(),
                file: file.clone(),
                expected: packaged.component_sha256.clone(),
                found: connector.digest().to_owned(),
            });
        }
        loaded.connectors.insert(words.to_owned(), connector.clone());
        Ok(connector)
    }
}

fn sandbox(loaded: &mut Loaded) -> Result<Sandbox, LoadError> {
    if loaded.sandbox.is_none() {
        loaded.sandbox = Some(Sandbox::new(Options::default())?);
    }
    Ok(loaded.sandbox.clone().expect("it was made above"))
}
