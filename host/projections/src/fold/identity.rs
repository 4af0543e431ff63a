//! Records what an event says about who is who.
//!
//! A conversation's head remembers which links are recorded and when they were last proved, so that a message that says
//! nothing new costs nothing. When a withdrawal makes the age of proofs matter, heads submit the proofs that they remember,
//! and forget them.

use rapport_model::canonical::former;
use rapport_model::conversation::Head;
use rapport_model::event::Attestation;
use rapport_model::identity::{Claims, Edge, EdgeId, Evidence, Held, LinkClaim, Named, Pair, Rule, Source, Withdrawal};
use rapport_model::{Eid, EventKey, Identifier, Timestamp};
use rapport_store::events::StoredEvent;
use rapport_store::identity::{EdgeState, Outcome, Party};
use rapport_store::{StoreError, Table, Written};
use rapport_telemetry::{EvidenceNotTaken, LinkInConflict, ProfileParted, ProfilesMerged};

/// Attempts to make one head forget. The only other writer is a fold of one batch.
const FORGET_ATTEMPTS_MAX: u32 = 8;

/// Records evidence, withdrawals and suggestions. Gives the other identifiers whose links with this endpoint are recorded
/// for good: the head may remember them.
pub async fn apply(
    table: &Table,
    stored: &StoredEvent,
    claims: &Claims,
    head: &mut Head,
    now: Timestamp,
) -> Result<Vec<Eid>, StoreError> {
    let StoredEvent { eid, key, event, .. } = stored;
    let evidence = |claim: &LinkClaim| Evidence {
        rule: claim.rule,
        source: Source::Event { key: key.clone(), attestation: claim.attestation },
        at: event.at,
        last: event.at,
        old: (claim.rule == Rule::Replaced).then(|| claim.a.eid.clone()),
        now,
    };
    let mut linked = Vec::new();
    for claim in &claims.links {
        let is_ours = claim.rule == Rule::SamePayload && claim.a.eid == *eid;
        let known = head.linked.get(&claim.b.eid).filter(|(first, _)| is_ours && *first <= event.at);
        if known.is_some() || prove(table, claim, &evidence(claim)).await? {
            linked.extend(is_ours.then(|| claim.b.eid.clone()));
        }
        if claim.rule == Rule::Replaced {
            let root = table.find(&claim.a.eid).await?;
            let edges = table.evidence(&root).await?;
            let ids = edges.iter().map(|edge: &Edge| &edge.id).chain(&root.superseded);
            let before = ids.filter(|id| id.rule == Rule::SamePayload && id.pair.other(&claim.a.eid).is_some());
            for id in before.cloned().collect::<std::collections::BTreeSet<EdgeId>>() {
                confirm_remembered_links(table, &id.pair, (stored, head), now).await?;
            }
        }
    }
    for (anchor, old) in &claims.withdrawn {
        let withdrawal = Withdrawal { at: event.at, event: key.clone() };
        log_outcome(table.withdraw(&Party::from(anchor), &Party::from(old), &withdrawal, now).await)?;
        if let Some(pair) = Pair::new(&anchor.eid, &old.eid) {
            confirm_remembered_links(table, &pair, (stored, head), now).await?;
        }
    }
    let may_be_news = |claim: &&LinkClaim| {
        let is_forgotten = [&claim.a, &claim.b].iter().any(|end| end.eid != *eid && head.is_full_for(&end.eid));
        !is_forgotten && !is_suggested(claim, eid, head)
    };
    for claim in claims.weak.iter().filter(may_be_news) {
        table.suggest(&Party::from(&claim.a), &Party::from(&claim.b), &evidence(claim)).await?;
    }
    Ok(linked)
}

/// An address that is known in several bases may be one person's each time: suggestions. Whichever is seen later finds
/// the others, since each is written before the others are looked for.
pub async fn suggest_counterparts(
    table: &Table,
    named: &Named,
    (key, at): (&EventKey, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    if !table.rules().may_link(&named.key) {
        return Ok(());
    }
    for (other, attestation) in table.counterparts(named).await? {
        let source = Source::Event { key: key.clone(), attestation };
        let evidence = Evidence { rule: Rule::SamePayload, source, at, last: at, old: None, now };
        table.suggest(&Party::from(named), &Party::from(&other), &evidence).await?;
    }
    Ok(())
}

/// Links of endpoints with what the same addresses were called by earlier canonical forms, where the table has that.
///
/// Asked once for an address, and only of one that has former forms: a line of a country that was renumbered.
pub async fn respelled(table: &Table, news: impl Iterator<Item = &Named>) -> Result<Vec<LinkClaim>, StoreError> {
    let mut claims = Vec::new();
    for named in news {
        for key in former(&named.key) {
            let eid = table.tenant_key().eid_of(&key, named.basis);
            if table.endpoint(&eid).await?.is_none() {
                continue;
            }
            let identifier = Identifier { value: key.value.clone(), ..named.identifier.clone() };
            let former = Named { eid, key, identifier, basis: named.basis };
            let attestation = Attestation::Provider;
            claims.push(LinkClaim { a: named.clone(), b: former, rule: Rule::SamePayload, attestation });
        }
    }
    Ok(claims)
}

/// Whether the edge is recorded for good. One that was taken back comes into force again with a later proof, so each
/// later one has to be looked at.
async fn prove(table: &Table, claim: &LinkClaim, evidence: &Evidence) -> Result<bool, StoreError> {
    let LinkClaim { a, b, .. } = claim;
    let outcome = log_outcome(table.prove(&Party::from(a), &Party::from(b), evidence).await)?;
    let state = outcome.map(|outcome| outcome.state);
    Ok(!matches!(state, Some(EdgeState::Withdrawn | EdgeState::Held(Held::Superseded)) | None))
}

/// Logs what a change did to profiles.
///
/// If too many profiles are in conflict to be changed, the stream goes on without the change, and the log has an error.
fn log_outcome(outcome: Result<Option<Outcome>, StoreError>) -> Result<Option<Outcome>, StoreError> {
    match &outcome {
        Ok(Some(outcome)) if outcome.is_new => {
            for (merged, survivor) in &outcome.merged {
                ProfilesMerged { survivor, merged }.emit();
            }
            for fresh in &outcome.parted {
                ProfileParted { fresh, edge: &outcome.edge }.emit();
            }
            if let EdgeState::Held(held) = &outcome.state
                && held.is_conflict()
            {
                LinkInConflict { edge: &outcome.edge }.emit();
            }
        }
        Err(error @ StoreError::Entangled { .. }) => {
            EvidenceNotTaken { error }.emit();
            return Ok(None);
        }
        _ => {}
    }
    outcome
}

/// Whether this conversation made the suggestion before.
fn is_suggested(claim: &LinkClaim, eid: &Eid, head: &Head) -> bool {
    let ends: [&Named; 2] = [&claim.a, &claim.b];
    let other = ends.iter().find(|end| end.eid != *eid).filter(|_| ends.iter().any(|end| end.eid == *eid));
    other.is_some_and(|other| head.names.contains_key(&other.eid))
}

/// Confirms a pair by what heads remember of it, and makes them forget it. The head at hand is not in the store yet.
async fn confirm_remembered_links(
    table: &Table,
    pair: &Pair,
    (stored, head): (&StoredEvent, &mut Head),
    now: Timestamp,
) -> Result<(), StoreError> {
    for own in [pair.low(), pair.high()] {
        let other = pair.other(own).unwrap_or(own);
        for _ in 0..FORGET_ATTEMPTS_MAX {
            let mut is_done = true;
            for (account, mut guarded) in table.heads(own).await? {
                let is_at_hand = *own == stored.eid && account == stored.event.account;
                let Some((_, last)) = guarded.head.linked.remove(other).filter(|_| !is_at_hand) else { continue };
                confirm_link(table, pair, (stored, last), now).await?;
                is_done &= table.put_head(own, &account, &guarded).await? == Written::Yes;
            }
            if is_done {
                break;
            }
        }
        if *own == stored.eid
            && let Some((_, last)) = head.linked.remove(other)
        {
            confirm_link(table, pair, (stored, last), now).await?;
        }
    }
    Ok(())
}

/// Proves a pair once more, as late as a head remembers. The event at hand stands for the one that did, whose name no
/// head keeps; it is not the first proof, whose name the edge keeps.
async fn confirm_link(
    table: &Table,
    pair: &Pair,
    (stored, last): (&StoredEvent, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = EdgeId { pair: pair.clone(), rule: Rule::SamePayload };
    let Some(proof) = table.edge(&id).await?.and_then(|edge| edge.proof) else { return Ok(()) };
    let Source::Event { attestation, .. } = proof.source else { return Ok(()) };
    if proof.last >= last {
        return Ok(());
    }
    let source = Source::Event { key: stored.key.clone(), attestation };
    let evidence = Evidence { rule: Rule::SamePayload, source, at: last, last, old: None, now };
    let [low, high] = table.parties(pair).await?;
    log_outcome(table.prove(&low, &high, &evidence).await).map(drop)
}
