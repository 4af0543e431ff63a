//! Version 0.1 of the contract: its imports, its export, and (in [`events`]) its types turned into the model's.

mod events;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, Func, HasSelf, InstancePre, Linker, Lower, TypedFunc,
};
use wasmtime::{AsContextMut, Store};

use self::contract::exports::rapport::connector::inbound;
use self::contract::rapport::connector::{http, log, types, verify};
use crate::call::{self, Call, Level, State};
use crate::error::LoadError;
use crate::imports::CONTRACT;
use crate::limits::EVENTS_MAX;
use crate::verify::{self as checks, KeyError, MacAlgorithm, SignatureAlgorithm, Signed};

mod contract {
    #![allow(unused)] // The generated half that this host does not use: requests, and typed look-ups of the export.

    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "inbound-connector",
        imports: { default: trappable },
    });
}

const INBOUND: &str = "rapport:connector/inbound@0.1.0";

/// Gives every connector its imports.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    contract::InboundConnector::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

type Params<'a> = (Context<'a>, Webhook<'a>);
type Answer = (Result<inbound::Receipt, inbound::Rejection>,);

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

/// A component that exports `inbound`, with all that can be known before a call looked up.
pub(crate) struct Export {
    instance: InstancePre<State>,
    receive: ComponentExportIndex,
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
}

impl Export {
    pub(crate) fn of(linker: &Linker<State>, component: &Component) -> Result<Self, LoadError> {
        let other_contract =
            |error: wasmtime::Error| LoadError::OtherContract { contract: CONTRACT, detail: format!("{error:#}") };
        let instance = linker.instantiate_pre(component).map_err(other_contract)?;
        let (_, inbound) = component.get_export(None, INBOUND).ok_or(LoadError::MissingExport(INBOUND))?;
        let (item, receive) =
            component.get_export(Some(&inbound), "receive").ok_or(LoadError::MissingExport(INBOUND))?;
        let ComponentItem::ComponentFunc(function) = item else { return Err(LoadError::MissingExport(INBOUND)) };
        function.typecheck::<Params<'_>, Answer>(&instance.instance_type()).map_err(other_contract)?;
        Ok(Self { instance, receive })
    }

    pub(crate) fn receive(&self, store: &mut Store<State>, call: &Call<'_>) -> Outcome {
        self.start(store)?.call(store, call)
    }

    /// Makes the instance.
    pub(crate) fn start(&self, store: &mut Store<State>) -> Result<Started, Failed> {
        let instance = self.instance.instantiate(store.as_context_mut()).map_err(Failed::Starting)?;
        let function = instance.get_func(store.as_context_mut(), self.receive).expect("`of` has found this function");
        Ok(Started(function))
    }
}

/// What a connector answers, or how it failed to.
pub(crate) type Outcome = Result<Result<call::Receipt, call::Rejection>, Failed>;

/// The function `receive` of an instance.
pub(crate) struct Started(Func);

impl Started {
    pub(crate) fn call(&self, store: &mut Store<State>, call: &Call<'_>) -> Outcome {
        // SAFETY: `of` has checked that the function has these types; checking again would be a fifth of a call.
        let function: TypedFunc<Params<'_>, Answer> = unsafe { TypedFunc::new_unchecked(self.0) };
        let (answer,) = function.call(store, (context(call), webhook(call))).map_err(Failed::Running)?;
        match answer {
            Ok(receipt) => receipt_of(receipt).map(Ok),
            Err(rejection) => Ok(Err(rejection_of(rejection))),
        }
    }
}

fn context<'a>(call: &Call<'a>) -> Context<'a> {
    let call::Context { connection, config, now, entropy } = call.context;
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
    Ok(call::Receipt { response, events: events.collect::<Result<_, _>>()? })
}

fn response_of(response: http::Response) -> Result<call::HttpResponse, Failed> {
    // 1xx is no answer to a webhook, and what is above 599 no status.
    if !(200..600).contains(&response.status) {
        return Err(Failed::Field("response.status".into()));
    }
    Ok(call::HttpResponse { status: response.status, headers: response.headers, body: response.body })
}

fn rejection_of(rejection: inbound::Rejection) -> call::Rejection {
    match rejection {
        inbound::Rejection::Unauthenticated(why) => call::Rejection::Unauthenticated(why),
        inbound::Rejection::Ignored(why) => call::Rejection::Ignored(why),
        inbound::Rejection::Malformed(why) => call::Rejection::Malformed(why),
        inbound::Rejection::Unsupported(why) => call::Rejection::Unsupported(why),
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
        let algorithm = match algorithm {
            verify::MacAlgorithm::HmacSha1 => MacAlgorithm::HmacSha1,
            verify::MacAlgorithm::HmacSha256 => MacAlgorithm::HmacSha256,
            verify::MacAlgorithm::HmacSha512 => MacAlgorithm::HmacSha512,
        };
        let signed = Signed { data: &data, proof: &tag };
        let answer = self.check(|secrets| checks::mac(secrets, algorithm, &secret, signed))?;
        Ok(answer.map_err(|error| key_error(error, secret)))
    }

    fn signature(
        &mut self,
        algorithm: verify::SignatureAlgorithm,
        key: verify::KeySource,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let name = match key {
            verify::KeySource::Named(name) => name,
            // No manifest can allow a certificate's host yet, so every one is denied.
            verify::KeySource::CertificateUrl(url) => return Ok(Err(verify::VerifyError::UrlDenied(url))),
        };
        let algorithm = match algorithm {
            verify::SignatureAlgorithm::Ed25519 => SignatureAlgorithm::Ed25519,
            verify::SignatureAlgorithm::EcdsaP256Sha256Der => SignatureAlgorithm::EcdsaP256Sha256Der,
            verify::SignatureAlgorithm::RsaPkcs1Sha1 => SignatureAlgorithm::RsaPkcs1Sha1,
            verify::SignatureAlgorithm::RsaPkcs1Sha256 => SignatureAlgorithm::RsaPkcs1Sha256,
        };
        let signed = Signed { data: &data, proof: &signature };
        let answer = self.check(|secrets| checks::signature(secrets, algorithm, &name, signed))?;
        Ok(answer.map_err(|error| key_error(error, name)))
    }

    fn token(&mut self, secret: String, candidate: String) -> wasmtime::Result<Result<bool, verify::VerifyError>> {
        let answer = self.check(|secrets| checks::token(secrets, &secret, &candidate))?;
        Ok(answer.map_err(|error| key_error(error, secret)))
    }
}

fn key_error(error: KeyError, name: String) -> verify::VerifyError {
    match error {
        KeyError::Unknown => verify::VerifyError::UnknownKey(name),
        KeyError::Malformed => verify::VerifyError::MalformedKey(name),
    }
}
