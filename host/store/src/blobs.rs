//! What is too large for an item: files in a folder, named by what they hold.
//!
//! On AWS this is a bucket, from the issue that brings the deployment on.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use ring::digest;

use crate::error::StoreError;
use crate::items::{Reader, b, s};
use crate::table::Table;

/// Bytes. Payloads up to here stay in the item: an S3 put costs as much as eight write units, of 1 KB each.
pub const INLINE_BYTES_MAX: usize = 8 << 10;

/// A folder of blobs. Content-addressed, so writing one twice is writing it once.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    /// Blobs in `folder`, which is made when the first one comes.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Stores bytes durably (they are on disk when this returns) and gives their key.
    ///
    /// # Errors
    /// [`StoreError::Blob`]; nothing is left that a reader could take for the blob.
    pub async fn put(&self, bytes: Vec<u8>) -> Result<String, StoreError> {
        let blobs = self.clone();
        run(move || blobs.put_now(&bytes)).await
    }

    /// The bytes of a key.
    ///
    /// # Errors
    /// [`StoreError::Blob`] when it is not there or cannot be read.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(key)?;
        let key = key.to_owned();
        run(move || fs::read(path).map_err(|source| StoreError::Blob { key, source })).await
    }

    fn put_now(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let key: String = digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let path = self.path(&key)?;
        write_once(&path, bytes).map_err(|source| StoreError::Blob { key: key.clone(), source })?;
        Ok(key)
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        if key.len() != 64 || !key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a key of this store");
            return Err(StoreError::Blob { key: key.to_owned(), source });
        }
        Ok(self.folder.join(&key[..2]).join(key))
    }
}

impl Table {
    /// A frame as an attribute of its item, or as a reference to the blob that holds it.
    pub(crate) async fn inline_or_blob(&self, frame: Vec<u8>) -> Result<(&'static str, AttributeValue), StoreError> {
        if frame.len() <= INLINE_BYTES_MAX {
            return Ok((INLINE, b(frame)));
        }
        Ok((REFERENCE, s(self.0.blobs.put(frame).await?)))
    }

    /// The frame of an item, wherever it is.
    pub(crate) async fn frame_of<'a>(&self, reader: &Reader<'a>) -> Result<Cow<'a, [u8]>, StoreError> {
        match (reader.bytes_opt(INLINE), reader.text_opt(REFERENCE)) {
            (Some(frame), _) => Ok(Cow::Borrowed(frame)),
            (None, Some(key)) => self.0.blobs.get(key).await.map(Cow::Owned),
            (None, None) => Err(reader.corrupt("it has neither `b` nor `blob`")),
        }
    }
}

/// The attribute that holds a frame.
const INLINE: &str = "b";
/// The attribute that names the blob that holds a frame.
const REFERENCE: &str = "blob";

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
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.expect("reading and writing files does not panic")
}
