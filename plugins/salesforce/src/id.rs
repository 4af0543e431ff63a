//! Ids of Salesforce: 15 characters of which upper and lower case differ, or 18 with a checksum where it does not.

/// The 18 characters of an id that has 15; anything else as it came.
///
/// Each of the last three characters says which of five are in upper case. Source: Salesforce's help, "Convert 15
/// character Ids to 18 characters".
pub fn canonical(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let id = rapport_sdk::lenient::trim(id);
    if id.len() != 15 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut canonical = id.to_owned();
    for five in id.as_bytes().chunks(5) {
        let bits = five.iter().enumerate().map(|(place, byte)| usize::from(byte.is_ascii_uppercase()) << place);
        canonical.push(DIGITS[bits.sum::<usize>()] as char);
    }
    canonical
}

/// Whether a text has the form of a record's id.
pub fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_gets_its_checksum() {
        // The first pair is of Salesforce's own examples; the others are worked out by its rule.
        for (short, long) in [
            ("001D000000IqhSL", "001D000000IqhSLIAZ"),
            ("00530000009M943", "00530000009M943AAC"),
            ("003D000000QYVcV", "003D000000QYVcVIAX"),
        ] {
            assert_eq!(canonical(short), long);
            assert_eq!(canonical(long), long);
        }
        assert_eq!(canonical(" é "), "é");
        assert!(is_id("001D000000IqhSL") && !is_id("") && !is_id("001D000000IqhS!"));
    }
}
