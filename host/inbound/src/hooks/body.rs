//! The body of a webhook, read as it arrives: within its connector's size, within a time, within what all of them may take.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use rapport_http::Problem;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admission::Admitted;

/// KiB of bodies that a process holds at a time, all that are still arriving and all that are being handled: six of the
/// largest that a connector may take. What would be more is told to come back.
const BUFFERED_KIB_MAX: usize = 256 << 10;
/// Milliseconds that a body may take to arrive. The largest, 41 MiB, does in that time over 12 Mbit/s; providers give up
/// earlier.
const ARRIVAL_MS_MAX: u64 = 30_000;

static BUFFERED: Semaphore = Semaphore::const_new(BUFFERED_KIB_MAX);

/// What a body takes of [`BUFFERED_KIB_MAX`], given back when it is dropped.
#[derive(Default)]
pub(super) struct BufferPermit(Option<SemaphorePermit<'static>>);

impl BufferPermit {
    /// Takes permits for so many bytes in all.
    fn grow_to(&mut self, bytes: usize) -> Result<(), Problem> {
        let has = self.0.as_ref().map_or(0, SemaphorePermit::num_permits);
        let wanted = bytes.div_ceil(1024).saturating_sub(has);
        let count = u32::try_from(wanted).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let full = || Problem::unavailable("too many webhooks arrive at once; fix: deliver it again");
        let more = BUFFERED.try_acquire_many(count).map_err(|_| full())?;
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

/// Reads the whole body of a webhook that was let in.
pub(super) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    admitted: &mut Admitted,
) -> Result<BufferPermit, Problem> {
    let bytes_max = admitted.body_bytes_max();
    let too_large = || Problem::too_large(format!("the body is larger than {bytes_max} bytes"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let mut permit = BufferPermit::default();
    let arrived = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::bad_request("the body is incomplete"))?;
            // Trailers say nothing that a provider signs.
            let Ok(bytes) = frame.into_data() else { continue };
            let bytes_so_far = admitted.body_bytes().saturating_add(bytes.len());
            if bytes_so_far > bytes_max {
                return Err(too_large());
            }
            permit.grow_to(bytes_so_far)?;
            admitted.read(&bytes);
        }
        Ok(())
    };
    match tokio::time::timeout(Duration::from_millis(ARRIVAL_MS_MAX), arrived).await {
        Ok(read) => read.map(|()| permit),
        Err(_) => Err(Problem::too_slow(format!("the body did not arrive within {ARRIVAL_MS_MAX} ms"))),
    }
}
