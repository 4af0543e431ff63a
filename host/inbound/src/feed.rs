//! Turns what AWS delivers in the place of a provider's webhook into durable events, and acknowledges it only then.
//!
//! AWS authenticates it, by the policy of the queue or of the stream. `feed.from` of the connections says which of them it
//! is for. If it cannot be stored now, the answer is an error, and AWS keeps it: a queue until it is a dead letter.

mod batch;
mod delivery;
mod form;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rapport_config::Config;
use rapport_connections::credentials::Vouching;
use rapport_connections::{Connection, log_lines};
use rapport_sandbox::ObjectPlace;
use rapport_store::RawWebhook;
use rapport_store::objects::ObjectError;
use rapport_telemetry::DeliveryNotTaken;

pub use batch::{NoBatch, batch};
pub use delivery::AwsDelivery;

use crate::inbound::Inbound;
use crate::not_read::NotRead;
use crate::receive::{self, Done, judge, kept, log_of, proven, redacted, redaction_of, sandbox_us};
use crate::refusal::Refusal;

/// Which connections take what comes from where.
#[derive(Clone, Debug, Default)]
pub struct Feeds(BTreeMap<String, Vec<String>>);

impl Feeds {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        let feeds = config.connections.iter().filter_map(|(name, connection)| Some((name, connection.feed.as_ref()?)));
        feeds.flat_map(|(name, feed)| feed.from.iter().map(|origin| (origin.clone(), name.clone()))).collect()
    }

    /// The connections that take what comes from `origin`.
    pub fn takers(&self, origin: &str) -> &[String] {
        self.0.get(origin).map_or(&[], Vec::as_slice)
    }
}

/// Of pairs of an origin and the name of a connection, each once.
impl FromIterator<(String, String)> for Feeds {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        let mut feeds = BTreeMap::<String, Vec<String>>::new();
        for (origin, connection) in pairs {
            let takers = feeds.entry(origin).or_default();
            if !takers.contains(&connection) {
                takers.push(connection);
            }
        }
        Self(feeds)
    }
}

/// What became of a delivery at one connection. Nothing of it can be lost any more.
#[derive(Debug, PartialEq, Eq)]
pub enum FeedOutcome {
    /// Its events are durable. What of it could not be read is said in `parked`: it is kept whole besides.
    Stored { events: usize, parked: Option<String> },
    /// It is not of this connection.
    Ignored(String),
    /// Its connector could not handle it; it is kept whole, for a fixed one to replay.
    Parked { reason: &'static str, detail: String },
}

/// Why a delivery was not taken: it has to come again, most often after its fix.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("no connection takes what comes from `{0}`; fix: name it in a connection's `feed.from`, or stop it there")]
    NoTaker(String),
    #[error("no connection has this name; fix: add it to rapport.toml, or name another one")]
    NoConnection,
    #[error("connector `{0}` takes nothing that AWS delivers; fix: name another connection")]
    NoFeed(String),
    #[error("its object is in bucket `{0}`, which is not allowed; fix: name it in the connection's `feed.buckets`")]
    BucketNotAllowed(String),
    #[error("its object, in bucket `{bucket}`: {source}")]
    Object { bucket: String, source: ObjectError },
    #[error(
        "it has {bytes} bytes, and connector `{connector}` takes {max}; fix: raise `body-kib` in its connector.toml if it \
         can handle more"
    )]
    TooLarge { connector: String, bytes: usize, max: usize },
    /// The connector said that it is not proven, which AWS has done; or storage, or the sandbox, did not take it.
    #[error("{0}")]
    Refused(Refusal),
}

impl Inbound {
    /// Gives a delivery to every connection that takes what comes from its origin.
    ///
    /// # Errors
    /// The first connection's that did not take it; all others were tried. Giving it again is harmless.
    pub async fn feed(&self, delivery: &AwsDelivery, request_id: &str) -> Result<(), FeedError> {
        let takers = self.feeds.takers(&delivery.origin);
        if takers.is_empty() {
            let error = FeedError::NoTaker(delivery.origin.clone());
            DeliveryNotTaken { request_id, connection: None, error: &error }.emit();
            return Err(error);
        }
        let mut outcome = Ok(());
        for connection in takers {
            let fed = self.feed_to(connection, delivery, request_id).await;
            outcome = outcome.and(fed.map(drop));
        }
        outcome
    }

    /// Gives a delivery to one connection, wherever it is from.
    ///
    /// # Errors
    /// [`FeedError`]: nothing is left of it.
    pub async fn feed_to(
        &self,
        name: &str,
        delivery: &AwsDelivery,
        request_id: &str,
    ) -> Result<FeedOutcome, FeedError> {
        let fed = self.try_feed(name, delivery, request_id).await;
        if let Err(error) = &fed {
            DeliveryNotTaken { request_id, connection: Some(name), error }.emit();
        }
        fed
    }

    async fn try_feed(&self, name: &str, delivery: &AwsDelivery, request_id: &str) -> Result<FeedOutcome, FeedError> {
        let connection = self.connection(name).map_err(FeedError::Refused)?;
        let connection = &connection.ok_or(FeedError::NoConnection)?;
        let webhook = self.webhook(connection, delivery).await?;
        let received_at = (self.now)();
        let called = self.host.call(connection, &webhook, received_at, &BTreeSet::new()).await;
        let called = called.map_err(|error| FeedError::Refused(error.into()))?;
        let (sandbox_us, proven, log) = (sandbox_us(&called), proven(&called), log_of(&called).clone());
        let verdict = judge(called, Vouching::Credentials);
        let redaction = redaction_of(connection, &verdict, &webhook);
        log_lines(request_id, connection, &redaction.lines(&log.lines), log.dropped);
        let verdict = redacted(verdict, &redaction);
        let verdict = self.only_once(verdict, connection, &webhook.body, received_at).await;
        let verdict = verdict.map_err(FeedError::Refused)?;
        let why = match &verdict {
            receive::Verdict::Refuse { detail, .. } => detail.clone(),
            _ => String::new(),
        };
        let webhook = kept(connection, &redaction, webhook);
        let of = receive::AcceptedWebhook { connection, webhook, proven, received_at, name: request_id, sandbox_us };
        match self.carry_out(verdict, of).await {
            Ok(Done::Taken { events: 0, not_read: Some(NotRead { reason, detail, .. }), .. }) => {
                Ok(FeedOutcome::Parked { reason, detail })
            }
            Ok(Done::Taken { events, not_read, .. }) => {
                Ok(FeedOutcome::Stored { events, parked: not_read.map(|not_read| not_read.detail) })
            }
            Ok(Done::Ignored(detail)) => Ok(FeedOutcome::Ignored(detail)),
            Ok(Done::Parked { reason, detail }) => Ok(FeedOutcome::Parked { reason, detail }),
            Err(refusal) if why.is_empty() => Err(FeedError::Refused(refusal)),
            Err(refusal) => Err(FeedError::Refused(Refusal { detail: why, ..refusal })),
        }
    }

    /// What the connector is called with: the delivery, and the object that it names.
    async fn webhook(&self, connection: &Arc<Connection>, delivery: &AwsDelivery) -> Result<RawWebhook, FeedError> {
        let manifest = connection.connector.manifest();
        let feed = manifest.feed.as_ref().ok_or_else(|| FeedError::NoFeed(manifest.id.clone()))?;
        let max = manifest.limits.body_bytes();
        let fits = |bytes: usize| {
            if bytes <= max { Ok(()) } else { Err(FeedError::TooLarge { connector: manifest.id.clone(), bytes, max }) }
        };
        fits(delivery.body.len())?;
        let mut webhook = RawWebhook {
            method: "POST".to_owned(),
            url: delivery.through.clone(),
            headers: delivery.headers.clone(),
            body: delivery.body.clone(),
        };
        if let Some(object) = self.object(connection, feed.object.as_ref(), &delivery.body).await? {
            let (content_type, body) = form::form(&delivery.body, &object);
            fits(body.len())?;
            webhook.headers.retain(|(name, _)| name != "content-type");
            webhook.headers.insert(0, ("content-type".to_owned(), content_type));
            webhook.body = body;
        }
        Ok(webhook)
    }

    /// The object that a notification names, if it names one.
    async fn object(
        &self,
        connection: &Connection,
        place: Option<&ObjectPlace>,
        notification: &[u8],
    ) -> Result<Option<Vec<u8>>, FeedError> {
        let Some(place) = place else { return Ok(None) };
        let Ok(json) = serde_json::from_slice(notification) else { return Ok(None) };
        let Some((bucket, key)) = place.in_notification(&json) else { return Ok(None) };
        // What a notification says is not enough: the function may read more than this connection.
        let is_allowed = connection.feed.as_ref().is_some_and(|feed| feed.buckets.contains(&bucket));
        if !is_allowed {
            return Err(FeedError::BucketNotAllowed(bucket));
        }
        let max = connection.connector.manifest().limits.body_bytes() as u64;
        match self.objects.get(&bucket, &key, max).await {
            Ok(object) => Ok(Some(object)),
            Err(source) => Err(FeedError::Object { bucket, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_found_by_where_it_comes_from() {
        let config = "[connections.a]\nconnector = 'x'\nfeed = { from = ['one', 'two', 'one'] }\n\
                      [connections.b]\nconnector = 'x'\nfeed = { from = ['two'] }\n[connections.c]\nconnector = 'x'";
        let feeds = Feeds::of(&Config::parse(config).unwrap());
        assert_eq!(feeds.takers("one"), ["a"]);
        assert_eq!(feeds.takers("two"), ["a", "b"]);
        assert!(feeds.takers("three").is_empty());
    }
}
