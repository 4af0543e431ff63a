//! The list. Its order is that of a webhook's way through the host: the process, requests, webhooks, the API, the fold,
//! identity, storage, erasures.

use crate::event::{DisplayRef, count, events, measured, unit};

events! {
    // ------------------------------------------------------------------------------------------------- the process

    /// The function's environment or its configuration does not fit. Lambda starts it again.
    ERROR FunctionNotStarted<'a> "function-not-started": "the function cannot start" { error: &'a str }

    /// Code panicked. The work that it was part of ends, the process goes on.
    ERROR Panicked<'a> "panicked": "panic" { at: &'a str }

    /// Storage or secrets did not answer while the process started.
    WARN NotReadyYet<'a> "not-ready-yet": "not ready yet; the first event tries again" { error: DisplayRef<'a> }

    /// The sandbox's engine or a connector could not be loaded while the process started.
    WARN NoEngineYet<'a> "no-engine-yet": "no engine yet; the first webhook tries again" { error: &'a str }

    /// The system has too few addresses for a pool. Calls of connectors are slower.
    WARN NoInstancePool<'a> "no-instance-pool": "no room for a pool of instances: each call maps its own memory"
        { error: DisplayRef<'a> }

    /// Storage, secrets or configuration do not allow an answer. The request is answered 500 or 503.
    ERROR RequestNotReady<'a> "request-not-ready": "not ready" { error: DisplayRef<'a> }

    /// New versions of secrets could not be read or used.
    ERROR SecretsNotRenewed<'a> "secrets-not-renewed": "secrets not renewed; the old ones stay in use" { error: DisplayRef<'a> }

    // ---------------------------------------------------------------------------------------- requests and batches

    /// A function answered 5xx.
    ERROR RequestFailed "request-failed": "request failed" { status: u16, took_ms: f64 as Milliseconds }
        counts failed

    /// A function answered 401. Anybody can cause many of these lines; `webhook-refused` counts the requests.
    DEBUG RequestUnproven "request-unproven": "request refused" { status: u16, took_ms: f64 }

    /// A function answered another 4xx.
    INFO RequestRefused "request-refused": "request refused" { status: u16, took_ms: f64 }

    /// A function answered.
    INFO RequestAnswered "request-answered": "request answered" { status: u16, took_ms: f64 as Milliseconds }

    /// The function's deadline came before the answer. The request is answered 503.
    ERROR DeadlineReached "deadline-reached": "no answer before the function's deadline" {}

    /// The feed's function handled a batch.
    INFO BatchTaken "batch-taken": "batch taken" { deliveries: usize, not_taken: usize }

    /// The sender's function handled a batch of wakes. Those that are given back come again.
    INFO TurnsMade "turns-made": "turns made" { wakes: usize, turns: usize, given_back: usize }

    /// Something was due at a minute: conversations were woken. Commands are left to whoever does them.
    INFO DueWoken "due-woken": "what is due was woken" { woken: usize, commands: usize }

    /// The function sends nothing to providers: its environment names a server on this machine that stands in their place.
    WARN StandInUsed<'a> "stand-in-used": "messages go to a stand-in and not to providers" { address: DisplayRef<'a> }

    /// The local service could not accept a TCP connection.
    WARN ClientNotAccepted<'a> "client-not-accepted": "a connection was not accepted" { error: DisplayRef<'a> }

    // ------------------------------------------------------------------------------------------------- connections

    /// A connection has no connector, configuration or secrets that work. Its provider gets 500.
    ERROR ConnectionNotSetUp<'a> "connection-not-set-up": "the connection cannot be set up"
        { connection: &'a str, error: DisplayRef<'a> }
        counts not_set_up

    /// A secret that the connector needs has no value.
    WARN SecretMissing<'a> "secret-missing": "a secret is not set" { connection: &'a str, lacking: &'a str }

    /// A version of a secret cannot be used; the others are.
    ERROR SecretVersionLeftOut<'a> "secret-version-left-out": "a version of a secret is left out" { error: DisplayRef<'a> }

    /// A connection's `config` does not name the business's own accounts, by `key`. It takes what `who` sends.
    WARN ConnectionOpen<'a> "connection-open": "it takes what every account sends; fix: name yours in its `config`"
        { connection: &'a str, who: &'a str, key: &'a str }

    /// A connection asks for more new certificates in a minute than it may.
    WARN TooManyCertificates<'a> "too-many-certificates": "too many certificates asked for; this one is not fetched"
        { connection: &'a str, limit: usize }

    /// A provider's certificate could not be fetched or read.
    WARN CertificateNotFetched<'a> "certificate-not-fetched": "certificate not fetched" { error: &'a str }

    /// A connector logged a line of level `debug`. In the JSON log its words are `message`.
    DEBUG ConnectorSaysDebug<'a> "connector-says-debug": "connector says"
        { request_id: &'a str, connection: &'a str, message: &'a str }

    /// A connector logged a line of level `info`. In the JSON log its words are `message`.
    INFO ConnectorSaysInfo<'a> "connector-says-info": "connector says"
        { request_id: &'a str, connection: &'a str, message: &'a str }

    /// A connector logged a line of level `warn`. In the JSON log its words are `message`.
    WARN ConnectorSaysWarn<'a> "connector-says-warn": "connector says"
        { request_id: &'a str, connection: &'a str, message: &'a str }

    /// A connector logged a line of level `error`. In the JSON log its words are `message`.
    ERROR ConnectorSaysError<'a> "connector-says-error": "connector says"
        { request_id: &'a str, connection: &'a str, message: &'a str }

    /// A connector logged more lines in one call than it may.
    WARN ConnectorLogsTooMuch<'a> "connector-logs-too-much": "connector logs too much"
        { request_id: &'a str, connection: &'a str, dropped: u64 }

    /// The connector failed while it looked for a request that confirms a subscription.
    ERROR ConfirmationFailed<'a> "confirmation-failed": "the connector failed to confirm"
        { request_id: &'a str, connection: &'a str, error: DisplayRef<'a> }

    /// The provider accepted the confirmation of a subscription.
    INFO SubscriptionConfirmed<'a> "subscription-confirmed": "subscription confirmed"
        { request_id: &'a str, connection: &'a str }

    /// The provider did not accept the confirmation, or could not be reached.
    ERROR SubscriptionNotConfirmed<'a> "subscription-not-confirmed": "subscription not confirmed"
        { request_id: &'a str, connection: &'a str, problem: &'a str }

    // ------------------------------------------------------------------------------------------------ what is sent

    /// A provider answered a request of a connector, with whatever status. `work` is what the request is for, such as the id
    /// of an intent. `url` has no secret, no value of its query, and nothing that could be an address or a number.
    INFO ProviderAnswered<'a> "provider-answered": "provider answered" {
        work: &'a str, connection: &'a str, method: &'a str, url: &'a str, status: u16, ms: u64, sent_bytes: u64,
        received_bytes: u64,
    }

    /// A request of a connector left, or may have left, and there is no whole answer: nobody knows if it was processed.
    ERROR ProviderSilent<'a> "provider-silent": "no answer of the provider" {
        work: &'a str, connection: &'a str, method: &'a str, url: &'a str, error: &'a str, problem: &'a str, ms: u64,
        sent_bytes: u64,
    }
        counts provider_silent

    /// A request of a connector did not leave. `denied`: a rule forbids it, and `problem` says how to change that.
    WARN ProviderNotAsked<'a> "provider-not-asked": "a request did not leave" {
        work: &'a str, connection: &'a str, method: &'a str, url: &'a str, error: &'a str, problem: &'a str,
    }
        counts provider_not_asked

    /// A token of OAuth 2 was obtained. It stays in memory.
    INFO TokenObtained<'a> "token-obtained": "a token was obtained" { connection: &'a str, secret: &'a str, ms: u64 }

    /// The server of tokens gave another refresh token. It is used from now on, and forgotten when the process ends: if the
    /// server takes the configured one back, store a new one.
    WARN TokenRotated<'a> "token-rotated": "the refresh token was replaced by its server"
        { connection: &'a str, secret: &'a str }

    /// The server of tokens refused or could not be asked. The request that needs the token did not leave.
    ERROR TokenNotObtained<'a> "token-not-obtained": "no token"
        { connection: &'a str, secret: &'a str, error: DisplayRef<'a> }
        counts token_not_obtained

    // -------------------------------------------------------------------------------------------------- messages out

    /// A message is sent: the provider has all parts of it. `waited_ms` is from when it was due.
    INFO MessageSent<'a> "message-sent": "message sent"
        { connection: &'a str, intent: &'a str, waited_ms: u64 as Milliseconds }

    /// A message ended otherwise: failed, refused, expired or cut. `why` is the kind of failure or the rule.
    WARN MessageNotSent<'a> "message-not-sent": "message not sent"
        { connection: &'a str, intent: &'a str, state: &'a str, why: &'a str }
        counts messages_not_sent

    /// A request left, or may have, and nobody knows whether it was processed. `status` is 0 if there was none. The provider's
    /// later word settles it; what nothing settles stays visible.
    ERROR MessageUnknown<'a> "message-unknown": "nobody knows whether a message was sent"
        { connection: &'a str, intent: &'a str, error: &'a str, status: u16 }
        counts messages_unknown

    /// The provider's later word settled a message.
    INFO MessageSettled<'a> "message-settled": "a message is settled"
        { connection: &'a str, intent: &'a str, state: &'a str }

    /// A message could not be read, or its connector or work failed again and again. It ended as failed, so that it holds up
    /// nobody.
    ERROR MessageSetAside<'a> "message-set-aside": "a message was set aside" { intent: &'a str, why: &'a str }
        counts messages_set_aside

    /// Something is due that this version cannot do: another version noted it. It was set aside, so that it holds up nothing.
    ERROR DueSetAside<'a> "due-set-aside": "something due was set aside: this version cannot do it" { command: &'a str }
        counts due_set_aside

    /// What a connector told while it sent could not be stored, now or ever: the connector breaks a rule of events.
    ERROR ToldNotStored<'a> "told-not-stored": "an event that a connector told while it sent was not stored"
        { connection: &'a str, work: &'a str, detail: &'a str }
        counts told_not_stored

    /// A provider wants a pause. All workers wait.
    INFO ProviderLimits<'a> "provider-limits": "the provider wants a pause" { connection: &'a str, wait_ms: u64 }

    /// A provider gave no answer five times in a row. Nothing starts on the connection for a while.
    ERROR ProviderAway<'a> "provider-away": "the provider is away; its messages wait"
        { connection: &'a str, wait_ms: u64 }
        counts providers_away

    /// The account may not send: its token, payment or standing. Nothing starts on the connection until a person has mended
    /// that and resumed it, or given it a new secret.
    ERROR ConnectionPaused<'a> "connection-paused": "the account may not send; the connection is paused"
        { connection: &'a str }
        counts connections_paused

    /// A worker's turn failed, because storage did not answer. It is made again.
    WARN TurnFailed<'a> "turn-failed": "a worker's turn failed; it is made again" { error: DisplayRef<'a> }
        counts turns_failed

    /// A worker's turn was not done before its time was over. Its wake comes again.
    WARN TurnCut "turn-cut": "a worker's turn took too long; its wake comes again" {}

    /// A message of the workers' queue is not a wake: another release wrote it, or somebody else. It stays in the dead letters.
    ERROR WakeNotRead<'a> "wake-not-read": "a wake cannot be read" { error: DisplayRef<'a> }
        counts wakes_not_read

    /// A wake failed again and again, and what it was for could not be ended either. It is tried again.
    ERROR WakeNotEnded<'a> "wake-not-ended": "a wake that was given up could not be ended" { error: DisplayRef<'a> }
        counts wakes_not_ended

    /// A worker was not woken by the queue. The fold made a note instead, and the next minutes wake it.
    WARN WakeNoted<'a> "wake-noted": "a worker was not woken; a note wakes it" { error: DisplayRef<'a> }

    // -------------------------------------------------------------------------------------------------- webhooks in

    /// A webhook's events are in the table. Duplicates were there before.
    INFO EventsStored<'a> "events-stored": "events stored" {
        request_id: &'a str, connection: &'a str, connector: &'a str, sandbox_us: u64 as Microseconds,
        new: usize as Count, duplicates: usize as Count, write_units: f64 as Count,
    }

    /// A webhook is answered 4xx or 5xx. Of many forged ones some are written; `suppressed` says how many were not.
    WARN WebhookRefused<'a> "webhook-refused": "webhook refused" {
        request_id: &'a str, connection: &'a str, connector: Option<&'a str>, sandbox_us: Option<u64>,
        status: u16, reason: &'a str, detail: &'a str, suppressed: u64,
    }
        counts refused plus suppressed

    /// Refusals of a connection that no line was written about.
    WARN WebhooksRefused<'a> "webhooks-refused": "webhooks refused" { connection: &'a str, suppressed: u64 }
        counts refused by suppressed

    /// A genuine webhook has nothing for Rapport.
    INFO WebhookIgnored<'a> "webhook-ignored": "webhook ignored"
        { request_id: &'a str, connection: &'a str, connector: &'a str, sandbox_us: u64, detail: &'a str }
        counts ignored

    /// A genuine webhook has no events, such as a handshake.
    INFO WebhookAnswered<'a> "webhook-answered": "webhook answered, without events"
        { request_id: &'a str, connection: &'a str, connector: &'a str, sandbox_us: u64 }

    /// A connector could not read all of a genuine webhook. It is kept whole.
    ERROR WebhookParked<'a> "webhook-parked": "webhook parked" {
        request_id: &'a str, connection: &'a str, connector: &'a str, sandbox_us: u64, reason: &'a str, detail: &'a str,
    }
        counts parked

    /// Storage did not take a webhook. It is answered 503, and the provider delivers it again.
    ERROR WebhookNotStored<'a> "webhook-not-stored": "webhook not stored"
        { request_id: &'a str, connection: &'a str, connector: &'a str, error: DisplayRef<'a> }
        counts not_stored

    /// A delivery of AWS was refused, or no connection takes it. AWS delivers it again.
    ERROR DeliveryNotTaken<'a> "delivery-not-taken": "delivery not taken"
        { request_id: &'a str, connection: Option<&'a str>, error: DisplayRef<'a> }
        counts not_taken

    /// Storage failed while a request was answered.
    ERROR StorageFailed<'a> "storage-failed": "storage failed" { error: DisplayRef<'a> }

    // ------------------------------------------------------------------------------------------------------ the API

    /// A call came without a valid API key. `wrong_keys_of_this_minute`: of all clients of this process.
    WARN ApiKeyRefused<'a> "api-key-refused": "api key refused" {
        request_id: &'a str, key: Option<&'a str>, status: u16, reason: &'a str, wrong_keys_of_this_minute: u32,
    }
        counts api_keys_refused

    /// A call was answered 5xx.
    ERROR ApiCallFailed<'a> "api-call-failed": "api call failed" {
        request_id: &'a str, key: &'a str, route: &'a str, status: u16, ms: Option<u64>, reason: Option<&'a str>,
        detail: Option<&'a str>,
    }
        counts api_failed

    /// A call was answered 4xx.
    INFO ApiCallRefused<'a> "api-call-refused": "api call refused" {
        request_id: &'a str, key: &'a str, route: &'a str, status: u16, ms: Option<u64>, reason: Option<&'a str>,
        detail: Option<&'a str>,
    }
        counts api_refused

    /// A call was answered.
    INFO ApiCallAnswered<'a> "api-call-answered": "api call answered"
        { request_id: &'a str, key: &'a str, route: &'a str, status: u16, ms: Option<u64> }

    /// A change could not be recorded before it was made. It is answered 503.
    ERROR AuditFailedBefore<'a> "audit-not-written-nothing-done": "audit not written; nothing was done"
        { error: DisplayRef<'a>, request_id: &'a str }
        counts audit_not_written

    /// A change was made, and what came of it could not be recorded.
    ERROR AuditFailedAfter<'a> "audit-not-written-of-what-was-done": "audit not written of what was done"
        { error: DisplayRef<'a>, request_id: &'a str, status: u16 }
        counts audit_not_written

    /// Data could not be given out because the call could not be recorded. It is answered 503.
    ERROR AuditFailedOnRead<'a> "audit-not-written-nothing-given-out": "audit not written; nothing was given out"
        { error: DisplayRef<'a>, request_id: &'a str }
        counts audit_not_written

    /// The hour in which a key was last used could not be stored.
    WARN KeyUseNotRecorded<'a> "key-use-not-recorded": "that a key was used is not recorded"
        { error: DisplayRef<'a>, key: &'a str }

    // ----------------------------------------------------------------------------------------------------- the fold

    /// The fold's function handled a batch. `lag_ms`: since the newest event was received.
    INFO BatchFolded "batch-folded": "batch folded" {
        records: usize, events: usize as Count, unreadable: usize as Count, gone: usize, set_aside: usize, folded: bool,
        lag_ms: Option<u64> as Milliseconds,
    }

    /// A large payload could not be read from the bucket. The fold waits there.
    ERROR PayloadNotReadable<'a> "payload-not-readable": "an event's payload cannot be had; the fold waits"
        { error: DisplayRef<'a> }

    /// Storage failed. The batch comes again.
    ERROR FoldWaits<'a> "fold-waits": "the fold waits" { error: DisplayRef<'a> }

    /// A record of the stream has not the form of an item of Rapport.
    ERROR RecordNotReadable<'a> "record-not-readable": "a record could not be read; what it is of stays in the table"
        { error: DisplayRef<'a> }

    /// Events of an endpoint could not be folded. Other endpoints continue.
    ERROR SetAside<'a> "set-aside": "set aside: not folded" { endpoint: DisplayRef<'a>, error: DisplayRef<'a>, failures: u64 }
        counts set_aside

    /// An endpoint that was set aside is folded.
    INFO TakenUpAgain<'a> "taken-up-again": "taken up again: folded" { endpoint: DisplayRef<'a> }

    /// Storage failed while the fold looked for endpoints that were set aside.
    ERROR NotTakenUp<'a> "not-taken-up": "what was set aside cannot be taken up" { error: DisplayRef<'a> }

    /// The queue of the workers did not take a wake. The fold of the message repeats it.
    WARN NotWoken<'a> "not-woken": "a worker was not woken; the fold repeats it" { error: DisplayRef<'a> }

    /// The fold could not look after a message that was put. Storage did not answer, and it is tried again; or its item is wrong.
    ERROR NotFollowed<'a> "not-followed": "a message that was put is not followed" { intent: &'a str, error: DisplayRef<'a> }
        counts not_followed

    /// An event came to an address that belongs to another person since. It is filed with that person.
    INFO EventHandedOver "event-handed-over": "an event is of whoever has its address now" {}

    /// An address changed its owner more often than Rapport keeps track of.
    ERROR TooManyHandovers<'a> "too-many-handovers": "an address changes hands too often; nothing is handed over any more"
        { endpoint: DisplayRef<'a> }

    // ----------------------------------------------------------------------------------------------------- identity

    /// A link made one profile of two.
    INFO ProfilesMerged<'a> "profiles-merged": "profiles merged" { survivor: DisplayRef<'a>, merged: DisplayRef<'a> }

    /// A link was undone, and a new profile has some of the endpoints.
    INFO ProfileParted<'a> "profile-parted": "a profile was parted" { fresh: DisplayRef<'a>, edge: DisplayRef<'a> }

    /// A link would give a person two identifiers of a kind that must be unique. It is held as a conflict.
    WARN LinkInConflict<'a> "link-in-conflict": "not linked: the profiles are in conflict" { edge: DisplayRef<'a> }

    /// The profiles of a link are too entangled to be changed in one transaction.
    ERROR EvidenceNotTaken<'a> "evidence-not-taken": "evidence was not taken in" { error: DisplayRef<'a> }

    /// A link was set aside, so that others of its profiles can change.
    ERROR LinkSetAside<'a> "link-set-aside": "set aside: too many profiles are in conflict with each other"
        { edge: DisplayRef<'a> }

    /// A new link was set aside, because it would entangle too many profiles.
    ERROR NewLinkSetAside<'a> "new-link-set-aside": "set aside: too many profiles would be in conflict with each other"
        { edge: DisplayRef<'a> }

    /// A look-up found an endpoint that leads to no profile. `POST /v1/repairs` repairs it.
    ERROR EndpointUnreachable<'a> "endpoint-unreachable": "an endpoint's way leads to no profile that has it"
        { endpoint: DisplayRef<'a> }
        counts unreachable

    /// A repair led an endpoint back to its profile.
    WARN EndpointRepaired<'a> "endpoint-repaired": "an endpoint leads to its profile again"
        { endpoint: DisplayRef<'a>, profile: DisplayRef<'a> }

    /// A repair made a profile for an endpoint that was in none.
    WARN EndpointGivenProfile<'a> "endpoint-given-profile": "an endpoint that was in no profile has one of its own"
        { endpoint: DisplayRef<'a>, profile: DisplayRef<'a> }

    /// An endpoint has as many open suggestions as it may.
    WARN TooManySuggestions<'a> "too-many-suggestions": "no more suggestions until somebody decides"
        { endpoint: DisplayRef<'a>, open: usize }

    // ------------------------------------------------------------------------------------------------------ storage

    /// A suggestion cannot be read.
    ERROR SuggestionLeftOut<'a> "suggestion-left-out": "left out of a list" { suggestion: DisplayRef<'a>, error: DisplayRef<'a> }

    /// A conflict cannot be read.
    ERROR ConflictLeftOut<'a> "conflict-left-out": "left out of a list" { error: DisplayRef<'a> }

    /// A provider's demand of an erasure cannot be read.
    ERROR DemandLeftOut<'a> "demand-left-out": "left out of a list" { endpoint: DisplayRef<'a>, error: DisplayRef<'a> }

    /// Traits, consents or states of an endpoint cannot be read.
    ERROR CellLeftOut<'a> "cell-left-out": "left out of an endpoint: it cannot be read" { error: DisplayRef<'a> }

    /// The state of a conversation cannot be read.
    ERROR HeadNotReadable<'a> "head-not-readable": "a head cannot be read; it is folded anew" { error: DisplayRef<'a> }

    /// An event in the table cannot be read.
    ERROR EventNotReadable<'a> "event-not-readable": "an event cannot be read; it stays in the log" { error: DisplayRef<'a> }

    /// The bucket has no payload of an event.
    ERROR PayloadGone<'a> "payload-gone": "an event's payload is gone" { error: DisplayRef<'a> }

    /// A parked webhook cannot be read.
    ERROR ParkedNotReadable<'a> "parked-not-readable": "a parked webhook cannot be read"
        { error: DisplayRef<'a>, parked: DisplayRef<'a> }

    /// The local database could not delete items whose time is over.
    WARN ExpiredNotSwept<'a> "expired-not-swept": "expired items could not be swept" { error: DisplayRef<'a> }

    // ---------------------------------------------------------------------------------------------------- erasures

    /// A call of an erasure ended. `completed`: nothing is left to do.
    INFO PersonErased<'a> "person-erased": "a person is erased" { erasure: &'a str, removed: u64, completed: bool }

    /// A provider deleted a contact. What its connection said of that contact is erased.
    INFO ConnectionErased<'a> "connection-erased": "what a connection said is erased, as its provider says"
        { erasure: &'a str, connection: &'a str }

    /// A provider asks for an erasure of more than its own connection said. An operator decides.
    WARN ErasureDemanded<'a> "erasure-demanded": "a provider demands an erasure; the rest waits for a decision"
        { connection: &'a str, attestation: &'a str }
        counts erasures_demanded

    /// Events of an erased person were delivered again.
    INFO ErasedAgain "erased-again": "what was erased came again, and was deleted" { events: usize }

    /// An endpoint that is left after an erasure could not be computed again.
    ERROR NotFoldedAnew<'a> "not-folded-anew": "not folded anew after an erasure" { endpoint: DisplayRef<'a>, error: DisplayRef<'a> }

    /// An event that nobody can read was emptied, since it may hold what has to be erased.
    ERROR EventEmptied<'a> "event-emptied": "what cannot be read was taken out of an event" { error: DisplayRef<'a> }

    /// An erasure found leftovers at its end, and begins again.
    WARN SweptAgain<'a> "swept-again": "swept again" { erasure: &'a str, left: &'a str }

    /// An erasure found leftovers however often it began again.
    ERROR ErasureIncomplete<'a> "erasure-incomplete": "an erasure left something" { erasure: &'a str, left: &'a str }
        counts incomplete
}
