//! The items of edges.

use rapport_model::identity::{Edge, EdgeId, Pair};
use rapport_model::{Eid, Timestamp};

use crate::error::StoreError;
use crate::items::{Item, Reader};
use crate::keys;
use crate::table::Table;

/// An edge and its item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub edge: Edge,
    /// How often the item was written; 0: it is not there yet.
    pub version: u64,
    pub before: EdgeBefore,
}

/// What an edge was when it was read, whatever becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct EdgeBefore {
    pub in_force: bool,
    pub set_aside: bool,
}

impl Stored {
    /// One of which nothing was said yet.
    pub fn new(id: EdgeId, now: Timestamp) -> Self {
        Self { edge: Edge::new(id, now), version: 0, before: EdgeBefore::default() }
    }
}

impl Table {
    /// An edge by its id, whether in force or not; none when nobody ever said so.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn edge(&self, id: &EdgeId) -> Result<Option<Edge>, StoreError> {
        let (pk, sk) = keys::edge(self.tenant(), id);
        self.get(pk, sk).await?.map(|item| Ok(read(&item)?.edge)).transpose()
    }

    /// The edges of a pair, one for each rule that ever spoke of it.
    pub(crate) async fn edges_of_pair(&self, pair: &Pair) -> Result<Vec<Stored>, StoreError> {
        let from = keys::edges_sk(pair);
        self.read_edges(pair.low(), &from).await
    }

    /// The edges that are stored with an endpoint: those to higher ones.
    pub(crate) async fn edges_from(&self, low: &Eid) -> Result<Vec<Stored>, StoreError> {
        self.read_edges(low, keys::EDGES).await
    }

    async fn read_edges(&self, low: &Eid, from: &str) -> Result<Vec<Stored>, StoreError> {
        let items = self.all(&self.endpoint_pk(low), from, &keys::after(from)).await?;
        items.iter().map(read).collect()
    }
}

fn read(item: &Item) -> Result<Stored, StoreError> {
    let reader = Reader(item);
    let edge: Edge = reader.json("edge")?;
    let before = EdgeBefore { in_force: edge.is_in_force(), set_aside: edge.set_aside };
    Ok(Stored { edge, version: reader.number("ver")?, before })
}
