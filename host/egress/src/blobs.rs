//! The blob store, as the way out needs it: parts of a blob are read, and a body is written as it comes.

use std::future::Future;
use std::pin::Pin;

/// Something that takes a while. An error is a text for the log.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'a>>;

/// Where blobs are.
pub trait Blobs: Send + Sync {
    /// How many bytes a blob has. `None`: there is no such blob.
    fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>>;

    /// `bytes` bytes of a blob, from this place on. It has as many.
    fn read<'a>(&'a self, key: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>>;

    /// Begins a new blob.
    fn keep(&self) -> Work<'_, Box<dyn Keeping>>;
}

/// A blob that is being written. Nothing is left of it if it is dropped.
pub trait Keeping: Send {
    fn write<'a>(&'a mut self, bytes: &'a [u8]) -> Work<'a, ()>;

    /// Makes it durable, and gives its key.
    fn finish(self: Box<Self>) -> Work<'static, String>;
}

/// A blob store for requests that have nothing to do with one.
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn size<'a>(&'a self, _: &'a str) -> Work<'a, Option<u64>> {
        Box::pin(async { Ok(None) })
    }

    fn read<'a>(&'a self, _: &'a str, _: u64, _: u64) -> Work<'a, Vec<u8>> {
        Box::pin(async { Err("there is no blob store here".to_owned()) })
    }

    fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
        Box::pin(async { Err("there is no blob store here".to_owned()) })
    }
}
