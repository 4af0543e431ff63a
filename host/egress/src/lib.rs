//! The only door to the outside network: allow-list, private-network block, secret injection, time-outs.
//!
//! Nothing goes out yet. Connectors are inbound only, and describe no requests; the host has no other reason to call
//! anybody. The door comes with the first connector that sends, and until then this crate says where it will be.
