//! Whether an erasure has left anything: read again at its end, whatever its steps believed.

use std::collections::BTreeSet;

use rapport_model::identity::{Edge, Pair};
use rapport_model::{Eid, EventKey};

use crate::erasure::sweep::source_of;
use crate::erasure::{Erasure, forget_list};
use crate::error::StoreError;
use crate::events::OWN_SINCE;
use crate::identity::Suggestion;
use crate::items::{Item, Reader};
use crate::keys;
use crate::table::{Range, Table};

/// Items read at once.
const PAGE_ITEMS: i32 = 100;

impl Table {
    /// The kinds of items that an erasure has left and must not; empty: it is complete.
    ///
    /// What may be there: the endpoint's item without an address, closed locks, claims of events without a time, what was said
    /// and received since or is to be sent since, and what is folded of that.
    pub(super) async fn left_of(&self, erasure: &Erasure) -> Result<Vec<String>, StoreError> {
        let mut left: BTreeSet<String> = BTreeSet::new();
        for eid in &erasure.members {
            match &erasure.connection {
                None => self.left_of_endpoint(erasure, eid, &mut left).await?,
                Some(connection) => self.left_of_connection(erasure, (eid, connection), &mut left).await?,
            }
        }
        Ok(left.into_iter().collect())
    }

    async fn left_of_endpoint(
        &self,
        erasure: &Erasure,
        eid: &Eid,
        left: &mut BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let pk = self.endpoint_pk(eid);
        let (mut start, mut cells) = (None, Vec::new());
        // Events that may be there; `V` sorts after all that is folded of them but delivery states.
        let mut living: BTreeSet<EventKey> = BTreeSet::new();
        loop {
            let range = Range { start, limit: Some(PAGE_ITEMS), ..Range::new(&pk, " ", keys::END) };
            let page = self.page(range).await?;
            for item in page.items {
                let reader = Reader(&item);
                let sk = reader.text("sk")?;
                let kind = sk.split_once('#').map_or(sk, |(kind, _)| kind).to_owned();
                let is_made_since = reader.number_opt(OWN_SINCE).is_none_or(|at| at > erasure.closed_at);
                let is_since = |name: &str| reader.number_opt(name).is_some_and(|at| at > erasure.up_to);
                let may_stay = match kind.as_str() {
                    "F" | "Y" => true,
                    "O" => is_made_since,
                    "@" => !item.contains_key("addr") || is_since("rcv") && forget_list::seen_since(&reader).is_some(),
                    "V" => {
                        let is_later = |key: &EventKey| key.at() > erasure.up_to && is_since("rcv") && is_made_since;
                        let key = keys::event_key_of_sk(sk).filter(is_later);
                        let may_stay = key.is_some();
                        living.extend(key);
                        may_stay
                    }
                    "L" | "S" | "Z" => self.is_of_a_new_contact(erasure, eid, (&kind, sk), &reader).await?,
                    "A" | "C" | "D" | "K" | "T" | "R" => {
                        cells.push(item);
                        continue;
                    }
                    _ => false,
                };
                if !may_stay {
                    left.insert(kind);
                }
            }
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        left.extend(cells.iter().filter(|cell| !is_of(cell, &living)).map(kind_of));
        Ok(())
    }

    /// Whether a link, a suggestion or a reference to one is of what was said since.
    async fn is_of_a_new_contact(
        &self,
        erasure: &Erasure,
        eid: &Eid,
        (kind, sk): (&str, &str),
        reader: &Reader<'_>,
    ) -> Result<bool, StoreError> {
        Ok(match kind {
            "L" => reader.json::<Edge>("edge").is_ok_and(|edge| edge.recorded_at > erasure.up_to),
            "S" => reader.json::<Suggestion>("sug").is_ok_and(|found| found.recorded_at > erasure.up_to),
            _ => match Eid::parse(&sk[keys::BACK_REFERENCES.len()..]).and_then(|other| Pair::new(eid, &other)) {
                Some(pair) => !self.edges_of_pair(&pair).await?.is_empty() || self.suggestion(&pair).await?.is_some(),
                None => false,
            },
        })
    }

    /// Of what a connection said: whether an event of it is there that is erased.
    async fn left_of_connection(
        &self,
        erasure: &Erasure,
        (eid, connection): (&Eid, &str),
        left: &mut BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let (pk, to) = (self.endpoint_pk(eid), keys::after(keys::EVENTS));
        let mut start = None;
        loop {
            let range = Range { start, limit: Some(PAGE_ITEMS), ..Range::new(&pk, keys::EVENTS, &to) };
            let page = self.page(range).await?;
            for item in &page.items {
                let reader = Reader(item);
                let key = keys::event_key_of_sk(reader.text("sk")?);
                let is_its = reader.text_opt("con") == Some(connection);
                if is_its && key.is_none_or(|key| key.at() <= erasure.up_to) {
                    left.insert("V".to_owned());
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

fn kind_of(item: &Item) -> String {
    let sk = Reader(item).text_opt("sk").unwrap_or_default();
    sk.split_once('#').map_or(sk, |(kind, _)| kind).to_owned()
}

/// Whether a cell or a webhook is of an event that is there. How far a message got does not say which event said so, and a
/// head was deleted, so that one that is there was folded since.
fn is_of(item: &Item, living: &BTreeSet<EventKey>) -> bool {
    match kind_of(item).as_str() {
        "C" | "T" => !living.is_empty(),
        "R" => {
            let key = Reader(item).text_opt("sk").and_then(keys::event_key_of_webhook);
            key.is_some_and(|key| living.contains(&key))
        }
        _ => source_of(item).is_some_and(|source| living.contains(&source)),
    }
}
