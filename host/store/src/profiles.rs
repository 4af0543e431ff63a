//! Reading what a profile is folded of.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use rapport_model::cells::DeliveryCell;
use rapport_model::event::Attestation;
use rapport_model::profile::EndpointState;
use rapport_model::{Basis, Eid, EndpointKey, MessageKey};
use rapport_telemetry::CellLeftOut;

use crate::cells::UNPROVEN;
use crate::erasure::forget_list::seen_since;
use crate::error::{StoreError, unavailable};
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::Table;

/// Keys in one `BatchGetItem`, by the API.
const BATCH_GET_MAX: usize = 100;

impl Table {
    /// All that is known of an endpoint besides its events; none when it was never seen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn endpoint(&self, eid: &Eid) -> Result<Option<EndpointState>, StoreError> {
        let pk = self.endpoint_pk(eid);
        // `@` < `A#` < `C#` < `D#` < `K#`: one query, and the events (`V#`) are behind it.
        let items = self.all(&pk, keys::ENDPOINT, &keys::after(keys::CONSENTS)).await?;
        // One that only links know has a pointer at most.
        let is_endpoint = |item: &&Item| sk(item) == Some(keys::ENDPOINT) && seen_since(&Reader(item)).is_some();
        let Some(endpoint) = items.iter().find(is_endpoint) else { return Ok(None) };
        let mut state = read_endpoint(eid, endpoint)?;
        for item in &items {
            let reader = Reader(item);
            match sk(item) {
                Some(name) if name.starts_with(keys::HEADS) => {
                    state
                        .heads
                        .extend(readable(&reader, "head").map(|head| (name[keys::HEADS.len()..].to_owned(), head)));
                }
                Some(name) if name.starts_with(keys::TRAITS) => state.traits.extend(readable(&reader, "cell")),
                Some(keys::REACH) => state.reach = readable(&reader, "cell"),
                Some(name) if name.starts_with(keys::CONSENTS) => state.consents.extend(readable(&reader, "cell")),
                _ => {}
            }
        }
        Ok(Some(state))
    }

    /// How far messages got, as far as is known: by (endpoint, message).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn deliveries(&self, wanted: &[(Eid, MessageKey)]) -> Result<HashMap<String, DeliveryCell>, StoreError> {
        let mut found = HashMap::new();
        for batch in wanted.chunks(BATCH_GET_MAX) {
            let key = |(eid, message): &(Eid, MessageKey)| {
                let sk = keys::delivery_sk(message.as_str());
                HashMap::from([("pk".to_owned(), s(self.endpoint_pk(eid))), ("sk".to_owned(), s(sk))])
            };
            for item in self.batch_get(batch.iter().map(key).collect()).await? {
                let Some(cell) = readable::<DeliveryCell>(&Reader(&item), "cell") else { continue };
                let better = found.get(&cell.message).is_none_or(|other: &DeliveryCell| other.rank < cell.rank);
                if better {
                    found.insert(cell.message.clone(), cell);
                }
            }
        }
        Ok(found)
    }

    pub(crate) async fn batch_get(&self, keys: Vec<HashMap<String, AttributeValue>>) -> Result<Vec<Item>, StoreError> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).build().expect("keys are given");
        let mut pending = HashMap::from([(self.name().to_owned(), wanted)]);
        let mut items = Vec::new();
        while !pending.is_empty() {
            let request = self.dynamodb().batch_get_item().set_request_items(Some(pending));
            let answer = request.send().on_heap().await.map_err(unavailable("BatchGetItem"))?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            pending = answer.unprocessed_keys.unwrap_or_default();
        }
        Ok(items)
    }
}

/// What follows of events, if it can be read. Else it is missing from what is shown, until it is folded anew: it hides neither
/// the rest of the person nor keeps them from being erased.
fn readable<T: serde::de::DeserializeOwned>(reader: &Reader<'_>, name: &'static str) -> Option<T> {
    reader.json(name).inspect_err(|error| CellLeftOut { error }.emit()).ok()
}

fn sk(item: &Item) -> Option<&str> {
    Reader(item).text_opt("sk")
}

/// As whose an endpoint's address is filed.
pub(crate) fn basis(reader: &Reader<'_>) -> Basis {
    let word = reader.text_opt(UNPROVEN).and_then(Attestation::of_name);
    word.map_or(Basis::Proven, |word| if word == Attestation::Claimed { Basis::Claimed } else { Basis::Said })
}

fn read_endpoint(eid: &Eid, item: &Item) -> Result<EndpointState, StoreError> {
    let reader = Reader(item);
    Ok(EndpointState {
        eid: eid.clone(),
        key: EndpointKey {
            scheme: reader.text("scheme")?.to_owned(),
            scope: reader.text_opt("scp").map(str::to_owned),
            value: reader.text("addr")?.to_owned(),
        },
        basis: basis(&reader),
        raw: reader.text("asis")?.to_owned(),
        first_seen: reader.number("seen")?,
        heads: Default::default(),
        traits: Vec::new(),
        consents: Vec::new(),
        reach: None,
    })
}
