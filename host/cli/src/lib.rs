//! What the `rapport` command does, as a library, so that tests do it the same way.
//!
//! This crate and the Lambda binary are the only ones that read environment variables and files of the operator.

pub mod connector;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod feed;
pub mod fold_failures;
mod loopback;
pub mod package;
pub mod parked;
pub mod repair;
mod sample;
mod secrets;
pub mod send;
pub mod service;
mod terminal;

pub use terminal::Terminal;
