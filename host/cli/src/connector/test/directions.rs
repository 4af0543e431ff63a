//! What sends and what pulls, as subjects of the suite.

use rapport_model::exchange::Exchange;
use rapport_model::sending::{Accepted, Operation};
use rapport_sandbox::{Batch, CallError, Connector, Context, Log, PollCall, RunCall, Step, Usage};
use rapport_sdk::testing::outbound::{RanOf, RunOf, SendingSubject};
use rapport_sdk::testing::{self as kit, Connection, Moment};
use serde::Deserialize;
use serde_json::{Value, json};

use super::sandboxed::Sandboxed;

impl SendingSubject for Sandboxed {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        run(&self.connector, connection, call)
    }

    fn measure(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        self.within(run(&self.counted, connection, call)?)
    }
}

/// What pulls, of a component.
pub struct Pulling<'a>(pub &'a Sandboxed);

impl SendingSubject for Pulling<'_> {
    fn run(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        poll(&self.0.connector, connection, call)
    }

    fn measure(&self, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
        self.0.within(poll(&self.0.counted, connection, call)?)
    }
}

impl Sandboxed {
    fn within(&self, ran: RanOf) -> Result<RanOf, String> {
        match ran.usage.fuel.and_then(|fuel| self.too_much(fuel)) {
            Some(why) => Err(why),
            None => Ok(ran),
        }
    }
}

fn run(connector: &Connector, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
    let operation: Operation = read(call.operation)?;
    let history: Vec<Exchange> = list(call.history)?;
    let accepted: Vec<Accepted> = list(call.accepted)?;
    let moment = Moment::of(connection);
    let context = context(connection, &moment);
    let call = RunCall { context, operation: &operation, history: &history, step: call.step, accepted: &accepted };
    let ran = connector.run(&call).map_err(failed)?;
    Ok(RanOf { turn: json!(ran.turn), log: lines(ran.log), usage: usage(ran.usage) })
}

fn poll(connector: &Connector, connection: &Connection, call: &RunOf<'_>) -> Result<RanOf, String> {
    let history: Vec<Exchange> = list(call.history)?;
    let moment = Moment::of(connection);
    let (context, cursor) = (context(connection, &moment), call.operation["cursor"].as_str());
    let polled = connector.poll(&PollCall { context, cursor, history: &history, step: call.step }).map_err(failed)?;
    let step = match polled.step {
        Step::Perform(requests) => json!({ "perform": requests }),
        Step::Done(Batch { events, unread, cursor, again_in_ms }) => {
            json!({ "done": { "events": events, "unread": unread, "cursor": cursor, "again_in_ms": again_in_ms } })
        }
        Step::Failed(failure) => json!({ "failed": failure }),
    };
    Ok(RanOf { turn: json!({ "next": step }), log: lines(polled.log), usage: usage(polled.usage) })
}

fn context<'a>(connection: &'a Connection, moment: &'a Moment) -> Context<'a> {
    Context { connection: connection.name(), config: connection.config(), now: moment.now, entropy: &moment.entropy }
}

fn read<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, String> {
    T::deserialize(value).map_err(|error| format!("it is not of the contract: {error}"))
}

fn list<'a, T: Deserialize<'a>>(values: &'a [Value]) -> Result<Vec<T>, String> {
    values.iter().map(read).collect()
}

fn failed(error: CallError) -> String {
    error.to_string().replace('\n', " ")
}

fn lines(log: Log) -> Vec<String> {
    log.lines.into_iter().map(|line| line.message).collect()
}

fn usage(usage: Usage) -> kit::Usage {
    kit::Usage { fuel: usage.fuel, peak_memory_bytes: Some(usage.peak_memory_bytes) }
}
