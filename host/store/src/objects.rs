//! Objects of S3 that are somebody else's: read, never written. Locally, files of a folder.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Where objects are.
#[derive(Clone, Debug, Default)]
pub struct Objects(ObjectStore);

#[derive(Clone, Debug, Default)]
enum ObjectStore {
    #[default]
    Nowhere,
    Folder(PathBuf),
    #[cfg(feature = "aws")]
    Buckets(crate::aws::objects::Buckets),
}

/// Why an object cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("it is not there; fix: deliver it before it is deleted, or let it go")]
    Missing,
    /// S3 says it of a missing one, too, to a role that may not list the bucket.
    #[error(
        "it is not there any more, or may not be read; fix: name the bucket in the template's parameter `FeedBuckets`, and \
         its KMS key, if it has one of its own, in `FeedKeys`"
    )]
    Denied,
    #[error("it has {bytes} bytes, and at most {max} fit; fix: raise the connector's `body-kib` if it can handle more")]
    TooLarge { bytes: u64, max: u64 },
    #[error("no folder of objects is given; fix: add `--objects FOLDER`")]
    Nowhere,
    #[error("its key leads out of the folder of objects")]
    Key,
    /// It may be had later.
    #[error("{0}")]
    Unavailable(String),
}

impl Objects {
    /// Objects in files: `<folder>/<bucket>/<key>`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self(ObjectStore::Folder(folder.into()))
    }

    #[cfg(feature = "aws")]
    pub(crate) fn in_buckets(buckets: crate::aws::objects::Buckets) -> Self {
        Self(ObjectStore::Buckets(buckets))
    }

    /// The bytes of an object, if there are at most `max`.
    ///
    /// # Errors
    /// [`ObjectError`]
    pub async fn get(&self, bucket: &str, key: &str, max: u64) -> Result<Vec<u8>, ObjectError> {
        match &self.0 {
            ObjectStore::Nowhere => Err(ObjectError::Nowhere),
            ObjectStore::Folder(folder) => {
                let path = path_in(folder, bucket, key).ok_or(ObjectError::Key)?;
                let read = tokio::task::spawn_blocking(move || read(&path, max)).await;
                read.expect("reading a file does not panic")
            }
            #[cfg(feature = "aws")]
            ObjectStore::Buckets(buckets) => buckets.get(bucket, key, max).await,
        }
    }
}

/// The file of an object; none: a key such as `../x`, which S3 would take and a folder must not.
fn path_in(folder: &Path, bucket: &str, key: &str) -> Option<PathBuf> {
    let below = Path::new(bucket).join(key.trim_start_matches('/'));
    below.components().all(|part| matches!(part, Component::Normal(_))).then(|| folder.join(below))
}

fn read(path: &Path, max: u64) -> Result<Vec<u8>, ObjectError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ObjectError::Missing,
        io::ErrorKind::PermissionDenied => ObjectError::Denied,
        _ => ObjectError::Unavailable(error.to_string()),
    };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > max {
        return Err(ObjectError::TooLarge { bytes, max });
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_is_a_file_below_the_folder_and_no_other() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir_all(folder.path().join("bucket/in")).unwrap();
        std::fs::write(folder.path().join("bucket/in/mail"), b"12345").unwrap();
        std::fs::write(folder.path().join("secret"), b"x").unwrap();
        let objects = Objects::in_folder(folder.path());
        assert_eq!(objects.get("bucket", "in/mail", 5).await.unwrap(), b"12345");
        assert!(matches!(objects.get("bucket", "in/mail", 4).await, Err(ObjectError::TooLarge { bytes: 5, max: 4 })));
        assert!(matches!(objects.get("bucket", "in/none", 9).await, Err(ObjectError::Missing)));
        for key in ["../secret", "in/../../secret", "."] {
            assert!(!matches!(objects.get("bucket", key, 9).await, Ok(_) | Err(ObjectError::Missing)), "{key}");
        }
        assert!(matches!(Objects::default().get("bucket", "a", 9).await, Err(ObjectError::Nowhere)));
    }
}
