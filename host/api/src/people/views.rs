//! How answers show an endpoint, and the reason why a link is held.

use rapport_model::identity::Held;
use rapport_model::{Basis, Eid, ProfileId};
use rapport_store::identity::Root;
use rapport_store::{StoreError, Table};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::JoinSet;

/// One end of a link: an identifier with its profile.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LinkEnd {
    /// The id of the endpoint.
    pub endpoint: Eid,
    /// Null, like `scope` and `value`, if the identifier was never seen or was erased.
    pub scheme: Option<String>,
    pub scope: Option<String>,
    pub value: Option<String>,
    /// Whether the identifier is proven, only claimed or only said; null if `scheme` is null.
    pub basis: Option<Basis>,
    /// The profile that it belongs to now.
    pub profile: ProfileId,
}

/// Endpoints with their profiles, in their order.
pub(crate) async fn ends(
    table: &Table,
    eids: impl IntoIterator<Item = Eid>,
) -> Result<Vec<(LinkEnd, Root)>, StoreError> {
    let mut reads = JoinSet::new();
    for eid in eids {
        let table = table.clone();
        reads.spawn(async move { Ok::<_, StoreError>((table.endpoint(&eid).await?, table.find(&eid).await?, eid)) });
    }
    let mut ends = Vec::new();
    while let Some(read) = reads.join_next().await {
        let (state, root, endpoint) = read.expect("reading an endpoint does not panic")?;
        let basis = state.as_ref().map(|state| state.basis);
        let key = state.map(|state| state.key);
        let end = LinkEnd {
            endpoint,
            scheme: key.as_ref().map(|key| key.scheme.clone()),
            scope: key.as_ref().and_then(|key| key.scope.clone()),
            value: key.map(|key| key.value),
            basis,
            profile: root.pid.clone(),
        };
        ends.push((end, root));
    }
    ends.sort_by(|(a, _), (b, _)| a.endpoint.cmp(&b.endpoint));
    Ok(ends)
}

/// Why a link is held, in a sentence without a value. `held` is `None` if the link was set aside.
pub(crate) fn limit_text(held: Option<&Held>) -> String {
    match held {
        Some(Held::Unique(kind)) => match &kind.scope {
            Some(scope) => format!("one person would have too many identifiers of `{}` in `{scope}`", kind.scheme),
            None => format!("one person would have too many identifiers of `{}`", kind.scheme),
        },
        Some(Held::Size) => "one person would have too many identifiers".to_owned(),
        Some(Held::Superseded) => "another identifier replaced one of the two".to_owned(),
        None => "too many profiles are in conflict with each other".to_owned(),
    }
}
