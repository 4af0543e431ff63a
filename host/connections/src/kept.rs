//! The table's blob store, as the way out needs it.

use rapport_egress::{Blobs as Way, Keeping, Work};
use rapport_model::TenantKey;
use rapport_store::blobs::{Blobs, kept_key};
use tokio::sync::Mutex;

/// Blobs of the table; what is kept belongs to one item.
pub(crate) struct StoredBlobs {
    blobs: Blobs,
    tenant_key: TenantKey,
    owner: String,
    /// The blob that was asked for last: it is read a piece at a time.
    read: Mutex<Option<(String, Vec<u8>)>>,
}

impl StoredBlobs {
    pub fn new(blobs: Blobs, tenant_key: TenantKey, owner: &str) -> Self {
        Self { blobs, tenant_key, owner: owner.to_owned(), read: Mutex::default() }
    }

    /// Does something with the bytes of a blob.
    async fn with<T>(&self, key: &str, f: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, String> {
        let mut read = self.read.lock().await;
        if read.as_ref().is_none_or(|(known, _)| known != key) {
            let bytes = self.blobs.get(key).await.map_err(|error| error.to_string())?;
            let Some(bytes) = bytes else { return Ok(None) };
            *read = Some((key.to_owned(), bytes));
        }
        Ok(read.as_ref().map(|(_, bytes)| f(bytes)))
    }
}

impl Way for StoredBlobs {
    fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>> {
        Box::pin(self.with(key, |bytes| bytes.len() as u64))
    }

    fn read<'a>(&'a self, key: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>> {
        Box::pin(async move {
            let range = |from: u64, bytes: u64| {
                let from = usize::try_from(from).ok()?;
                Some(from..from.checked_add(usize::try_from(bytes).ok()?)?)
            };
            let piece = self.with(key, |all| all.get(range(from, bytes)?).map(<[u8]>::to_vec)).await?;
            piece.flatten().ok_or_else(|| "the blob is gone, or shorter than it was".to_owned())
        })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        let keeping = StoredKeeping {
            blobs: self.blobs.clone(),
            tenant_key: self.tenant_key.clone(),
            owner: self.owner.clone(),
            bytes: vec![],
        };
        Box::pin(async move { Ok(Box::new(keeping) as Box<dyn Keeping>) })
    }
}

/// A body that is being kept. It stays in memory until it is whole, because its name is a hash of it.
struct StoredKeeping {
    blobs: Blobs,
    tenant_key: TenantKey,
    owner: String,
    bytes: Vec<u8>,
}

impl Keeping for StoredKeeping {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Work<'a, ()> {
        self.bytes.extend_from_slice(bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>) -> Work<'static, String> {
        Box::pin(async move {
            let key = kept_key(&self.tenant_key, &self.owner, &self.bytes);
            self.blobs.put(key.clone(), self.bytes).await.map_err(|error| error.to_string())?;
            Ok(key)
        })
    }
}
