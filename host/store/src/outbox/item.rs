//! An intent as an item, and back.
//!
//! What a client asked for is one compressed attribute, written once. How far it is stands beside it, in attributes that each
//! record replaces. A text of 300 characters and its record stay below 1 KB: one write unit each.

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::sending::intent::{Birth, Draft, Intent, Pin, Started, State};
use rapport_model::sending::lock::Token;
use rapport_model::sending::{Accepted, IntentId};
use rapport_model::{Eid, EventKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::blobs::INLINE_BYTES_MAX;
use crate::codec;
use crate::error::StoreError;
use crate::items::{Item, Reader, b, json, n, s};
use crate::keys;
use crate::table::Table;

/// The attribute with how often the item was written.
pub(crate) const VERSION: &str = "ver";
/// The attribute with the state as a word.
pub(crate) const STATE: &str = "st";
/// The attribute with the account of the business.
pub(crate) const ACCOUNT: &str = "acc";
/// The attribute with what came of the requests of an attempt.
const HISTORY: &str = "x";
/// The attribute that names the blob with it, if it is too large for the item.
pub(crate) const HISTORY_BLOB: &str = "xb";
/// The attribute with when the intent was made, by our clock.
pub(crate) const CREATED: &str = crate::events::OWN_SINCE;

/// An intent as it is stored, and the version that a change compares.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredIntent {
    pub intent: Intent,
    pub(super) version: u64,
    pub(super) history_blob: Option<String>,
}

impl std::ops::Deref for StoredIntent {
    type Target = Intent;

    fn deref(&self) -> &Intent {
        &self.intent
    }
}

/// The attributes that a change replaces. `None`: the attribute goes.
pub(super) type Changing = Vec<(&'static str, Option<AttributeValue>)>;

#[derive(Serialize, Deserialize)]
struct PinItem(u64, String, String);

impl Table {
    /// The attributes of an intent that change. A large history goes to the blob store first.
    pub(super) async fn changing(&self, intent: &Intent) -> Result<Changing, StoreError> {
        let pin =
            intent.pin.as_ref().map(|pin| json(&PinItem(pin.now, pin.connector.clone(), pin.configuration.clone())));
        let accepted: Vec<(u32, &str)> = intent.accepted.iter().map(|one| (one.part, one.id.as_str())).collect();
        let started = intent.started.as_ref();
        let why =
            !matches!(intent.state, State::Pending | State::Sending | State::Sent | State::Cancelled | State::Expired);
        let (inline, blob) = self.history(intent).await?;
        Ok(vec![
            (STATE, Some(s(intent.state.word()))),
            ("why", why.then(|| json(&intent.state))),
            ("due", Some(n(intent.due_at))),
            ("att", Some(n(intent.attempt))),
            ("stp", Some(n(intent.step))),
            ("pin", pin),
            ("bnd", intent.is_bound.then(|| n(1))),
            ("ok", (!accepted.is_empty()).then(|| json(&accepted))),
            ("sta", started.map(|started| n(started.at))),
            ("ans", started.and_then(|started| started.answers.as_ref()).map(|key| s(key.as_str()))),
            ("rsb", intent.resent_by.as_ref().map(|id| s(id.as_str()))),
            ("lgo", intent.let_go.as_ref().map(|token| s(token.as_str()))),
            (HISTORY, inline),
            (HISTORY_BLOB, blob),
        ])
    }

    async fn history(&self, intent: &Intent) -> Result<(Option<AttributeValue>, Option<AttributeValue>), StoreError> {
        if intent.history.is_empty() {
            return Ok((None, None));
        }
        let frame = codec::pack_json(&intent.history);
        if frame.len() <= INLINE_BYTES_MAX {
            return Ok((Some(b(frame)), None));
        }
        let (pk, sk) = self.intent_key(&intent.birth.eid, &intent.id);
        Ok((None, Some(s(self.put_blob((&pk, &sk), frame).await?))))
    }

    /// The attributes of a new intent.
    pub(super) async fn intent_item(&self, intent: &Intent) -> Result<Item, StoreError> {
        let (pk, sk) = self.intent_key(&intent.birth.eid, &intent.id);
        let (name, draft) = self.inline_or_blob((&pk, &sk), codec::pack_json(&intent.draft)).await?;
        let mut item = Item::from([
            ("pk".to_owned(), s(pk)),
            ("sk".to_owned(), s(sk)),
            (name.to_owned(), draft),
            (ACCOUNT.to_owned(), s(&intent.birth.account)),
            ("con".to_owned(), s(&intent.birth.connection)),
            (CREATED.to_owned(), n(intent.birth.created_at)),
            ("exp".to_owned(), n(intent.birth.expires_at)),
            (VERSION.to_owned(), n(1)),
        ]);
        let changing = self.changing(intent).await?;
        item.extend(changing.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        Ok(item)
    }

    /// The intent of an item.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]; [`StoreError::Missing`] when its blob is gone; [`StoreError::Blob`] when the blob store does
    /// not say.
    pub(super) async fn read_intent(&self, item: &Item) -> Result<StoredIntent, StoreError> {
        let reader = Reader(item);
        let draft: Draft = unpacked(&reader, &self.frame_of(&reader).await?)?;
        let history = match (reader.bytes_opt(HISTORY), reader.text_opt(HISTORY_BLOB)) {
            (Some(frame), _) => unpacked(&reader, frame)?,
            (None, Some(key)) => {
                let frame = self.access.blobs.get(key).await?;
                unpacked(&reader, &frame.ok_or_else(|| StoreError::Missing { key: key.to_owned() })?)?
            }
            (None, None) => Vec::new(),
        };
        let (id, birth) = self.birth_of(&reader)?;
        let accepted: Vec<(u32, String)> = if item.contains_key("ok") { reader.json("ok")? } else { Vec::new() };
        let pin: Option<PinItem> = item.contains_key("pin").then(|| reader.json("pin")).transpose()?;
        let small = |name| reader.number(name).and_then(|number| u32::try_from(number).map_err(|e| reader.corrupt(e)));
        let key = |name| reader.text_opt(name).map(|text| EventKey::parse(text).ok_or_else(|| reader.corrupt(name)));
        let answers = key("ans").transpose()?;
        let resent_by = reader.text_opt("rsb").map(|text| IntentId::parse(text).ok_or_else(|| reader.corrupt("rsb")));
        let intent = Intent {
            id,
            birth,
            draft,
            due_at: reader.number("due")?,
            attempt: small("att")?,
            pin: pin.map(|PinItem(now, connector, configuration)| Pin { now, connector, configuration }),
            step: small("stp")?,
            history,
            is_bound: item.contains_key("bnd"),
            accepted: accepted.into_iter().map(|(part, id)| Accepted { part, id }).collect(),
            started: reader.number_opt("sta").map(|at| Started { at, answers }),
            state: state_of(&reader)?,
            resent_by: resent_by.transpose()?,
            let_go: reader.text_opt("lgo").and_then(Token::parse),
        };
        let history_blob = reader.text_opt(HISTORY_BLOB).map(str::to_owned);
        Ok(StoredIntent { intent, version: reader.number(VERSION)?, history_blob })
    }

    /// What an intent is called, and where and when it was made: without unpacking what is in it.
    pub(super) fn birth_of(&self, reader: &Reader<'_>) -> Result<(IntentId, Birth), StoreError> {
        let eid = keys::eid_of_pk(self.tenant(), reader.text("pk")?).and_then(Eid::parse);
        let id = keys::intent_id_of_sk(reader.text("sk")?);
        let birth = Birth {
            eid: eid.ok_or_else(|| reader.corrupt("`pk` names no endpoint"))?,
            account: reader.text(ACCOUNT)?.to_owned(),
            connection: reader.text("con")?.to_owned(),
            created_at: reader.number(CREATED)?,
            expires_at: reader.number("exp")?,
        };
        Ok((id.ok_or_else(|| reader.corrupt("`sk` is not the id of an intent"))?, birth))
    }

    pub(crate) fn intent_key(&self, eid: &Eid, id: &IntentId) -> (String, String) {
        (self.endpoint_pk(eid), keys::intent_sk(id))
    }
}

/// The state as a word, and why where there is something to say.
fn state_of(reader: &Reader<'_>) -> Result<State, StoreError> {
    match reader.text(STATE)? {
        "pending" => Ok(State::Pending),
        "sending" => Ok(State::Sending),
        "sent" => Ok(State::Sent),
        "cancelled" => Ok(State::Cancelled),
        "expired" => Ok(State::Expired),
        _ => reader.json("why"),
    }
}

fn unpacked<T: DeserializeOwned>(reader: &Reader<'_>, frame: &[u8]) -> Result<T, StoreError> {
    codec::unpack_json(frame).map_err(|detail| reader.corrupt(detail))
}
