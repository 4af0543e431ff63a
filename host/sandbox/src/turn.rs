//! What a connector may answer when it sends or pulls. A wrong answer is the connector's mistake, and named.

mod request;

use std::collections::BTreeSet;

use rapport_model::event::{MediaSource, Part};
use rapport_model::exchange::{Answer, Exchange, Kept, Request};
use rapport_model::sending::{Accepted, Next, Operation, Outcome, Turn};
use thiserror::Error;

use crate::limits::{
    ACCEPTED_MAX, CURSOR_BYTES_MAX, EVENTS_MAX, ID_BYTES_MAX, REQUESTS_A_STEP_MAX, STEPS_MAX, TEMPLATES_MAX,
    UNREAD_LINES_MAX,
};
use crate::operation::{PollCall, RunCall, Step};

/// Why an answer is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Wrong {
    #[error("`{0}`: {1}; fix: {2}")]
    Place(String, String, &'static str),
    #[error("it asks for another step after {STEPS_MAX}; fix: end as done or failed")]
    Steps,
    #[error("`perform` without a request; fix: end as done or failed")]
    Nothing,
    #[error("{0} requests in one step, at most {REQUESTS_A_STEP_MAX} are taken; fix: spread them over steps")]
    Requests(usize),
    #[error(
        "`requests[{0}]` is not repeatable and does not stand alone in its step; fix: one request a step, or \
         `repeatable` if doing it twice is the same as once"
    )]
    NotAlone(usize),
    #[error("`requests[{0}]` of a poll is not repeatable; fix: pull with requests that may be sent twice")]
    NotRepeatable(usize),
    #[error("`accepted` no longer has part {0} with id `{1}`; fix: say in every turn what is accepted so far")]
    TakenBack(u32, String),
}

impl Wrong {
    fn at(place: impl Into<String>, what: impl Into<String>, fix: &'static str) -> Self {
        Self::Place(place.into(), what.into(), fix)
    }
}

/// Checks a turn of `run`.
pub(crate) fn check_turn(turn: &Turn, call: &RunCall<'_>) -> Result<(), Wrong> {
    outcome(&turn.so_far, call)?;
    let Next::Perform(requests) = &turn.next else { return Ok(()) };
    perform(requests, call.step)?;
    if requests.len() > 1
        && let Some(at) = requests.iter().position(|request| !request.repeatable)
    {
        return Err(Wrong::NotAlone(at));
    }
    let blobs = blobs_of(call.operation, call.history);
    requests.iter().enumerate().try_for_each(|(at, one)| request::check(one, at, &blobs))
}

/// Checks a step of `poll`.
pub(crate) fn check_step(step: &Step, call: &PollCall<'_>) -> Result<(), Wrong> {
    match step {
        Step::Perform(requests) => {
            perform(requests, call.step)?;
            if let Some(at) = requests.iter().position(|request| !request.repeatable) {
                return Err(Wrong::NotRepeatable(at));
            }
            let blobs = kept_in(call.history).map(|kept| kept.blob.as_str()).collect();
            requests.iter().enumerate().try_for_each(|(at, one)| request::check(one, at, &blobs))
        }
        Step::Done(batch) => {
            at_most("events", batch.events.len(), EVENTS_MAX)?;
            at_most("unread", batch.unread.len(), UNREAD_LINES_MAX)?;
            cursor(batch.cursor.as_deref())
        }
        Step::Failed(_) => Ok(()),
    }
}

fn perform(requests: &[Request], step: usize) -> Result<(), Wrong> {
    match requests.len() {
        0 => Err(Wrong::Nothing),
        count if count > REQUESTS_A_STEP_MAX => Err(Wrong::Requests(count)),
        _ if step >= STEPS_MAX => Err(Wrong::Steps),
        _ => Ok(()),
    }
}

fn outcome(outcome: &Outcome, call: &RunCall<'_>) -> Result<(), Wrong> {
    accepted(&outcome.accepted, call)?;
    at_most("events", outcome.events.len(), EVENTS_MAX)?;
    at_most("templates", outcome.templates.len(), TEMPLATES_MAX)?;
    cursor(outcome.cursor.as_deref())?;
    match &outcome.media {
        Some(media) if !kept_in(call.history).any(|kept| kept == media) => Err(Wrong::at(
            "media",
            "it is not a body that the host kept for this operation",
            "hand on what `history` holds",
        )),
        _ => Ok(()),
    }
}

fn accepted(accepted: &[Accepted], call: &RunCall<'_>) -> Result<(), Wrong> {
    at_most("accepted", accepted.len(), ACCEPTED_MAX)?;
    let parts = parts_of(call.operation).map_or(1, |parts| parts.len().max(1));
    for (at, one) in accepted.iter().enumerate() {
        if usize::try_from(one.part).map_or(true, |part| part >= parts) {
            let what = format!("part {} of {parts}", one.part);
            return Err(Wrong::at(format!("accepted[{at}].part"), what, "count parts from 0"));
        }
        if one.id.is_empty() || one.id.len() > ID_BYTES_MAX {
            let what = format!("an id of {} bytes, expected 1 to {ID_BYTES_MAX}", one.id.len());
            return Err(Wrong::at(format!("accepted[{at}].id"), what, "give the provider's id"));
        }
        if accepted[..at].contains(one) {
            let what = "the same part and id come twice";
            return Err(Wrong::at(format!("accepted[{at}]"), what, "say each id once"));
        }
    }
    match call.accepted.iter().find(|before| !accepted.contains(before)) {
        Some(Accepted { part, id }) => Err(Wrong::TakenBack(*part, id.clone())),
        None => Ok(()),
    }
}

fn at_most(place: &str, found: usize, max: usize) -> Result<(), Wrong> {
    if found > max {
        Err(Wrong::at(place, format!("{found}, at most {max} are taken from one call"), "do less in one call"))
    } else {
        Ok(())
    }
}

fn cursor(cursor: Option<&str>) -> Result<(), Wrong> {
    match cursor.map(str::len) {
        Some(bytes) if bytes > CURSOR_BYTES_MAX => Err(Wrong::at(
            "cursor",
            format!("{bytes} bytes, at most {CURSOR_BYTES_MAX} are stored"),
            "keep the provider's own cursor",
        )),
        _ => Ok(()),
    }
}

fn parts_of(operation: &Operation) -> Option<&[Part]> {
    match operation {
        Operation::Send(outgoing) => Some(&outgoing.parts),
        Operation::Edit { parts, .. } => Some(parts),
        _ => None,
    }
}

/// The blobs that a connector was told of. It may put no other one into a request.
fn blobs_of<'a>(operation: &'a Operation, history: &'a [Exchange]) -> BTreeSet<&'a str> {
    let media = parts_of(operation).into_iter().flatten().filter_map(|part| match part {
        Part::Media(media) => Some(&media.source),
        _ => None,
    });
    let own = match operation {
        Operation::FetchMedia { source, .. } => Some(source),
        _ => None,
    };
    let named = media.chain(own).filter_map(|source| match source {
        MediaSource::Blob(key) => Some(key.as_str()),
        _ => None,
    });
    named.chain(kept_in(history).map(|kept| kept.blob.as_str())).collect()
}

fn kept_in(history: &[Exchange]) -> impl Iterator<Item = &Kept> {
    history.iter().filter_map(|exchange| match exchange {
        Ok(response) => match &response.body {
            Answer::Kept(kept) => Some(kept),
            Answer::Bytes(_) => None,
        },
        Err(_) => None,
    })
}

#[cfg(test)]
mod tests;
