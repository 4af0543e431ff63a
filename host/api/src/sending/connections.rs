//! A connection whose account the provider refuses sends nothing until a person has mended that and says so here.

use rapport_http::Problem;
use rapport_model::Timestamp;
use rapport_model::profile::rfc3339;
use rapport_store::outbox::rate::Standing;
use schemars::JsonSchema;
use serde::Serialize;

use crate::sending::Sending;

/// Whether a connection sends.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "SendingConnection")]
pub struct ConnectionView {
    /// Its name in the configuration.
    pub connection: String,
    /// `sends`; `limited`: nothing starts before `until`, because the provider wants a pause or is away; `paused`: the provider refuses
    /// the account.
    pub state: &'static str,
    /// Since when the account is refused; null: it is not.
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
    /// When a worker tries again by itself; null: at any time.
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<String>,
    /// What would help; null: nothing has to be done.
    pub fix: Option<String>,
}

impl ConnectionView {
    fn of(connection: &str, standing: &Standing) -> Self {
        let state = word_of(standing);
        Self {
            connection: connection.to_owned(),
            state,
            since: standing.refused_since.map(rfc3339),
            until: standing.paused_until.map(rfc3339),
            fix: (state == PAUSED).then(|| fix_of_paused(connection)),
        }
    }
}

/// The state of a connection whose account is refused.
pub(crate) const PAUSED: &str = "paused";

/// The state of a connection as a word.
pub(crate) fn word_of(standing: &Standing) -> &'static str {
    match standing {
        Standing { paused_until: Some(_), refused_since: Some(_), .. } => PAUSED,
        Standing { paused_until: Some(_), .. } => "limited",
        _ => "sends",
    }
}

pub(crate) fn fix_of_paused(connection: &str) -> String {
    format!(
        "the operator corrects the account at the provider (its token, its payment or its policy state), then `POST \
         /v1/connections/{connection}/resume`"
    )
}

impl Sending {
    /// Whether a connection sends.
    ///
    /// # Errors
    /// There is none of this name that sends, or storage failed.
    pub async fn connection(&self, name: &str) -> Result<ConnectionView, Problem> {
        let name = self.sender_named(name)?;
        let standing = self.people.table.connection_standing(name, self.now()).await?;
        Ok(ConnectionView::of(name, &standing))
    }

    /// Lets a connection send again: a person has mended what it was paused for. A repeated call changes nothing.
    ///
    /// # Errors
    /// As of [`Sending::connection`].
    pub async fn resume(&self, name: &str) -> Result<ConnectionView, Problem> {
        let name = self.sender_named(name)?;
        self.people.table.resume_connection(name, self.now()).await?;
        self.connection(name).await
    }

    fn sender_named(&self, name: &str) -> Result<&str, Problem> {
        let found = self.senders.iter().find(|sender| *sender == name).map(String::as_str);
        found.ok_or_else(|| Problem::not_found("no connection of this name sends here"))
    }

    fn now(&self) -> Timestamp {
        (self.people.now)()
    }
}
