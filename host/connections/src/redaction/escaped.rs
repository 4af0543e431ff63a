//! A value in bytes, however each of its characters is escaped.

/// Bytes with each value's stand-in wherever it stood; none where none of them stands anywhere. Of two that begin at one
/// place the first one given is taken.
pub(super) fn replaced<'v>(bytes: &[u8], values: impl Iterator<Item = (&'v [u8], &'v [u8])>) -> Option<Vec<u8>> {
    let values: Vec<(&[u8], &[u8])> = values.filter(|(value, _)| !value.is_empty()).collect();
    let mut may_begin = [false; 256];
    for (value, _) in &values {
        // As itself, or as the first byte of an escape.
        for byte in [value[0], b'%', b'\\', b'&', b'='] {
            may_begin[usize::from(byte)] = true;
        }
        may_begin[usize::from(b'+')] |= value[0] == b' ';
    }
    let mut out: Option<Vec<u8>> = None;
    let (mut copied, mut at) = (0, 0);
    while let Some(next) = bytes[at..].iter().position(|byte| may_begin[usize::from(*byte)]) {
        at += next;
        let found = values.iter().find_map(|(value, stand_in)| Some((end_of(bytes, at, value)?, *stand_in)));
        let Some((end, stand_in)) = found else {
            at += 1;
            continue;
        };
        let out = out.get_or_insert_with(|| Vec::with_capacity(bytes.len()));
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(stand_in);
        (copied, at) = (end, end);
    }
    let mut out = out?;
    out.extend_from_slice(&bytes[copied..]);
    Some(out)
}

/// Where the value that begins here ends: read as it is, or through one percent-encoding around the other escapes.
fn end_of(bytes: &[u8], at: usize, value: &[u8]) -> Option<usize> {
    [false, true].into_iter().find_map(|through_percent| {
        let (mut at, mut value) = (at, value);
        while !value.is_empty() {
            let (end, length) = step(bytes, at, value, through_percent)?;
            (at, value) = (end, &value[length..]);
        }
        Some(at)
    })
}

/// One character of the value: where it ends in `bytes`, and its length in the value.
fn step(bytes: &[u8], at: usize, value: &[u8], through_percent: bool) -> Option<(usize, usize)> {
    let next = |at: usize| read(bytes, at, through_percent);
    let (byte, after) = next(at)?;
    let by_escape = match byte {
        b'\\' => json(&next, after),
        b'&' => xml(&next, after),
        b'=' if !through_percent => quoted_printable(&next, after),
        _ => None,
    };
    if let Some((character, end)) = by_escape {
        let mut utf8 = [0; 4];
        let utf8 = character.encode_utf8(&mut utf8).as_bytes();
        if value.starts_with(utf8) {
            return Some((end, utf8.len()));
        }
    }
    if byte == value[0] {
        return Some((after, 1));
    }
    (byte == b'+' && value[0] == b' ').then_some((after, 1))
}

/// The byte here and where the next one is.
fn read(bytes: &[u8], at: usize, through_percent: bool) -> Option<(u8, usize)> {
    let byte = *bytes.get(at)?;
    if through_percent
        && byte == b'%'
        && let (Some(high), Some(low)) = (bytes.get(at + 1).and_then(nibble), bytes.get(at + 2).and_then(nibble))
    {
        return Some((high << 4 | low, at + 3));
    }
    Some((byte, at + 1))
}

type Next<'n> = &'n dyn Fn(usize) -> Option<(u8, usize)>;

/// What follows the backslash of JSON (RFC 8259 §7).
fn json(next: Next<'_>, at: usize) -> Option<(char, usize)> {
    let (byte, after) = next(at)?;
    let character = match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let (high, after) = digits(next, after, 4)?;
            if !(0xd800..0xdc00).contains(&high) {
                return Some((char::from_u32(high)?, after));
            }
            let (backslash, u) = next(after)?;
            let (letter, low) = next(u)?;
            let (low, end) = digits(next, low, 4)?;
            let is_pair = backslash == b'\\' && letter == b'u' && (0xdc00..0xe000).contains(&low);
            let code = 0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00);
            return Some((char::from_u32(code).filter(|_| is_pair)?, end));
        }
        _ => return None,
    };
    Some((character, after))
}

fn digits(next: Next<'_>, mut at: usize, count: usize) -> Option<(u32, usize)> {
    let mut code = 0;
    for _ in 0..count {
        let (digit, after) = next(at)?;
        code = code << 4 | u32::from(nibble(&digit)?);
        at = after;
    }
    Some((code, at))
}

/// Characters of the longest reference: `&#x10FFFF;` with some zeros before it.
const REFERENCE_BYTES_MAX: usize = 12;

/// What follows the ampersand of XML.
fn xml(next: Next<'_>, mut at: usize) -> Option<(char, usize)> {
    let mut name = String::new();
    loop {
        let (byte, after) = next(at)?;
        at = after;
        match byte {
            b';' => break,
            b'#' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' if name.len() < REFERENCE_BYTES_MAX => {
                name.push(byte.into())
            }
            _ => return None,
        }
    }
    let character = match name.as_str() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((character, at))
}

/// What follows the equals sign of a mail's quoted-printable (RFC 2045 §6.7), of ASCII.
fn quoted_printable(next: Next<'_>, at: usize) -> Option<(char, usize)> {
    let (code, end) = digits(next, at, 2)?;
    Some((char::from_u32(code).filter(char::is_ascii)?, end))
}

fn nibble(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
