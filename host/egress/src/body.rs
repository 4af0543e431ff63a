//! The body of a request: bytes and blobs in their order. Its length is known before anything is sent, and a large blob is
//! read while it is sent.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use rapport_model::exchange::{Content, Piece};
use ring::digest::{self, SHA256};

use crate::blobs::Blobs;
use crate::grants::{Denied, denied};
use crate::limits::{BLOB_CHUNK_BYTES, READ_AHEAD_BYTES_MAX};
use crate::pieces::{Filler, encoded};
use crate::send::NotStarted;

/// A part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Bytes(Bytes),
    /// A blob: its key, how many bytes it has, whether it goes in base64.
    Blob {
        key: String,
        bytes: u64,
        base64: bool,
    },
}

impl Segment {
    /// Bytes on the wire.
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { bytes, base64: false, .. } => *bytes,
            Self::Blob { bytes, base64: true, .. } => bytes.div_ceil(3).saturating_mul(4),
        }
    }
}

/// Parts in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segments(Vec<Segment>);

impl Segments {
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        let mut segments = Self::default();
        segments.push(bytes);
        segments
    }

    pub fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.0.push(Segment::Bytes(bytes));
        }
    }

    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub fn length(&self) -> u64 {
        self.0.iter().fold(0, |sum: u64, segment| sum.saturating_add(segment.length()))
    }

    /// Looks up how many bytes each blob has.
    pub async fn measured(&mut self, blobs: &dyn Blobs) -> Result<Result<(), Denied>, NotStarted> {
        for segment in &mut self.0 {
            let Segment::Blob { key, bytes, .. } = segment else { continue };
            match blobs.size(key).await.map_err(NotStarted::Blobs)? {
                Some(size) => *bytes = size,
                None => return Ok(denied("a blob of the request is not there; it was deleted, or never stored")),
            }
        }
        Ok(Ok(()))
    }

    /// Reads small blobs, so that a blob store that fails does it before anything leaves.
    pub async fn read_ahead(&mut self, blobs: &dyn Blobs) -> Result<(), NotStarted> {
        let of_blob = |segment: &Segment| matches!(segment, Segment::Blob { .. }).then(|| segment.length());
        if self.0.iter().filter_map(of_blob).fold(0, u64::saturating_add) > READ_AHEAD_BYTES_MAX {
            return Ok(());
        }
        for segment in &mut self.0 {
            let Segment::Blob { key, bytes, base64 } = segment else { continue };
            let read = blobs.read(key, 0, *bytes).await.map_err(NotStarted::Blobs)?;
            let whole = whole(read, *bytes).map_err(NotStarted::Blobs)?;
            *segment = Segment::Bytes(on_the_wire(whole, *base64));
        }
        Ok(())
    }

    /// The SHA-256 of the whole, in hexadecimal: a signature needs it first, so large blobs are read twice.
    pub async fn sha256(&self, blobs: &Arc<dyn Blobs>) -> Result<String, NotStarted> {
        let mut context = digest::Context::new(&SHA256);
        let mut reader = Reader::new(self.clone(), Arc::clone(blobs));
        while let Some(bytes) = reader.next().await {
            context.update(&bytes.map_err(NotStarted::Blobs)?);
        }
        Ok(hex(context.finish().as_ref()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn whole(read: Vec<u8>, bytes: u64) -> Result<Vec<u8>, String> {
    if read.len() as u64 == bytes { Ok(read) } else { Err("the blob store gave a part of a blob".to_owned()) }
}

fn on_the_wire(read: Vec<u8>, base64: bool) -> Bytes {
    if base64 { STANDARD.encode(read).into() } else { read.into() }
}

/// What a piece of a body is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// `application/x-www-form-urlencoded`: a URL in it is one encoded component.
    UrlEncoded,
    /// Anything else. A URL of ours holds nothing that JSON escapes.
    Plain,
}

impl Around {
    pub fn of(content_type: Option<&str>) -> Self {
        let kind = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") { Self::UrlEncoded } else { Self::Plain }
    }
}

/// Content as segments. Blobs are not measured yet.
pub(crate) fn content(content: &Content, around: Around, filler: &mut Filler<'_>) -> Result<Segments, Denied> {
    let pieces = match content {
        Content::Bytes(bytes) => return Ok(Segments::of(bytes.clone())),
        Content::Pieces(pieces) => pieces,
    };
    let in_place = |url: &str| match around {
        Around::UrlEncoded => encoded(url),
        Around::Plain => url.to_owned(),
    };
    let mut segments = Segments::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => segments.push(text.clone()),
            Piece::Secret(name) => {
                return denied(format!(
                    "secret `{name}` is in a body, where no secret may be; fix: put it into a header, or let the host \
                     authorize the request"
                ));
            }
            Piece::Blob(key) => segments.0.push(Segment::Blob { key: key.clone(), bytes: 0, base64: false }),
            Piece::BlobBase64(key) => segments.0.push(Segment::Blob { key: key.clone(), bytes: 0, base64: true }),
            Piece::BlobUrl(_) => {
                return denied(
                    "files are not served by URL yet; fix: upload the file, with `blob` or `blob-base64` in the body",
                );
            }
            Piece::StatusUrl => segments.push(in_place(filler.status_url()?)),
            Piece::UnsubscribeUrl => segments.push(in_place(filler.unsubscribe_url()?)),
        }
    }
    Ok(segments)
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;

/// Segments as they are read, chunk by chunk.
struct Reader {
    left: VecDeque<Segment>,
    /// How much of the first segment, a blob, was read.
    from: u64,
    /// A chunk that is being read: how many bytes it will have.
    reading: Option<(Reading, u64)>,
    blobs: Arc<dyn Blobs>,
}

impl Reader {
    fn new(segments: Segments, blobs: Arc<dyn Blobs>) -> Self {
        Self { left: segments.0.into(), from: 0, reading: None, blobs }
    }

    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        let (key, bytes, base64) = match self.left.front() {
            None => return Poll::Ready(None),
            Some(Segment::Bytes(bytes)) => {
                let bytes = bytes.clone();
                self.left.pop_front();
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(Segment::Blob { key, bytes, base64 }) => (key.clone(), *bytes, *base64),
        };
        if self.from >= bytes {
            self.left.pop_front();
            self.from = 0;
            return self.poll_next(context);
        }
        let (reading, asked) = self.reading.get_or_insert_with(|| {
            let (blobs, from, asked) = (Arc::clone(&self.blobs), self.from, BLOB_CHUNK_BYTES.min(bytes - self.from));
            (Box::pin(async move { blobs.read(&key, from, asked).await }), asked)
        });
        let read = match reading.as_mut().poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(read) => read.and_then(|read| whole(read, *asked)),
        };
        self.from += *asked;
        self.reading = None;
        Poll::Ready(Some(read.map(|read| on_the_wire(read, base64))))
    }
}

/// The body as it is sent.
pub(crate) struct Outgoing {
    reader: Reader,
    left: u64,
}

impl Outgoing {
    pub fn new(segments: Segments, blobs: Arc<dyn Blobs>) -> Self {
        Self { left: segments.length(), reader: Reader::new(segments, blobs) }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        self.reader.poll_next(context).map(|next| {
            next.map(|bytes| {
                let bytes = bytes?;
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Ok(Frame::data(bytes))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{Keeping, Work};

    /// Blobs of so many bytes as their key says, each byte its place.
    struct Counting;

    impl Blobs for Counting {
        fn size<'a>(&'a self, key: &'a str) -> Work<'a, Option<u64>> {
            Box::pin(async { Ok(key.parse().ok()) })
        }

        fn read<'a>(&'a self, _: &'a str, from: u64, bytes: u64) -> Work<'a, Vec<u8>> {
            Box::pin(async move { Ok((from..from + bytes).map(|at| (at % 251) as u8).collect()) })
        }

        fn keep(&self) -> Work<'_, Box<dyn Keeping>> {
            Box::pin(async { Err("not here".to_owned()) })
        }
    }

    async fn read(segments: Segments) -> Vec<u8> {
        let mut reader = Reader::new(segments, Arc::new(Counting));
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await {
            read.extend_from_slice(&bytes.unwrap());
        }
        read
    }

    #[tokio::test]
    async fn a_body_is_as_long_as_it_says_at_every_size() {
        let chunk = BLOB_CHUNK_BYTES;
        for size in [0, 1, 2, 3, 4, chunk - 1, chunk, chunk + 1, 2 * chunk + 2, READ_AHEAD_BYTES_MAX + 1] {
            for base64 in [false, true] {
                let blob = Segment::Blob { key: size.to_string(), bytes: 0, base64 };
                let mut segments = Segments(vec![Segment::Bytes("<".into()), blob, Segment::Bytes(">".into())]);
                segments.measured(&Counting).await.unwrap().unwrap();
                let plain: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                let expected = [b"<", &on_the_wire(plain, base64)[..], b">"].concat();
                assert_eq!(segments.length(), expected.len() as u64, "{size}");
                assert!(read(segments.clone()).await == expected, "{size} {base64}");
                let sha256 = hex(digest::digest(&SHA256, &expected).as_ref());
                let blobs: Arc<dyn Blobs> = Arc::new(Counting);
                assert_eq!(segments.sha256(&blobs).await.unwrap(), sha256);
                segments.read_ahead(&Counting).await.unwrap();
                let is_read = size <= READ_AHEAD_BYTES_MAX / 4 * 3;
                assert_eq!(segments.0.iter().all(|one| matches!(one, Segment::Bytes(_))), is_read, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn a_blob_that_is_not_there_is_told() {
        let mut segments = Segments(vec![Segment::Blob { key: "none".into(), bytes: 0, base64: false }]);
        assert!(segments.measured(&Counting).await.unwrap().unwrap_err().0.contains("is not there"));
    }
}
