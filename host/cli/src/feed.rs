//! `rapport feed`: what AWS would deliver, given to a connection on this machine.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use rapport_inbound::Inbound;
use rapport_inbound::feed::{AwsDelivery, FeedOutcome, batch};

use crate::Terminal;
use crate::parked::DataArgs;
use crate::service::{self, Data, Settings};

/// What stands for the queue that there is none of.
const QUEUE: &str = "arn:aws:sqs:local:000000000000:rapport-feed";

/// Shown below `rapport feed --help`.
pub const EXAMPLE: &str = r#"FILE is an EventBridge event, a notification of SNS (in its envelope or bare), or the event that Lambda makes of a
batch of SQS or Kinesis (`{"Records": …}`). A connection that takes such:

  [connections.crm]
  connector = "acme"                                        # its connector.toml says what it takes, as `feed`
  feed = { from = ["aws.partner/acme.example/changes"] }    # an EventBridge source, or an ARN of SNS, Kinesis or SQS
"#;

#[derive(Args)]
pub struct Arguments {
    /// The connection to give it to
    connection: String,
    /// What AWS would deliver; `-` is standard input
    file: PathBuf,
    /// What stands for S3: `<folder>/<bucket>/<key>` is an object
    #[arg(long, value_name = "FOLDER")]
    objects: Option<PathBuf>,
    #[command(flatten)]
    data_args: DataArgs,
}

/// Gives what is in a file to a connection, and says what came of it.
///
/// # Errors
/// What was not taken, with the fix.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<()> {
    let Arguments { connection, file, objects, data_args } = arguments;
    let mut settings = Settings::read(&data_args.config)?;
    // The others' connectors and secrets are not needed.
    settings.config.connections.retain(|name, _| name == connection);
    let Some(written) = settings.config.connections.get(connection).cloned() else {
        bail!("`{}` has no connection `{connection}`; fix: add it, or name another", data_args.config.display());
    };
    if written.feed.is_none() {
        bail!(
            "connection `{connection}` takes nothing from AWS; fix: add `feed = {{ from = [\"…\"] }}` to \
             `[connections.{connection}]` (`rapport feed --help` shows one)"
        );
    }
    let name = file.display().to_string();
    let deliveries =
        deliveries(&read(file).with_context(|| format!("`{name}`"))?).with_context(|| format!("`{name}`"))?;
    let data = Data::join_or_make(&data_args.data)?.with_objects(objects.as_deref());
    let service = service::service(&settings, &data, String::new(), &|step| terminal.progress(step)).await?;
    let origins = written.feed.map(|feed| feed.from).unwrap_or_default();
    let mut failed = 0;
    for delivery in &deliveries {
        failed += usize::from(!feed(&service.inbound, connection, delivery).await);
        if delivery.origin != QUEUE && !origins.contains(&delivery.origin) {
            let origin = &delivery.origin;
            eprintln!("note: `{origin}` is not in the connection's `feed.from`; deployed, this would not come here");
        }
    }
    data.fold_here(&service.inbound).await?;
    if failed > 0 {
        bail!("{failed} of {} were not taken", deliveries.len());
    }
    Ok(())
}

/// Prints a line; whether it was taken.
async fn feed(inbound: &Inbound, connection: &str, delivery: &AwsDelivery) -> bool {
    let fed = inbound.feed_to(connection, delivery, "rapport-feed").await;
    match &fed {
        Ok(FeedOutcome::Stored { events, parked }) => {
            let plural = if *events == 1 { "" } else { "s" };
            match parked {
                Some(detail) => println!("taken, {events} event{plural}; parked besides, unread: {detail}"),
                None => println!("taken, {events} event{plural}"),
            }
        }
        Ok(FeedOutcome::Ignored(detail)) => println!("ignored: {detail}"),
        Ok(FeedOutcome::Parked { reason, detail }) => println!("parked, {reason}: {detail}"),
        Err(error) => println!("not taken: {error}"),
    }
    fed.is_ok()
}

fn read(file: &Path) -> Result<String> {
    if file != Path::new("-") {
        return Ok(fs::read_to_string(file)?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// A batch as Lambda has it, or one message of a queue.
fn deliveries(text: &str) -> Result<Vec<AwsDelivery>> {
    let json: serde_json::Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => {
            bail!("it is not JSON: {error}; fix: give what AWS delivers (`rapport feed --help` lists the forms)")
        }
    };
    let is_batch = json.get("Records").is_some_and(serde_json::Value::is_array);
    if is_batch {
        Ok(batch(text)?.into_iter().map(|(_, delivery)| delivery).collect())
    } else {
        // The newline is the editor's.
        Ok(vec![AwsDelivery::of_message(text.trim_end(), QUEUE)])
    }
}
