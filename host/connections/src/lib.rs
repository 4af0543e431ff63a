//! Configured connectors, ready to be called: their secrets and credentials, the certificates that providers sign with, the
//! call itself, the requests that connectors send, and what nothing that is stored may hold. The only crate that may use the
//! sandbox and the way out together.

pub mod call;
pub mod certificates;
pub mod connections;
pub mod credentials;
pub mod operate;
pub mod redaction;
pub mod refusals;
pub mod secrets;
pub mod sending;
mod table_blobs;
mod tokens;

pub use call::{ConnectorHost, NotCalled, NotConfirmed, log_lines};
pub use certificates::Certificates;
pub use connections::{Connection, ConnectionError, Connections, check, open_to};
pub use operate::{Asked, Leaving, NotRun, SigningRole};
pub use secrets::{SecretValues, lacking};
pub use sending::{Sender, Step};
pub use table_blobs::TableBlobs;
