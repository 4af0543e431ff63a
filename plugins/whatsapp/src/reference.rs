//! What the sender of a message put beside it, and Meta gives back in its statuses: `biz_opaque_callback_data`.
//!
//! It is in an extension. If it has the form of the host's references, it is also the reference of the delivery or message. The host
//! checks whether it made it, because other senders of the same account have words of their own.

use rapport_meta::Text;

/// Extension: the words as they came.
pub const CALLBACK_DATA: &str = "com.whatsapp.callback-data";
/// Characters of a reference, as the contract says.
const CHARACTERS_MAX: usize = 64;

/// The words, if they can be a reference of the host.
pub fn of<'a>(data: &'a Text<'_>) -> Option<&'a str> {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = |data: &&str| (1..=CHARACTERS_MAX).contains(&data.len()) && data.bytes().all(is_character);
    data.as_deref().filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_host_could_have_made_is_a_reference() {
        let fits = |data: &str| of(&Some(data.into())).is_some();
        assert!(fits("r1AbCdEfGhIjKlMnOpQrStUv01JDXYZ0000000000000000000000aBc-_eFgH"));
        assert!(fits(&"a".repeat(64)) && !fits(&"a".repeat(65)));
        for other in ["", "order=4711", "a b", "ä", "{}"] {
            assert!(!fits(other), "{other}");
        }
        assert_eq!(of(&None), None);
    }
}
