//! Tests that run the real parts together, in one binary.

#![allow(clippy::unwrap_used)] // In a test an unwrap is an assertion; clippy knows that only of `#[test]` functions.

mod api;
mod attack;
mod connections;
mod connectors;
mod contract;
mod egress;
mod everywhere;
mod inbound;
mod journeys;
mod kit;
mod lambda;
mod outbound;
mod package;
mod people;
mod projections;
mod reference;
mod sandbox;
mod store;
mod support;
mod tidy;
