//! Looking through tens of megabytes, which byte by byte would take most of a call's time.

use std::io::BufRead;

/// Goes behind the next such byte, or to the end; whether there was one.
pub fn skip_until(bytes: &mut &[u8], byte: u8) -> bool {
    let before = *bytes;
    // A slice in memory has no errors.
    let skipped = bytes.skip_until(byte).unwrap_or(0);
    skipped > 0 && before.get(skipped - 1) == Some(&byte)
}

/// How many of the bytes are no white space and no control characters, eight at a time.
pub fn visible(bytes: &[u8]) -> usize {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    /// What lifts the first visible character, `!`, to 128, and none of the others beyond its own byte.
    const LIFT: u64 = 0x5f5f_5f5f_5f5f_5f5f;
    let (words, rest) = bytes.as_chunks();
    let in_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        ((((word & LOW) + LIFT) | word) & !LOW).count_ones() as usize
    };
    words.iter().map(in_word).sum::<usize>() + rest.iter().filter(|byte| **byte > b' ').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_no_byte() {
        let mut rest = &b"a-b--c"[..];
        let mut found = Vec::new();
        while skip_until(&mut rest, b'-') {
            found.push(rest.len());
        }
        assert_eq!((found.as_slice(), rest), ([4, 2, 1].as_slice(), &b""[..]));
        assert!(!skip_until(&mut &b""[..], b'-'));
    }

    #[test]
    fn every_byte_is_counted_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for at in 0..19 {
                let mut bytes = [b' '; 19];
                bytes[at] = byte;
                assert_eq!(visible(&bytes), usize::from(byte > b' '), "{byte} at {at}");
            }
        }
        assert_eq!(visible(&[u8::MAX; 100]), 100);
    }
}
