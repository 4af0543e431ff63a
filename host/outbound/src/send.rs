//! What a worker does while it holds a marker.

use rapport_connections::NotRun;
use rapport_model::Timestamp;
use rapport_model::exchange::{Exchange, Request, Response, TransportError};
use rapport_model::sending::intent::{Cause, Choice, Intent, Report, Started, State};
use rapport_model::sending::lock::{Marker, REQUEST_MS_MAX};
use rapport_model::sending::{Next, Outcome, Turn, sent};
use rapport_store::events::NewEvent;
use rapport_store::outbox::intents::Changed;
use rapport_store::{Mistake, StoreError};
use rapport_telemetry::{
    ConnectionPaused, MessageNotSent, MessageSent, MessageUnknown, ProviderAway, ProviderLimits, ToldNotStored,
};

use crate::health::{ACCOUNT_PAUSE_MS, Change, Sign};
use crate::leases::BUCKET;
use crate::start::{DENIED, Job};
use crate::verdict::{AGAIN_MS, Limited, Verdict, is_of_account, narrowed, of_answer, of_transport};
use crate::worker::{Look, Worker};

/// Times that a busy connector is asked what an answer means. The answer is there, and only it can read it.
const ASKED_MAX: usize = 20;
/// Events that a connector may tell in a step. A message has one customer and few parts, and each event is a write while the marker
/// stands: thousands would outlive it, and a message that the provider took would become unknown.
const EVENTS_TOLD_MAX: usize = 32;
/// The error of an answer that the connector could not read.
const UNREAD: &str = "unread-answer";

impl Worker {
    /// Reads again under the marker, looks at the clock, sends, and records.
    pub(crate) async fn send(&self, job: &Job<'_>, marker: &Marker, request: &Request) -> Result<Look, StoreError> {
        let is_unchanged = self.makes(Mistake::NoRereadUnderMarker) || self.is_unchanged(job).await?;
        let unchecked = self.makes(Mistake::NoDeadlineCheck).then_some(REQUEST_MS_MAX);
        let Some(limit_ms) = unchecked.or_else(|| marker.time_left(self.now())).filter(|_| is_unchanged) else {
            self.table().release_marker(job.of, &marker.token, false).await?;
            return Ok(Look::Again);
        };
        let connection = job.stored.birth.connection.as_str();
        match self.perform(job, request, limit_ms).await {
            Err(_) => self.not_sent(job, marker, (AGAIN_MS, Limited::Nothing)).await?,
            Ok(Err(error)) => {
                if !matches!(error, TransportError::Denied(_) | TransportError::RequestTooLarge(_)) {
                    self.learn(connection, Sign::Away).await?;
                }
                self.conclude(job, marker, request, of_transport(&error)).await?;
            }
            Ok(Ok(response)) => self.answered(job, marker, request, response).await?,
        }
        Ok(Look::Again)
    }

    /// The consistent read under the marker: the same step of the same attempt is still the next one of the conversation, and
    /// nobody has written anything since.
    async fn is_unchanged(&self, job: &Job<'_>) -> Result<bool, StoreError> {
        let now = self.now();
        let mut open = self.open(job.of).await?;
        if self.makes(Mistake::RereadLooksAtItselfOnly) {
            open.retain(|stored| stored.id == job.stored.id);
        }
        Ok(match self.choose(&open) {
            Choice::Next(next) => *next == job.stored.intent && now <= next.birth.expires_at,
            Choice::Rest(_) => false,
        })
    }

    /// The provider answered: the connector says what it means.
    async fn answered(
        &self,
        job: &Job<'_>,
        marker: &Marker,
        request: &Request,
        response: Response,
    ) -> Result<(), StoreError> {
        let exchange: Exchange = Ok(response.clone());
        let mut turn = Err(NotRun::Busy);
        for _ in 0..ASKED_MAX {
            turn = self.ask_connector(job, vec![exchange.clone()]).await;
            if !matches!(turn, Err(NotRun::Busy)) {
                break;
            }
        }
        let Ok(turn) = turn else {
            // A refusal took nothing; any other answer may have.
            let verdict = match response.status {
                400..500 => Verdict::Failed(Cause::of(UNREAD).saying(format!("status {}", response.status))),
                status => Verdict::Unknown { error: UNREAD.to_owned(), status: Some(status) },
            };
            return self.conclude(job, marker, request, verdict).await;
        };
        let report = self.report(job, &turn, vec![exchange], !request.repeatable, None);
        let has_grown = report.accepted.len() > job.stored.accepted.len();
        match narrowed(of_answer(&response, request.repeatable, &turn.next, has_grown), &turn.so_far) {
            Verdict::Recorded(end) => {
                self.learn_of(job, &turn.next).await?;
                self.record(job, marker, &turn, Report { end, ..report }).await
            }
            other => {
                self.tell(&job.stored.birth.connection, job.stored.id.as_str(), &turn.so_far).await?;
                let sign = if matches!(other, Verdict::Unknown { .. }) { Sign::Away } else { Sign::Well };
                self.learn(&job.stored.birth.connection, sign).await?;
                self.conclude(job, marker, request, other).await
            }
        }
    }

    /// Puts the events of the parts that a report adds, by the start of their marker.
    async fn put_parts(&self, job: &Job<'_>, report: &Report, marker: &Marker) -> Result<(), StoreError> {
        let mut started = marker.started.clone();
        if self.makes(Mistake::EventKeyFromAnswerTime) {
            started.at = self.now();
        }
        self.put_messages(job, report, &started).await
    }

    /// Stores what a connector told while it did something. Each turn tells all of it again, and it is there once.
    pub(crate) async fn tell(&self, connection: &str, work: &str, so_far: &Outcome) -> Result<(), StoreError> {
        match &self.0.tell {
            Some(tell) if !so_far.events.is_empty() => {
                let count = so_far.events.len();
                if count > EVENTS_TOLD_MAX {
                    let detail = format!("{count} events, and the first {EVENTS_TOLD_MAX} are stored; fix: tell fewer");
                    ToldNotStored { connection, work, detail: &detail }.emit();
                }
                let events = so_far.events[..count.min(EVENTS_TOLD_MAX)].to_vec();
                tell(connection.to_owned(), work.to_owned(), events).await
            }
            _ => Ok(()),
        }
    }

    /// The events first, then the record: whoever finds the marker past its deadline finds the events.
    async fn record(&self, job: &Job<'_>, marker: &Marker, turn: &Turn, report: Report) -> Result<(), StoreError> {
        let is_refused = matches!(turn.next, Next::Failed(_)) && report.accepted.len() == job.stored.accepted.len();
        if is_refused && marker.is_repeatable {
            return self.record_refusal(job, marker, &report).await;
        }
        let record_first = self.makes(Mistake::RecordBeforeEvent);
        if !record_first {
            self.put_parts(job, &report, marker).await?;
            self.tell(&job.stored.birth.connection, job.stored.id.as_str(), &turn.so_far).await?;
        }
        let changed = self.table().change_intent(job.stored, |intent| intent.recorded(&report)).await?;
        if record_first {
            self.put_parts(job, &report, marker).await?;
        }
        if let Changed::Done(now) = &changed
            && !now.is_open()
        {
            self.tell_end(now);
        }
        if is_refused {
            return self.table().release_marker(job.of, &marker.token, false).await;
        }
        // The next marker replaces it.
        Ok(())
    }

    /// A refusal of a request that can be repeated counts only if nobody has started it again since.
    async fn record_refusal(&self, job: &Job<'_>, marker: &Marker, report: &Report) -> Result<(), StoreError> {
        let read = &job.stored.intent;
        let refused = |intent: &Intent| (intent == read).then(|| intent.recorded(report)).flatten();
        if let Changed::Done(now) = self.table().change_intent(job.stored, refused).await? {
            self.tell_end(&now);
        }
        self.table().release_marker(job.of, &marker.token, false).await
    }

    /// Puts the events of all parts that a report adds. Others make the same events.
    pub(crate) async fn put_messages(
        &self,
        job: &Job<'_>,
        report: &Report,
        started: &Started,
    ) -> Result<(), StoreError> {
        let (intent, tenant) = (&job.stored.intent, self.table().tenant_key());
        for (parts, id) in sent::messages(&report.accepted, intent.part()) {
            let origin = intent.origin(parts.start, started);
            let Some((key, event)) = sent::event(intent, parts, Some(id), started, tenant) else { continue };
            let event = NewEvent {
                eid: intent.birth.eid.clone(),
                key,
                event,
                connection: intent.birth.connection.clone(),
                connector_digest: String::new(),
                received_at: self.now(),
            };
            self.table().put_sent(event, &origin).await?;
        }
        Ok(())
    }

    /// A request came to nothing, or nobody knows what it came to.
    async fn conclude(
        &self,
        job: &Job<'_>,
        marker: &Marker,
        request: &Request,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let (step, started) = (job.stored.step, &marker.started);
        match verdict {
            Verdict::NotSent { wait_ms, limits } => self.not_sent(job, marker, (wait_ms, limits)).await,
            Verdict::Denied(why) => self.stop(job, marker, |intent| intent.refused(DENIED, &why)).await,
            Verdict::Failed(cause) => self.stop(job, marker, |intent| intent.failed(&cause)).await,
            Verdict::Unknown { .. } if request.repeatable || self.makes(Mistake::RepeatsAfterTimeout) => {
                let until = self.now() + AGAIN_MS;
                let again = |intent: &Intent| intent.starts_again(step, started.clone(), until);
                self.table().change_intent(job.stored, again).await?;
                self.table().release_marker(job.of, &marker.token, true).await
            }
            Verdict::Unknown { error, status } => {
                let unknown = |intent: &Intent| intent.undetermined(step, started.clone(), (&error, status));
                if let Changed::Done(_) = self.table().change_intent(job.stored, unknown).await? {
                    self.unknown(job.stored, &error, status);
                }
                // The marker stays: whoever replaces it remembers the intent.
                Ok(())
            }
            Verdict::Recorded(_) => Ok(()),
        }
    }

    async fn stop(
        &self,
        job: &Job<'_>,
        marker: &Marker,
        transition: impl Fn(&Intent) -> Option<Intent>,
    ) -> Result<(), StoreError> {
        let step = job.stored.step;
        let or_unknown = |intent: &Intent| match intent.started.clone() {
            _ if intent.step != step => None,
            Some(started) => intent.undetermined(step, started, ("denied", None)),
            None => transition(intent),
        };
        if let Changed::Done(now) = self.table().change_intent(job.stored, or_unknown).await? {
            self.tell_end(&now);
        }
        self.table().release_marker(job.of, &marker.token, false).await
    }

    /// Nothing happened: the intent says so and waits, all workers hear of a limit, the marker goes. The intent comes first: whoever
    /// finds the marker after a crash then knows that nothing left under it.
    async fn not_sent(
        &self,
        job: &Job<'_>,
        marker: &Marker,
        (wait_ms, limits): (u64, Limited),
    ) -> Result<(), StoreError> {
        let until = self.now() + wait_ms;
        let step = job.stored.step;
        self.table().change_intent(job.stored, |intent| intent.not_sent(step, until, Some(&marker.token))).await?;
        self.limit(job, limits, until).await?;
        self.table().release_marker(job.of, &marker.token, false).await
    }

    /// The provider takes nothing of a connection, or of a conversation, before an instant.
    pub(crate) async fn limit(&self, job: &Job<'_>, limits: Limited, until: Timestamp) -> Result<(), StoreError> {
        let (now, connection) = (self.now(), job.stored.birth.connection.as_str());
        match limits {
            Limited::Nothing => Ok(()),
            // The lock's own `next-at`: the conversations of others go on.
            Limited::Pair => self.table().hold_pair(job.of, until).await,
            Limited::Connection => {
                ProviderLimits { connection, wait_ms: until.saturating_sub(now) }.emit();
                self.0.leases.forget(connection);
                self.table().pause((connection, BUCKET), until, now).await
            }
        }
    }

    /// What an answer says of its connection.
    pub(crate) async fn learn_of(&self, job: &Job<'_>, next: &Next) -> Result<(), StoreError> {
        let sign = if is_of_account(next) { Sign::Account } else { Sign::Well };
        self.learn(&job.stored.birth.connection, sign).await
    }

    /// Learns whether a connection works. What stops this process stops the others.
    pub(crate) async fn learn(&self, connection: &str, sign: Sign) -> Result<(), StoreError> {
        let now = self.now();
        match self.0.health.learn(connection, sign, now) {
            None => Ok(()),
            Some(Change::Opened { until }) => {
                ProviderAway { connection, wait_ms: until.saturating_sub(now) }.emit();
                self.0.leases.forget(connection);
                self.table().pause((connection, BUCKET), until, now).await
            }
            Some(Change::Paused) => {
                ConnectionPaused { connection }.emit();
                self.0.leases.forget(connection);
                self.table().refuse_account(connection, now + ACCOUNT_PAUSE_MS, now).await
            }
        }
    }

    /// Whether something may start on a connection now; else when to ask again. A process that found the account refused looks whether
    /// a person has resumed it since.
    pub(crate) async fn may_start(&self, connection: &str) -> Result<Result<(), Timestamp>, StoreError> {
        let now = self.now();
        if let Some(paused_at) = self.0.health.paused_at(connection)
            && self.table().connection_standing(connection, now).await?.resumed_at >= paused_at
        {
            self.0.health.resume(connection);
        }
        Ok(self.0.health.may_start(connection, now))
    }

    pub(crate) fn unknown(&self, intent: &Intent, error: &str, status: Option<u16>) {
        let status = status.unwrap_or_default();
        MessageUnknown { connection: &intent.birth.connection, intent: intent.id.as_str(), error, status }.emit();
    }

    /// Writes a line about an intent that has ended.
    pub(crate) fn tell_end(&self, intent: &Intent) {
        let (connection, id) = (intent.birth.connection.as_str(), intent.id.as_str());
        let why = match &intent.state {
            State::Sent => {
                let waited_ms = self.now().saturating_sub(intent.id.due_at());
                return MessageSent { connection, intent: id, waited_ms }.emit();
            }
            State::Unknown { error, status } => return self.unknown(intent, error, *status),
            State::Failed(cause) | State::Cut { why: cause, .. } => &cause.kind,
            State::Refused { rule, .. } => rule,
            State::Cancelled | State::Expired | State::Pending | State::Sending => "",
        };
        MessageNotSent { connection, intent: id, state: intent.state.word(), why }.emit();
    }
}
