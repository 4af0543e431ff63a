//! DynamoDB inside this process: one SQLite file, served on loopback, spoken to through the AWS SDK like the real one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dynoxide::Database;
use rapport_model::TenantKey;
use rapport_telemetry::ExpiredNotSwept;

use crate::blobs::Blobs;
use crate::client;
use crate::entropy::Entropy;
use crate::error::StoreError;
use crate::table::{Access, Table};

/// The table's name in an embedded DynamoDB.
const TABLE: &str = "rapport-development";
/// The only tenant of an embedded DynamoDB.
const TENANT: &str = "main";
/// Expired items go within this time; AWS promises two days.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// A running embedded DynamoDB. It ends with the process: SQLite's log makes a kill as good as a shutdown.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    address: SocketAddr,
}

impl Embedded {
    /// Serves the database file `path` on a free loopback port.
    ///
    /// # Errors
    /// [`StoreError::Embedded`] when the file cannot be opened or no port can be had.
    pub fn start(path: &Path) -> Result<Self, StoreError> {
        let text = path.to_str().ok_or_else(|| StoreError::Embedded(format!("`{}` is no UTF-8", path.display())))?;
        let database = Database::new(text).map_err(|error| StoreError::Embedded(format!("`{text}`: {error}")))?;
        index_stream(path).map_err(|error| StoreError::Embedded(format!("`{text}`: {error}")))?;
        let (told, address) = mpsc::channel();
        // A thread and a runtime of its own: the database works synchronously, and would hold the webhooks' threads.
        thread::Builder::new()
            .name("embedded-dynamodb".to_owned())
            .spawn(move || serve(database, &told))
            .map_err(|error| StoreError::Embedded(error.to_string()))?;
        let address = address.recv().map_err(|_| StoreError::Embedded("its thread ended at once".to_owned()))?;
        Ok(Self { address: address.map_err(StoreError::Embedded)? })
    }

    /// One that another process of this machine serves.
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The table in it, made if it is not there.
    ///
    /// # Errors
    /// [`StoreError::OtherTenantKey`]; [`StoreError::Unavailable`].
    pub async fn table(&self, tenant_key: TenantKey, blobs: Blobs) -> Result<Table, StoreError> {
        let (dynamodb, streams) = client::loopback(&format!("http://{}", self.address));
        let (table, tenant) = (TABLE.to_owned(), TENANT.to_owned());
        Table::open(Access { dynamodb, streams, table, tenant, tenant_key, blobs, entropy: Entropy::system() }).await
    }
}

/// Gives the stream's records an index, before anybody is served.
///
/// A work-around, 2026-11-22: dynoxide 3.2.0 looks the last sequence number up with `MAX(CAST(…))` over all records that
/// there ever were, about a millisecond more for each put for each thousand of them. It can go when dynoxide indexes
/// `_stream_records` itself.
fn index_stream(path: &Path) -> rusqlite::Result<()> {
    let connection = rusqlite::Connection::open(path)?;
    connection.execute_batch(
        "CREATE INDEX IF NOT EXISTS rapport_stream_sequence
         ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         CREATE INDEX IF NOT EXISTS rapport_stream_shard
         ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));",
    )
}

fn serve(database: Database, told: &mpsc::Sender<Result<SocketAddr, String>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(told.send(Err(error.to_string()))),
    };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let (listener, address) = match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => (listener, address),
            Err(error) => return drop(told.send(Err(error.to_string()))),
        };
        if told.send(Ok(address)).is_err() {
            return;
        }
        let swept = database.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                if let Err(error) = swept.sweep_ttl() {
                    ExpiredNotSwept { error: &error }.emit();
                }
            }
        });
        dynoxide::server::serve_on(listener, database).await;
    });
}
