//! What a person sees: progress and failures on standard error, results on standard output, colours only on a terminal.

use std::io::{IsTerminal, stderr, stdout};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::connector::Progress;

/// Where a person reads.
pub struct Terminal {
    colours: bool,
}

/// How a word stands out.
#[derive(Clone, Copy)]
pub(crate) enum Tone {
    Heading,
    Good,
    Bad,
    Quiet,
}

impl Terminal {
    /// This process's: colours if standard output is a terminal and `NO_COLOR` is not set (no-color.org).
    pub fn of_process() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colours: wanted && stdout().is_terminal() }
    }

    /// Sends the log to standard error; `verbosity` 0 is warnings, 1 what happens, 2 everything.
    pub fn log(&self, verbosity: u8) {
        let level = match verbosity {
            0 => LevelFilter::OFF,
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        };
        let lines = tracing_subscriber::fmt::layer().with_writer(stderr).with_target(false);
        let lines = lines.with_ansi(stderr().is_terminal() && self.colours);
        // The embedded DynamoDB warns of each condition that does not hold; for us that is a duplicate, or a race lost.
        let wanted = Targets::new().with_default(level).with_target("dynoxide", LevelFilter::OFF);
        tracing_subscriber::registry().with(lines.with_filter(wanted)).init();
    }

    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// What a long step does.
    pub fn step(&self, text: &str) {
        eprintln!("{}", self.paint(Tone::Quiet, &format!("· {text}")));
    }

    /// What a build does.
    pub fn progress(&self, progress: &Progress) {
        match progress {
            Progress::InstallingTarget(target) => self.step(&format!("installing Rust's target {target} (once)")),
            Progress::Compiling(id) => self.step(&format!("building connector {id} (the first time takes minutes)")),
            Progress::Written(id, bytes) => self.step(&format!("connector {id}: {} KiB", bytes / 1024)),
            Progress::Unchanged(id) => self.step(&format!("connector {id} is up to date")),
        }
    }

    /// An error with what led to it.
    pub fn failure(&self, error: &anyhow::Error) {
        eprintln!("{} {error:#}", self.paint(Tone::Bad, "error:"));
    }
}
