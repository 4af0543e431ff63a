//! What is too large for an item: files in a folder or objects in a bucket.
//!
//! A blob is one item's: its name is a keyed hash of the item's key and of what it holds. So nobody who may list the
//! bucket can confirm a guess of a content, writing one twice is writing it once, and to delete it takes nothing from
//! another item that holds the same. Up to release 0.1 it was the SHA-256 of the content, without a key and shared; such
//! names are still read and deleted.

mod writer;

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use rapport_model::TenantKey;

pub use writer::BlobWriter;

use crate::error::StoreError;
use crate::items::{Reader, b, s};
use crate::table::Table;

/// Bytes. Payloads up to here stay in the item: an S3 put costs as much as eight write units, of 1 KB each.
pub const INLINE_BYTES_MAX: usize = 8 << 10;

/// Where blobs are.
#[derive(Clone, Debug)]
pub struct Blobs(BlobStore);

#[derive(Clone, Debug)]
enum BlobStore {
    Folder(PathBuf),
    #[cfg(feature = "aws")]
    Bucket(crate::aws::bucket::Bucket),
}

impl Blobs {
    /// Blobs in `folder`, which is made when the first one comes.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(BlobStore::Folder(folder.into()))
    }

    #[cfg(feature = "aws")]
    pub(crate) fn in_bucket(bucket: crate::aws::bucket::Bucket) -> Self {
        Self(BlobStore::Bucket(bucket))
    }

    /// Stores bytes durably.
    ///
    /// # Errors
    /// [`StoreError::Blob`]; nothing is left that a reader could take for the blob.
    pub async fn put(&self, key: String, bytes: Vec<u8>) -> Result<(), StoreError> {
        let stored = match &self.0 {
            BlobStore::Folder(folder) => {
                let path = path_in(folder, &key);
                run(move || write_once(&path, &bytes)).await
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(bucket) => bucket.put(&key, &bytes).await.map_err(io::Error::other),
        };
        stored.map_err(|source| StoreError::Blob { key, source })
    }

    /// The bytes of a key; none: there is no such blob.
    ///
    /// # Errors
    /// [`StoreError::Blob`] when the blob store does not say: it does not answer, or not to us. The blob may be there.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes = match &self.0 {
            // No blob of ours can have this name.
            _ if !is_key(key) => return Ok(None),
            BlobStore::Folder(folder) => {
                let path = path_in(folder, key);
                run(move || match fs::read(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    read => read.map(Some),
                })
                .await
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(bucket) => bucket.get(key).await.map_err(io::Error::other),
        };
        bytes.map_err(|source| StoreError::Blob { key: key.to_owned(), source })
    }

    /// How many bytes a blob has; none: there is no such blob.
    ///
    /// # Errors
    /// [`StoreError::Blob`], as [`get`](Self::get).
    pub async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let size = match &self.0 {
            _ if !is_key(key) => return Ok(None),
            BlobStore::Folder(folder) => {
                let path = path_in(folder, key);
                run(move || match fs::metadata(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    found => found.map(|found| Some(found.len())),
                })
                .await
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(bucket) => bucket.size(key).await.map_err(io::Error::other),
        };
        size.map_err(|source| StoreError::Blob { key: key.to_owned(), source })
    }

    /// A part of a blob: this many bytes from this place on, or fewer at its end.
    ///
    /// # Errors
    /// [`StoreError::Blob`], also if there is no such blob.
    pub async fn part(&self, key: &str, from: u64, bytes: u64) -> Result<Vec<u8>, StoreError> {
        let part = match &self.0 {
            _ if !is_key(key) => Err(io::ErrorKind::NotFound.into()),
            BlobStore::Folder(folder) => {
                let path = path_in(folder, key);
                run(move || {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(from))?;
                    let mut part = Vec::new();
                    file.take(bytes).read_to_end(&mut part)?;
                    Ok(part)
                })
                .await
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(bucket) => bucket.part(key, from, bytes).await.map_err(io::Error::other),
        };
        part.map_err(|source| StoreError::Blob { key: key.to_owned(), source })
    }

    /// Makes sure that there is no blob of this key. A bucket that keeps versions keeps this one until its own rules
    /// take it.
    ///
    /// # Errors
    /// [`StoreError::Blob`]; it may still be there: delete it again.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let deleted = match &self.0 {
            _ if !is_key(key) => return Ok(()),
            BlobStore::Folder(folder) => {
                let path = path_in(folder, key);
                run(move || match fs::remove_file(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    done => done,
                })
                .await
            }
            #[cfg(feature = "aws")]
            BlobStore::Bucket(bucket) => bucket.delete(key).await.map_err(io::Error::other),
        };
        deleted.map_err(|source| StoreError::Blob { key: key.to_owned(), source })
    }
}

/// What the names begin with that are keyed hashes; those of release 0.1 begin with a hexadecimal digit.
const KEYED: &str = "h";

fn is_key(key: &str) -> bool {
    let hash = key.strip_prefix(KEYED).unwrap_or(key);
    hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a blob is one item's alone. One of release 0.1 may be named by several items of the same content.
pub(crate) fn is_of_one_item(key: &str) -> bool {
    key.starts_with(KEYED)
}

/// The name of a body that is kept for an item, by the item's name.
pub fn kept_key(tenant_key: &TenantKey, owner: &str, bytes: &[u8]) -> String {
    format!("{KEYED}{}", tenant_key.blob_hash(owner, bytes))
}

fn path_in(folder: &Path, key: &str) -> PathBuf {
    let hash = key.strip_prefix(KEYED).unwrap_or(key);
    folder.join(&hash[..2]).join(key)
}

impl Table {
    /// A frame as an attribute of its item, or as a reference to the blob that holds it.
    pub(crate) async fn inline_or_blob(
        &self,
        item: (&str, &str),
        frame: Vec<u8>,
    ) -> Result<(&'static str, AttributeValue), StoreError> {
        if frame.len() <= INLINE_BYTES_MAX {
            return Ok((INLINE, b(frame)));
        }
        Ok((REFERENCE, s(self.put_blob(item, frame).await?)))
    }

    /// Stores the blob of an item, whose keys these are, and gives its name.
    pub(crate) async fn put_blob(&self, (pk, sk): (&str, &str), bytes: Vec<u8>) -> Result<String, StoreError> {
        let hash = self.access.tenant_key.blob_hash(&format!("{pk} {sk}"), &bytes);
        let key = format!("{KEYED}{hash}");
        self.access.blobs.put(key.clone(), bytes).await?;
        Ok(key)
    }

    /// Begins a blob of an item, whose keys these are.
    ///
    /// # Errors
    /// [`StoreError::Blob`]
    pub async fn begin_blob(&self, pk: &str, sk: &str) -> Result<BlobWriter, StoreError> {
        let hash = self.access.tenant_key.blob_hashing(&format!("{pk} {sk}"));
        BlobWriter::begin(self.access.blobs.clone(), hash).await
    }

    /// Where the table's blobs are.
    pub fn blobs(&self) -> &Blobs {
        &self.access.blobs
    }

    /// The frame of an item, wherever it is.
    ///
    /// # Errors
    /// [`StoreError::Missing`]: its blob is not there. [`StoreError::Blob`]: that is not known.
    pub(crate) async fn frame_of<'a>(&self, reader: &Reader<'a>) -> Result<Cow<'a, [u8]>, StoreError> {
        match (reader.bytes_opt(INLINE), reader.text_opt(REFERENCE)) {
            (Some(frame), _) => Ok(Cow::Borrowed(frame)),
            (None, Some(key)) => {
                let frame = self.access.blobs.get(key).await?;
                frame.map(Cow::Owned).ok_or_else(|| StoreError::Missing { key: key.to_owned() })
            }
            (None, None) => Err(reader.corrupt("it has neither `b` nor `blob`")),
        }
    }
}

/// The attribute that holds a frame.
pub(crate) const INLINE: &str = "b";
/// The attribute that names the blob that holds a frame.
pub(crate) const REFERENCE: &str = "blob";

/// Writes beside the name, to disk, then takes the name: a crash leaves the whole file or none.
fn write_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unique = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let beside = path.with_extension(format!("{}-{unique}.new", std::process::id()));
    let mut file = File::create(&beside)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

async fn run<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.expect("reading and writing files does not panic")
}
