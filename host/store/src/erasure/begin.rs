//! How an erasure begins: of a whole person, or of what one connection said of an endpoint.

use rapport_model::event::Attestation;
use rapport_model::{Eid, Timestamp};

use crate::error::StoreError;
use crate::events::StoredEvent;
use crate::items::Reader;
use crate::keys;
use crate::table::Table;

use super::{Demand, Erased, Erasure, Requester};

impl Table {
    /// Begins to erase the whole person that an endpoint belongs to, or finds the erasure that is under way or has erased
    /// all there was. None: the endpoint was never seen.
    ///
    /// # Errors
    /// As [`Table::find`]. Do it again.
    pub async fn begin_erasure(
        &self,
        eid: &Eid,
        by: Option<Requester>,
        now: Timestamp,
    ) -> Result<Option<Erasure>, StoreError> {
        self.begin_erasure_of_address((eid, eid), by, now).await
    }

    /// As [`Table::begin_erasure`], of whoever has an address now, and of everything that claims to be it. The address is
    /// given by its first endpoint, which may be somebody else's now, or nobody's.
    ///
    /// # Errors
    /// As [`Table::find`]. Do it again.
    pub async fn begin_erasure_of_address(
        &self,
        (eid, address): (&Eid, &Eid),
        by: Option<Requester>,
        now: Timestamp,
    ) -> Result<Option<Erasure>, StoreError> {
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        let is_there = self.is_there(eid, &item).await?;
        if let Some(known) = self.erasure_of(&item, None).await?
            && (known.completed_at.is_none() || !is_there)
        {
            return Ok(Some(known));
        }
        if !is_there {
            return Ok(None);
        }
        let members: Vec<Eid> = self.find(eid).await?.members.into_iter().collect();
        let mut erasure = Erasure { requested_by: by, ..Erasure::new(self.erasure_id(), members, (now, now)) };
        self.add_unproven_of(std::slice::from_ref(address), &mut erasure).await?;
        self.save(&mut erasure).await?;
        Ok(Some(erasure))
    }

    /// Begins to erase what a connection said of an endpoint, as an event of it demands, or finds the erasure of that
    /// connection that is under way. None: it is done.
    ///
    /// # Errors
    /// As [`Table::find`]. Do it again.
    pub async fn begin_erasure_of_connection(
        &self,
        stored: &StoredEvent,
        now: Timestamp,
    ) -> Result<Option<Erasure>, StoreError> {
        let StoredEvent { eid, key, event, connection, .. } = stored;
        let item = self.get(self.endpoint_pk(eid), keys::ENDPOINT.to_owned()).await?.unwrap_or_default();
        if let Some(known) = self.erasure_of(&item, Some(connection)).await?
            && known.completed_at.is_none()
        {
            return Ok(Some(known));
        }
        if Erased::of(&Reader(&item)).hides(event.at, connection) {
            return Ok(None);
        }
        let attestation = event.contact.identifiers.first().map_or(Attestation::Imported, |first| first.attestation);
        let demand = Demand::new(stored, attestation, now);
        let requester = Requester::Event { event: key.clone(), connection: connection.clone(), attestation };
        let mut erasure = Erasure {
            requested_by: Some(requester),
            connection: Some(connection.clone()),
            demand: Some(demand),
            ..Erasure::new(self.erasure_id(), vec![eid.clone()], (event.at, now))
        };
        self.save(&mut erasure).await?;
        Ok(Some(erasure))
    }
}
