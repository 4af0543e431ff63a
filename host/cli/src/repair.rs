//! `rapport repair`: endpoints whose ways lead to no profile are brought back to theirs.

use anyhow::{Result, bail};
use rapport_api::operations::Operations;
use rapport_api::operations::repair::ITEMS_MAX;
use rapport_api::people::People;
use rapport_store::identity::RepairCursor;

use crate::Terminal;
use crate::parked::DataArgs;
use crate::service::{self, Data, Settings};

/// Tries the way of every endpoint, and mends those that lead nowhere.
///
/// # Errors
/// Storage failed, or something is left that this cannot mend.
pub async fn run(data_args: &DataArgs, terminal: &Terminal) -> Result<()> {
    let settings = Settings::read(&data_args.config)?;
    let data = Data::join(&data_args.data)?;
    let service = service::service(&settings, &data, String::new(), &|step| terminal.progress(step)).await?;
    let People { table, now, .. } = &service.api.people;
    let operations = Operations { table: table.clone(), now: *now };
    let (mut tried, mut mended, mut left) = (0, 0, 0);
    let mut cursor: Option<RepairCursor> = None;
    loop {
        let step = operations.repair(ITEMS_MAX, cursor.as_ref()).await?;
        tried += step.tried;
        mended += step.mended.len();
        left += step.left.len();
        for one in &step.mended {
            println!("{}  leads to profile {} again", one.endpoint, one.profile);
        }
        for one in &step.left {
            println!("{}  is left: {}", one.endpoint, one.reason);
        }
        cursor = step.next.as_deref().and_then(RepairCursor::parse);
        if cursor.is_none() {
            break;
        }
    }
    eprintln!("{tried} tried, {mended} mended, {left} left");
    if left > 0 {
        bail!("{left} endpoints could not be mended; fix: run it again, then report what it says");
    }
    Ok(())
}
