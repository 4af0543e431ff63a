//! Events become what is known of people: heads, traits, consents, reachability, identity. Everything here can be computed
//! again from the log. It needs the table, and neither connectors nor HTTP.
//!
//! | what | file |
//! |---|---|
//! | an event moves heads, traits, consents and identity; a log is folded anew | [`fold`] |
//! | whose events could not be folded is set aside, and taken up again | [`fold::aside`] |
//! | who answers a conversation, and what the customer wants, for what is sent next | `control` |
//! | an address that changes hands | `fold/handover` |
//! | the provider's word settles a message; an intent wakes a worker | [`settlement`] |
//! | the steps of an erasure that follow events | [`rebuild_after_erasure`] |

mod control;
pub mod fold;
pub mod rebuild_after_erasure;
pub mod settlement;
