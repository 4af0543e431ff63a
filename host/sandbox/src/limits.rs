//! What one call may use, and what the host remembers of it.

use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::clock::Deadline;

/// MiB of linear memory that a manifest may ask for. A JavaScript engine with its heap needs about 40; four calls at
/// once still fit a 512 MiB function.
pub const MEMORY_MIB_MAX: u64 = 128;
/// MiB of linear memory without a manifest. A compiled connector uses under one; the rest is for a large batch.
pub const MEMORY_MIB_DEFAULT: u64 = 32;

/// Milliseconds of CPU time that a manifest may ask for. Providers give up a webhook after 3 to 20 s, and the answer
/// also needs the store.
pub const CPU_MS_MAX: u64 = 1_000;
/// Milliseconds of CPU time without a manifest: a thousand times what a usual webhook takes (measured: 20–30 µs).
pub const CPU_MS_DEFAULT: u64 = 50;
/// Milliseconds of wall time after which a call ends even if a busy machine gave it too little CPU time. Below the
/// shortest time-out of a provider (3 s).
pub const WALL_MS_MAX: u64 = 2_000;

/// KiB of body that a manifest may ask for: the largest mail that may lie in S3 (40 MB), and its notification. A function is
/// given at most 6 MiB over HTTP.
pub const BODY_KIB_MAX: u64 = 41 * 1024;
/// KiB of body without a manifest. The largest documented webhooks of messages are 768 KiB; mail with its files is larger.
pub const BODY_KIB_DEFAULT: u64 = 1024;

/// KiB of component that a manifest may ask for: a JavaScript engine with a connector in it has 10 MiB.
pub const COMPONENT_KIB_MAX: u64 = 16 * 1024;
/// KiB of component without a manifest: 599,040 bytes. Most connectors have 100 to 450 KiB. The one for e-mail has 1.4 MiB,
/// and its manifest asks for that. A function loads a connector in milliseconds when it starts.
pub const COMPONENT_KIB_DEFAULT: u64 = 585;

/// KiB of output that a manifest may ask for: twice the largest body that a function is given (6 MiB).
pub const OUTPUT_KIB_MAX: u64 = 12 * 1024;
/// KiB of output without a manifest: [`EVENTS_MAX`] events of usual size.
pub const OUTPUT_KIB_DEFAULT: u64 = 4 * 1024;
/// Bytes that one host call may carry beyond the size of the webhook: a signed string is URL, headers and body, glued.
pub(crate) const HOST_CALL_SLACK_BYTES: usize = 64 * 1024;

/// Events of one call. The largest documented batches are 768 KiB of events of at least 200 bytes.
pub const EVENTS_MAX: usize = 5_000;

/// `verify` calls of one call. A provider with two keys and two schemes needs four; more is a search for a secret.
pub const VERIFY_CALLS_MAX: u32 = 32;

/// Log lines of one call that are kept; the rest are counted.
pub const LOG_LINES_MAX: usize = 64;
/// Bytes of one log line, escapes included; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 1_024;

/// Lines of one receipt about elements that could not be read; the rest are counted. As many as log lines: they say where
/// to look, and the webhook itself is kept.
pub const UNREAD_LINES_MAX: usize = 64;

/// Steps of one operation: a message of ten parts, each in a step of its own, and its uploads before them. Another step is a
/// loop.
pub const STEPS_MAX: usize = 16;
/// Requests of one step: the files of a message are uploaded together.
pub const REQUESTS_A_STEP_MAX: usize = 16;
/// Bytes that a connector itself writes into the body of one request, or has signed. The largest body of text that a provider
/// documents is a mail of 1 MiB; files come from the blob store.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of text in a URL: what the way out sends, which counts what it fills in as well.
pub use rapport_model::hosts::URL_BYTES_MAX;
/// Bytes of text in one header field: what web servers take at most, as a rule.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// Header fields of one request. A provider documents under ten.
pub const HEADERS_MAX: usize = 64;
/// Header fields of one request that the host signs: a provider asks for one.
pub const SIGNED_FIELDS_MAX: usize = 4;
/// Fields of one form: a mail has its parameters, its copies and its files.
pub const FORM_FIELDS_MAX: usize = 256;
/// Pieces of one URL, header field or body: two for each of a mail's files.
pub const PIECES_MAX: usize = 256;
/// Parts and ids that one operation says the provider has taken. A long text may be sent as several messages.
pub const ACCEPTED_MAX: usize = 256;
/// Bytes of a provider's id of a message, as of an event.
pub const ID_BYTES_MAX: usize = 1_024;
/// Templates of one page. Providers give up to 250.
pub const TEMPLATES_MAX: usize = 1_000;
/// Bytes of a cursor, which is stored.
pub const CURSOR_BYTES_MAX: usize = 2_048;

/// Calls that run at once in one process; more wait. A function's environment handles one request at a time, the local
/// host a few. Each slot reserves 4 GiB of addresses and keeps under 1 MiB resident.
pub const CALLS_AT_ONCE_MAX: u32 = 16;
/// Milliseconds that a call waits for a slot before it fails as busy.
pub(crate) const SLOT_WAIT_MS_MAX: u64 = 2_000;

/// Elements of all tables of one call, the default of wasmtime's pool: a JavaScript engine has some 10,000 functions.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// Core instances of one call: the connector, two adapters of its imports, and room for an interpreter's parts.
pub(crate) const CORE_INSTANCES_MAX: u32 = 8;
/// Tables of one call: two in a connector of one module.
pub(crate) const TABLES_MAX: u32 = 8;
/// Memories of one call.
pub(crate) const MEMORIES_MAX: u32 = 1;

/// Bytes of native stack that a connector may use, wasmtime's default. A connector's own stack is in its memory.
pub(crate) const NATIVE_STACK_BYTES_MAX: usize = 512 * 1024;

/// What one call may use, from the manifest's `[limits]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `memory-mib`: linear memory, at most [`MEMORY_MIB_MAX`].
    pub memory_mib: u64,
    /// `cpu-ms`: CPU time of the calling thread, at most [`CPU_MS_MAX`]. Wall time is capped by [`WALL_MS_MAX`].
    pub cpu_ms: u64,
    /// `output-kib`: what the host copies out of the connector in one result or one host call, at most
    /// [`OUTPUT_KIB_MAX`]. Never less than the webhook itself, which a connector hands back to have it verified.
    pub output_kib: u64,
    /// `body-kib`: the body of a webhook, at most [`BODY_KIB_MAX`]. A larger one is refused before the connector is called.
    pub body_kib: u64,
    /// `component-kib`: the component itself, at most [`COMPONENT_KIB_MAX`]. Nothing larger is loaded.
    pub component_kib: u64,
}

impl Limits {
    /// `cpu-ms` as a duration.
    pub fn cpu(&self) -> Duration {
        Duration::from_millis(self.cpu_ms)
    }

    /// `body-kib` in bytes.
    pub fn body_bytes(&self) -> usize {
        usize::try_from(self.body_kib.saturating_mul(1024)).unwrap_or(usize::MAX)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        mebibytes(self.memory_mib)
    }

    pub(crate) fn output_bytes(&self) -> usize {
        usize::try_from(self.output_kib.saturating_mul(1024)).unwrap_or(usize::MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: MEMORY_MIB_DEFAULT,
            cpu_ms: CPU_MS_DEFAULT,
            output_kib: OUTPUT_KIB_DEFAULT,
            body_kib: BODY_KIB_DEFAULT,
            component_kib: COMPONENT_KIB_DEFAULT,
        }
    }
}

/// Counts the memory and tables of one call, and remembers a refusal: the trap that follows one is its consequence.
pub(crate) struct Budget {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_elements: usize,
    pub(crate) refused: bool,
    pub(crate) deadline: Deadline,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes(),
            memory_bytes: 0,
            table_elements: 0,
            refused: false,
            deadline: Deadline::new(limits.cpu()),
        }
    }

    /// Linear memory never shrinks, so what is in use at the end was the peak.
    pub(crate) fn peak_memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    fn grow(&mut self, used: fn(&mut Self) -> &mut usize, by: usize, max: usize) -> bool {
        let wanted = used(self).saturating_add(by);
        if wanted > max {
            self.refused = true;
            return false;
        }
        *used(self) = wanted;
        true
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(|budget| &mut budget.memory_bytes, desired - current, self.memory_bytes_max))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(|budget| &mut budget.table_elements, desired - current, TABLE_ELEMENTS_MAX))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

pub(crate) const fn mebibytes(mebibytes: u64) -> usize {
    (mebibytes as usize) << 20
}
