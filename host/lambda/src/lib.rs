//! The `bootstrap` binary of AWS Lambda: events of HTTP, of queues and of the table's stream go to the use cases.
//!
//! One binary, six functions, told apart by the handler's name:
//!
//! | handler | event | goes to |
//! |---|---|---|
//! | `webhook` | HTTP API (payload 2.0) or function URL | `/hooks/…` of `inbound` |
//! | `feed` | a batch of a queue, or of a Kinesis stream | `inbound::feed` |
//! | `api` | as `webhook` | `/v1/…` of `api` |
//! | `fold` | a batch of the table's stream | `projections::fold`, `projections::settlement` |
//! | `send` | a batch of the queue of wakes | `outbound::worker` |
//! | `due` | `{"due": "tick"}` each minute; a batch of the queue's dead letters | `outbound::due`, `outbound::given_up` |
//!
//! What is wrong with the deployment ends the process while it starts, and Lambda counts an error. What is wrong with one
//! connection, or passes, is an answer of 500 or 503, so that the provider delivers again. Nothing is kept between events
//! but clients, secrets and loaded connectors.

mod batch;
pub mod connectors;
pub mod due_function;
pub mod environment;
pub mod feed;
pub mod fold_function;
pub mod http;
pub mod log;
pub mod secrets;
pub mod send_function;
pub mod service;
mod signing;
mod wakes;
