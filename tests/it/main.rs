//! Tests that run the real parts together, in one binary.

#![allow(clippy::unwrap_used)] // In a test an unwrap is an assertion; clippy knows that only of `#[test]` functions.

mod connectors;
mod contract;
mod credentials;
mod durability;
mod fold;
mod http;
mod journeys;
mod reference;
mod sandbox;
mod support;
mod tidy;
