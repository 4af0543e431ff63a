//! What a connector tells while it sends: a changed identifier, a withdrawn consent. It is an event of its connection as any other:
//! the same checks, the same place, and the lock moves before anything else is recorded of the message.

use rapport_connections::redaction::Redaction;
use rapport_model::Event;
use rapport_model::identity::choose_contact;
use rapport_store::StoreError;
use rapport_store::events::NewEvent;
use rapport_telemetry::ToldNotStored;

use crate::inbound::Inbound;
use crate::receive::takeover;

impl Inbound {
    /// Stores what the connector of a connection told. `work` is what the log calls what it did. Doing it again is harmless: the
    /// same event has the same key.
    ///
    /// What can never be stored is in the log, and stops nothing else.
    ///
    /// # Errors
    /// Storage failed; do it again.
    pub async fn store_told(&self, connection: &str, work: &str, events: Vec<Event>) -> Result<(), StoreError> {
        let Ok(Some(connection)) = self.host.connections.get(connection) else {
            ToldNotStored { connection, work, detail: "the connection is gone" }.emit();
            return Ok(());
        };
        let name = connection.name.as_str();
        let refused = |detail: &str| ToldNotStored { connection: name, work, detail }.emit();
        let received_at = (self.now)();
        let mut new = 0;
        for event in Redaction::of_unproven(&connection.known_secrets).events(events) {
            let mut event = takeover::as_report(event, &self.table);
            choose_contact(&mut event, self.table.rules());
            let (eid, key) = match self.place(&mut event, received_at).await?.0 {
                Ok(place) => place,
                Err(detail) => {
                    refused(&detail);
                    continue;
                }
            };
            let step = takeover::move_of(&self.table, (&eid, &key), &event, received_at);
            let put = self.table.put_told(NewEvent {
                eid,
                key,
                event,
                connection: name.to_owned(),
                connector_digest: connection.connector.digest().to_owned(),
                received_at,
            });
            match put.await {
                Ok(put) => {
                    new += put.new;
                    put.refused.iter().for_each(|(_, detail)| refused(detail));
                }
                Err(error) if !error.is_passing() => {
                    refused(&error.class());
                    continue;
                }
                Err(error) => return Err(error),
            }
            if let Some(step) = step {
                takeover::carry_out(&self.table, step, received_at).await?;
            }
        }
        if new > 0 {
            self.stored.notify_one();
        }
        Ok(())
    }
}
