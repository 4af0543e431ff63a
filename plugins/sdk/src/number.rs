//! Telephone numbers as numbers: whether two texts name one line, whatever their spelling.
//!
//! For what a connector has to compare itself, such as the business's own number with a sender's. The customer's goes to
//! the host as the provider wrote it.

// The host's own table: there is one for both. What the SDK does not use of it is for the host.
#[allow(dead_code)]
#[path = "../../../host/model/src/canonical/renumbered.rs"]
mod renumbered;

/// Whether two texts are one international number: by their digits, in the spelling of today. Texts without digits are
/// none, and those with control characters, or with U+FFFD in the place of a lost one.
pub fn is_same_line(a: &str, b: &str) -> bool {
    let (a, b) = (digits(a), digits(b));
    !a.is_empty() && renumbered::today(&a) == renumbered::today(&b)
}

/// The digits of an international number, without `+` and `00` before them.
fn digits(text: &str) -> String {
    if text.contains(|sign: char| sign.is_control() || sign == '\u{fffd}') {
        return String::new();
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let has_plus = text.contains('+');
    digits.strip_prefix("00").filter(|_| !has_plus).map_or(digits.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_the_same_in_every_spelling() {
        for (a, b) in [
            ("15550783881", "+1 555-078-3881"),
            ("15550783881", "0015550783881"),
            ("554187654321", "5541987654321"),
            ("5215512345678", "+52 55 1234 5678"),
            ("541123456789", "+54 9 11 2345-6789"),
            ("22507139912", "2250707139912"),
            ("22997123456", "+229 01 97 12 34 56"),
        ] {
            assert!(is_same_line(a, b) && is_same_line(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("", ""),
            ("ACME", "ACME"),
            ("15550783881\u{fffd}", "15550783881"),
            ("1555078\u{0}3881", "15550783881"),
            ("15550783881", "15550783882"),
            ("4930123456", "49309123456"),
            ("551132654321", "5511932654321"),
        ] {
            assert!(!is_same_line(a, b), "{a} {b}");
        }
    }
}
