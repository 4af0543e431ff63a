//! The API: its document, its keys, what people decide.

mod api_document;
mod keys;
mod links;
mod sending;
mod waits;
