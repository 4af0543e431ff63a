//! The newer satisfaction survey: a list of answers, one of them a rating of usually five steps.

use rapport_sdk::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope::{Envelope, ticket_address, user};
use crate::payload::{Root, Text};
use crate::satisfaction::FIVE_POINTS;

/// Extension: what the rating means to Zendesk, `good` or `bad`.
const CATEGORY: &str = "com.zendesk.rating-category";

/// The answers of one survey are a handful.
const ANSWERS_MAX: usize = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    responder_id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    subjects: Vec<Subject<'a>>,
    /// None in the place of what is no object.
    #[serde(borrow, deserialize_with = "lenient::places")]
    answers: Vec<Option<Answer<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Subject<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    zrn: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    id: Text<'a>,
    /// `rating_scale`, `open_ended`
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(deserialize_with = "lenient::number")]
    rating: Option<f64>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    rating_category: Text<'a>,
    /// What was written in an open question.
    #[serde(borrow, deserialize_with = "lenient::id")]
    value: Text<'a>,
    #[serde(deserialize_with = "lenient::object")]
    question: Option<Question>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Question {
    #[serde(deserialize_with = "lenient::objects")]
    options: Vec<Choice>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Choice {
    #[serde(deserialize_with = "lenient::number")]
    rating: Option<f64>,
}

/// Whether an event of any type brings the answers of a survey.
pub fn is_response(root: &Root) -> bool {
    answered(root).is_some()
}

/// One event for each rating.
pub fn read(envelope: &Envelope) -> Result<Vec<Event>, Rejection> {
    let found: Response = answered(envelope.root).and_then(lenient::read).unwrap_or_default();
    let detail: Response = envelope.root.detail.and_then(lenient::read).unwrap_or_default();
    let ticket = ticket(envelope, &found).or_else(|| ticket(envelope, &detail));
    let requester = envelope.root.detail.and_then(|detail| lenient::field(detail, "requester_id"));
    let responder = found.responder_id.as_deref().map(str::to_owned);
    let responder = responder.or_else(|| detail.responder_id.as_deref().map(str::to_owned));
    let responder = responder.or_else(|| crate::payload::text(requester));
    let account = envelope.account;
    let contact = match (&responder, &ticket) {
        (Some(id), _) => Contact::new(vec![user(account, id)]),
        (None, Some(ticket)) => Contact::new(vec![ticket_address(account, ticket)]),
        (None, None) => {
            return Err(Rejection::Malformed("expected a survey's `responder_id` or ticket, found neither".into()));
        }
    };
    for (index, answer) in found.answers.iter().enumerate() {
        if answer
            .as_ref()
            .is_none_or(|answer| answer.kind.is_none() && answer.rating.is_none() && answer.value.is_none())
        {
            envelope
                .add_unread(&format!("answers[{index}]"), "it is not an object with a `type`, a `rating` or a `value`");
        }
    }
    let answers = || found.answers.iter().flatten();
    let comment = answers().filter(|answer| answer.rating.is_none()).find_map(|answer| answer.value.as_deref());
    let response = found.id.as_deref().unwrap_or(&envelope.id);
    let ratings = answers().filter(|answer| answer.rating.is_some()).enumerate();
    let mut events = Vec::new();
    for (index, answer) in ratings {
        if index == ANSWERS_MAX {
            envelope.add_unread("answers", "there are more ratings than 100");
            break;
        }
        let Some(mut feedback) = answer.feedback() else {
            envelope.add_unread(&format!("the rating {index} of `answers`"), "it is not on its scale");
            continue;
        };
        feedback.comment = comment.map(str::to_owned);
        feedback.about.clone_from(&ticket);
        let name = answer.id.as_deref().map_or_else(|| index.to_string(), str::to_owned);
        feedback.response_id = format!("survey:{response}:{name}");
        let mut event = envelope.event(contact.clone(), EventBody::Feedback(feedback));
        if index > 0 {
            event.id = format!("{}:{name}", event.id);
        }
        events.push(match answer.rating_category.as_deref() {
            Some(category) => event.extended(CATEGORY, category),
            None => event,
        });
    }
    if events.is_empty() {
        events.push(envelope.event(contact, envelope.other("survey")));
    }
    Ok(events)
}

impl Answer<'_> {
    /// None for a rating that is not on its scale.
    fn feedback(&self) -> Option<Feedback> {
        let score = self.rating?;
        let scale = self.scale();
        let is_known = self.kind.as_deref().is_none_or(|kind| kind.contains("rating"));
        (is_known && (scale.0..=scale.1).contains(&score)).then(|| Feedback {
            metric: Metric::Csat,
            score,
            scale,
            comment: None,
            about: None,
            response_id: String::new(),
        })
    }

    /// The ends of what was offered, else five points.
    fn scale(&self) -> (f64, f64) {
        let offered: Vec<f64> =
            self.question.iter().flat_map(|question| &question.options).filter_map(|option| option.rating).collect();
        let low = offered.iter().copied().fold(f64::INFINITY, f64::min);
        let high = offered.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low < high { (low, high) } else { FIVE_POINTS }
    }
}

/// The object with the `answers`, in `event` or in `detail`.
fn answered<'a>(root: &Root<'a>) -> Option<&'a RawValue> {
    let has_answers =
        |object: &&RawValue| lenient::field(object, "answers").is_some_and(|raw| raw.get().starts_with('['));
    let nested = |object: &'a RawValue| lenient::field(object, "survey_response");
    let both = [root.event, root.detail].into_iter().flatten();
    both.flat_map(|object| nested(object).into_iter().chain([object])).find(has_answers)
}

fn ticket(envelope: &Envelope, response: &Response) -> Option<String> {
    let of_subject = response.subjects.iter().find_map(|subject| {
        let zrn = subject.zrn.as_deref().and_then(|zrn| zrn.strip_prefix("zen:ticket:"));
        zrn.or(subject.id.as_deref()).map(str::to_owned)
    });
    let is_ticket = envelope.root.subject.as_deref().is_some_and(|subject| subject.starts_with("zen:ticket:"));
    of_subject.or_else(|| envelope.subject_id().filter(|_| is_ticket).map(str::to_owned))
}
