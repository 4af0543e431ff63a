//! Sending: an operation becomes requests to Meta's Graph API, or to AWS End User Messaging Social in its place.
//!
//! `outgoing` is the way of one message; `way` says where its requests go and how their answers are read; `refusal` and
//! `aws_refusal` are the tables of errors; each other module writes one kind of content or does one kind of operation.
//!
//! Source: Meta's Cloud API documentation and its OpenAPI document v23.0, botocore's model of AWS's service, November 2026.

mod aws_refusal;
mod card;
mod choices;
mod control;
mod fetch;
mod limits;
mod media;
mod offers;
mod outgoing;
mod receipts;
mod recipient;
mod refusal;
mod taken;
mod template;
mod way;

use rapport_sdk::prelude::*;

use way::Way;

/// Runs one operation on what came of its requests so far.
pub fn run(cx: &Context, operation: &Operation, history: &[Exchange]) -> Turn {
    steps::run(history, |steps| {
        let way = Way::of(cx)?;
        match operation {
            Operation::Send(message) => outgoing::send(message, &way, steps),
            Operation::React(reacting) => receipts::react(reacting, &way, steps),
            Operation::MarkRead(read) => receipts::mark_read(read, &way, steps),
            Operation::Typing(typing) => receipts::typing(typing, &way, steps),
            Operation::FetchMedia(fetching) => fetch::fetch(fetching, &way, steps),
            Operation::ListTemplates(listing) => offers::list(listing, &way, steps),
            Operation::TakeControl(thread) => control::change("take", thread, &way, steps),
            Operation::PassControl(thread) => control::change("pass", thread, &way, steps),
            Operation::ReleaseControl(thread) => control::change("release", thread, &way, steps),
            other => Err(other.unsupported().into()),
        }
    })
}

#[cfg(test)]
mod tests;
