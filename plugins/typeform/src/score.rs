//! Answers that measure something, each an event of its own.

use rapport_sdk::prelude::*;
use serde::Serialize;

use crate::form::Stage;
use crate::form::{Form, Given};
use crate::{person, submission};

/// Extension: which question was answered, and whether its scale is Typeform's default for want of a definition.
const QUESTION: &str = "com.typeform.question";

/// The kinds of questions that measure something, from Typeform's "Create a form", November 2026.
const KINDS: &[(&str, Kind)] = &[
    // How likely are you to recommend us? Eleven steps, always.
    ("nps", Kind { metric: || Metric::Nps, first: 0, steps: 11, is_fixed: true }),
    // Stars, hearts, thumbs, … from one to three up to ten of them.
    ("rating", Kind { metric: || Metric::Stars, first: 1, steps: 5, is_fixed: false }),
    // Five to eleven steps, from 0 or, with `start_at_one`, from 1. What they mean is for the business to say.
    ("opinion_scale", Kind { metric: || Metric::Other("opinion_scale".into()), first: 0, steps: 11, is_fixed: false }),
];

/// Most stars of a rating: where the definition does not say how many there are, a score above the usual five says so.
const STARS_MAX: f64 = 10.0;

struct Kind {
    metric: fn() -> Metric,
    /// The lowest answer.
    first: u64,
    /// How many there are by default.
    steps: u64,
    /// Whether the definition cannot say another number.
    is_fixed: bool,
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<&'a str>,
}

/// Whether the ends of a scale were said by somebody, or are the default.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Said,
    Assumed,
}

/// One event for each answer that is a score.
pub fn events(form: &Form) -> Vec<Event> {
    form.answers.iter().enumerate().filter_map(|(index, given)| event(form, given, index)).collect()
}

fn event(form: &Form, given: &Given, index: usize) -> Option<Event> {
    let settings = form.settings.questions.iter().find(|(key, _)| given.is(key)).map(|(_, settings)| settings);
    let kind = KINDS.iter().find(|(name, _)| *name == given.question).map(|(_, kind)| kind);
    let metric = match settings.and_then(|settings| settings.metric.as_deref()) {
        Some(word) => named(word),
        None => (kind?.metric)(),
    };
    let score = number(given)?;
    let said = settings.and_then(|settings| settings.scale).map(|scale| (scale, Origin::Said));
    let (scale, origin) = said.or_else(|| Some(kind?.scale(given, score))).or_else(|| usual(&metric))?;
    if score < scale.0.min(scale.1) || score > scale.0.max(scale.1) {
        log::warn("a score is not on the scale of its question: it is in the submission only");
        return None;
    }
    let name = given.key().map_or_else(|| index.to_string(), str::to_owned);
    let response_id = format!("{}:{name}", form.token);
    let comment = comment(form, index, settings.and_then(|settings| settings.comment.as_deref()));
    let about = form.settings.about.as_deref().and_then(|field| form.hidden(field)).map(str::to_owned);
    let id = match form.stage {
        Stage::Submitted => response_id.clone(),
        Stage::Partial => format!("{}:{name}", submission::id(form)),
    };
    let body = EventBody::Feedback(Feedback { metric, score, scale, comment, about, response_id });
    let event = Event::new(id, form.at, &form.form_id, person::contact(form), body);
    Some(event.extended(QUESTION, &question(given, origin)))
}

fn question<'a>(given: &'a Given, origin: Origin) -> Question<'a> {
    Question {
        id: given.id.as_deref(),
        reference: given.reference.as_deref(),
        kind: &given.question,
        title: given.title.as_deref(),
        scale: (origin == Origin::Assumed).then_some("assumed"),
    }
}

impl Kind {
    /// The ends of the scale: of the definition, else Typeform's default, which a higher score of stars disproves.
    fn scale(&self, given: &Given, score: f64) -> ((f64, f64), Origin) {
        let first = if given.starts_at_one { 1 } else { self.first };
        let ends = |steps: u64| (first as f64, (first + steps) as f64 - 1.0);
        match given.steps.filter(|steps| *steps > 1 && !self.is_fixed) {
            Some(steps) => (ends(steps), Origin::Said),
            None if self.is_fixed => (ends(self.steps), Origin::Said),
            None if first == 1 && score > ends(self.steps).1 => ((1.0, STARS_MAX), Origin::Assumed),
            None => (ends(self.steps), Origin::Assumed),
        }
    }
}

/// The scale of a metric that an operator named for a question of another kind.
fn usual(metric: &Metric) -> Option<((f64, f64), Origin)> {
    let scale = match metric {
        Metric::Nps => (0.0, 10.0),
        Metric::Csat | Metric::Stars => (1.0, 5.0),
        Metric::Ces => (1.0, 7.0),
        Metric::Thumbs => (0.0, 1.0),
        Metric::Other(_) => return None,
    };
    Some((scale, Origin::Assumed))
}

fn named(word: &str) -> Metric {
    match word.to_ascii_lowercase().as_str() {
        "nps" => Metric::Nps,
        "csat" => Metric::Csat,
        "ces" => Metric::Ces,
        "stars" => Metric::Stars,
        "thumbs" => Metric::Thumbs,
        _ => Metric::Other(word.into()),
    }
}

/// A number, yes and no as 1 and 0, or a choice whose label is a number.
fn number(given: &Given) -> Option<f64> {
    match given.kind.as_str() {
        "boolean" => match given.value?.get() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            _ => None,
        },
        "choice" => given.label()?.trim().parse().ok(),
        _ => given.text()?.trim().parse().ok(),
    }
    .filter(|number: &f64| number.is_finite())
}

/// What was written to explain a score: the answer to the question that the operator names, else the long text that
/// follows it, else the only long text beside the only score.
fn comment(form: &Form, index: usize, configured: Option<&str>) -> Option<String> {
    let is_text = |given: &&Given| given.question == "long_text" && given.kind == "text";
    let is_score = |given: &&Given| KINDS.iter().any(|(name, _)| *name == given.question);
    if let Some(key) = configured {
        return form.answers.iter().find(|given| given.is(key))?.text();
    }
    if let Some(next) = form.answers.get(index + 1).filter(is_text) {
        return next.text();
    }
    let texts: Vec<_> = form.answers.iter().filter(is_text).collect();
    let scores = form.answers.iter().filter(is_score).count();
    (texts.len() == 1 && scores == 1).then(|| texts[0].text())?
}
