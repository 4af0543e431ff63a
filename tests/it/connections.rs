//! Configured connectors: the way out.

mod egress;
