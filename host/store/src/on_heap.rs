//! Requests to AWS on the heap.
//!
//! What one request of the SDK holds while it waits has some ten kilobytes, and every future above it has all of that, once for each
//! place at which it waits. Without optimisation the fold's stack was two megabytes, which is all that a thread has. A box for
//! each request costs nothing beside the request.

use std::pin::Pin;

/// Moves a future to the heap.
pub(crate) trait OnHeap: Future + Sized {
    fn on_heap(self) -> Pin<Box<Self>> {
        Box::pin(self)
    }
}

impl<F: Future> OnHeap for F {}
