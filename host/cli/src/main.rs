//! The `rapport` command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use rapport_cli::{Terminal, connector, demo, dev, parked};

/// One customer, one context, every channel.
///
/// Rapport receives what messaging providers send to its webhooks, reads it with sandboxed connectors, and keeps one
/// profile for each customer. Begin with `rapport demo`.
#[derive(Parser)]
#[command(name = "rapport", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// More on standard error: once for what happens, twice for everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the whole way of a webhook, without an account anywhere: builds the connectors, starts the service with an
    /// embedded DynamoDB in a temporary folder, sends it signed sample webhooks and prints what came of them
    Demo(demo::Options),
    /// Runs the service on this machine, with an embedded DynamoDB in one file
    ///
    /// What was answered 200 is on disk: the process may be killed at any time.
    #[command(after_help = dev::EXAMPLE)]
    Dev {
        /// Connections, keys and where secrets are
        #[arg(long, value_name = "FILE", default_value = "rapport.toml")]
        config: PathBuf,
        /// Where to listen; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Where the database, large bodies and the tenant key are; made when it is not there
        #[arg(long, value_name = "FOLDER", default_value = "data")]
        data: PathBuf,
    },
    /// Works on connectors
    #[command(subcommand)]
    Connector(ConnectorCommand),
    /// Webhooks that were verified and answered 200, but that their connector could not handle
    #[command(subcommand)]
    Parked(parked::Command),
}

#[derive(Subcommand)]
enum ConnectorCommand {
    /// Compiles connectors to components: target/connectors/<id>.wasm
    Build {
        /// Folders with a connector.toml; all of plugins/ when none is given
        paths: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::of_process();
    match run(arguments, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments, terminal: &Terminal) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.command {
        Command::Demo(options) => {
            terminal.log(arguments.verbose);
            runtime.block_on(demo::run(&options, terminal))
        }
        Command::Dev { config, listen, data } => {
            terminal.log(arguments.verbose + 1);
            runtime.block_on(dev::run(&config, listen, &data, terminal))
        }
        Command::Parked(command) => {
            terminal.log(arguments.verbose);
            runtime.block_on(parked::run(&command, terminal))
        }
        Command::Connector(ConnectorCommand::Build { paths }) => {
            let paths = if paths.is_empty() { connector::all_plugins()? } else { paths };
            for path in paths {
                let built = connector::build(&path, &|progress| terminal.progress(&progress))?;
                println!("{}", built.component.display());
            }
            Ok(())
        }
    }
}
