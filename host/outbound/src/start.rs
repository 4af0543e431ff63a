//! What needs no marker: expiry, the connector's version, what can be repeated, rate. Then the marker.

use rapport_connections::NotRun;
use rapport_model::Timestamp;
use rapport_model::exchange::{Exchange, Method, Piece, Request, RequestBody};
use rapport_model::sending::intent::{Cause, INTERNAL, Intent, Pin, Repinned, Report, Started};
use rapport_model::sending::lock::{Ask, Lock, Refusal, Seen, Token};
use rapport_model::sending::policy::{self, Refused};
use rapport_model::sending::{Failure, Kind, Next, Turn, sent};
use rapport_store::StoreError;
use rapport_store::erasure::ADDRESS;
use rapport_store::outbox::intents::{Conversation, StoredIntent};
use rapport_store::outbox::lock::{Cancelled, Marked};

use crate::connectors::{Away, Leaving, Reply};
use crate::verdict::{AGAIN_MS, Limited, Verdict, limited_ms, of_answer, of_transport};
use crate::worker::{Look, Worker};

/// Milliseconds until a connection that could not be set up is tried again.
const NOT_SET_UP_MS: u64 = 60_000;
/// Milliseconds until a connector that is busy is asked again.
const BUSY_MS: u64 = 1_000;
/// Milliseconds that a request may take that can be repeated: the largest file, at 2 MB a second.
const TRANSFER_MS_MAX: u64 = 60_000;
/// The cause of an intent whose connection is not configured.
const NO_CONNECTION: &str = "no-connection";
/// What is wrong with a connector that puts the message itself beside other requests: one marker is for one request.
const NOT_ALONE: &str = "the connector puts a request that writes something beside others; fix: one step for it alone";
/// What is wrong with a connector whose upload or read sends a part. Such a request starts under no marker, so it could leave
/// twice.
const ACCEPTED_UNMARKED: &str = "the connector accepted a part after a request that it calls repeatable; fix: no `repeatable()` on the request that sends";
/// The cause of a request that a rule forbids.
pub(crate) const DENIED: &str = "denied";

/// One intent, as a worker goes on with it.
pub(crate) struct Job<'a> {
    pub of: &'a Conversation,
    pub stored: &'a StoredIntent,
    pub pin: Pin,
    pub last_customer_at: Option<Timestamp>,
}

impl Worker {
    /// Goes on with the oldest intent that is due.
    pub(crate) async fn proceed(
        &self,
        of: &Conversation,
        lock: &Lock,
        stored: &StoredIntent,
        seen: Option<Seen>,
    ) -> Result<Look, StoreError> {
        let (now, connection) = (self.now(), stored.birth.connection.as_str());
        if now > stored.birth.expires_at {
            return self.end(stored, "expired", |intent| intent.expired(now)).await;
        }
        let versions = match self.0.connectors.versions(connection) {
            Ok(versions) => versions,
            Err(Away::NotSetUp(_)) => return Ok(Look::Rest(Some(now + NOT_SET_UP_MS))),
            Err(Away::Missing) => {
                let why = format!("the configuration has no connection `{connection}`; fix: add it, and send again");
                let cause = Cause::of(NO_CONNECTION).saying(why);
                return self.end(stored, NO_CONNECTION, |intent| intent.failed(&cause)).await;
            }
        };
        let fresh = Pin { now, connector: versions.connector, configuration: versions.configuration };
        if let Some(Repinned::Changed(_)) = stored.repinned(&fresh) {
            return self.start_over(stored, &fresh).await;
        }
        if let Some(refused) = self.against(of, stored).await? {
            return self.end(stored, refused.rule, |intent| intent.refused(refused.rule, &refused.help)).await;
        }
        let last_customer_at = self.last_customer_at(of).await?;
        if let Some(refused) = self.outside_window(stored, last_customer_at).await? {
            return self.end(stored, refused.rule, |intent| intent.refused(refused.rule, &refused.help)).await;
        }
        let job = Job { of, stored, pin: stored.pin.clone().unwrap_or(fresh), last_customer_at };
        let turn = match self.ask_connector(&job, Vec::new()).await {
            Ok(turn) => turn,
            Err(NotRun::Busy) => return Ok(Look::Rest(Some(now + BUSY_MS))),
            Err(NotRun::Broken(detail)) => return self.fail_internally(stored, &detail).await,
        };
        self.tell(connection, stored.id.as_str(), &turn.so_far).await?;
        match &turn.next {
            Next::Perform(requests) => match requests.as_slice() {
                [request] if needs_marker(request) => self.start(&job, lock, seen, request).await,
                requests if requests.iter().any(needs_marker) => self.fail_internally(stored, NOT_ALONE).await,
                requests => match against_unmarked(lock, stored, now) {
                    Some(refusal) => self.refused_by_lock(stored, &refusal).await,
                    None => self.repeatable(&job, requests).await,
                },
            },
            Next::Done => self.finish(&job, &turn).await,
            Next::Failed(failure) => self.refuse(&job, failure).await,
        }
    }

    /// Which rule forbids it by now.
    async fn against(&self, of: &Conversation, stored: &StoredIntent) -> Result<Option<Refused>, StoreError> {
        let (suppressions, has_left) = self.table().standing(&of.eid).await?;
        if has_left {
            return Ok(Some(policy::changed_hands()));
        }
        let is_on = |name: &str| suppressions.get(name).is_some_and(|word| word.is_on);
        Ok(policy::against(&stored.draft, |name| match name {
            policy::ADDRESS => is_on(ADDRESS),
            purpose => is_on(purpose),
        }))
    }

    /// Whether the provider's window is over. Only if that is certain: a customer who never wrote here may have written to the
    /// business before it used this, and what is not folded yet may be the customer's.
    async fn outside_window(
        &self,
        stored: &StoredIntent,
        last_customer_at: Option<Timestamp>,
    ) -> Result<Option<Refused>, StoreError> {
        let windows = self.0.connectors.windows(&stored.birth.connection);
        let (Some(last), false) = (last_customer_at, windows.is_empty()) else { return Ok(None) };
        if policy::outside_window(&windows, &stored.draft, last, self.now()).is_none() {
            return Ok(None);
        }
        let newest = self.table().newest_received(&stored.birth.eid).await?;
        let since = newest.iter().filter(|event| !event.is_ours).map(|event| event.key.at()).fold(last, Timestamp::max);
        Ok(policy::outside_window(&windows, &stored.draft, since, self.now()))
    }

    /// Asks the connector what comes next after everything that is recorded, and what came since.
    pub(crate) async fn ask_connector(&self, job: &Job<'_>, new: Vec<Exchange>) -> Result<Turn, NotRun> {
        let mut asked = self.asked(job.stored, job.pin.now, job.last_customer_at);
        asked.step += usize::from(!new.is_empty());
        asked.history.extend(new);
        self.0.connectors.run(&job.stored.birth.connection, asked).await
    }

    /// Ends an intent of which nothing is under way: a transaction on intent and lock. What may have left is unknown.
    pub(crate) async fn end(
        &self,
        stored: &StoredIntent,
        word: &str,
        transition: impl Fn(&Intent) -> Option<Intent>,
    ) -> Result<Look, StoreError> {
        let or_unknown = |intent: &Intent| match intent.started.clone() {
            Some(started) => intent.undetermined(intent.step, started, (word, None)),
            None => transition(intent),
        };
        if let Cancelled::Done(ended) = self.table().stop_intent(stored, or_unknown).await? {
            self.tell_end(&ended);
        }
        Ok(Look::Again)
    }

    async fn fail_internally(&self, stored: &StoredIntent, detail: &str) -> Result<Look, StoreError> {
        let cause = Cause::of(INTERNAL).saying(detail);
        self.end(stored, INTERNAL, |intent| intent.failed(&cause)).await
    }

    /// Another connector or configuration than the attempt ran with.
    async fn start_over(&self, stored: &StoredIntent, fresh: &Pin) -> Result<Look, StoreError> {
        let changed = |intent: &Intent| match intent.repinned(fresh)? {
            Repinned::Changed(changed) => Some(*changed),
            Repinned::Same => None,
        };
        if let Cancelled::Done(now) = self.table().stop_intent(stored, changed).await?
            && !now.is_open()
        {
            self.tell_end(&now);
        }
        Ok(Look::Again)
    }

    /// The connector is done without another request.
    async fn finish(&self, job: &Job<'_>, turn: &Turn) -> Result<Look, StoreError> {
        let started = Started { at: job.pin.now, answers: None };
        let report = self.report(job, turn, Vec::new(), false, Some(rapport_model::sending::intent::End::Done));
        self.put_messages(job, &report, &started).await?;
        self.end(job.stored, "sent", |intent| intent.recorded(&report)).await
    }

    /// The connector sends nothing, and says why.
    async fn refuse(&self, job: &Job<'_>, failure: &Failure) -> Result<Look, StoreError> {
        if let Failure::RateLimited(wait_ms) = failure {
            return self.postpone(job, self.now() + limited_ms(*wait_ms)).await;
        }
        let cause = Cause::from(failure);
        self.end(job.stored, &cause.kind, |intent| intent.failed(&cause)).await
    }

    /// Nothing left: again, not before an instant.
    async fn postpone(&self, job: &Job<'_>, until: Timestamp) -> Result<Look, StoreError> {
        let (attempt, step) = (job.stored.attempt, job.stored.step);
        let waits = |intent: &Intent| intent.not_sent(step, until, None).filter(|_| intent.attempt == attempt);
        self.table().change_intent(job.stored, waits).await?;
        Ok(Look::Again)
    }

    /// Requests that can be repeated, and that are not the message itself. They need no marker.
    async fn repeatable(&self, job: &Job<'_>, requests: &[Request]) -> Result<Look, StoreError> {
        let connection = job.stored.birth.connection.as_str();
        if let Err(until) = self.may_start(connection).await? {
            return Ok(Look::Rest(Some(until)));
        }
        let mut done: Vec<Exchange> = Vec::with_capacity(requests.len());
        for request in requests {
            let exchange = match self.perform(job, request, TRANSFER_MS_MAX).await {
                Ok(exchange) => exchange,
                Err(_) => return self.postpone(job, self.now() + AGAIN_MS).await,
            };
            if let Err(error) = &exchange {
                return self.not_done(job, of_transport(error)).await;
            }
            done.push(exchange);
        }
        let turn = match self.ask_connector(job, done.clone()).await {
            Ok(turn) => turn,
            Err(NotRun::Busy) => return Ok(Look::Rest(Some(self.now() + BUSY_MS))),
            Err(NotRun::Broken(detail)) => return self.fail_internally(job.stored, &detail).await,
        };
        self.tell(connection, job.stored.id.as_str(), &turn.so_far).await?;
        let last = done.iter().rev().find_map(|exchange| exchange.as_ref().ok());
        let verdict = last.map_or(Verdict::Recorded(None), |last| of_answer(last, true, &turn.next, false));
        match verdict {
            Verdict::Recorded(_) if turn.so_far.accepted.len() > job.stored.accepted.len() => {
                self.fail_internally(job.stored, ACCEPTED_UNMARKED).await
            }
            Verdict::Recorded(end) => {
                self.learn_of(job, &turn.next).await?;
                let report = self.report(job, &turn, done, false, end);
                self.table().change_intent(job.stored, |intent| intent.recorded(&report)).await?;
                Ok(Look::Again)
            }
            other => self.not_done(job, other).await,
        }
    }

    /// A request that can be repeated came to nothing.
    async fn not_done(&self, job: &Job<'_>, verdict: Verdict) -> Result<Look, StoreError> {
        let now = self.now();
        match verdict {
            Verdict::NotSent { wait_ms, limits } => {
                match limits {
                    Limited::Nothing => {
                        self.learn(&job.stored.birth.connection, crate::health::Sign::Away).await?;
                    }
                    limits => self.limit(job, limits, now + wait_ms).await?,
                }
                self.postpone(job, now + wait_ms).await
            }
            Verdict::Denied(why) => self.end(job.stored, DENIED, |intent| intent.refused(DENIED, &why)).await,
            Verdict::Failed(cause) => self.end(job.stored, &cause.kind, |intent| intent.failed(&cause)).await,
            Verdict::Unknown { .. } | Verdict::Recorded(_) => {
                self.learn(&job.stored.birth.connection, crate::health::Sign::Away).await?;
                self.postpone(job, now + AGAIN_MS).await
            }
        }
    }

    /// The breaker, a token, the marker; then the request.
    async fn start(
        &self,
        job: &Job<'_>,
        lock: &Lock,
        seen: Option<Seen>,
        request: &Request,
    ) -> Result<Look, StoreError> {
        let connection = job.stored.birth.connection.as_str();
        let limits = self.0.connectors.limits(connection);
        if let Err(until) = self.may_start(connection).await? {
            return Ok(Look::Rest(Some(until)));
        }
        if let Err(until) = self.0.leases.take(self.table(), connection, &limits.rate, self.now()).await? {
            return Ok(Look::Rest(Some(until)));
        }
        let answers = self.answers(job).await?;
        let token = self.table().draw_token();
        let now = self.now();
        let mut ask = Ask::of(job.stored, token, now);
        ask.started.answers = ask.started.answers.or(answers);
        ask.is_repeatable = request.repeatable;
        ask.purpose = Some(job.stored.draft.purpose.clone());
        ask.pair_ms = limits.pair_ms;
        ask.seen = seen;
        match self.table().put_marker(job.of, lock, &ask).await? {
            Marked::Won(marker) => self.send(job, &marker, request).await,
            Marked::Again => Ok(Look::Again),
            Marked::Refused(Refusal::Taken(other)) => {
                Ok(Look::Drop(other.deadline + rapport_model::sending::lock::MARGIN_MS + 1))
            }
            Marked::Refused(Refusal::Wait(until)) => Ok(Look::Rest(Some(until))),
            Marked::Refused(refusal) => self.refused_by_lock(job.stored, &refusal).await,
        }
    }

    /// The lock lets an intent start neither now nor later.
    async fn refused_by_lock(&self, stored: &StoredIntent, refusal: &Refusal) -> Result<Look, StoreError> {
        if *refusal == Refusal::Closed {
            // It was put after the erasure of its person.
            self.table().delete_intent(stored).await?;
            return Ok(Look::Again);
        }
        let (rule, help) = (refusal.rule(), help_of(refusal));
        self.end(stored, rule, |intent| intent.refused(rule, help)).await
    }

    /// The newest event of others that is known now: a reply answers up to there.
    async fn answers(&self, job: &Job<'_>) -> Result<Option<rapport_model::EventKey>, StoreError> {
        if job.stored.draft.kind == Kind::Notice {
            return Ok(None);
        }
        let newest = self.table().newest_received(&job.of.eid).await?;
        Ok(newest.into_iter().find(|event| !event.is_ours).map(|event| event.key))
    }

    /// What a step came to.
    pub(crate) fn report(
        &self,
        job: &Job<'_>,
        turn: &Turn,
        exchanges: Vec<Exchange>,
        is_bound: bool,
        end: Option<rapport_model::sending::intent::End>,
    ) -> Report {
        let is_done = matches!(turn.next, Next::Done);
        Report {
            attempt: job.stored.attempt,
            step: job.stored.step,
            pin: job.pin.clone(),
            exchanges,
            is_bound,
            accepted: sent::accepted(&turn.so_far.accepted, job.stored.draft.parts(), is_done),
            end,
        }
    }

    /// Sends a request of an attempt.
    pub(crate) async fn perform(&self, job: &Job<'_>, request: &Request, limit_ms: u64) -> Reply {
        let entropy = job.stored.entropy(self.table().tenant_key());
        let leaving = Leaving {
            connection: &job.stored.birth.connection,
            work: job.stored.id.as_str(),
            request,
            limit_ms,
            entropy: &entropy,
            owner: &job.of.eid,
        };
        self.0.connectors.perform(leaving).await
    }
}

/// Whether a request may be the message itself. One that can be repeated may be, if it writes something and is no upload: it
/// then starts under the fence and in its turn, as any other.
fn needs_marker(request: &Request) -> bool {
    if !request.repeatable {
        return true;
    }
    let is_read = matches!(request.method, Method::Get | Method::Head);
    let is_blob = |pieces: &[Piece]| pieces.iter().any(|piece| matches!(piece, Piece::Blob(_) | Piece::BlobBase64(_)));
    let is_upload = match &request.body {
        RequestBody::Multipart(_) => true,
        RequestBody::Content(rapport_model::exchange::Content::Pieces(pieces)) => is_blob(pieces),
        RequestBody::Content(_) | RequestBody::Empty => false,
    };
    !(is_read || is_upload || request.keep)
}

/// Which condition of the marker fails for good before a request that needs none: an upload for a message that cannot start is
/// no use, and a connector that lies about it sends nothing over a person.
fn against_unmarked(lock: &Lock, stored: &StoredIntent, now: Timestamp) -> Option<Refusal> {
    let free = Lock { out: None, next_at: 0, ..lock.clone() };
    let ask = Ask { purpose: Some(stored.draft.purpose.clone()), ..Ask::of(stored, Token::new(0), now) };
    free.against(&ask)
}

fn help_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::StaleFence => "control of the conversation moved; fix: read it again, and answer if it is still yours",
        Refusal::StaleTurn => "the customer's message is answered; fix: read the conversation again",
        Refusal::Stopped => "the customer withdrew the consent to this purpose; fix: wait until they grant it again",
        Refusal::Taken(_) | Refusal::Closed | Refusal::Wait(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapport_model::exchange::{Authorization, Content, FormField};

    fn request(method: Method, body: RequestBody, repeatable: bool) -> Request {
        Request {
            method,
            url: vec![Piece::Text("https://api.example.com/".into())],
            headers: vec![],
            authorization: Authorization::None,
            signed: vec![],
            body,
            repeatable,
            keep: false,
            extensions: Default::default(),
        }
    }

    #[test]
    fn whatever_may_be_the_message_itself_needs_a_marker() {
        let json = || RequestBody::Content(Content::Bytes(b"{}".to_vec()));
        let file = RequestBody::Content(Content::Pieces(vec![Piece::Blob("b".into())]));
        let field =
            FormField { name: "file".into(), file_name: None, content_type: None, content: Content::Bytes(vec![]) };
        assert!(needs_marker(&request(Method::Post, json(), false)));
        assert!(needs_marker(&request(Method::Get, RequestBody::Empty, false)));
        assert!(needs_marker(&request(Method::Post, json(), true)));
        assert!(!needs_marker(&request(Method::Get, RequestBody::Empty, true)));
        assert!(!needs_marker(&request(Method::Post, file, true)));
        assert!(!needs_marker(&request(Method::Post, RequestBody::Multipart(vec![field]), true)));
    }
}
