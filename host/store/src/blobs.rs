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
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
pub use writer::BlobWriter;

use rapport_model::{Eid, Timestamp};

use crate::error::{StoreError, unavailable};
use crate::events::OWN_SINCE;
use crate::items::{Reader, b, n, s};
use crate::keys;
use crate::on_heap::OnHeap;
use crate::table::Table;

/// Bytes. Payloads up to here stay in the item: an S3 put costs as much as eight write units, of 1 KB each.
pub const INLINE_BYTES_MAX: usize = 8 << 10;

/// A file without its name is left over if nobody has touched it for so long: the longest transfer takes a minute.
pub const LEFT_OVER_AFTER: Duration = Duration::from_secs(3_600);
/// What files end with that have not got their name yet.
const UNNAMED: &str = "new";

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

    /// Deletes what a process left that died while it wrote: files without their name that nobody has touched for
    /// [`LEFT_OVER_AFTER`]. Gives how many. At the start of a process; a bucket has none.
    ///
    /// # Errors
    /// [`StoreError::Blob`]: the folder cannot be read. What cannot be deleted is left to the next start.
    pub async fn delete_left_over(&self) -> Result<usize, StoreError> {
        let folder = match &self.0 {
            BlobStore::Folder(folder) => folder.clone(),
            #[cfg(feature = "aws")]
            BlobStore::Bucket(_) => return Ok(0),
        };
        let deleted = run(move || delete_left_over(&folder, SystemTime::now())).await;
        deleted.map_err(|source| StoreError::Blob { key: "left over".to_owned(), source })
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

    /// The keys under which a body is kept that a connector fetches or uploads for an endpoint: `what` names the item that it
    /// is for.
    pub fn keys_of_kept(&self, eid: &Eid, what: &str) -> (String, String) {
        (self.endpoint_pk(eid), what.to_owned())
    }

    /// Gives a body that is kept an owner: an item of the endpoint that names it, so that an erasure takes it. It comes before the
    /// body is durable: an item whose blob never came harms nobody.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: do it again, which is harmless.
    pub async fn own_kept(&self, eid: &Eid, connection: &str, blob: &str, now: Timestamp) -> Result<(), StoreError> {
        let put = self.dynamodb().put_item().table_name(self.name());
        let put = put.item("pk", s(self.endpoint_pk(eid))).item("sk", s(keys::kept_sk(blob)));
        let put = put.item(REFERENCE, s(blob)).item("con", s(connection)).item(OWN_SINCE, n(now));
        put.send().on_heap().await.map(drop).map_err(unavailable("PutItem"))
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

/// In a folder of blobs and in the folders of their names.
fn delete_left_over(folder: &Path, now: SystemTime) -> io::Result<usize> {
    let mut deleted = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let (path, found) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            let is_old =
                || found.modified().is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > LEFT_OVER_AFTER));
            if found.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == UNNAMED) && is_old() && fs::remove_file(&path).is_ok() {
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

async fn run<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.expect("reading and writing files does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("ab");
        fs::create_dir_all(&within).unwrap();
        for name in ["1-1.new", "ab/h12.1-2.new", "ab/h12"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        assert_eq!(delete_left_over(folder.path(), SystemTime::now()).unwrap(), 0, "somebody may be writing");
        let later = SystemTime::now() + LEFT_OVER_AFTER + Duration::from_secs(60);
        assert_eq!(delete_left_over(folder.path(), later).unwrap(), 2);
        assert!(within.join("h12").exists());
        assert_eq!(delete_left_over(&folder.path().join("none"), later).unwrap(), 0);
    }
}
