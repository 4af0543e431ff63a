//! The older satisfaction survey: good or bad, perhaps with a comment.

use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::payload::{Text, text};
use crate::ticket::Case;

/// Extension: the rating in Zendesk's word, and the reason that was chosen with it.
const RATING: &str = "com.zendesk.satisfaction";

/// The fields of `event` that a rating was seen in.
const PLACES: &[&str] = &["satisfaction_score", "satisfaction_rating", "satisfaction", "csat", "rating", "score"];

/// The ends of the scale of a rating that is good or bad.
pub const GOOD_OR_BAD: (f64, f64) = (0.0, 1.0);
/// The ends of the scale of a rating that is a number.
pub const FIVE_POINTS: (f64, f64) = (1.0, 5.0);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Rating<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    score: Text<'a>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    rating: Text<'a>,
    #[serde(borrow)]
    comment: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::id")]
    reason: Text<'a>,
}

#[derive(Serialize)]
struct Said<'a> {
    score: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// A rating, or that one was asked for.
pub fn read(case: &Case) -> Event {
    let Some(event) = case.envelope.root.event else { return case.other() };
    let place = PLACES.iter().find_map(|name| lenient::field(event, name)).or(case.change.current).unwrap_or(event);
    let rating: Rating = lenient::read(place).unwrap_or_default();
    let word = text(Some(place)).or_else(|| rating.score.or(rating.rating).map(|word| word.into_owned()));
    let Some((score, scale)) = word.as_deref().and_then(score) else { return case.other() };
    let comment = rating.comment.or_else(|| lenient::field(event, "comment")).and_then(comment);
    let feedback = Feedback {
        metric: Metric::Csat,
        score,
        scale,
        comment,
        about: Some(case.id.clone()),
        response_id: response_id(&case.id),
    };
    let said = Said { score: word.as_deref().unwrap_or_default(), reason: rating.reason.as_deref() };
    case.event(case.requester(), EventBody::Feedback(feedback)).extended(RATING, &said)
}

/// A ticket has one rating, which the customer can change: the newer one revises the older one.
pub fn response_id(ticket: &str) -> String {
    format!("ticket:{ticket}:csat")
}

/// The score in a word, with its scale: `good`, `GOOD`, `good_with_comment`, `Good, I'm satisfied`, `4`. None for
/// `offered` and `unoffered`, which nobody answered.
pub fn score(word: &str) -> Option<(f64, (f64, f64))> {
    let word = word.trim().to_ascii_lowercase();
    let is = |expected: &str| {
        word.strip_prefix(expected).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    if is("good") {
        return Some((1.0, GOOD_OR_BAD));
    }
    if is("bad") {
        return Some((0.0, GOOD_OR_BAD));
    }
    let number: f64 = word.parse().ok()?;
    (FIVE_POINTS.0..=FIVE_POINTS.1).contains(&number).then_some((number, FIVE_POINTS))
}

/// A text, or an object with the text as its `body`.
fn comment(raw: &RawValue) -> Option<String> {
    text(Some(raw)).or_else(|| text(lenient::field(raw, "body")))
}
