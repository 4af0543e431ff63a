//! Our name of a part of a message, which the provider gives back in its reports and echoes.
//!
//! It is enough by itself: it says which intent of which endpoint it is of. And it is authenticated: nobody without the tenant
//! key can make one, so a provider's report cannot name another customer's message.
//!
//! ```text
//! r1 <endpoint, 22> <intent, 26> <part, 2> <MAC, 8>     60 characters of [A-Za-z0-9_-], without the spaces
//! ```

use crate::endpoint::{Eid, TenantKey};
use crate::sending::id::IntentId;

/// The form of the reference. Another form has another number.
const FORM: &str = "r1";
/// Characters. Providers take so many at least: the smallest limit among the channels that give a reference back.
pub const REFERENCE_CHARACTERS_MAX: usize = 64;
/// Parts of one message that a reference can name: two decimal digits.
pub const PARTS_MAX: u32 = 100;

const EID: std::ops::Range<usize> = 2..24;
const INTENT: std::ops::Range<usize> = 24..50;
const PART: std::ops::Range<usize> = 50..52;
/// 48 bits. Whoever guesses has to be the provider, and each guess is a webhook.
const MAC: std::ops::Range<usize> = 52..60;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    pub eid: Eid,
    pub intent: IntentId,
    /// From 0, below [`PARTS_MAX`].
    pub part: u32,
}

impl Reference {
    /// As the provider gets it.
    pub fn write(&self, tenant: &TenantKey) -> String {
        let named = format!("{FORM}{}{}{:02}", self.eid, self.intent, self.part % PARTS_MAX);
        let mac = tenant.reference_mac(&named);
        named + &mac
    }

    /// A reference that came back. `None` if it is not ours.
    pub fn read(text: &str, tenant: &TenantKey) -> Option<Self> {
        if text.len() != MAC.end || !text.is_ascii() || !text.starts_with(FORM) {
            return None;
        }
        let expected = tenant.reference_mac(&text[..MAC.start]);
        let differs = expected.bytes().zip(text[MAC].bytes()).fold(0, |differs, (a, b)| differs | (a ^ b));
        if differs != 0 {
            return None;
        }
        let digits = text[PART].bytes().all(|byte| byte.is_ascii_digit());
        let part = text[PART].parse().ok().filter(|_| digits)?;
        Some(Self { eid: Eid::parse(&text[EID])?, intent: IntentId::parse(&text[INTENT])?, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointKey;

    fn reference(tenant: &TenantKey, part: u32) -> Reference {
        let eid = tenant.eid(&EndpointKey { scheme: "phone".into(), scope: None, value: "+16505551234".into() });
        Reference { eid, intent: IntentId::new(1_700_000_000_000, 7).unwrap(), part }
    }

    #[test]
    fn a_reference_comes_back_as_it_was_made_and_fits_every_channel() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        for part in [0, 1, 99] {
            let made = reference(&tenant, part);
            let text = made.write(&tenant);
            assert_eq!(text.len(), MAC.end);
            assert!(text.len() <= REFERENCE_CHARACTERS_MAX);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{text}");
            assert_eq!(Reference::read(&text, &tenant), Some(made));
        }
    }

    #[test]
    fn whoever_lacks_the_tenant_key_makes_none() {
        let tenant = TenantKey::new(&[7; 32]).unwrap();
        let other = TenantKey::new(&[8; 32]).unwrap();
        let text = reference(&tenant, 3).write(&tenant);
        assert_eq!(Reference::read(&text, &other), None);
        for at in 0..text.len() {
            for with in ["0", "A", "_"] {
                let mut forged = text.clone();
                forged.replace_range(at..=at, with);
                let read = Reference::read(&forged, &tenant);
                assert_eq!(read.is_some(), forged == text, "{forged}");
            }
        }
        for odd in ["", "r1", &text[1..], &format!("{text}A"), &text.replace("r1", "r2"), &"é".repeat(30)] {
            assert_eq!(Reference::read(odd, &tenant), None, "{odd}");
        }
    }
}
