//! Runs one call of one connector in a fresh WebAssembly sandbox. The only crate that knows wasmtime.
//!
//! ```ignore
//! let sandbox = Sandbox::new(Options::default())?;
//! let connector = sandbox.load(&artefact, &[trusted_key])?;      // in production: signed, compiled ahead of time
//! let connector = sandbox.load_component(&component, "acme")?;   // in development: feature `compiler`
//!
//! let received = connector.receive(&Call {
//!     context: Context { connection: "acme-eu", config: "{}", now: 1_767_225_600_000, entropy: &entropy },
//!     webhook: Webhook { method: "POST", url: "https://…/hooks/acme-eu", headers: &[("x-sig", "…")], body: b"…" },
//!     secrets: Arc::clone(&secrets),                             // your `impl Secrets`
//! })?;
//! match received.outcome {
//!     Ok(Receipt { response, events }) => …,                     // `events` are the model's
//!     Err(Rejection::Unauthenticated(why)) => …,
//!     Err(_) => …,
//! }
//! ```
//!
//! [`Connector::run`] and [`Connector::poll`] do the same for what sends and pulls: the connector describes requests, the
//! caller performs them, and calls again with what came of them.
//!
//! What a connector may do is what [`Secrets`], `verify` and `log` give it: it has no network, clock, file, environment
//! or randomness, and each call gets a new instance with a cap on memory, CPU time and output. What it does wrong is a
//! [`CallError`] of that one call. The caller's part: run `receive` where blocking is allowed (it runs for up to
//! [`Limits::cpu`] of CPU time), and refuse events of a call in which nothing was `verified`.

mod abi;
pub mod artefact;
mod call;
mod clock;
mod component;
mod connector;
mod declared_proofs;
mod engine;
mod error;
mod imports;
mod keys;
mod limits;
mod mac;
mod manifest;
mod operation;
mod secrets;
mod turn;
mod verify;

pub use artefact::{PublicKey, SigningKey};
pub use call::{
    Call, CallError, Context, FailureKind, HttpResponse, Level, Log, LogLine, Receipt, Received, Rejection, Usage,
    Webhook,
};
pub use component::with_manifest;
pub use connector::Connector;
#[cfg(feature = "kept-for-benchmarks")]
pub use connector::Kept;
pub use declared_proofs::{Entry, Gate, Pending, Unproven};
pub use engine::{Allocation, Metering, Options, Sandbox, Target, engine_name};
pub use error::{ArtefactError, LoadError, ManifestError};
pub use keys::KeyProblem;
pub use limits::{
    ACCEPTED_MAX, BODY_KIB_DEFAULT, BODY_KIB_MAX, CALLS_AT_ONCE_MAX, COMPONENT_KIB_MAX, CPU_MS_MAX, CURSOR_BYTES_MAX,
    EVENTS_MAX, FORM_FIELDS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, ID_BYTES_MAX, LOG_LINE_BYTES_MAX, LOG_LINES_MAX,
    Limits, MEMORY_MIB_MAX, OUTPUT_KIB_MAX, PIECES_MAX, REQUEST_BYTES_MAX, REQUESTS_A_STEP_MAX, SIGNED_FIELDS_MAX,
    STEPS_MAX, TEMPLATES_MAX, UNREAD_LINES_MAX, URL_BYTES_MAX, VERIFY_CALLS_MAX, WALL_MS_MAX,
};
pub use manifest::{
    Encoding, Feed, Hosts, Manifest, ObjectPlace, Piece, Proof, Quality, Redact, Replay, Scheme, SecretKind, SecretUse,
    Sending, Unsigned, Verify, When, Window,
};
pub use operation::{Batch, PollCall, Polled, Ran, RunCall, Step};
pub use secrets::{Certificate, Secret, Secrets};
pub use verify::{Check, CheckKind, DigestAlgorithm, MacAlgorithm, SignatureAlgorithm};
