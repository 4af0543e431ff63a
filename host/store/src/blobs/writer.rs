//! A blob that is written as it comes. Its name is known at its end, because it is a hash of all of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rapport_model::endpoint::BlobHash;

use super::{BlobStore, Blobs, KEYED, path_in, run};
use crate::error::StoreError;

/// A blob under way. Nothing is left of it if it is dropped.
pub struct BlobWriter {
    hash: BlobHash,
    blobs: Blobs,
    into: Target,
}

enum Target {
    File {
        file: Option<File>,
        beside: Beside,
    },
    /// For a bucket, which has to know the name first.
    #[cfg(feature = "aws")]
    Memory(Vec<u8>),
}

/// A file that is deleted if it has not got its name.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

static WRITTEN: AtomicU64 = AtomicU64::new(0);

impl BlobWriter {
    pub(super) async fn begin(blobs: Blobs, hash: BlobHash) -> Result<Self, StoreError> {
        let into = match &blobs.0 {
            BlobStore::Folder(folder) => {
                let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
                let (folder, name) = (folder.clone(), format!("{}-{number}.new", std::process::id()));
                let begun = run(move || {
                    fs::create_dir_all(&folder)?;
                    let path = folder.join(name);
                    Ok((Some(File::create(&path)?), Beside(path)))
                });
                let (file, beside) = begun.await.map_err(unnamed)?;
                Target::File { file, beside }
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(_) => Target::Memory(Vec::new()),
        };
        Ok(Self { hash, blobs, into })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`StoreError::Blob`]: drop it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        match &mut self.into {
            Target::File { file, .. } => {
                let (mut open, bytes) =
                    (file.take().ok_or_else(|| unnamed(io::ErrorKind::BrokenPipe.into()))?, bytes.to_vec());
                let written = run(move || open.write_all(&bytes).map(|()| open)).await;
                *file = Some(written.map_err(unnamed)?);
            }
            #[cfg(feature = "aws")]
            Target::Memory(all) => all.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// Its name, if nothing more comes: so that an item can name it before it is there.
    pub fn name(&self) -> String {
        format!("{KEYED}{}", self.hash.name())
    }

    /// Makes it durable, and gives its name.
    ///
    /// # Errors
    /// [`StoreError::Blob`]; nothing is left that a reader could take for the blob.
    pub async fn finish(self) -> Result<String, StoreError> {
        let key = format!("{KEYED}{}", self.hash.finish());
        match (self.into, &self.blobs.0) {
            (Target::File { file, beside }, BlobStore::Folder(folder)) => {
                let path = path_in(folder, &key);
                let named = run(move || named(file, &beside.0, &path)).await;
                named.map_err(|source| StoreError::Blob { key: key.clone(), source })?;
            }
            #[cfg(feature = "aws")]
            (Target::Memory(bytes), _) => self.blobs.put(key.clone(), bytes).await?,
            #[cfg(feature = "aws")]
            (Target::File { .. }, BlobStore::Bucket(_)) => return Err(unnamed(io::ErrorKind::Unsupported.into())),
        }
        Ok(key)
    }
}

fn named(file: Option<File>, beside: &Path, path: &Path) -> io::Result<()> {
    file.ok_or(io::ErrorKind::BrokenPipe)?.sync_all()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    fs::rename(beside, path)?;
    File::open(folder)?.sync_all()
}

fn unnamed(source: io::Error) -> StoreError {
    StoreError::Blob { key: "of a new blob".to_owned(), source }
}

#[cfg(test)]
mod tests {
    use rapport_model::TenantKey;

    use super::*;

    #[tokio::test]
    async fn a_blob_that_comes_in_parts_is_the_blob_of_the_whole_and_one_that_ends_early_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path().join("blobs"));
        let key = TenantKey::new(&[7; 32]).unwrap();
        let mut writer = BlobWriter::begin(blobs.clone(), key.blob_hashing("p s")).await.unwrap();
        for part in [&b"one "[..], b"", b"two"] {
            writer.write(part).await.unwrap();
        }
        let name = writer.finish().await.unwrap();
        assert_eq!(name, format!("{KEYED}{}", key.blob_hash("p s", b"one two")));
        assert_eq!(blobs.get(&name).await.unwrap().as_deref(), Some(&b"one two"[..]));
        assert_eq!(blobs.size(&name).await.unwrap(), Some(7));
        assert_eq!(blobs.part(&name, 4, 2).await.unwrap(), b"tw");
        assert_eq!(blobs.part(&name, 4, 9).await.unwrap(), b"two");
        assert_eq!(blobs.size(&format!("{KEYED}{}", "0".repeat(64))).await.unwrap(), None);
        assert_eq!(blobs.size("../x").await.unwrap(), None);
        assert!(blobs.part("../x", 0, 1).await.is_err());

        let mut dropped = BlobWriter::begin(blobs, key.blob_hashing("p s")).await.unwrap();
        dropped.write(b"half").await.unwrap();
        drop(dropped);
        let left =
            fs::read_dir(folder.path().join("blobs")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file());
        assert_eq!(left.count(), 0);
    }
}
