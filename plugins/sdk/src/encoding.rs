//! Bytes as text and back: hex, base64, percent. Decoders answer `None` for anything malformed and never panic.

/// Hexadecimal, as most providers write a MAC.
pub mod hex {
    /// The bytes that `text` stands for, in either case; none for an odd length or a character that is no hex digit.
    pub fn decode(text: &str) -> Option<Vec<u8>> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) {
            return None;
        }
        digits.chunks_exact(2).map(|pair| Some(super::nibble(pair[0])? << 4 | super::nibble(pair[1])?)).collect()
    }

    /// `bytes` in lower-case hex.
    pub fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            text.push(DIGITS[usize::from(byte >> 4)] as char);
            text.push(DIGITS[usize::from(byte & 15)] as char);
        }
        text
    }
}

/// Base64 (RFC 4648). Both alphabets are read, padded or not, because providers mix them up.
pub mod base64 {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    /// The bytes that `text` stands for; none for a foreign character, wrong padding or a length no bytes have.
    ///
    /// Left-over bits of the last character must be zero, so that two different texts are never the same bytes.
    pub fn decode(text: &str) -> Option<Vec<u8>> {
        let digits = unpadded(text)?;
        let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
        for group in digits.chunks(4) {
            let mut bits = 0_u32;
            for digit in group {
                bits = bits << 6 | value(*digit)?;
            }
            match group.len() {
                4 => bytes.extend_from_slice(&bits.to_be_bytes()[1..]),
                3 if bits & 0b11 == 0 => bytes.extend_from_slice(&(bits >> 2).to_be_bytes()[2..]),
                2 if bits & 0b1111 == 0 => bytes.push((bits >> 4) as u8),
                _ => return None,
            }
        }
        Some(bytes)
    }

    /// `bytes` in the standard alphabet, padded.
    pub fn encode(bytes: &[u8]) -> String {
        let mut text = encode_with(STANDARD, bytes);
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
        text
    }

    /// `bytes` in the alphabet for URLs and file names, without padding.
    pub fn encode_url(bytes: &[u8]) -> String {
        encode_with(URL_SAFE, bytes)
    }

    fn unpadded(text: &str) -> Option<&[u8]> {
        let digits = text.trim_end_matches('=');
        let padding = text.len() - digits.len();
        let is_complete = padding == 0 || (padding <= 2 && text.len().is_multiple_of(4));
        is_complete.then_some(digits.as_bytes())
    }

    fn value(digit: u8) -> Option<u32> {
        Some(u32::from(match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        }))
    }

    fn encode_with(alphabet: &[u8; 64], bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for group in bytes.chunks(3) {
            let mut bits = 0_u32;
            for index in 0..3 {
                bits = bits << 8 | u32::from(group.get(index).copied().unwrap_or(0));
            }
            for index in 0..=group.len() {
                text.push(alphabet[(bits >> (18 - 6 * index) & 63) as usize] as char);
            }
        }
        text
    }
}

/// Percent-encoding of URL components.
pub mod percent {
    /// The text that a component stands for. A `%` that two hex digits do not follow stays as it is, and bytes that
    /// are no UTF-8 become U+FFFD: a provider's URL is read, not judged.
    pub fn decode(component: &str) -> String {
        let bytes = component.as_bytes();
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut index = 0;
        while index < bytes.len() {
            match escaped(&bytes[index..]) {
                Some(byte) => {
                    decoded.push(byte);
                    index += 3;
                }
                None => {
                    decoded.push(bytes[index]);
                    index += 1;
                }
            }
        }
        String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// `text` as one component: everything but the unreserved characters of RFC 3986 is escaped.
    pub fn encode(text: &str) -> String {
        let mut encoded = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
                _ => {
                    encoded.push('%');
                    encoded.push_str(&super::hex::encode(&[byte]).to_ascii_uppercase());
                }
            }
        }
        encoded
    }

    fn escaped(bytes: &[u8]) -> Option<u8> {
        match bytes {
            [b'%', high, low, ..] => Some(super::nibble(*high)? << 4 | super::nibble(*low)?),
            _ => None,
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    Some(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_takes_either_case_and_nothing_else() {
        assert_eq!(hex::decode("00fFa1"), Some(vec![0, 255, 161]));
        assert_eq!(hex::decode(""), Some(vec![]));
        for malformed in ["0", "0g", "é", "0x00", " 00"] {
            assert_eq!(hex::decode(malformed), None, "{malformed}");
        }
        assert_eq!(hex::encode(&[0, 255, 161]), "00ffa1");
    }

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        let vectors =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in vectors {
            assert_eq!(base64::encode(plain.as_bytes()), encoded);
            assert_eq!(base64::decode(encoded).as_deref(), Some(plain.as_bytes()));
            assert_eq!(base64::decode(encoded.trim_end_matches('=')).as_deref(), Some(plain.as_bytes()));
        }
    }

    #[test]
    fn base64_reads_both_alphabets_and_refuses_what_has_a_second_spelling() {
        assert_eq!(base64::decode("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(base64::decode("+/8"), Some(vec![0xfb, 0xff]));
        assert_eq!(base64::encode(&[0xfb, 0xff]), "+/8=");
        assert_eq!(base64::encode_url(&[0xfb, 0xff]), "-_8");
        for malformed in ["A", "Zh==", "Zm9=", "Zg=", "Zm9v=", "Zg===", "Z g=", "====", "é"] {
            assert_eq!(base64::decode(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn percent_decoding_keeps_what_is_no_escape() {
        assert_eq!(percent::decode("a%20b%2Bc"), "a b+c");
        assert_eq!(percent::decode("100%"), "100%");
        assert_eq!(percent::decode("%zz%4"), "%zz%4");
        assert_eq!(percent::decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn percent_encoding_comes_back_as_it_went() {
        assert_eq!(percent::encode("a b/ü~"), "a%20b%2F%C3%BC~");
        assert_eq!(percent::decode(&percent::encode("a b/ü~&=%")), "a b/ü~&=%");
    }
}
