//! What the host writes into its log: one list of events, each a type with its level, its fields and its metrics.
//!
//! `EventsStored { … }.emit()` writes a line. The line carries the event's id, which never changes. Metrics are found by
//! that id, so the words of a line can be improved without emptying a metric. The tables in `README.md` are made from the
//! same list.
//!
//! Never a body, a secret, an address or a name of a person in a field. The words of connectors go through redaction first.
//!
//! All lines of the host are here, panics included: `tidy::every_line_of_the_log_is_on_the_list` refuses others. Two kinds
//! of output are not lines of the log and not here: what libraries write through `tracing`, and what the `rapport` command
//! tells a person at a terminal (`cli/src/terminal.rs`).

mod event;
mod log_events;
mod lookup;
mod span;

pub use event::{Count, Counted, Described, Field, Unit};
pub use log_events::*;
pub use lookup::{DIMENSIONS, described};
pub use span::{batch, request};
pub use tracing::Level;
