//! The table's blobs, as the way out reads and writes them.

use rapport_egress::{Blobs, Keeping, Work};
use rapport_model::{Eid, Timestamp};
use rapport_store::Table;
use rapport_store::blobs::BlobWriter;

/// Blobs of a table. What is kept belongs to one item, and is erased with it.
pub struct TableBlobs {
    table: Table,
    pk: String,
    sk: String,
    owner: Option<Owner>,
}

/// Whose a body is that is kept.
#[derive(Clone)]
struct Owner {
    table: Table,
    eid: Eid,
    connection: String,
    now: Timestamp,
}

impl TableBlobs {
    /// For requests of the item with these keys, such as an intent.
    pub fn of(table: Table, pk: String, sk: String) -> Self {
        Self { table, pk, sk, owner: None }
    }

    /// The same, for requests that a connection makes for an endpoint: what is kept gets an item that names it, and is erased with
    /// the endpoint.
    pub fn owned(table: Table, what: &str, (eid, connection): (&Eid, &str), now: Timestamp) -> Self {
        let (pk, sk) = table.keys_of_kept(eid, what);
        let owner = Owner { table: table.clone(), eid: eid.clone(), connection: connection.to_owned(), now };
        Self { table, pk, sk, owner: Some(owner) }
    }
}

impl Blobs for TableBlobs {
    fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>> {
        Box::pin(async move { self.table.blobs().size(key).await.map_err(text) })
    }

    fn read<'a>(&'a self, key: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>> {
        Box::pin(async move { self.table.blobs().part(key, from, bytes).await.map_err(text) })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        Box::pin(async move {
            let writer = self.table.begin_blob(&self.pk, &self.sk).await.map_err(text)?;
            Ok(Box::new(Kept(writer, self.owner.clone())) as Box<dyn Keeping>)
        })
    }
}

struct Kept(BlobWriter, Option<Owner>);

impl Keeping for Kept {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Work<'a, ()> {
        Box::pin(async move { self.0.write(bytes).await.map_err(text) })
    }

    fn finish(self: Box<Self>) -> Work<'static, String> {
        Box::pin(async move {
            if let Some(Owner { table, eid, connection, now }) = self.1 {
                table.own_kept(&eid, &connection, &self.0.name(), now).await.map_err(text)?;
            }
            self.0.finish().await.map_err(text)
        })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
