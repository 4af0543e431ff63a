//! Version 0.2 of the contract: its imports, its exports, and (in [`events`] and [`sending`]) its types turned into the
//! model's.

mod events;
mod sending;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, ComponentType, Func, HasSelf, InstancePre, Lift, Linker,
    Lower, TypedFunc,
};
use wasmtime::{AsContextMut, Store};

use self::contract::exports::rapport::connector::{inbound, polling, sending as exported};
use self::contract::rapport::connector::{http, log, types, verify};
use rapport_model::sending::Turn;

use crate::call::{self, Call, Key, Level, State, Unanswered};
use crate::error::LoadError;
use crate::imports::CONTRACT;
use crate::limits::{EVENTS_MAX, UNREAD_LINES_MAX};
use crate::operation::{PollCall, RunCall, Step};
use crate::verify::{Check, CheckKind, DigestAlgorithm, KeyError, MacAlgorithm, SignatureAlgorithm};

mod contract {
    #![allow(unused)] // The generated half that this host does not use: requests, and typed look-ups of the export.

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "connector",
        imports: { default: trappable },
    });
}

/// Found in a component of any 0.2: the component model takes the names of compatible versions for each other.
const INBOUND: &str = "rapport:connector/inbound@0.2.0";
const HANDSHAKE: &str = "rapport:connector/handshake@0.2.0";
const POLLING: &str = "rapport:connector/polling@0.2.0";
const SENDING: &str = "rapport:connector/sending@0.2.0";

/// Gives every connector its imports.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    contract::Connector::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

type Params<'a> = (Context<'a>, Webhook<'a>);
type Answer = (Result<inbound::Receipt, inbound::Rejection>,);
type ConfirmParams<'a> = (Context<'a>, &'a [(&'a str, &'a str)], &'a [u8]);
type Confirmation = (Option<String>,);
type RunParams<'a> = (Context<'a>, &'a exported::Operation, &'a [sending::Exchange<'a>]);
type RunAnswer = (exported::Turn,);
type PollParams<'a> = (Context<'a>, Option<&'a str>, &'a [sending::Exchange<'a>]);
type PollAnswer = (polling::Step,);

/// The contract's `context`, lent. The generated type owns its fields, and would cost a copy of the body each call.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Context<'a> {
    connection: &'a str,
    config: &'a str,
    now: u64,
    entropy: &'a [u8],
}

/// The contract's `webhook`, lent.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Webhook<'a> {
    method: &'a str,
    url: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

/// A component with all that can be known before a call looked up: which interfaces it exports, and their functions.
pub(crate) struct Export {
    instance: InstancePre<State>,
    receive: Option<ComponentExportIndex>,
    confirm: Option<ComponentExportIndex>,
    poll: Option<ComponentExportIndex>,
    run: Option<ComponentExportIndex>,
}

/// How a call failed, before it is known why.
pub(crate) enum Failed {
    /// While the instance was made.
    Starting(wasmtime::Error),
    /// While it ran, or while its answer was copied out.
    Running(wasmtime::Error),
    /// It answered with so many events.
    Events(usize),
    /// It answered with a value in this field that no event may have.
    Field(String),
    /// It does not export this interface.
    NotExported(&'static str),
}

impl Export {
    pub(crate) fn of(linker: &Linker<State>, component: &Component) -> Result<Self, LoadError> {
        let instance = linker.instantiate_pre(component).map_err(other_contract)?;
        let receive = function::<Params<'_>, Answer>(component, &instance, INBOUND, "receive")?;
        let confirm = function::<ConfirmParams<'_>, Confirmation>(component, &instance, HANDSHAKE, "confirm")?;
        let poll = function::<PollParams<'_>, PollAnswer>(component, &instance, POLLING, "poll")?;
        let run = function::<RunParams<'_>, RunAnswer>(component, &instance, SENDING, "run")?;
        if receive.is_none() && poll.is_none() && run.is_none() {
            return Err(LoadError::NoExport);
        }
        Ok(Self { instance, receive, confirm, poll, run })
    }

    /// Whether it exports `inbound`.
    pub(crate) fn receives(&self) -> bool {
        self.receive.is_some()
    }

    /// Whether it exports `handshake`.
    pub(crate) fn confirms(&self) -> bool {
        self.confirm.is_some()
    }

    /// Whether it exports `polling`.
    pub(crate) fn polls(&self) -> bool {
        self.poll.is_some()
    }

    /// Whether it exports `sending`.
    pub(crate) fn sends(&self) -> bool {
        self.run.is_some()
    }

    /// The URL that `handshake.confirm` wants asked; none also of a component without that export.
    pub(crate) fn confirm(&self, store: &mut Store<State>, call: &Call<'_>) -> Result<Option<String>, Failed> {
        let Some(confirm) = self.confirm else { return Ok(None) };
        let function: TypedFunc<ConfirmParams<'_>, Confirmation> = self.instantiate(store, confirm)?;
        let params = (context(&call.context), call.webhook.headers, call.webhook.body);
        let (url,) = function.call(store, params).map_err(Failed::Running)?;
        Ok(url)
    }

    pub(crate) fn receive(&self, store: &mut Store<State>, call: &Call<'_>) -> Outcome {
        self.start(store)?.call(store, call)
    }

    pub(crate) fn run(&self, store: &mut Store<State>, call: &RunCall<'_>) -> Result<Turn, Failed> {
        let run = self.run.ok_or(Failed::NotExported(SENDING))?;
        let function: TypedFunc<RunParams<'_>, RunAnswer> = self.instantiate(store, run)?;
        let (operation, history) = (sending::operation(call.operation), sending::history(call.history));
        let params = (context(&call.context), &operation, &history[..]);
        let (turn,) = function.call(store, params).map_err(Failed::Running)?;
        sending::turn(turn).map_err(Failed::Field)
    }

    pub(crate) fn poll(&self, store: &mut Store<State>, call: &PollCall<'_>) -> Result<Step, Failed> {
        let poll = self.poll.ok_or(Failed::NotExported(POLLING))?;
        let function: TypedFunc<PollParams<'_>, PollAnswer> = self.instantiate(store, poll)?;
        let history = sending::history(call.history);
        let (step,) =
            function.call(store, (context(&call.context), call.cursor, &history[..])).map_err(Failed::Running)?;
        sending::step(step).map_err(Failed::Field)
    }

    /// Makes the instance for `receive`.
    pub(crate) fn start(&self, store: &mut Store<State>) -> Result<Started, Failed> {
        let receive = self.receive.ok_or(Failed::NotExported(INBOUND))?;
        let instance = self.instance.instantiate(store.as_context_mut()).map_err(Failed::Starting)?;
        let function = instance.get_func(store.as_context_mut(), receive).expect("`of` has found this function");
        Ok(Started(function))
    }

    /// Makes an instance, and finds a function in it.
    fn instantiate<P, A>(
        &self,
        store: &mut Store<State>,
        function: ComponentExportIndex,
    ) -> Result<TypedFunc<P, A>, Failed>
    where
        P: ComponentNamedList + Lower,
        A: ComponentNamedList + Lift,
    {
        let instance = self.instance.instantiate(store.as_context_mut()).map_err(Failed::Starting)?;
        instance.get_typed_func(store.as_context_mut(), function).map_err(Failed::Running)
    }
}

/// A function of an interface, if the component exports that. Its type is the contract's.
fn function<P, A>(
    component: &Component,
    instance: &InstancePre<State>,
    interface: &'static str,
    name: &str,
) -> Result<Option<ComponentExportIndex>, LoadError>
where
    P: ComponentNamedList + Lower,
    A: ComponentNamedList + Lift,
{
    let Some((_, exported)) = component.get_export(None, interface) else { return Ok(None) };
    let Some((ComponentItem::ComponentFunc(function), index)) = component.get_export(Some(&exported), name) else {
        return Err(LoadError::MissingFunction(interface));
    };
    function.typecheck::<P, A>(&instance.instance_type()).map_err(other_contract)?;
    Ok(Some(index))
}

fn other_contract(error: wasmtime::Error) -> LoadError {
    LoadError::OtherContract { contract: CONTRACT, detail: format!("{error:#}") }
}

/// What a connector answers, or how it failed to.
pub(crate) type Outcome = Result<Result<call::Receipt, call::Rejection>, Failed>;

/// The function `receive` of an instance.
pub(crate) struct Started(Func);

impl Started {
    pub(crate) fn call(&self, store: &mut Store<State>, call: &Call<'_>) -> Outcome {
        // SAFETY: `of` has checked that the function has these types; checking again would be a fifth of a call.
        let function: TypedFunc<Params<'_>, Answer> = unsafe { TypedFunc::new_unchecked(self.0) };
        let (answer,) = function.call(store, (context(&call.context), webhook(call))).map_err(Failed::Running)?;
        match answer {
            Ok(receipt) => receipt_of(receipt).map(Ok),
            Err(rejection) => Ok(Err(rejection_of(rejection))),
        }
    }
}

fn context<'a>(context: &call::Context<'a>) -> Context<'a> {
    let call::Context { connection, config, now, entropy } = *context;
    Context { connection, config, now, entropy }
}

fn webhook<'a>(call: &Call<'a>) -> Webhook<'a> {
    let call::Webhook { method, url, headers, body } = call.webhook;
    Webhook { method, url, headers, body }
}

fn receipt_of(receipt: inbound::Receipt) -> Result<call::Receipt, Failed> {
    if receipt.events.len() > EVENTS_MAX {
        return Err(Failed::Events(receipt.events.len()));
    }
    let response = receipt.response.map(response_of).transpose()?;
    let events = receipt
        .events
        .into_iter()
        .enumerate()
        .map(|(at, event)| events::event(event).map_err(|field| Failed::Field(format!("events[{at}].{field}"))));
    let events = events.collect::<Result<_, _>>()?;
    Ok(call::Receipt { response, events, unread: unread_of(&receipt.unread), nonce: receipt.nonce })
}

/// The first lines, each held to what a log line is held to, and how many more there are.
fn unread_of(lines: &[String]) -> Vec<String> {
    let told = lines.iter().take(UNREAD_LINES_MAX).map(|line| call::one_line(line));
    let more = lines.len().saturating_sub(UNREAD_LINES_MAX);
    told.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

fn response_of(response: http::Reply) -> Result<call::HttpResponse, Failed> {
    // 1xx is no answer to a webhook, and what is above 599 no status.
    if !(200..600).contains(&response.status) {
        return Err(Failed::Field("response.status".into()));
    }
    Ok(call::HttpResponse { status: response.status, headers: response.headers, body: response.body })
}

fn rejection_of(rejection: inbound::Rejection) -> call::Rejection {
    // It goes into a log and an item, so it is held to what a log line is held to.
    let line = |why: String| call::one_line(&why);
    match rejection {
        inbound::Rejection::Unauthenticated(why) => call::Rejection::Unauthenticated(line(why)),
        inbound::Rejection::Ignored(why) => call::Rejection::Ignored(line(why)),
        inbound::Rejection::Malformed(why) => call::Rejection::Malformed(line(why)),
        inbound::Rejection::Unsupported(why) => call::Rejection::Unsupported(line(why)),
    }
}

impl types::Host for State {}

impl http::Host for State {}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.write_log(level, &message);
        Ok(())
    }
}

impl verify::Host for State {
    fn mac(
        &mut self,
        algorithm: verify::MacAlgorithm,
        secret: String,
        data: Vec<u8>,
        tag: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let kind = CheckKind::Mac(match algorithm {
            verify::MacAlgorithm::HmacSha1 => MacAlgorithm::HmacSha1,
            verify::MacAlgorithm::HmacSha256 => MacAlgorithm::HmacSha256,
            verify::MacAlgorithm::HmacSha512 => MacAlgorithm::HmacSha512,
        });
        ask(self, Key::Named, Check { kind, key: &secret, data: &data, proof: &tag, answer: None })
    }

    fn digest(
        &mut self,
        algorithm: verify::DigestAlgorithm,
        secret: String,
        data: Vec<u8>,
        digest: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let kind = CheckKind::Digest(match algorithm {
            verify::DigestAlgorithm::Sha256 => DigestAlgorithm::Sha256,
        });
        ask(self, Key::Named, Check { kind, key: &secret, data: &data, proof: &digest, answer: None })
    }

    fn signature(
        &mut self,
        algorithm: verify::SignatureAlgorithm,
        key: verify::KeySource,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let algorithm = match algorithm {
            verify::SignatureAlgorithm::Ed25519 => SignatureAlgorithm::Ed25519,
            verify::SignatureAlgorithm::EcdsaP256Sha256Der => SignatureAlgorithm::EcdsaP256Sha256Der,
            verify::SignatureAlgorithm::RsaPkcs1Sha1 => SignatureAlgorithm::RsaPkcs1Sha1,
            verify::SignatureAlgorithm::RsaPkcs1Sha256 => SignatureAlgorithm::RsaPkcs1Sha256,
        };
        let (place, name) = match &key {
            verify::KeySource::Named(name) => (Key::Named, name),
            verify::KeySource::CertificateUrl(url) => (Key::Certificate(algorithm), url),
        };
        let kind = CheckKind::Signature(algorithm);
        ask(self, place, Check { kind, key: name, data: &data, proof: &signature, answer: None })
    }

    fn token(&mut self, secret: String, candidate: String) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let (kind, data) = (CheckKind::Token, candidate.as_bytes());
        ask(self, Key::Named, Check { kind, key: &secret, data, proof: &[], answer: None })
    }
}

/// Asks in the host's words and answers in the contract's.
fn ask(state: &mut State, key: Key, check: Check<'_>) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
    let name = || check.key.to_owned();
    Ok(state.check(key, check)?.map_err(|error| match error {
        Unanswered::Denied => verify::VerifyError::UrlDenied(name()),
        Unanswered::Key(KeyError::Unknown) => verify::VerifyError::UnknownKey(name()),
        Unanswered::Key(KeyError::Malformed) => verify::VerifyError::MalformedKey(name()),
        Unanswered::Key(KeyError::Unavailable | KeyError::NotFetched) => verify::VerifyError::Unavailable(name()),
    }))
}
