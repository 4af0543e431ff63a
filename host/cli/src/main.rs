//! The `rapport` command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use rapport_cli::connector::inspect::Form;
use rapport_cli::connector::send;
use rapport_cli::connector::test::Blessing;
use rapport_cli::connector::try_out;
use rapport_cli::service::listen_address;
use rapport_cli::{Terminal, connector, demo, dev, doctor, feed, fold_failures, package, parked, repair};

/// One customer, one context, every channel.
///
/// Rapport receives what messaging providers send to its webhooks, reads it with sandboxed connectors, and keeps one
/// profile for each customer. Begin with `rapport demo`.
#[derive(Parser)]
#[command(name = "rapport", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Log more to standard error: -v for events, -vv for everything
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
        /// Address to listen on; port 0 takes a free port
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
        listen: SocketAddr,
        /// Folder of the database, large bodies and the tenant key; created if it does not exist
        #[arg(long, value_name = "FOLDER", default_value = "data")]
        data: PathBuf,
    },
    /// Gives a connection what AWS would deliver to it: an EventBridge event, an SNS notification, a batch of Lambda
    ///
    /// `rapport dev` may be running. The same delivery twice makes one event.
    #[command(after_help = feed::EXAMPLE)]
    Feed(feed::Arguments),
    /// Sends a message to a customer, through a running service
    #[command(after_help = rapport_cli::send::EXAMPLE)]
    Send(rapport_cli::send::Arguments),
    /// Checks this machine: toolchain, configuration, secrets, connectors and data folder, each with its fix
    ///
    /// It changes nothing, and asks nothing but this machine.
    Doctor(doctor::Arguments),
    /// Creates, builds, tests, tries and inspects connectors; signs and sends their fixtures
    #[command(subcommand)]
    Connector(ConnectorCommand),
    /// Makes the zip that runs on AWS Lambda: binary, configuration, connectors compiled ahead of time and signed
    ///
    /// The same inputs make the same bytes. Prints what is in it and the public key that the deployment has to trust.
    Package(package::Arguments),
    /// Lists, shows and replays parked webhooks: genuine ones that their connector could not read
    #[command(subcommand)]
    Parked(parked::Command),
    /// Repairs endpoints that no longer lead to a profile (the API answers `damaged` for them)
    ///
    /// `rapport dev` may be running. Healthy endpoints are not changed. On AWS it is `POST /v1/repairs`.
    Repair(parked::DataArgs),
    /// Lists and retries endpoints whose events are stored but could not be folded into a profile
    #[command(subcommand)]
    Fold(fold_failures::Command),
}

#[derive(Subcommand)]
enum ConnectorCommand {
    /// Makes the folder of a new connector, which builds and passes `rapport connector test` at once
    New {
        /// Its id: a letter, then letters, digits and `-`, all in lower case
        name: String,
        /// The folder in which it is made; without it, plugins/ of the checkout that this command is run in
        #[arg(long, value_name = "FOLDER")]
        path: Option<PathBuf>,
        /// The SDK's crate, `plugins/sdk` of a checkout; without it, the one of the checkout that this command is run in
        /// or was compiled in, or else the release
        #[arg(long, value_name = "FOLDER")]
        sdk: Option<PathBuf>,
    },
    /// Compiles connectors to components: target/connectors/<id>.wasm
    Build {
        /// Folders with a connector.toml, or names of such in plugins/; all of plugins/ when none is given
        paths: Vec<String>,
    },
    /// Tests connectors: their own tests and the suite natively, then the same suite on the component in the sandbox
    ///
    /// The suite tampers with every signed body, delivers again, changes the order of header fields, adds fields that
    /// nobody knows, sends hostile input, reads the logs, and counts instructions, memory and bytes.
    #[command(
        after_help = "Prints how many cases each check tried, then one line a failure. Ends with 1 if any fails."
    )]
    Test {
        /// Folders with a connector.toml, or names of such in plugins/; all of plugins/ when none is given
        paths: Vec<String>,
        /// Writes what fixtures come to natively into *.events.json, and says what it wrote; read it
        #[arg(long)]
        bless: bool,
        /// With --bless: also where an event of before is gone
        #[arg(long, requires = "bless")]
        force: bool,
    },
    /// Signs fixtures as the provider would, in place, with the secrets of their connection.json
    ///
    /// `{sign}` in a header field of a fixture is where the signature goes; an old one is replaced.
    Sign {
        /// A folder with a connector.toml, or the name of one in plugins/
        connector: String,
        /// A file of fixtures/inbound, without `.http`; without it: every fixture that needs a signature and has none
        fixture: Option<String>,
    },
    /// Posts a fixture to a running service, signed now
    Send(send::Arguments),
    /// Tries one operation of a connector that sends: shows its requests, what is answered, and what came of it
    ///
    /// It goes to a server of yours on this machine, to the provider, or to recorded answers.
    #[command(after_help = try_out::EXAMPLE)]
    Try(Box<try_out::Arguments>),
    /// Says what a connector is: what it imports and exports, what it may use, what an operator has to set
    Inspect {
        /// A component, a signed artefact, or a connector's folder or name, which is built first
        file: String,
        /// As JSON
        #[arg(long)]
        json: bool,
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
    let verbose = arguments.verbose;
    match arguments.command {
        Command::Demo(options) => {
            terminal.log(verbose);
            runtime.block_on(demo::run(&options, terminal))
        }
        Command::Dev { config, listen, data } => {
            terminal.log(verbose + 1);
            runtime.block_on(dev::run(&config, listen, &data, terminal))
        }
        Command::Feed(arguments) => {
            terminal.log(verbose);
            runtime.block_on(feed::run(&arguments, terminal))
        }
        Command::Send(arguments) => runtime.block_on(rapport_cli::send::run(&arguments)),
        Command::Package(arguments) => package::run(&arguments, terminal),
        Command::Parked(command) => {
            terminal.log(verbose);
            runtime.block_on(parked::run(&command, terminal))
        }
        Command::Repair(place) => {
            terminal.log(verbose);
            runtime.block_on(repair::run(&place, terminal))
        }
        Command::Fold(command) => {
            terminal.log(verbose);
            runtime.block_on(fold_failures::run(&command))
        }
        Command::Doctor(arguments) => doctor::run(&arguments, terminal),
        Command::Connector(ConnectorCommand::Try(arguments)) => {
            terminal.log(verbose);
            runtime.block_on(try_out::run(&arguments, terminal))
        }
        Command::Connector(ConnectorCommand::Send(arguments)) => runtime.block_on(send::run(&arguments, terminal)),
        Command::Connector(command) => run_connector(command, terminal),
    }
}

fn run_connector(command: ConnectorCommand, terminal: &Terminal) -> Result<()> {
    match command {
        ConnectorCommand::New { name, path, sdk } => {
            let source = connector::new::Source::of_process(sdk.as_deref());
            let made = connector::new::new(&name, path.as_deref(), Path::new("."), source)?;
            print!("{}", made.next_steps());
            Ok(())
        }
        ConnectorCommand::Build { paths } => {
            for path in folders(&paths)? {
                let built = connector::build(&path, &|progress| terminal.progress(&progress))?;
                println!("{}", built.component.display());
            }
            Ok(())
        }
        ConnectorCommand::Test { paths, bless, force } => {
            let blessing = match (bless, force) {
                (false, _) => Blessing::Compare,
                (true, false) => Blessing::Bless,
                (true, true) => Blessing::BlessAll,
            };
            connector::test::run(&folders(&paths)?, blessing, terminal)
        }
        ConnectorCommand::Sign { connector, fixture } => {
            let folder = connector::folder(&connector, Path::new("."))?;
            connector::sign::run(&folder, fixture.as_deref(), terminal)
        }
        ConnectorCommand::Send(_) | ConnectorCommand::Try(_) => {
            unreachable!("it waits for an answer, so it runs above")
        }
        ConnectorCommand::Inspect { file, json } => {
            let form = if json { Form::Json } else { Form::Table };
            connector::inspect::run(&file, form, terminal)
        }
    }
}

/// The connectors that were named; all of plugins/ when none was.
fn folders(words: &[String]) -> Result<Vec<PathBuf>> {
    match words {
        [] => connector::all_plugins(),
        words => words.iter().map(|words| connector::folder(words, Path::new("."))).collect(),
    }
}
