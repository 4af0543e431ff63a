//! `rapport fold`: who could not be folded, and trying again.

use anyhow::{Context, Result, bail};
use rapport_model::Eid;
use rapport_model::profile::rfc3339;
use rapport_projections::fold::aside::take_up;
use rapport_store::Table;
use rapport_store::unfolded::Unfolded;

use crate::parked::DataArgs;
use crate::service::{Data, Settings, now};

/// Endpoints of one page of the list.
const PAGE: usize = 100;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Lists endpoints that could not be folded: id, time, attempts, error, next attempt
    List {
        #[command(flatten)]
        data_args: DataArgs,
    },
    /// Folds endpoints from their events, and takes those that could be folded off the list
    Retry {
        /// As `list` prints them
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Every one that is set aside
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        data_args: DataArgs,
    },
}

/// Does what the command says. No connector is needed, so none is built.
///
/// # Errors
/// What keeps it from being done; what is set aside stays so.
pub async fn run(command: &Command) -> Result<()> {
    let (Command::List { data_args } | Command::Retry { data_args, .. }) = command;
    let settings = Settings::read(&data_args.config)?;
    let table = Data::join(&data_args.data)?.table(&settings.config, &settings.base).await?;
    match command {
        Command::List { .. } => list(&table).await,
        Command::Retry { ids, .. } => retry(&table, ids).await,
    }
}

async fn list(table: &Table) -> Result<()> {
    let all = all(table).await?;
    for Unfolded { eid, reason, since, failures, again_at, .. } in &all {
        let again = again_at.map_or("when you say so".to_owned(), rfc3339);
        println!("{eid}  since {}  failed {failures}  {reason}  again {again}", rfc3339(*since));
    }
    eprintln!("{} set aside", all.len());
    Ok(())
}

async fn all(table: &Table) -> Result<Vec<Unfolded>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = table.unfolded(PAGE, after.as_ref()).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn retry(table: &Table, ids: &[String]) -> Result<()> {
    let wanted = match ids {
        [] => all(table).await?,
        ids => {
            let mut wanted = Vec::new();
            for id in ids {
                let fix = || format!("`{id}` is not the id of an endpoint that is set aside; fix: `rapport fold list`");
                let eid = Eid::parse(id).with_context(fix)?;
                wanted.push(table.unfolded_one(&eid).await?.with_context(fix)?);
            }
            wanted
        }
    };
    let mut failed = 0;
    for unfolded in &wanted {
        let outcome = if take_up(table, unfolded, now()).await? {
            "folded".to_owned()
        } else {
            failed += 1;
            let known = table.unfolded_one(&unfolded.eid).await?;
            format!("still set aside: {}", known.map_or(String::new(), |known| known.reason))
        };
        println!("{}  {outcome}", unfolded.eid);
    }
    if failed > 0 {
        bail!("{failed} of {} could not be folded", wanted.len());
    }
    Ok(())
}
