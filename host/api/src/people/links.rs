//! Links between identifiers: people make them, undo them, and ask why they are there.

pub(crate) mod routes;

use std::collections::BTreeSet;

use rapport_http::Problem;
use rapport_model::canonical::{Family, SCHEME_BYTES_MAX, VALUE_BYTES_MAX, canonicalise, mailbox};
use rapport_model::event::Attestation;
use rapport_model::identity::{Author, Closing, Edge, EdgeId, Evidence, Named, Pair, Rule, Source, Span};
use rapport_model::profile::rfc3339;
use rapport_model::spelling::{fix_for_unknown_key, nearest};
use rapport_model::{Basis, Eid, EventKey, Identifier, ProfileId, Timestamp};
use rapport_projections::fold::identity::suggest_counterparts;
use rapport_store::StoreError;
use rapport_store::identity::{EdgeState, Explanation, Outcome, Party, Root};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::people::People;
use crate::people::merged_logs::Merged;
use crate::people::review::Suggestion;
use crate::people::views::{LinkEnd, ends, limit_text};

/// The most characters of a `reason` or a `by`. It is a sentence or two, stored with every link and log entry.
pub const REASON_CHARS_MAX: usize = 500;

/// Schemes of addresses that are compared over all channels. The other known ones are those that the rules limit.
const ADDRESS_SCHEMES: [&str; 2] = ["phone", "email"];

/// An identifier as a request gives it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Identifier")]
#[schemars(example = serde_json::json!({"scheme": "email", "value": "ada@example.com"}))]
pub struct GivenIdentifier {
    /// The kind of identifier: `phone`, `email`, or a name that a connector defines, of a-z, 0-9, `.`, `_` and `-`. Capitals are
    /// read as small letters.
    #[schemars(length(min = 1, max = SCHEME_BYTES_MAX))]
    pub scheme: String,
    /// The identifier. A telephone number or a mailbox may have any spelling; write any other id as its provider writes it.
    #[schemars(length(min = 1, max = VALUE_BYTES_MAX))]
    pub value: String,
    /// The account inside which the value is unique; leave it out if the value is unique in the world.
    #[schemars(length(max = VALUE_BYTES_MAX))]
    pub scope: Option<String>,
}

/// Two identifiers of one person.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "a": {"scheme": "phone", "value": "+1 650 555 1234"},
    "b": {"scheme": "crm.contact", "value": "4711", "scope": "eu"},
    "reason": "she wrote so from both"
}))]
pub struct NewLink {
    pub a: GivenIdentifier,
    pub b: GivenIdentifier,
    /// Why they are one person. It is stored with the link.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    pub reason: String,
    /// The person who decides, for example an agent's name. It is recorded with the name of the API key.
    #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
    pub by: Option<String>,
}

/// Who decides something, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    pub who: Author,
    pub reason: String,
}

/// A link between two identifiers, whether it is in force or not.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Link {
    pub id: String,
    pub a: LinkEnd,
    pub b: LinkEnd,
    pub rule: Rule,
    pub state: LinkState,
    /// The first evidence for the link; null: only its withdrawal was seen.
    pub evidence: Option<LinkEvidence>,
    /// When it was recorded: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub recorded_at: String,
    /// Who undid the link; null: nobody did.
    pub closed: Option<LinkClosing>,
    /// The periods in which it was in force, by Rapport's clock.
    pub in_force: Vec<LinkSpan>,
}

/// The state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// It joins its ends.
    Joins,
    /// It is held, because it would break a limit of the rules.
    Conflict,
    /// Another identifier replaced one of its ends.
    Superseded,
    /// The provider withdrew it.
    Withdrawn,
    /// A person undid it.
    Closed,
    /// It was set aside, because too many profiles are in conflict with it.
    SetAside,
}

/// The evidence for a link: an event, or a person's decision.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinkEvidence {
    /// The `sequence` of the event; null: a person made the link.
    pub event: Option<EventKey>,
    pub attestation: Option<Attestation>,
    /// The name of the API key that the person used; null: an event made the link.
    pub key: Option<String>,
    /// The person, as the caller named them in `by`.
    pub by: Option<String>,
    pub reason: Option<String>,
    /// When it was first stated: RFC 3339, the provider's clock for an event, Rapport's for a person.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
    /// When it was last stated, as far as is known.
    #[schemars(extend("format" = "date-time"))]
    pub last: String,
}

/// Who undid a link, and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinkClosing {
    /// The name of the API key that undid it; null: no person did.
    pub key: Option<String>,
    /// The person, as the caller named them in `by`.
    pub by: Option<String>,
    pub reason: String,
    /// When: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub at: String,
}

/// A period.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinkSpan {
    #[schemars(extend("format" = "date-time"))]
    pub from: String,
    /// Null: the period has not ended.
    #[schemars(extend("format" = "date-time"))]
    pub to: Option<String>,
}

/// The link that [`People::link`] was asked for.
pub enum Linked {
    Created(Link),
    /// The two were already linked by the same rule.
    Existing(Link),
}

/// Why two identifiers are one person, or why not.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explained {
    /// Whether the two are one person.
    pub connected: bool,
    pub from: LinkEnd,
    pub to: LinkEnd,
    /// If connected: the shortest chain of links from one to the other, in order. If not: the links between their two
    /// profiles that are not in force.
    pub links: Vec<Link>,
    /// The suggestion to link exactly these two; null: there is none.
    pub suggestion: Option<Suggestion>,
}

/// A profile as it was at an instant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PastProfile {
    /// The id that the profile had then.
    pub id: ProfileId,
    /// The instant: RFC 3339, Rapport's clock.
    #[schemars(extend("format" = "date-time"))]
    pub as_of: String,
    /// The identifiers that belonged to it; `profile` is the profile that each belongs to now.
    pub identifiers: Vec<LinkEnd>,
    /// The links that were in force between them; `state` is the state that each has now.
    pub links: Vec<Link>,
}

impl People {
    /// Links two identifiers because a person says so. An existing link of the same rule stays as it is.
    ///
    /// # Errors
    /// An identifier has no canonical form, may not be linked, or is new and looks misspelt; the two are the same, a limit prevents the link (then it is
    /// recorded as a conflict), or storage failed (then a repeated call is harmless).
    pub async fn link(&self, new: &NewLink, who: Author) -> Result<Linked, Problem> {
        let mut ends = [self.named(&new.a, "a")?, self.named(&new.b, "b")?];
        for end in &mut ends {
            // The present holder of the address, as in a look-up.
            end.eid = self.holder(&end.eid).await?;
        }
        for (named, field) in ends.iter().zip(["a", "b"]) {
            if self.table.endpoint(&named.eid).await?.is_none() {
                self.may_be_new(named).map_err(|problem| problem.of_field(field))?;
            }
            if !self.table.rules().may_link(&named.key) {
                let detail = format!(
                    "identifier `{field}` is never linked: the rules say that it belongs to nobody or to many people"
                );
                return Err(Problem::conflict(detail).of_field(field));
            }
        }
        let one = || Problem::bad_request("`a` and `b` are the same identifier").of_field("b");
        let pair = Pair::new(&ends[0].eid, &ends[1].eid).ok_or_else(one)?;
        let id = EdgeId { pair, rule: Rule::Manual };
        if let Some(known) = self.the_link(&id).await?.filter(|link| link.state == LinkState::Joins) {
            return Ok(Linked::Existing(known));
        }
        let now = (self.now)();
        for end in &ends {
            // An identifier that no event named yet becomes an endpoint.
            self.table.put_endpoint(end, now, now).await?;
            self.suggest_claimants(end, now).await?;
        }
        let source = Source::Person { who, why: new.reason.clone() };
        let evidence = Evidence { rule: Rule::Manual, source, at: now, last: now, old: None, now };
        let outcome = self.table.prove(&Party::from(&ends[0]), &Party::from(&ends[1]), &evidence).await?;
        let outcome = outcome.ok_or_else(one)?;
        refuse_conflict(&outcome)?;
        let link = self.the_link(&outcome.edge).await?;
        link.map(Linked::Created)
            .ok_or_else(|| Problem::unavailable("the link was erased at the same time; fix: try again"))
    }

    /// Whether an identifier that no event named yet is one: a slip of a finger would make an endpoint that nobody has.
    fn may_be_new(&self, named: &Named) -> Result<(), Problem> {
        let scheme = named.key.scheme.as_str();
        let limited = self.table.rules().limits.keys().map(String::as_str);
        let known: Vec<&str> = ADDRESS_SCHEMES.into_iter().chain(limited).collect();
        if !known.contains(&scheme) && nearest(scheme, &known).is_some() {
            let fix = fix_for_unknown_key(scheme, &known);
            return Err(Problem::bad_request(format!("scheme `{scheme}` was never seen; fix: {fix}")));
        }
        if Family::of(scheme) == Family::Mailbox && mailbox(&named.identifier.value).is_none() {
            return Err(Problem::bad_request("value is not a mailbox; fix: `name@example.com`"));
        }
        Ok(())
    }

    /// Undoes a link because a person says so. `None` if there never was such a link. A repeated call changes nothing.
    ///
    /// # Errors
    /// Storage failed, or too much is in conflict with it.
    pub async fn unlink(&self, id: &EdgeId, attribution: Attribution) -> Result<Option<Link>, Problem> {
        let closing = Closing { who: attribution.who, why: attribution.reason, at: (self.now)() };
        match self.table.unlink(id, &closing).await? {
            Some(_) => Ok(self.the_link(id).await?),
            None => Ok(None),
        }
    }

    /// A link by its id. `None` if there never was such a link.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn the_link(&self, id: &EdgeId) -> Result<Option<Link>, StoreError> {
        match self.table.edge(id).await? {
            Some(edge) => Ok(self.links(vec![edge]).await?.pop()),
            None => Ok(None),
        }
    }

    /// A profile as it was at an instant of our clock. `None` if the id was never used.
    ///
    /// # Errors
    /// Storage failed.
    pub async fn profile_as_of(&self, pid: &ProfileId, at: Timestamp) -> Result<Option<PastProfile>, StoreError> {
        let Some(past) = self.table.as_of(pid, at).await? else { return Ok(None) };
        let identifiers = ends(&self.table, past.members).await?.into_iter().map(|(end, _)| end).collect();
        let links = self.links(past.edges).await?;
        Ok(Some(PastProfile { id: past.pid, as_of: rfc3339(at), identifiers, links }))
    }

    /// Why two endpoints are one person, or why not. `from` has to belong to the profile.
    ///
    /// # Errors
    /// There is no such profile, `from` does not belong to it, `to` was never seen, or storage failed.
    pub async fn explain(&self, pid: &ProfileId, from: &Eid, to: &Eid) -> Result<Explained, Problem> {
        let root = self.table.find_profile(pid).await?.ok_or_else(|| Problem::not_found("no profile has this id"))?;
        if !root.members.contains(from) {
            return Err(Problem::not_found("`from` does not belong to this profile; fix: give an identifier of the profile, or the id of the profile that it belongs to").of_field("from"));
        }
        if self.table.endpoint(to).await?.is_none() {
            return Err(Problem::not_found("`to` is not known").of_field("to"));
        }
        let ends = [self.end(from).await?.0, self.end(to).await?.0];
        let (connected, edges) = match self.table.explain(from, to).await? {
            Explanation::Connected(edges) => (true, edges),
            Explanation::Apart(edges) => (false, edges),
        };
        let suggestion = match Pair::new(from, to) {
            Some(pair) => self.the_suggestion(&pair).await?,
            None => None,
        };
        let links = self.links(edges).await?;
        let [from, to] = ends;
        Ok(Explained { connected, from, to, links, suggestion })
    }

    /// An identifier of a request, with its key.
    ///
    /// # Errors
    /// It has no canonical form: the refusal names `field`.
    pub fn named(&self, given: &GivenIdentifier, field: &str) -> Result<Named, Problem> {
        let GivenIdentifier { scheme, value, scope } = given.clone();
        let identifier = Identifier { scheme, scope, value, attestation: Attestation::Agent };
        let refusal = |error| Problem::bad_request(format!("identifier `{field}`: {error}")).of_field(field);
        let key = canonicalise(&identifier).map_err(refusal)?;
        Ok(Named { eid: self.table.eid(&key), key, identifier, basis: Basis::Proven })
    }

    /// The same, except that it means the endpoint that only claims the address if no proven holder is known.
    ///
    /// # Errors
    /// It has no canonical form: the refusal names `field`; or storage failed.
    pub async fn named_as_seen(&self, given: &GivenIdentifier, field: &str) -> Result<Named, Problem> {
        let named = self.named(given, field)?;
        let (eid, basis) = self.endpoint_of(&named.key).await?;
        Ok(Named { eid, basis, ..named })
    }

    /// Suggests to link the address with the endpoints that claimed it earlier, before a person made it known here.
    async fn suggest_claimants(&self, named: &Named, now: Timestamp) -> Result<(), StoreError> {
        let mut members = BTreeSet::new();
        for (claimant, _) in self.table.counterparts(named).await? {
            members.extend(self.table.find(&claimant.eid).await?.members);
        }
        let members: Vec<Eid> = members.into_iter().collect();
        let newest = Merged::of(&self.table, &members, 1, None).await?.next(&self.table, 1).await?.pop();
        let Some((last, _)) = newest.filter(|(last, erased)| last.key.at() > erased.up_to) else { return Ok(()) };
        suggest_counterparts(&self.table, named, (&last.key, last.key.at()), now).await
    }

    /// Edges as the API shows them, in their order.
    pub(crate) async fn links(&self, edges: Vec<Edge>) -> Result<Vec<Link>, StoreError> {
        let eids: BTreeSet<Eid> =
            edges.iter().flat_map(|edge| [edge.id.pair.low().clone(), edge.id.pair.high().clone()]).collect();
        let ends = ends(&self.table, eids).await?;
        let find = |eid: &Eid| ends.iter().find(|(end, _)| end.endpoint == *eid);
        let shown = edges.iter().filter_map(|edge| {
            let ((a, root), (b, _)) = (find(edge.id.pair.low())?, find(edge.id.pair.high())?);
            Some(link_of(edge, [a, b], root))
        });
        Ok(shown.collect())
    }

    async fn end(&self, eid: &Eid) -> Result<(LinkEnd, Root), StoreError> {
        let mut ends = ends(&self.table, [eid.clone()]).await?;
        Ok(ends.pop().expect("one was asked for"))
    }
}

/// Refuses a link that was recorded but is held as a conflict, with the id of the conflict.
pub(crate) fn refuse_conflict(outcome: &Outcome) -> Result<(), Problem> {
    let why = match &outcome.state {
        EdgeState::Held(held) => limit_text(Some(held)),
        EdgeState::SetAside => limit_text(None),
        EdgeState::Joins | EdgeState::Withdrawn | EdgeState::Closed => return Ok(()),
    };
    let fix = "undo the link that it conflicts with, and this one takes effect automatically; or undo this one";
    Err(Problem::conflict(format!("not linked, but recorded as a conflict: {why}; fix: {fix}"))
        .by_conflict(&outcome.edge))
}

fn link_of(edge: &Edge, [a, b]: [&LinkEnd; 2], root: &Root) -> Link {
    let state = match edge {
        edge if edge.closed.is_some() => LinkState::Closed,
        edge if edge.set_aside => LinkState::SetAside,
        edge if !edge.is_in_force() => LinkState::Withdrawn,
        _ if a.profile == b.profile => LinkState::Joins,
        edge if root.held.contains(&edge.id) => LinkState::Conflict,
        _ => LinkState::Superseded,
    };
    let evidence = edge.proof.as_ref().map(|proof| {
        let (at, last) = (rfc3339(proof.at), rfc3339(proof.last));
        match proof.source.clone() {
            Source::Event { key, attestation } => LinkEvidence {
                event: Some(key),
                attestation: Some(attestation),
                key: None,
                by: None,
                reason: None,
                at,
                last,
            },
            Source::Person { who: Author { key, by }, why } => {
                LinkEvidence { event: None, attestation: None, key, by, reason: Some(why), at, last }
            }
        }
    });
    let closed = edge.closed.as_ref().map(|closing| LinkClosing {
        key: closing.who.key.clone(),
        by: closing.who.by.clone(),
        reason: closing.why.clone(),
        at: rfc3339(closing.at),
    });
    let span = |span: &Span| LinkSpan { from: rfc3339(span.from), to: span.to.map(rfc3339) };
    Link {
        id: edge.id.to_string(),
        a: a.clone(),
        b: b.clone(),
        rule: edge.id.rule,
        state,
        evidence,
        recorded_at: rfc3339(edge.recorded_at),
        closed,
        in_force: edge.spans.iter().map(span).collect(),
    }
}
