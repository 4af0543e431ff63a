//! A provider's webhook becomes durable events, and only then is it answered 200.

pub(crate) mod takeover;
mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;

use rapport_connections::redaction::Redaction;
use rapport_connections::{Connection, credentials, log_lines};
use rapport_model::identity::choose_contact;
use rapport_model::{Eid, Event, EventKey};
use rapport_sandbox::{CallError, HttpResponse, Log, Receipt, Received};
use rapport_store::events::{NewEvent, Put};
use rapport_store::nonces::NonceOwner;
use rapport_store::parked::NewParked;
use rapport_store::{RawWebhook, StoreError};
use rapport_telemetry::{
    EventsStored, WebhookAnswered, WebhookIgnored, WebhookNotStored, WebhookParked, WebhookRefused,
};

use crate::admission::UNPROVEN;
use crate::event_checks;
use crate::inbound::Inbound;
use crate::not_read::NotRead;
use crate::refusal::{Refusal, RefusalKind};

pub(crate) use verdict::{Verdict, judge};

/// A webhook as it arrived.
pub struct Incoming {
    /// The name in the URL.
    pub connection: String,
    /// The second part of the URL, where there is one: for providers that sign nothing.
    pub token: Option<String>,
    pub webhook: RawWebhook,
    pub request_id: String,
}

/// What the provider is told.
pub type Answer = Result<HttpResponse, Refusal>;

/// A webhook on its way into storage.
pub(crate) struct AcceptedWebhook<'a> {
    pub connection: &'a Connection,
    /// Without what [`kept`] leaves out.
    pub webhook: RawWebhook,
    /// What `verify` had said yes to.
    pub proven: BTreeSet<String>,
    pub received_at: u64,
    /// What it is called in the log.
    pub name: &'a str,
    /// Microseconds that its connector took.
    pub sandbox_us: u64,
}

/// What was done about a webhook: nothing of it can be lost any more.
pub(crate) enum Done {
    /// Its events are durable. What of it could not be read is said in `not_read`, and it waits, whole, besides.
    Taken { events: usize, not_read: Option<NotRead>, response: Option<HttpResponse> },
    /// It is not of this connection.
    Ignored(String),
    /// It waits, whole, for a connector that can handle it.
    Parked { reason: &'static str, detail: String },
}

impl Done {
    /// What the provider is answered.
    fn response(self) -> HttpResponse {
        match self {
            Self::Taken { response: Some(response), .. } => response,
            _ => HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() },
        }
    }
}

impl Inbound {
    /// Receives a webhook that came through [admission](crate::admission).
    pub(crate) async fn receive_proven(
        &self,
        connection: &Arc<Connection>,
        webhook: RawWebhook,
        request_id: String,
    ) -> Answer {
        let webhook = credentials::without(connection, webhook);
        let received_at = (self.now)();
        let called = self.host.call(connection, &webhook, received_at, &BTreeSet::new()).await?;
        let asks_for_confirmation = asks_for_confirmation(&called);
        let (sandbox_us, proven, log) = (sandbox_us(&called), proven(&called), log_of(&called).clone());
        let verdict = judge(called, connection.vouching);
        let redaction = redaction_of(connection, &verdict, &webhook);
        log_lines(&request_id, connection, &redaction.lines(&log.lines), log.dropped);
        if asks_for_confirmation {
            self.host.confirm(connection, &webhook, &request_id).await?;
        }
        let verdict = redacted(verdict, &redaction);
        let verdict = self.only_once(verdict, connection, &webhook.body, received_at).await?;
        let webhook = kept(connection, &redaction, webhook);
        let accepted = AcceptedWebhook { connection, webhook, proven, received_at, name: &request_id, sandbox_us };
        self.carry_out(verdict, accepted).await.map(Done::response)
    }

    /// Refuses a value that is used once when it comes with another body than the first time.
    ///
    /// # Errors
    /// 503 storage did not say whose it is.
    pub(crate) async fn only_once(
        &self,
        verdict: Verdict,
        connection: &Connection,
        body: &[u8],
        now: u64,
    ) -> Result<Verdict, Refusal> {
        let Verdict::Take(Receipt { nonce: Some(nonce), .. }) = &verdict else { return Ok(verdict) };
        match self.table.claim_nonce(&connection.name, nonce, body, now).await? {
            NonceOwner::Ours => Ok(verdict),
            NonceOwner::Taken => Ok(Verdict::Refuse {
                refusal: Refusal::unauthenticated(UNPROVEN),
                detail: "a value that its provider uses once came before, with another body".into(),
            }),
        }
    }

    /// Does what a verdict says.
    ///
    /// # Errors
    /// What was refused, and 503 for what storage did not take.
    pub(crate) async fn carry_out(&self, verdict: Verdict, accepted: AcceptedWebhook<'_>) -> Result<Done, Refusal> {
        let AcceptedWebhook {
            connection: Connection { name: connection, connector, refusals, .. },
            name: request_id,
            ..
        } = accepted;
        let (connector, sandbox_us) = (connector.digest(), accepted.sandbox_us);
        let not_stored = |error: StoreError| {
            WebhookNotStored { request_id, connection, connector, error: &error }.emit();
            Refusal::unavailable("storage did not take the webhook; deliver it again")
        };
        match verdict {
            Verdict::Refuse { refusal, detail } => {
                let (status, reason) = (refusal.status(), refusal.name());
                // Forged webhooks are logged now and then. Failures of a connector or of storage are logged each time.
                let is_forged = refusal.kind == RefusalKind::Unauthenticated;
                let count = if is_forged { refusals.count((self.now)()) } else { Some(0) };
                if let Some(suppressed) = count {
                    WebhookRefused {
                        request_id,
                        connection,
                        connector: Some(connector),
                        sandbox_us: Some(sandbox_us),
                        status,
                        reason,
                        detail: &detail,
                        suppressed,
                    }
                    .emit();
                }
                Err(refusal)
            }
            Verdict::Ignore(detail) => {
                WebhookIgnored { request_id, connection, connector, sandbox_us, detail: &detail }.emit();
                Ok(Done::Ignored(detail))
            }
            Verdict::Park { reason, detail } => {
                self.park(accepted, reason, detail.clone(), BTreeSet::new()).await.map_err(not_stored)?;
                Ok(Done::Parked { reason, detail })
            }
            Verdict::Take(receipt) if receipt.events.is_empty() && receipt.unread.is_empty() => {
                WebhookAnswered { request_id, connection, connector, sandbox_us }.emit();
                Ok(Done::Taken { events: 0, not_read: None, response: receipt.response })
            }
            Verdict::Take(receipt) => {
                let events = receipt.events.len();
                let not_read = self.store(receipt.events, receipt.unread, &accepted).await.map_err(not_stored)?;
                if let Some(NotRead { reason, detail, owners }) = &not_read {
                    self.park(accepted, reason, detail.clone(), owners.clone()).await.map_err(not_stored)?;
                }
                Ok(Done::Taken { events, not_read, response: receipt.response })
            }
        }
    }

    /// Makes events durable. Says what is left of the webhook: elements that could not be read, events that have no
    /// place or that storage can never take. For that it has to be parked besides, whole.
    pub(crate) async fn store(
        &self,
        events: Vec<Event>,
        unread: Vec<String>,
        accepted: &AcceptedWebhook<'_>,
    ) -> Result<Option<NotRead>, StoreError> {
        let AcceptedWebhook { connection, webhook, received_at, name, sandbox_us, .. } = accepted;
        let mut new = Vec::with_capacity(events.len());
        let (mut unplaced, mut positions) = (Vec::new(), Vec::new());
        let mut units_for_times = 0.0;
        // Who sends nothing needs no lock.
        let sends = connection.connector.sends();
        let mut moves = Vec::new();
        for (position, event) in events.into_iter().enumerate() {
            let mut event = takeover::as_report(event, &self.table);
            choose_contact(&mut event, self.table.rules());
            let (place, units) = self.place(&mut event, *received_at).await?;
            units_for_times += units;
            match place {
                Ok((eid, key)) => {
                    positions.push(position);
                    if sends {
                        moves.extend(takeover::move_of(&self.table, (&eid, &key), &event, *received_at));
                    }
                    new.push(NewEvent {
                        eid,
                        key,
                        event,
                        connection: connection.name.clone(),
                        connector_digest: connection.connector.digest().to_owned(),
                        received_at: *received_at,
                    });
                }
                Err(detail) => unplaced.push(format!("event {position}: {detail}")),
            }
        }
        if new.is_empty() {
            return Ok(NotRead::of(unread, unplaced));
        }
        let owners = new.iter().map(|new: &NewEvent| new.eid.clone()).collect();
        let put = match self.table.put_events(new, webhook.clone()).await {
            Err(error) if !error.is_passing() => {
                // It would be as wrong when it is delivered again.
                unplaced.push(error.class());
                return Ok(NotRead::of(unread, unplaced));
            }
            put => put?,
        };
        let Put { new, duplicates, write_units, refused } = put;
        // Also for what was there before: whoever put it may have died before the lock moved.
        for step in moves {
            takeover::carry_out(&self.table, step, *received_at).await?;
        }
        unplaced.extend(refused.iter().map(|(at, detail)| format!("event {}: {detail}", positions[*at])));
        let not_read = NotRead::of(unread, unplaced).map(|not_read| not_read.beside(owners));
        let write_units = write_units + units_for_times;
        let (connection, connector) = (connection.name.as_str(), connection.connector.digest());
        EventsStored { request_id: name, connection, connector, sandbox_us: *sandbox_us, new, duplicates, write_units }
            .emit();
        if new > 0 {
            self.stored.notify_one();
        }
        Ok(not_read)
    }

    /// The place of an event, and the write units that it took to find when it was first seen, where the provider says no
    /// time. The place is a sentence where it has none.
    pub(crate) async fn place(
        &self,
        event: &mut Event,
        received_at: u64,
    ) -> Result<(Result<(Eid, EventKey), String>, f64), StoreError> {
        event_checks::drop_impossible_times(event, received_at);
        let place = event_checks::place(&self.table, event);
        let (true, Ok((eid, key))) = (event.at == event_checks::NO_TIME, &place) else { return Ok((place, 0.0)) };
        match self.table.first_seen(eid, key, received_at).await {
            Ok(first_seen) => {
                event.at = first_seen.at;
                Ok((event_checks::place(&self.table, event), first_seen.write_units))
            }
            Err(error) if error.is_passing() => Err(error),
            Err(error) => Ok((Err(error.class()), 0.0)),
        }
    }

    async fn park(
        &self,
        accepted: AcceptedWebhook<'_>,
        reason: &'static str,
        detail: String,
        owners: BTreeSet<Eid>,
    ) -> Result<(), StoreError> {
        let AcceptedWebhook { connection, webhook, proven, received_at, name, sandbox_us } = accepted;
        let connector_digest = connection.connector.digest().to_owned();
        let connection = connection.name.clone();
        let connector = connector_digest.as_str();
        WebhookParked { request_id: name, connection: &connection, connector, sandbox_us, reason, detail: &detail }
            .emit();
        let new = NewParked { connection, received_at, reason, detail, connector_digest, proven, owners, webhook };
        self.table.park(new).await.map(drop)
    }
}

/// Whether a verified webhook brought nothing to store: it may be a subscription that waits for a request of ours.
fn asks_for_confirmation(called: &Result<Received, CallError>) -> bool {
    let is_empty = |received: &Received| {
        received.outcome.as_ref().is_ok_and(|receipt| receipt.events.is_empty() && receipt.unread.is_empty())
    };
    called.as_ref().is_ok_and(|received| received.verified && is_empty(received))
}

/// Headers that the way here added or that hold credentials: they say nothing to a connector that reads it again.
const NOT_KEPT: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The webhook as it is stored, with its first event or parked: without credentials, and without any secret.
pub(crate) fn kept(connection: &Connection, redaction: &Redaction<'_>, mut webhook: RawWebhook) -> RawWebhook {
    webhook.headers.retain(|(name, _)| !NOT_KEPT.contains(&name.as_str()));
    redaction.webhook(&connection.connector.manifest().redact, webhook)
}

/// What is taken out of a webhook of this connection.
pub(crate) fn redaction_of<'c>(connection: &'c Connection, verdict: &Verdict, webhook: &RawWebhook) -> Redaction<'c> {
    match verdict {
        Verdict::Refuse { .. } => Redaction::of_unproven(&connection.known_secrets),
        _ => Redaction::of(&connection.known_secrets, &connection.connector.manifest().redact, webhook),
    }
}

/// A verdict that repeats no secret: a connector writes sentences and events of what it saw.
pub(crate) fn redacted(verdict: Verdict, redaction: &Redaction<'_>) -> Verdict {
    match verdict {
        Verdict::Take(receipt) => Verdict::Take(Receipt {
            events: redaction.events(receipt.events),
            unread: receipt.unread.into_iter().map(|line| redaction.line(line)).collect(),
            ..receipt
        }),
        Verdict::Ignore(detail) => Verdict::Ignore(redaction.line(detail)),
        Verdict::Park { reason, detail } => Verdict::Park { reason, detail: redaction.line(detail) },
        Verdict::Refuse { refusal, detail } => Verdict::Refuse { refusal, detail: redaction.line(detail) },
    }
}

/// What a call's `verify` said yes to.
pub(crate) fn proven(called: &Result<Received, CallError>) -> BTreeSet<String> {
    match called {
        Ok(received) => received.proven.clone(),
        Err(error) => error.proven.clone(),
    }
}

/// Microseconds that a call took.
pub(crate) fn sandbox_us(called: &Result<Received, CallError>) -> u64 {
    match called {
        Ok(received) => received.usage.wall_us,
        Err(error) => error.usage.wall_us,
    }
}

pub(crate) fn log_of(called: &Result<Received, CallError>) -> &Log {
    match called {
        Ok(received) => &received.log,
        Err(error) => &error.log,
    }
}
