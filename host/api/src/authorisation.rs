//! Who may call the API: a key may do what its scopes allow. Every call with a key is recorded in the audit and in the log,
//! also if it fails.

pub mod wrong_keys;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use rapport_config::scope::{Scope, Scopes};
use rapport_http::page::HttpMethod;
use rapport_http::{Problem, RequestId};
use rapport_model::event::Author as MessageAuthor;
use rapport_model::identity::{Author, EdgeId, Pair};
use rapport_model::sending::MessageId;
use rapport_model::{Eid, EventKey, ProfileId, Timestamp};
use rapport_store::audit::{Phase, Record, SUBJECTS_MAX};
use rapport_telemetry::{
    ApiCallAnswered, ApiCallFailed, ApiCallRefused, ApiKeyRefused, AuditFailedAfter, AuditFailedBefore,
    AuditFailedOnRead, KeyUseNotRecorded,
};

use crate::api_keys::ApiKey;
use crate::authorisation::wrong_keys::{RETRY_AFTER_S, SlowDown, WrongKeys};
use crate::sending::Sender;
use crate::sending::views::NamedConversation;
use crate::state::Api;

/// What the process remembers about callers. It may be lost when the process ends.
#[derive(Default)]
pub struct CallerState {
    wrong_keys: WrongKeys,
    /// The hour in which each key's use was recorded last.
    used: Mutex<HashMap<String, Timestamp>>,
}

const HOUR_MS: Timestamp = 3_600_000;

impl CallerState {
    /// One that slows wrong keys down in this manner.
    pub fn slowed(slow_down: SlowDown) -> Self {
        Self { wrong_keys: WrongKeys::slowed(slow_down), used: Mutex::default() }
    }

    /// Whether a key's use in this hour is still to be recorded by this process.
    fn is_first_of_the_hour(&self, key: &str, now: Timestamp) -> bool {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.get(key) != Some(&(now / HOUR_MS))
    }

    fn recorded(&self, key: &str, now: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(key.to_owned(), now / HOUR_MS);
    }
}

/// From where a request came, as an extension of it: who the server or the front door says it was. Never what a header
/// such as `X-Forwarded-For` says, which anybody can write.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// With which key a request came, as an extension of it, and what is to be recorded of the call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    key: Arc<str>,
    may: Scopes,
    authors: Arc<[MessageAuthor]>,
    notes: Arc<Mutex<Notes>>,
}

/// What the handlers find out about a call.
#[derive(Clone, Debug, Default)]
struct Notes {
    route: Option<Arc<str>>,
    by: Option<String>,
    subjects: Vec<String>,
    /// Whether the audit has it already that the call began.
    is_begun: bool,
}

impl Caller {
    fn new(key: &ApiKey) -> Self {
        Self { key: key.name.as_str().into(), may: key.may, authors: key.authors.clone().into(), notes: Arc::default() }
    }

    /// Who does something: the key, and whom its holder names.
    pub fn signs(&self, by: Option<&str>) -> Author {
        self.note(|notes| notes.by = by.map(str::to_owned));
        Author::of_key(&self.key, by)
    }

    /// As whom the key sends a message: as the author that it names, or as the only one that the key may be.
    pub fn sends_as(&self, wanted: Option<MessageAuthor>) -> Result<Sender, Problem> {
        let place = format!("`authors` under `[api.keys.{}]`", self.key);
        let author = match (wanted, &self.authors[..]) {
            (Some(author), all) if all.contains(&author) => author,
            (Some(author), _) => {
                let word = word_of(author);
                let detail = format!(
                    "the API key `{}` may not be `{word}`; fix: add it to {place}, or use another key",
                    self.key
                );
                return Err(Problem::forbidden(detail).of_field("author"));
            }
            (None, [only]) => *only,
            (None, []) => {
                let detail = format!("the API key `{}` may be no author; fix: name them in {place}", self.key);
                return Err(Problem::forbidden(detail).of_field("author"));
            }
            (None, _) => {
                let detail = "this API key may be `agent` and `automation`; fix: say which one in `author`";
                return Err(Problem::bad_request(detail).of_field("author"));
            }
        };
        Ok(Sender { author, by: self.key.to_string() })
    }

    /// The key as a sender, where it does not matter as which author.
    pub fn sends(&self) -> Result<Sender, Problem> {
        self.sends_as(self.authors.first().copied())
    }

    /// Notes an id of what the call is about. Never an address.
    pub fn touches(&self, id: impl ToString) {
        let id = id.to_string();
        self.note(|notes| {
            if notes.subjects.len() < SUBJECTS_MAX && !notes.subjects.contains(&id) {
                notes.subjects.push(id);
            }
        });
    }

    fn note(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One operation of a route: what a key must be allowed, and what the audit calls it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub verb: HttpMethod,
    pub scope: Scope,
    pub name: Arc<str>,
}

impl Operation {
    /// Whether it may change what is stored about people.
    fn changes(&self) -> bool {
        self.verb != HttpMethod::Get && !matches!(self.scope, Scope::Read | Scope::Export)
    }
}

/// The operations of one route.
#[derive(Clone)]
pub(crate) struct Guarded {
    pub api: Arc<Api>,
    pub operations: Arc<[Operation]>,
}

/// Lets a key do what its scopes say. What changes anything is in the audit before it begins: without that, it does not.
pub(crate) async fn guard(
    State(Guarded { api, operations }): State<Guarded>,
    params: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let (Some(caller), Some(operation)) = (
        request.extensions().get::<Caller>().cloned(),
        operations.iter().find(|operation| operation.verb.is(request.method())),
    ) else {
        return Problem::internal("this operation has no scope; fix: report this as a bug").into_response();
    };
    caller.note(|notes| notes.route = Some(Arc::clone(&operation.name)));
    for (_, text) in params.iter().flatten() {
        if is_id(text) {
            caller.touches(text);
        }
    }
    if !caller.may.has(operation.scope) {
        return Problem::forbidden(format!(
            "the API key `{}` is not allowed to do this: it needs `{}`, found {}; fix: add the scope to `may` under \
             `[api.keys.{}]`, or use another key",
            caller.key,
            operation.scope,
            listed(caller.may),
            caller.key
        ))
        .into_response();
    }
    if operation.changes() {
        let record = record(&caller, &request_id(request.extensions()), (api.people.now)(), Phase::Begun, None);
        if let Err(error) = api.people.table.append_to_audit(&record).await {
            AuditFailedBefore { error: &error, request_id: &record.request_id }.emit();
            return Problem::unavailable(
                "the call cannot be recorded in the audit, so nothing was done; fix: try again",
            )
            .into_response();
        }
        caller.note(|notes| notes.is_begun = true);
    }
    next.run(request).await
}

fn listed(may: Scopes) -> String {
    may.names().iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a text is an id of Rapport. Only ids from a path are recorded: anything else may be an address.
fn is_id(text: &str) -> bool {
    ProfileId::parse(text).is_some()
        || EdgeId::parse(text).is_some()
        || Pair::parse(text).is_some()
        || Eid::parse(text).is_some()
        || is_event_id(text)
        || MessageId::parse(text).is_some()
        || NamedConversation::parse(text).is_some()
        || text.strip_prefix('x').is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|one| one.is_ascii_hexdigit()))
}

fn word_of(author: MessageAuthor) -> &'static str {
    match author {
        MessageAuthor::Customer => "customer",
        MessageAuthor::Agent => "agent",
        MessageAuthor::Automation => "automation",
    }
}

/// Whether a text is the id of an event: its endpoint and its key.
fn is_event_id(text: &str) -> bool {
    text.split_once('.').is_some_and(|(eid, key)| Eid::parse(eid).is_some() && EventKey::parse(key).is_some())
}

/// Lets only holders of an API key through, and records what they do. Nothing under `/v1` may be kept by a cache.
pub(crate) async fn authorise(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let (began, at) = (Instant::now(), (api.people.now)());
    let id = request_id(request.extensions());
    let mut response = match admitted(&api, request.headers(), at) {
        Ok(key) => {
            let caller = Caller::new(key);
            request.extensions_mut().insert(caller.clone());
            let response = next.run(request).await;
            recorded(&api, &caller, response, Call { id: &id, at, began }).await
        }
        Err(NotAdmitted { key, is_guess, problem }) => {
            let address = client_address(&request);
            refused(&api, key, is_guess.then_some(address), *problem, &id).await
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not let in.
struct NotAdmitted {
    /// The name of the key that it came with, if it is one.
    key: Option<String>,
    /// Whether it came with an unknown key.
    is_guess: bool,
    problem: Box<Problem>,
}

fn admitted<'a>(api: &'a Api, headers: &HeaderMap, now: Timestamp) -> Result<&'a ApiKey, NotAdmitted> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let token = token.unwrap_or_default().as_bytes();
    let refusal = |detail: String, key: Option<&ApiKey>| NotAdmitted {
        key: key.map(|key| key.name.clone()),
        is_guess: key.is_none() && !token.is_empty(),
        problem: Box::new(Problem::unauthenticated(detail)),
    };
    match api.keys.find(token) {
        Some(key) if key.is_over(now) => {
            let fix = format!("fix: make a new key, and set `secret` and `not-after` under `[api.keys.{}]`", key.name);
            Err(refusal(format!("the API key `{}` expired at its `not-after`; {fix}", key.name), Some(key)))
        }
        Some(key) => Ok(key),
        None if api.keys.is_empty() => {
            let fix = "fix: add one to rapport.toml, `[api.keys.NAME]` with `secret` and `may`";
            Err(refusal(format!("no API key is configured; {fix}"), None))
        }
        None if token.is_empty() => {
            let fix = "fix: send `Authorization: Bearer <key>` with a key of `[api.keys]` in rapport.toml";
            Err(refusal(format!("the request has no API key; {fix}"), None))
        }
        None => {
            let fix = "fix: send a key of `[api.keys]` in rapport.toml; an old key works only while `secret` lists it";
            Err(refusal(format!("the API key is not known; {fix}"), None))
        }
    }
}

/// Answers who has no key, a guesser later than others. `guess`: from where a wrong key came.
async fn refused(
    api: &Api,
    key: Option<String>,
    guess: Option<Option<IpAddr>>,
    problem: Problem,
    request_id: &str,
) -> Response {
    let mut problem = problem;
    let mut in_all = 0;
    if let Some(address) = guess {
        let answer = api.callers.wrong_keys.count(address, Instant::now());
        in_all = answer.in_all;
        let has_waited = api.callers.wrong_keys.wait(answer.wait).await;
        if answer.is_too_many || !has_waited {
            problem = Problem::too_many("too many wrong API keys; fix: send a key of `[api.keys]` in rapport.toml");
        }
    }
    let (status, reason) = (problem.status, problem.name());
    // Not from where: an address is personal data, and the front door knows it.
    ApiKeyRefused { request_id, key: key.as_deref(), status, reason, wrong_keys_of_this_minute: in_all }.emit();
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    if status == 429 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    }
    response
}

/// A call, as it came.
struct Call<'a> {
    id: &'a str,
    /// Our clock.
    at: Timestamp,
    began: Instant,
}

/// Records the result of a call. If that fails, the answer is 503, so that no data leaves without a record. A change was
/// already recorded when it began: its answer stays as it is.
async fn recorded(api: &Api, caller: &Caller, response: Response, call: Call<'_>) -> Response {
    let Call { id, at, began } = call;
    let status = response.status().as_u16();
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let record = record(caller, id, at, Phase::Answered, Some((status, took_ms)));
    let is_first = api.callers.is_first_of_the_hour(&caller.key, at);
    let key_use = async {
        if is_first {
            api.people.table.key_was_used(&caller.key, at).await.map(|()| api.callers.recorded(&caller.key, at))
        } else {
            Ok(())
        }
    };
    let (appended, key_use) = tokio::join!(api.people.table.append_to_audit(&record), key_use);
    if let Err(error) = key_use {
        KeyUseNotRecorded { error: &error, key: &record.key }.emit();
    }
    let response = match appended {
        Ok(()) => response,
        Err(error) if caller.notes().is_begun || status >= 500 => {
            AuditFailedAfter { error: &error, request_id: id, status }.emit();
            response
        }
        Err(error) => {
            AuditFailedOnRead { error: &error, request_id: id }.emit();
            Problem::unavailable("the call cannot be recorded in the audit, so no data was returned; fix: try again")
                .into_response()
        }
    };
    log(&record, &response);
    response
}

/// One line of the log for each call.
fn log(record: &Record, response: &Response) {
    let Record { request_id, key, route, took_ms: ms, .. } = record;
    let (status, ms) = (response.status().as_u16(), *ms);
    let why = response.extensions().get::<Problem>();
    let reason = why.map(Problem::name);
    let detail = why.map(|problem| problem.detail.as_str()).filter(|detail| may_be_logged(detail));
    match status {
        500.. => ApiCallFailed { request_id, key, route, status, ms, reason, detail }.emit(),
        400.. => ApiCallRefused { request_id, key, route, status, ms, reason, detail }.emit(),
        _ => ApiCallAnswered { request_id, key, route, status, ms }.emit(),
    }
}

/// Digits in a row from which on a text may have a telephone number in it.
const DIGITS_MAX: usize = 5;

/// Whether a sentence can have no address in it: a refusal repeats names of fields that a caller made up.
fn may_be_logged(detail: &str) -> bool {
    let longest = detail.split(|one: char| !one.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    !detail.contains('@') && longest <= DIGITS_MAX
}

fn record(caller: &Caller, id: &str, at: Timestamp, phase: Phase, outcome: Option<(u16, u64)>) -> Record {
    let Notes { route, by, subjects, .. } = caller.notes();
    Record {
        at,
        request_id: id.to_owned(),
        key: caller.key.to_string(),
        by,
        // An address that there is not, or a method that it does not take.
        route: route.as_deref().unwrap_or("none").to_owned(),
        phase,
        subjects,
        status: outcome.map(|(status, _)| status),
        took_ms: outcome.map(|(_, took_ms)| took_ms),
    }
}

fn request_id(extensions: &http::Extensions) -> String {
    extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

fn client_address(request: &Request) -> Option<IpAddr> {
    let extensions = request.extensions();
    let by_server = || extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    extensions.get::<ClientAddress>().map(|address| address.0).or_else(by_server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_an_address_in_it_is_not_logged() {
        assert!(may_be_logged("unknown query parameter `limt`; fix: write `limit`"));
        assert!(!may_be_logged("unknown query parameter `ada@example.com`"));
        assert!(!may_be_logged("unknown query parameter `+16505551234`"));
    }

    #[test]
    fn only_ids_of_ours_are_recorded() {
        for id in ["pAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA", &format!("x{}", "0a".repeat(16))] {
            assert!(is_id(id), "{id}");
        }
        for other in ["ada@example.com", "+16505551234", "16505551234", "", "nonsense", "p16505551234"] {
            assert!(!is_id(other), "{other}");
        }
    }
}
