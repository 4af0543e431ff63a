//! What a customer thinks: `messaging_feedback`, the answers to a feedback template, and `response_feedback`, a thumb.

use rapport_sdk::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fields::Fields;
use super::scene::Scene;
use crate::{Batch, Text, verbatim};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Survey<'a> {
    #[serde(borrow, deserialize_with = "lenient::places")]
    feedback_screens: Vec<Option<Screen<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Screen<'a> {
    #[serde(borrow, deserialize_with = "lenient::id")]
    screen_id: Text<'a>,
    /// An object: the id that the business gave a question, and the answer to it.
    #[serde(borrow)]
    questions: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::id")]
    kind: Text<'a>,
    #[serde(deserialize_with = "lenient::number")]
    payload: Option<f64>,
    #[serde(deserialize_with = "lenient::object")]
    follow_up: Option<FollowUp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FollowUp {
    #[serde(deserialize_with = "lenient::id")]
    payload: Option<String>,
}

/// The kinds of questions, each with its scale, from Meta's "Customer Feedback Template", November 2026.
const METRICS: &[(&str, Metric, (f64, f64))] = &[
    // How would you rate your experience? Numbers, stars or faces.
    ("csat", Metric::Csat, (1.0, 5.0)),
    // How likely are you to recommend us?
    ("nps", Metric::Nps, (0.0, 10.0)),
    // How easy was it?
    ("ces", Metric::Ces, (1.0, 7.0)),
];

/// Extension: which question was answered.
const QUESTION: &str = "question";

/// Each answer is an event of its own. The element has no time of its own: that of its entry is when it was submitted.
pub(super) fn survey(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let survey: Survey = lenient::read(raw).unwrap_or_default();
    let mut answers = 0;
    batch.each_object("feedback_screens", &survey.feedback_screens, |screen, batch| {
        let Some(questions) = screen.questions.map(Fields::of) else {
            return batch.malformed("feedback_screens", "it has no `questions`");
        };
        for (question, raw) in questions.iter().filter(|(_, raw)| is_answered(raw)) {
            answers += 1;
            answer(&Question { screen: screen.screen_id.as_deref(), question }, raw, scene, batch);
        }
    });
    if answers == 0 {
        batch.malformed(scene.array, "its `messaging_feedback` answers nothing");
    }
}

/// A question that the customer left out has no payload.
fn is_answered(raw: &RawValue) -> bool {
    ["payload", "follow_up"].iter().any(|name| lenient::field(raw, name).is_some())
}

#[derive(Serialize)]
struct Question<'a> {
    screen: Option<&'a str>,
    question: &'a str,
}

fn answer(question: &Question, raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    let answer: Answer = lenient::read(raw).unwrap_or_default();
    let Question { screen, question: name } = question;
    let name_of_answer = format!("{}:{name}", screen.unwrap_or_default());
    let Some(id) = scene.id_of("feedback", Some(&name_of_answer)) else {
        return batch.malformed(scene.array, "neither it nor its entry has a time");
    };
    let body = match answer.feedback(&id) {
        Some(feedback) => EventBody::Feedback(feedback),
        None => EventBody::Other(("survey-answer".into(), verbatim(raw))),
    };
    batch.push(scene.event(id, body).extended(&scene.extension(QUESTION), question));
}

impl Answer<'_> {
    /// None for a question of a kind that is not known, and for a score that is not on its scale.
    fn feedback(self, id: &str) -> Option<Feedback> {
        let kind = self.kind.as_deref()?.trim();
        let (_, metric, (low, high)) = METRICS.iter().find(|(name, ..)| kind.eq_ignore_ascii_case(name))?;
        let score = self.payload.filter(|score| (*low..=*high).contains(score))?;
        let comment = self.follow_up.and_then(|follow_up| follow_up.payload);
        let (metric, scale, response_id) = (metric.clone(), (*low, *high), id.to_owned());
        Some(Feedback { metric, score, scale, comment, about: None, response_id })
    }
}

/// Thumbs up or down for one message: a second one for the same message revises the first.
pub(super) fn response(raw: &RawValue, scene: &Scene, batch: &mut Batch) {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Payload<'a> {
        #[serde(borrow, deserialize_with = "lenient::id")]
        feedback: Text<'a>,
        #[serde(borrow, deserialize_with = "lenient::id")]
        mid: Text<'a>,
    }
    let payload: Payload = lenient::read(raw).unwrap_or_default();
    let Some(mid) = payload.mid.as_deref() else { return batch.malformed(scene.array, "its feedback has no `mid`") };
    let Some(id) = scene.id_of("response-feedback", Some(mid)) else {
        return batch.malformed(scene.array, "it has no time");
    };
    let thumb = |score: f64| {
        EventBody::Feedback(Feedback {
            metric: Metric::Thumbs,
            score,
            scale: (0.0, 1.0),
            comment: None,
            about: Some(mid.into()),
            response_id: format!("response-feedback:{mid}"),
        })
    };
    let body = match payload.feedback.as_deref() {
        Some("Good response") => thumb(1.0),
        Some("Bad response") => thumb(0.0),
        _ => EventBody::Other(("response-feedback".into(), verbatim(raw))),
    };
    batch.push(scene.event(id, body));
}
