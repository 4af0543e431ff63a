//! What a component takes from its host and what it gives.

use anyhow::{Context, Result, bail};
use wit_component::{DecodedWasm, decode};

/// The imports and exports of a component, by name, such as `rapport:connector/log@0.2.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What it wants the host to do.
    pub imports: Vec<String>,
    /// What it does.
    pub exports: Vec<String>,
}

/// The interfaces of the contract that a connector may import. `types` and `http` hold no function.
const IMPORTS: [&str; 4] = ["http", "log", "types", "verify"];

impl Interface {
    /// Of a component's bytes.
    ///
    /// # Errors
    /// They are not a component.
    pub fn of(component: &[u8]) -> Result<Self> {
        let DecodedWasm::Component(resolve, world) = decode(component).context("it is not a component")? else {
            bail!("it is a WIT package, not a component");
        };
        let world = &resolve.worlds[world];
        let mut interface = Self {
            imports: world.imports.keys().map(|key| resolve.name_world_key(key)).collect(),
            exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect(),
        };
        interface.imports.sort();
        interface.exports.sort();
        Ok(interface)
    }

    /// The imports that no connector may have.
    pub fn foreign_imports(&self) -> Vec<&str> {
        let is_ours = |import: &str| {
            let name = import.strip_prefix("rapport:connector/").and_then(|rest| rest.split('@').next());
            name.is_some_and(|name| IMPORTS.contains(&name))
        };
        self.imports.iter().map(String::as_str).filter(|import| !is_ours(import)).collect()
    }
}

/// `log` of `rapport:connector/log@0.2.0`.
pub fn short_name(name: &str) -> &str {
    let name = name.strip_prefix("rapport:connector/").unwrap_or(name);
    name.split('@').next().unwrap_or(name)
}
