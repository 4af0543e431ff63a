//! A response as a whole: one message of the customer, or, where it was never submitted, an activity.

use rapport_sdk::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::form::Stage;
use crate::form::{Form, Given};
use crate::person;

const PARTIAL: &str = "com.typeform.form-response-partial";

/// The form as it was filled in: every answer beside its question, the value as it came.
#[derive(Serialize)]
struct Filled<'a> {
    form_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    answers: Vec<Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<&'a RawValue>,
    /// Which of the form's ends was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    landed_at: Option<&'a str>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a str>,
    /// The kind of the question.
    #[serde(rename = "type")]
    kind: &'a str,
    answer: Option<&'a RawValue>,
}

pub fn event(form: &Form) -> Event {
    let body = match form.stage {
        Stage::Submitted => EventBody::Message(message(form)),
        Stage::Partial => EventBody::Activity((PARTIAL.into(), filled(form))),
    };
    Event::new(id(form), form.at, &form.form_id, person::contact(form), body)
}

/// The id of the event. Of one visit there can be a partial response, several of them, and a submitted one.
pub fn id(form: &Form) -> String {
    match (form.stage, &form.event_id) {
        (Stage::Submitted, _) => form.token.clone(),
        (Stage::Partial, Some(event)) if *event != form.token => format!("partial:{}:{event}", form.token),
        (Stage::Partial, _) => format!("partial:{}", form.token),
    }
}

fn message(form: &Form) -> Message {
    let mut parts = vec![Part::Form(filled(form))];
    parts.extend(form.answers.iter().filter(|given| is_free(given)).filter_map(Given::text).map(Part::Text));
    parts.extend(form.answers.iter().flat_map(Given::files).map(media));
    let mut message = Message::new(form.token.clone(), Author::Customer, parts);
    message.subject.clone_from(&form.title);
    message
}

/// What the customer wrote in sentences.
fn is_free(given: &Given) -> bool {
    given.kind == "multi_format" || (given.kind == "text" && given.question == "long_text")
}

fn filled(form: &Form) -> Json {
    let response = &form.response;
    rapport_sdk::event::json(&Filled {
        form_id: &form.form_id,
        title: form.title.as_deref(),
        answers: form.answers.iter().map(line).collect(),
        hidden: response.hidden,
        variables: response.variables,
        score: response.calculated.as_ref().and_then(|calculated| calculated.score),
        ending: response.ending.as_ref().and_then(|ending| ending.reference.as_deref().or(ending.id.as_deref())),
        landed_at: response.landed_at.as_deref(),
    })
}

fn line<'a>(given: &'a Given) -> Line<'a> {
    Line {
        id: given.id.as_deref(),
        reference: given.reference.as_deref(),
        question: given.title.as_deref(),
        kind: if given.question.is_empty() { &given.kind } else { &given.question },
        answer: given.value,
    }
}

/// A file lies behind Typeform's API, which wants a token; its name is the end of the address.
fn media(url: String) -> Part {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|name| name.contains('.'));
    let file_name = name.map(rapport_sdk::encoding::percent::decode);
    let source = MediaSource::Url(url.clone());
    Part::Media(Media { source, mime_type: None, file_name, size: None, content_id: None })
}
