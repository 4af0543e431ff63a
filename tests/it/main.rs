//! Tests that run the real parts together, in one binary.

#![allow(clippy::unwrap_used)] // In a test an unwrap is an assertion; clippy knows that only of `#[test]` functions.

mod addresses;
mod api;
mod api_document;
mod attack;
mod connectors;
mod contract;
mod credentials;
mod durability;
mod egress;
mod erasure;
mod everywhere;
mod export;
mod feed;
mod fold;
mod forgeries;
mod http;
mod identity;
mod interleavings;
mod journeys;
mod keys;
mod kit;
mod lambda;
mod once;
mod package;
mod reference;
mod sandbox;
mod scores;
mod secrets_at_rest;
mod solid_store;
mod subscriptions;
mod support;
mod tidy;
mod trust;
mod unread;
