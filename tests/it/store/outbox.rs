//! The outbox: claims, intents, locks, due items and rates, as the table keeps them.

mod due;
mod erasure;
mod intents;
mod interleavings;
mod lock;
mod price;

use rapport_model::event::{Attestation, Author, Identifier, Part};
use rapport_model::sending::intent::{Birth, Draft, Intent};
use rapport_model::sending::{IntentId, Kind, Route};
use rapport_model::{Eid, EndpointKey, EventKey};
use rapport_store::Table;
use rapport_store::blobs::Blobs;
use rapport_store::outbox::intents::{Conversation, StoredIntent};
use tempfile::TempDir;

use crate::support::NOW;
use crate::support::engine::{Engine, table_of};

/// A table in memory, whose requests a test may hold, lose and count.
struct Outbox {
    engine: Engine,
    table: Table,
    folder: TempDir,
    of: Conversation,
}

impl Outbox {
    async fn new() -> Self {
        let (engine, folder) = (Engine::new(), TempDir::new().unwrap());
        let table = table_of(&engine, "main".to_owned(), Blobs::in_folder(folder.path())).await;
        let of = Conversation { eid: eid(&table, "16505551234"), account: "shop".to_owned() };
        Self { engine, table, folder, of }
    }

    /// An intent that is due `n` milliseconds after now.
    fn intent(&self, n: u64, parts: &[&str]) -> Intent {
        intent(&self.of, n, parts)
    }

    /// One that is there.
    async fn put(&self, intent: &Intent) -> StoredIntent {
        self.table.put_intent(intent).await.unwrap();
        self.table.intent(&self.of.eid, &intent.id).await.unwrap().unwrap()
    }

    fn event_key(&self, n: u64) -> EventKey {
        self.table.tenant_key().event_key(n, "shop", "m").unwrap()
    }

    /// Blobs that are there.
    fn blobs(&self) -> usize {
        let folders = std::fs::read_dir(self.folder.path()).unwrap().map(|folder| folder.unwrap().path());
        folders.map(|folder| std::fs::read_dir(folder).unwrap().count()).sum()
    }
}

fn eid(table: &Table, value: &str) -> Eid {
    table.eid(&EndpointKey { scheme: "whatsapp".into(), scope: None, value: value.into() })
}

fn intent(of: &Conversation, n: u64, parts: &[&str]) -> Intent {
    let to = Identifier {
        scheme: "whatsapp".into(),
        scope: None,
        value: "16505551234".into(),
        attestation: Attestation::Agent,
    };
    let birth = Birth {
        eid: of.eid.clone(),
        account: of.account.clone(),
        connection: "wa-eu".into(),
        created_at: NOW,
        expires_at: NOW + 24 * 3_600_000,
    };
    let draft = Draft {
        route: Route { to, account: of.account.clone() },
        author: Author::Agent,
        by: "desk".into(),
        purpose: "service".into(),
        kind: Kind::Reply,
        subject: None,
        parts: parts.iter().map(|text| Part::Text((*text).to_owned())).collect(),
        in_reply_to: None,
        references: vec![],
        copies: vec![],
        thread: None,
        comment: None,
        extensions: Default::default(),
        client_ref: None,
        fence: None,
        turn: None,
        resends: None,
    };
    Intent::new(IntentId::new(NOW + n, u128::from(n)).unwrap(), birth, draft, NOW)
}
