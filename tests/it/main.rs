//! Tests that run the real parts together, in one binary.

mod connectors;
mod contract;
mod durability;
mod fold;
mod http;
mod journeys;
mod sandbox;
mod support;
mod tidy;
