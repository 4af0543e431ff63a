//! Whether a message may be sent to whom it is for. The worker asks before each part, so what was said since counts.
//!
//! | rule | refuses |
//! |---|---|
//! | `address-suppressed` | anything, to an address that takes nothing: it bounced, was blocked or complained |
//! | `consent-withdrawn` | a purpose that the customer does not want |
//!
//! The lock has the customer's words of its own conversation, and the start marker is conditioned on them; here is what is
//! known of the address. Windows, quiet hours and caps are not here yet. Whether a connection sends for real is the way out's
//! rule: outside of a deployment nothing leaves but to a stand-in, unless the connection says `live = true`.

use crate::sending::intent::Draft;

/// Why a message may not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A word in kebab-case.
    pub rule: &'static str,
    /// What would help.
    pub help: String,
}

/// The name under which an address that takes nothing is suppressed.
pub const ADDRESS: &str = "address";

/// Which rule forbids a message. `is_suppressed`: whether the address takes nothing of a purpose, or nothing at all under
/// [`ADDRESS`].
pub fn against(draft: &Draft, is_suppressed: impl Fn(&str) -> bool) -> Option<Refused> {
    if is_suppressed(ADDRESS) {
        let help = "the address takes nothing: a message to it bounced, or was blocked; fix: write to another address";
        return Some(Refused { rule: "address-suppressed", help: help.to_owned() });
    }
    is_suppressed(&draft.purpose).then(|| {
        let help =
            format!("the customer withdrew the consent to `{}`; fix: wait until they grant it again", draft.purpose);
        Refused { rule: "consent-withdrawn", help }
    })
}
