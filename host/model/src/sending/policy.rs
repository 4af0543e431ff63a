//! Whether a message may be sent to whom it is for. The worker asks before each part, so what was said since counts.
//!
//! | rule | refuses |
//! |---|---|
//! | `address-suppressed` | anything, to an address that takes nothing: it bounced, was blocked or complained |
//! | `consent-withdrawn` | a purpose that the customer does not want |
//! | `address-changed-hands` | anything, to an address that its customer gave up: somebody else has it now |
//! | `outside-window` | what the provider would refuse, because the customer's last message is too long ago |
//!
//! The lock has the customer's words of its own conversation, and the start marker is conditioned on them; here is what is
//! known of the address. Quiet hours and caps are not here yet. Whether a connection sends for real is the way out's
//! rule: outside of a deployment nothing leaves but to a stand-in, unless the connection says `live = true`.

use crate::event::{Author, Part, Timestamp};
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

/// The rule about an address that its customer gave up.
pub fn changed_hands() -> Refused {
    let help =
        "the customer gave this address up, and somebody else may have it; fix: write to the customer's new address";
    Refused { rule: "address-changed-hands", help: help.to_owned() }
}

/// A provider's window: for how long after the customer's last message what may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Milliseconds since the customer's last message.
    pub within_ms: u64,
    /// For whom it holds; empty: all.
    pub authors: Vec<Author>,
    /// The kinds of parts that may be sent later, such as `template`.
    pub after: Vec<String>,
}

impl Window {
    /// Whether it holds for an author.
    pub fn holds_for(&self, author: Author) -> bool {
        self.authors.is_empty() || self.authors.contains(&author)
    }
}

/// Which window of a provider is over for a message. The longest one that holds for its author counts. `since`: the newest instant
/// at which the customer may have written.
pub fn outside_window(windows: &[Window], draft: &Draft, since: Timestamp, now: Timestamp) -> Option<Refused> {
    let window =
        windows.iter().filter(|window| window.holds_for(draft.author)).max_by_key(|window| window.within_ms)?;
    let may_follow = |part: &Part| window.after.iter().any(|kind| kind == part.kind());
    if now <= since.saturating_add(window.within_ms) || draft.parts.iter().all(may_follow) {
        return None;
    }
    let hours = window.within_ms / 3_600_000;
    let instead = match window.after.as_slice() {
        [] => String::new(),
        kinds => format!(", or send only: {}", kinds.join(", ")),
    };
    let help =
        format!("the customer's last message is more than {hours} hours ago; fix: wait until they write{instead}");
    Some(Refused { rule: "outside-window", help })
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Attestation, Identifier, Template};
    use crate::sending::{Kind, Route};

    const HOUR: u64 = 3_600_000;
    const SINCE: u64 = 1_790_668_805_000;

    fn draft(author: Author, parts: Vec<Part>) -> Draft {
        let value = "+16505551234".to_owned();
        let to = Identifier { scheme: "phone".into(), scope: None, value, attestation: Attestation::Agent };
        Draft {
            route: Route { to, account: "shop".into() },
            author,
            by: "desk".into(),
            purpose: "service".into(),
            kind: Kind::Reply,
            subject: None,
            parts,
            in_reply_to: None,
            references: vec![],
            copies: vec![],
            thread: None,
            comment: None,
            extensions: Default::default(),
            client_ref: None,
            fence: None,
            turn: None,
            resends: None,
        }
    }

    #[test]
    fn the_longest_window_of_an_author_counts_and_a_template_may_follow_it() {
        let after = vec!["template".to_owned()];
        let all = Window { within_ms: 24 * HOUR, authors: vec![], after };
        let human = Window { within_ms: 168 * HOUR, authors: vec![Author::Agent], after: vec![] };
        let windows = [all, human];
        let text = || vec![Part::Text("a".into())];
        let template = Part::Template(Template { name: "t".into(), locale: "en".into(), parameters: vec![] });
        let rule = |author, parts, hours: u64| {
            outside_window(&windows, &draft(author, parts), SINCE, SINCE + hours * HOUR + 1).map(|refused| refused.rule)
        };
        assert_eq!(rule(Author::Automation, text(), 23), None);
        assert_eq!(rule(Author::Automation, text(), 24), Some("outside-window"));
        assert_eq!(rule(Author::Agent, text(), 24), None);
        assert_eq!(rule(Author::Agent, text(), 168), Some("outside-window"));
        assert_eq!(rule(Author::Automation, vec![template.clone()], 24), None);
        let both = vec![template, Part::Text("a".into())];
        assert_eq!(rule(Author::Automation, both, 24), Some("outside-window"));
        assert_eq!(outside_window(&[], &draft(Author::Agent, text()), 0, SINCE), None);
    }
}
