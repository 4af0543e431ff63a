//! Answers to a survey, which a flow writes into contact attributes.

use rapport_sdk::prelude::*;

use crate::fingerprint;
use crate::payload::Record;
use crate::settings::Survey;

/// The words of the settings, with the metric's usual scale; every other word is the business's own.
const METRICS: &[(&str, Metric, (f64, f64))] = &[
    ("nps", Metric::Nps, (0.0, 10.0)),
    ("csat", Metric::Csat, (1.0, 5.0)),
    ("ces", Metric::Ces, (1.0, 7.0)),
    ("stars", Metric::Stars, (1.0, 5.0)),
    ("thumbs", Metric::Thumbs, (0.0, 1.0)),
];

/// Words for the two ends of a scale.
const WORDS: &[(&str, End)] = &[
    ("true", End::High),
    ("yes", End::High),
    ("up", End::High),
    ("false", End::Low),
    ("no", End::Low),
    ("down", End::Low),
];

#[derive(Clone, Copy)]
enum End {
    Low,
    High,
}

/// An answer, with the id of the event that tells of it.
pub struct Answer {
    pub id: String,
    pub feedback: Feedback,
}

/// The answers of one contact. All contacts of a chain share their attributes, so that an answer is known by the first.
pub fn answers(record: &Record, surveys: &[Survey]) -> Vec<Answer> {
    surveys.iter().filter_map(|survey| answer(record, survey)).collect()
}

fn answer(record: &Record, survey: &Survey) -> Option<Answer> {
    let written = record.attribute(&survey.attribute)?;
    let known = METRICS.iter().find(|(word, ..)| word.eq_ignore_ascii_case(&survey.metric));
    let Some(scale) = survey.scale.or(known.map(|(_, _, scale)| *scale)) else {
        log::warn("a survey of a metric of your own has no `scale`; fix: add it to `surveys`");
        return None;
    };
    let (low, high) = (scale.0.min(scale.1), scale.0.max(scale.1));
    let Some(score) = number(&written, scale).filter(|score| (low..=high).contains(score)) else {
        log::warn(
            "an answer is not a number on its scale; fix: compare `scale` in `surveys` with what the flow writes",
        );
        return None;
    };
    let response_id = format!("{}:{}", record.first_id()?, survey.attribute);
    let comment = survey.comment_attribute.as_deref().and_then(|name| record.attribute(name));
    let id = format!("{response_id}:{}", fingerprint::of(&(score, &comment)));
    let metric = known.map_or_else(|| Metric::Other(survey.metric.clone()), |(_, metric, _)| metric.clone());
    Some(Answer { id, feedback: Feedback { metric, score, scale, comment, about: about(record), response_id } })
}

/// The contact that the answers are about: the flow that asks after the end is a contact of its own.
fn about(record: &Record) -> Option<String> {
    let is_afterwards = record.initiation_method.as_deref() == Some("DISCONNECT");
    record.previous_contact_id.clone().filter(|_| is_afterwards).or_else(|| record.contact_id.clone())
}

/// A number, or on a scale of two answers a word.
fn number(written: &str, scale: (f64, f64)) -> Option<f64> {
    let is_pair = (scale.1 - scale.0).abs() == 1.0;
    let word = || {
        let (_, end) = WORDS.iter().find(|(word, _)| is_pair && word.eq_ignore_ascii_case(written))?;
        Some(match end {
            End::Low => scale.0,
            End::High => scale.1,
        })
    };
    written.parse().ok().filter(|number: &f64| number.is_finite()).or_else(word)
}
