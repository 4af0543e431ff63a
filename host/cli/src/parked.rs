//! `rapport parked`: looking at what no connector could handle, and trying again.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use rapport_inbound::Inbound;
use rapport_inbound::replay::Replayed;
use rapport_model::profile::rfc3339;
use rapport_store::parked::{Parked, ParkedId};

use crate::Terminal;
use crate::service::{self, Data, Settings};

#[derive(clap::Subcommand)]
pub enum Command {
    /// One line for each parked webhook: id, when, why
    List {
        /// Only this connection's
        #[arg(long)]
        connection: Option<String>,
        #[command(flatten)]
        data_args: DataArgs,
    },
    /// One parked webhook whole, as HTTP (it holds personal data)
    Show {
        /// As `list` prints it
        id: String,
        #[command(flatten)]
        data_args: DataArgs,
    },
    /// Gives parked webhooks to the connectors that their connections have now
    Replay {
        /// As `list` prints them
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Every parked webhook
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        data_args: DataArgs,
    },
}

/// Where the service's configuration and data are.
#[derive(Args)]
pub struct DataArgs {
    /// The configuration of `rapport dev`
    #[arg(long, value_name = "FILE", default_value = "rapport.toml")]
    pub config: PathBuf,
    /// The data folder of `rapport dev`, which may be running
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    pub data: PathBuf,
}

/// Does what the command says.
///
/// # Errors
/// What keeps it from being done; what was parked stays parked.
pub async fn run(command: &Command, terminal: &Terminal) -> Result<()> {
    let data_args = match command {
        Command::List { data_args, .. } | Command::Show { data_args, .. } | Command::Replay { data_args, .. } => {
            data_args
        }
    };
    let settings = Settings::read(&data_args.config)?;
    let data = Data::join(&data_args.data)?;
    let service = service::service(&settings, &data, String::new(), &|step| terminal.progress(step)).await?;
    match command {
        Command::List { connection, .. } => list(&service.inbound, connection.as_deref()).await,
        Command::Show { id, .. } => show(&service.inbound, id).await,
        Command::Replay { ids, .. } => {
            let replayed = replay(&service.inbound, ids).await;
            // A running service folds what was stored; without one it is done here.
            data.fold_here(&service.inbound).await?;
            replayed
        }
    }
}

async fn list(inbound: &Inbound, connection: Option<&str>) -> Result<()> {
    let all = all(inbound, connection).await?;
    for parked in &all {
        let Parked { id, received_at, reason, detail, .. } = parked;
        println!("{id}  {}  {reason}: {detail}", rfc3339(*received_at));
    }
    eprintln!("{} parked", all.len());
    Ok(())
}

async fn all(inbound: &Inbound, connection: Option<&str>) -> Result<Vec<Parked>> {
    let mut all = Vec::new();
    match connection {
        Some(connection) => all.extend(inbound.table.parked(connection).await?),
        None => {
            for connection in inbound.host.connections.names() {
                all.extend(inbound.table.parked(connection).await?);
            }
        }
    }
    Ok(all)
}

async fn show(inbound: &Inbound, id: &str) -> Result<()> {
    let Some(parked) = inbound.table.parked_one(&parse(id)?).await? else { bail!("nothing is parked as `{id}`") };
    let Parked { received_at, reason, detail, connector_digest, webhook, .. } = parked;
    let Some(webhook) = webhook else { bail!("`{id}` cannot be read any more; the log says why") };
    println!("# received {}, {reason}: {detail}", rfc3339(received_at));
    println!("# by connector {connector_digest}");
    println!("{} {}", webhook.method, webhook.url);
    for (name, value) in &webhook.headers {
        println!("{name}: {value}");
    }
    println!("\n{}", String::from_utf8_lossy(&webhook.body));
    Ok(())
}

async fn replay(inbound: &Inbound, ids: &[String]) -> Result<()> {
    let ids: Vec<ParkedId> = match ids {
        [] => all(inbound, None).await?.into_iter().map(|parked| parked.id).collect(),
        ids => ids.iter().map(|id| parse(id)).collect::<Result<_>>()?,
    };
    let mut failed = 0;
    for id in &ids {
        let outcome = match inbound.replay(id).await? {
            Replayed::Stored { events: 1 } => "stored, 1 event".to_owned(),
            Replayed::Stored { events } => format!("stored, {events} events"),
            Replayed::Ignored(detail) => format!("ignored: {detail}"),
            Replayed::StillParked { reason, detail } => {
                failed += 1;
                format!("still parked, {reason}: {detail}")
            }
            Replayed::Unknown => {
                failed += 1;
                "not parked".to_owned()
            }
            Replayed::NoConnection(connection) => {
                failed += 1;
                format!("still parked: no connection `{connection}`; fix: configure it again")
            }
        };
        println!("{id}  {outcome}");
    }
    if failed > 0 {
        bail!("{failed} of {} were not replayed", ids.len());
    }
    Ok(())
}

fn parse(id: &str) -> Result<ParkedId> {
    ParkedId::parse(id).with_context(|| format!("`{id}` is not the id of a parked webhook; fix: `rapport parked list`"))
}
