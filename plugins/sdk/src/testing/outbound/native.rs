//! A connector that sends or pulls, in this process.

use std::marker::PhantomData;

use serde::Deserialize;
use serde_json::json;

use super::{RanOf, RunOf, SendingSubject};
use crate::polling::Polling;
use crate::sending::Sending;
use crate::testing::connection::Connection;
use crate::testing::host;
use crate::testing::subject::{Moment, Usage, caught, quiet_panics};
use crate::{Context, Exchange};

/// What sends, in this process.
pub struct NativeSending<C>(PhantomData<C>);

/// What pulls, in this process.
pub struct NativePolling<C>(PhantomData<C>);

impl<C: Sending> NativeSending<C> {
    /// The connector `C`.
    pub fn new() -> Self {
        quiet_panics();
        Self(PhantomData)
    }
}

impl<C: Sending> Default for NativeSending<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Polling> NativePolling<C> {
    /// The connector `C`.
    pub fn new() -> Self {
        quiet_panics();
        Self(PhantomData)
    }
}

impl<C: Polling> Default for NativePolling<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Sending> SendingSubject for NativeSending<C> {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        let operation = Deserialize::deserialize(call.operation)
            .map_err(|error| format!("the operation is not one of the contract: {error}"))?;
        let history = history(call)?;
        let (turn, log) = called(|| C::run(&context(connection), &operation, &history))?;
        let turn = serde_json::to_value(turn).map_err(|error| format!("the turn has no form in JSON: {error}"))?;
        Ok(RanOf { turn, log, usage: Usage::default() })
    }
}

impl<C: Polling> SendingSubject for NativePolling<C> {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        let history = history(call)?;
        let (step, log) = called(|| C::poll(&context(connection), call.operation["cursor"].as_str(), &history))?;
        let step = serde_json::to_value(step).map_err(|error| format!("the step has no form in JSON: {error}"))?;
        Ok(RanOf { turn: json!({ "next": step }), log, usage: Usage::default() })
    }
}

fn context(connection: &Connection) -> Context {
    let moment = Moment::of(connection);
    Context {
        connection: connection.name().into(),
        config: connection.config().into(),
        now: moment.now,
        entropy: moment.entropy.to_vec(),
    }
}

fn history(call: &RunOf<'_>) -> Result<Vec<Exchange>, String> {
    let read = |exchange| Deserialize::deserialize(exchange);
    let history: Result<Vec<Exchange>, serde_json::Error> = call.history.iter().map(read).collect();
    history.map_err(|error| format!("an exchange is not one of the contract: {error}"))
}

/// What a call came to, and the lines that it logged.
fn called<T>(call: impl FnOnce() -> T) -> Result<(T, Vec<String>), String> {
    // `verify` knows no secret here, as in the host.
    host::install(Default::default(), false);
    let outcome = caught(call);
    let log = host::take().1.into_iter().map(|(_, line)| line).collect();
    Ok((outcome?, log))
}
