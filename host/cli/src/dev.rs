//! `rapport dev`: the service on this machine.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use crate::Terminal;
use crate::service::{self, Data, Settings};

/// Shown below `rapport dev --help`.
pub const EXAMPLE: &str = r#"A configuration (unknown keys are errors, secrets are only referenced):

  public-url = "https://hooks.example.com"      # how providers reach us; default: the listen address
  [api.keys.support]                            # for /v1; 16 bytes and more: `openssl rand -hex 32` makes one
  secret = "env:RAPPORT_API_KEY"
  may = ["read", "link", "review"]              # also: write, export, erase, operate
  [connections.wa-eu]                           # its webhook: /hooks/wa-eu
  connector = "whatsapp"                        # a folder of plugins/, or a path to a component
  config = { phone-number-ids = ["106540352242922"] }
  secrets = { app-secret = ["env:WA_APP_SECRET"], verify-token = ["env:WA_VERIFY_TOKEN"] }
"#;

/// Runs the service until it is stopped.
///
/// # Errors
/// What keeps it from starting, with the fix.
pub async fn run(config: &Path, listen: SocketAddr, data: &Path, terminal: &Terminal) -> Result<()> {
    let settings = Settings::read(config)?;
    let listener = service::listen(listen).await?;
    let address = listener.local_addr()?;
    let data = Data::serve(data)?;
    let public_url = settings.config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let service = service::service(&settings, &data, public_url, &|step| terminal.progress(step)).await?;
    println!("rapport listens on http://{address}");
    for (connection, written) in &settings.config.connections {
        println!("  {connection}: {}/hooks/{connection}", service.inbound.public_url);
        if written.feed.is_some() {
            println!("  {connection}: rapport feed {connection} FILE");
        }
    }
    for warning in service::warnings(&settings.config, &service) {
        eprintln!("warning: {warning}");
    }
    tokio::select! {
        served = service::serve(service, listener) => served,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
