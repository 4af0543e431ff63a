//! A response as it is understood: each answer beside its question.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::payload::{Answer, Choice, Field, MultiFormat, Response, Root, Signature};
use crate::settings::Settings;
use rapport_sdk::instant;

/// How far the customer came with the form.
#[derive(Clone, Copy, PartialEq)]
pub enum Stage {
    Submitted,
    /// Answers that were given without submitting the form.
    Partial,
}

/// Answers of one response: several times the longest form that anybody finishes.
const ANSWERS_MAX: usize = 1_000;

/// Groups in groups: a matrix in a group is two.
const DEPTH_MAX: usize = 4;

/// One response, and the settings that say how to read it.
pub struct Form<'a> {
    pub settings: &'a Settings,
    pub stage: Stage,
    pub form_id: String,
    /// The id of the response: what its events and its feedback are known by.
    pub token: String,
    /// Tells two partial responses of one visit apart.
    pub event_id: Option<String>,
    /// When it was submitted, in milliseconds; 0 where Typeform does not say it.
    pub at: u64,
    pub title: Option<String>,
    pub hidden: Vec<(String, String)>,
    pub answers: Vec<Given<'a>>,
    /// Answers that could not be read.
    pub unread: Unread,
    pub response: Response<'a>,
}

/// One answer.
pub struct Given<'a> {
    /// Its question's id, `ref` and title, as far as they are known.
    pub id: Option<String>,
    pub reference: Option<String>,
    pub title: Option<String>,
    /// The kind of the question: `nps`, `long_text`, …
    pub question: String,
    /// Which part of a `contact_info` it is.
    pub subfield: Option<String>,
    pub steps: Option<u64>,
    pub starts_at_one: bool,
    /// The kind of the answer, under whose name its value stands: `number`, `text`, …
    pub kind: String,
    pub value: Option<&'a RawValue>,
}

impl<'a> Form<'a> {
    pub fn of(root: Root<'a>, stage: Stage, settings: &'a Settings) -> Result<Self, Rejection> {
        let malformed = |what: &str| Rejection::Malformed(format!("expected {what}, found none"));
        let mut response = root.form_response.ok_or_else(|| malformed("an object `form_response`"))?;
        let form_id = response.form_id.clone().or_else(|| response.definition.as_ref()?.id.clone());
        let form_id = form_id.ok_or_else(|| malformed("a `form_response.form_id`"))?.into_owned();
        let token = response.token.clone().or_else(|| response.response_id.clone()).or_else(|| root.event_id.clone());
        let token = token.ok_or_else(|| malformed("a `form_response.token`"))?.into_owned();
        let instant = |text: &Option<Cow<str>>| text.as_deref().and_then(instant::parse);
        let at = instant(&response.submitted_at).or_else(|| instant(&response.landed_at)).unwrap_or_default();
        let mut unread = Unread::default();
        let questions = Questions::of(&response, &mut unread);
        let raw = std::mem::take(&mut response.answers);
        let mut answers = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            match questions.answer(raw) {
                _ if index == ANSWERS_MAX => unread.add("answers", &format!("there are more than {ANSWERS_MAX}")),
                _ if index > ANSWERS_MAX => {}
                Ok(answer) => answers.push(answer),
                Err(reason) => unread.add(&format!("answers[{index}]"), reason),
            }
        }
        let title = response.definition.as_ref().and_then(|definition| definition.title.clone()).map(Cow::into_owned);
        let hidden = hidden(response.hidden);
        let event_id = root.event_id.map(Cow::into_owned);
        Ok(Self { settings, stage, form_id, token, event_id, at, title, hidden, answers, unread, response })
    }

    /// What the link says under this name, in upper or lower case.
    pub fn hidden(&self, name: &str) -> Option<&str> {
        let exact = self.hidden.iter().find(|(found, _)| found == name);
        let found = exact.or_else(|| self.hidden.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.as_str())
    }
}

impl Given<'_> {
    /// Whether an operator's key, a `ref` or an id, is this question.
    pub fn is(&self, key: &str) -> bool {
        self.reference.as_deref() == Some(key) || self.id.as_deref() == Some(key)
    }

    /// What tells it apart from the other answers of its response.
    pub fn key(&self) -> Option<&str> {
        self.id.as_deref().or(self.reference.as_deref())
    }

    /// An answer that is one text: free text, an address, a date, a link.
    pub fn text(&self) -> Option<String> {
        match self.kind.as_str() {
            "multi_format" => {
                let found: MultiFormat = lenient::read(self.value?)?;
                found.text.or(found.transcript).map(Cow::into_owned)
            }
            _ => lenient::read::<lenient::Id>(self.value?).map(|text| text.0),
        }
    }

    /// The label of the one choice that was taken.
    pub fn label(&self) -> Option<String> {
        lenient::read::<Choice>(self.value?)?.label.map(Cow::into_owned)
    }

    /// The addresses of files that were sent.
    pub fn files(&self) -> Vec<String> {
        let Some(value) = self.value else { return Vec::new() };
        match self.kind.as_str() {
            "file_url" => lenient::read::<lenient::Id>(value).map(|url| url.0).into_iter().collect(),
            "signature" => {
                lenient::read::<Signature>(value).and_then(|found| found.url).map(Cow::into_owned).into_iter().collect()
            }
            "multi_format" => {
                let found = lenient::read::<MultiFormat>(value).unwrap_or_default();
                [found.video_url, found.audio_url].into_iter().flatten().map(Cow::into_owned).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The questions of the definition, by id and by `ref`.
struct Questions<'a>(BTreeMap<String, std::rc::Rc<Field<'a>>>);

impl<'a> Questions<'a> {
    fn of(response: &Response<'a>, unread: &mut Unread) -> Self {
        let mut questions = Self(BTreeMap::new());
        for (index, raw) in response.definition.iter().flat_map(|definition| &definition.fields).enumerate() {
            questions.add(raw, DEPTH_MAX, &format!("definition.fields[{index}]"), unread);
        }
        questions
    }

    /// Without its question an answer is kept, but a score may not be told for one.
    fn add(&mut self, raw: &'a RawValue, depth: usize, place: &str, unread: &mut Unread) {
        let named = |field: &Field| field.id.is_some() || field.reference.is_some();
        let Some(field) = lenient::read::<Field>(raw).filter(named) else {
            return unread.add(place, "it is not an object with an `id` or a `ref`");
        };
        let field = std::rc::Rc::new(field);
        for key in [&field.id, &field.reference].into_iter().flatten() {
            self.0.entry(key.clone().into_owned()).or_insert_with(|| field.clone());
        }
        for inner in field.properties.iter().flat_map(|properties| &properties.fields).filter(|_| depth > 0) {
            self.add(inner, depth - 1, place, unread);
        }
    }

    /// An answer, or why an element is none.
    fn answer(&self, raw: &'a RawValue) -> Result<Given<'a>, &'static str> {
        let answer: Answer = lenient::read(raw).ok_or("it is not an object")?;
        let kind = answer.kind.map(Cow::into_owned).ok_or("it has no `type`")?;
        let field = answer.field.unwrap_or_default();
        let keys = [&field.id, &field.reference];
        let known = keys.into_iter().flatten().find_map(|key| self.0.get(key.as_ref()));
        let owned = |text: &Option<Cow<str>>| text.clone().map(Cow::into_owned);
        let of_known =
            |read: fn(&Field<'a>) -> Option<Cow<'a, str>>| known.and_then(|known| read(known)).map(Cow::into_owned);
        let properties = known.and_then(|known| known.properties.as_ref());
        let question = owned(&field.kind).or_else(|| of_known(|known| known.kind.clone())).unwrap_or_default();
        Ok(Given {
            id: owned(&field.id).or_else(|| of_known(|known| known.id.clone())),
            reference: owned(&field.reference).or_else(|| of_known(|known| known.reference.clone())),
            title: of_known(|known| known.title.clone()),
            question: spelled(&question),
            subfield: of_known(|known| known.subfield_key.clone()),
            steps: properties.and_then(|properties| properties.steps).or_else(|| known?.steps),
            starts_at_one: properties.is_some_and(|properties| properties.start_at_one)
                || known.is_some_and(|known| known.start_at_one),
            value: lenient::field(raw, &kind),
            kind,
        })
    }
}

/// The kind of a question in today's word: until 2017 kinds were written with a hyphen, and these were called otherwise.
fn spelled(kind: &str) -> String {
    match kind {
        "textarea" => "long_text".into(),
        "textfield" => "short_text".into(),
        kind => kind.replace('-', "_"),
    }
}

/// The hidden fields that say something.
fn hidden(raw: Option<&RawValue>) -> Vec<(String, String)> {
    let fields: BTreeMap<String, &RawValue> = raw.and_then(lenient::read).unwrap_or_default();
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, lenient::read::<lenient::Id>(value)?.0)))
        .filter(|(_, value)| !is_placeholder(value))
        .collect()
}

/// What stands in a link that nobody filled in: Typeform's own `xxxxx`, the tag of a mail program, or, in Typeform's test
/// request, `hidden_value`.
fn is_placeholder(value: &str) -> bool {
    const TAGS: &[(&str, &str)] = &[("{{", "}}"), ("*|", "|*"), ("[[", "]]"), ("${", "}"), ("%%", "%%"), ("<%", "%>")];
    let value = value.trim();
    let is_tag =
        |(open, close): &(&str, &str)| value.len() > open.len() && value.starts_with(open) && value.ends_with(close);
    let is_test = value == "hidden_value";
    is_test || (value.len() >= 3 && value.bytes().all(|byte| byte == b'x')) || TAGS.iter().any(is_tag)
}
