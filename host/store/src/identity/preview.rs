//! Reading all evidence there is, page by page: for an administrator who tries other rules. Nothing is written.
//!
//! Profiles and suggestions are in no list, since nothing else needs all of them: this scans the table. Whoever calls says
//! how many items of it one page may look at, and pays for them: half a read unit for each 4 KB, whatever is found.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rapport_model::identity::{Edge, Kind};
use rapport_model::{Eid, ProfileId};

use crate::error::{StoreError, unavailable};
use crate::identity::cluster::Reading;
use crate::identity::{Root, Suggestion, SuggestionState, root};
use crate::items::{Item, Reader, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::Table;

/// Bytes of an item's keys: DynamoDB takes no longer ones.
const KEYS_BYTES_MAX: usize = 2048 + 1024;

/// One page of a scan.
#[derive(Clone, Debug)]
pub struct EvidencePage {
    /// In the order of the table.
    pub found: Vec<PreviewItem>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<ScanCursor>,
    /// Items that were looked at.
    pub items: u64,
    /// Read units that it took, if the table said.
    pub read_units: Option<f64>,
}

/// Something that other rules may change.
#[derive(Clone, Debug)]
pub struct PreviewItem {
    pub what: PreviewEvidence,
    /// The place behind it, for whoever stops there.
    pub after: ScanCursor,
}

/// See [`PreviewItem`].
#[derive(Clone, Debug)]
pub enum PreviewEvidence {
    /// A profile that is stored.
    Profile(ProfileId),
    /// An open suggestion.
    Suggestion(Box<Suggestion>),
}

/// A place in a scan. Opaque to callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanCursor {
    pk: String,
    sk: String,
}

impl ScanCursor {
    /// A cursor from a query; none when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() <= KEYS_BYTES_MAX)?;
        let (pk, sk) = std::str::from_utf8(&bytes).ok()?.split_once('\n')?;
        let is_key = |key: &str, most: usize| !key.is_empty() && key.len() <= most;
        (pk.contains('#') && is_key(pk, 2048) && is_key(sk, 1024))
            .then(|| Self { pk: pk.to_owned(), sk: sk.to_owned() })
    }

    pub(super) fn of(item: &Item) -> Result<Self, StoreError> {
        let reader = Reader(item);
        Ok(Self { pk: reader.text("pk")?.to_owned(), sk: reader.text("sk")?.to_owned() })
    }

    /// Where a scan goes on.
    pub(super) fn start(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([("pk".to_owned(), s(&self.pk)), ("sk".to_owned(), s(&self.sk))])
    }
}

impl std::fmt::Display for ScanCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.pk, self.sk)))
    }
}

/// Profiles that hang together by evidence, and all of it.
#[derive(Clone, Debug)]
pub struct EvidenceCluster {
    pub roots: Vec<Root>,
    pub kinds: BTreeMap<Eid, Kind>,
    pub edges: Vec<Edge>,
}

impl Table {
    /// The profiles and open suggestions among the next `items` items of the table. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] or [`StoreError::Corrupt`].
    pub async fn scan_evidence(&self, items: usize, from: Option<&ScanCursor>) -> Result<EvidencePage, StoreError> {
        let start = from.map(ScanCursor::start);
        let profiles = "(begins_with(pk, :profiles) AND sk = :root AND attribute_exists(mem))";
        let suggestions = "(begins_with(pk, :endpoints) AND begins_with(sk, :suggestion))";
        let request = self
            .dynamodb()
            .scan()
            .table_name(self.name())
            .limit(i32::try_from(items).unwrap_or(i32::MAX))
            .filter_expression(format!("{profiles} OR {suggestions}"))
            .expression_attribute_values(":profiles", s(format!("{}#P#", self.tenant())))
            .expression_attribute_values(":endpoints", s(format!("{}#E#", self.tenant())))
            .expression_attribute_values(":root", s(keys::ROOT))
            .expression_attribute_values(":suggestion", s(keys::SUGGESTIONS))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .set_exclusive_start_key(start);
        let answer = request.send().on_heap().await.map_err(unavailable("Scan"))?;
        let mut found = Vec::new();
        for item in answer.items.unwrap_or_default() {
            if let Some(what) = self.preview_evidence(&item)? {
                found.push(PreviewItem { what, after: ScanCursor::of(&item)? });
            }
        }
        Ok(EvidencePage {
            found,
            next: answer.last_evaluated_key.as_ref().map(ScanCursor::of).transpose()?,
            items: u64::try_from(answer.scanned_count).unwrap_or_default(),
            read_units: answer.consumed_capacity.and_then(|capacity| capacity.capacity_units),
        })
    }

    /// A profile with those that its evidence leads to. None: it went into another one meanwhile, or too much hangs
    /// together to be read at once.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub async fn evidence_cluster(&self, pid: &ProfileId) -> Result<Option<EvidenceCluster>, StoreError> {
        let Some(item) = self.root_item(pid).await? else { return Ok(None) };
        let root::State::Live(root) = root::read(pid, &item)? else { return Ok(None) };
        let Reading::Whole(cluster) = self.cluster([root.clone(), root]).await? else { return Ok(None) };
        let kinds = self.kinds_in(&cluster.roots).await?;
        let edges = cluster.edges.into_iter().map(|stored| stored.edge).collect();
        Ok(Some(EvidenceCluster { roots: cluster.roots, kinds, edges }))
    }

    /// The kinds of all members, also of roots that are implied.
    pub(super) async fn kinds_in(&self, roots: &[Root]) -> Result<BTreeMap<Eid, Kind>, StoreError> {
        let mut kinds: BTreeMap<Eid, Kind> = BTreeMap::new();
        for root in roots {
            for eid in &root.members {
                let kind = match root.kinds.get(eid) {
                    Some(kind) => kind.clone(),
                    None => self.pointer(eid).await?.kind.unwrap_or_else(Kind::unseen),
                };
                kinds.insert(eid.clone(), kind);
            }
        }
        Ok(kinds)
    }

    fn preview_evidence(&self, item: &HashMap<String, AttributeValue>) -> Result<Option<PreviewEvidence>, StoreError> {
        let reader = Reader(item);
        let pk = reader.text("pk")?;
        if let Some(pid) = pk.strip_prefix(self.tenant()).and_then(|rest| rest.strip_prefix("#P#")) {
            let pid = ProfileId::parse(pid).ok_or_else(|| reader.corrupt("`pk` is not a profile"))?;
            return Ok(Some(PreviewEvidence::Profile(pid)));
        }
        let suggestion: Suggestion = reader.json("sug")?;
        let open = suggestion.state == SuggestionState::Open;
        Ok(open.then(|| PreviewEvidence::Suggestion(Box::new(suggestion))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_only_if_it_is_one() {
        let cursor = ScanCursor { pk: "main#P#p".into(), sk: "@".into() };
        assert_eq!(ScanCursor::parse(&cursor.to_string()), Some(cursor));
        for text in ["", "x", "\u{fc}", &URL_SAFE_NO_PAD.encode("main\n@"), &URL_SAFE_NO_PAD.encode("main#P#p\n")] {
            assert_eq!(ScanCursor::parse(text), None, "{text}");
        }
    }
}
