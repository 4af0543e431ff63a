//! The character sets of mail: by their names, by what the bytes themselves say, and last by a guess.
//!
//! A name is the sender's word, and often wrong. So what is UTF-8 is read as UTF-8 whatever it is called (as Gmail and
//! Zammad do), and an escape sequence of ISO 2022 says more than a name that is missing. Names are those of the WHATWG
//! ("Encoding", section 4.2, through `encoding_rs`), and those of vendors that mail programs write besides.

mod tables;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_2022_JP, KOI8_R, KOI8_U, MACINTOSH, REPLACEMENT, SHIFT_JIS,
    UTF_8, UTF_16BE, UTF_16LE, WINDOWS_874, WINDOWS_1252,
};

/// Bytes that a guess looks at, from the first one that is not ASCII: a page of text is as good as a book.
const GUESS_BYTES_MAX: usize = 4 << 10;
/// Bytes of a short text that are no ASCII, from which on a guess at another alphabet is to be believed.
const LETTERS_MIN: usize = 6;
/// Characters of two bytes that may be UTF-8 by accident in a text of another multi-byte set. Four in a row are one in
/// three thousand.
const ACCIDENTS_MAX: usize = 3;

/// How bytes become text.
#[derive(Clone, Copy, PartialEq)]
enum Charset {
    /// Of the WHATWG.
    Known(&'static Encoding),
    /// ASCII below 0x80, and this above.
    Upper(&'static str),
    /// Two bytes of seven bits between SO and SI: ISO-2022-KR (RFC 1557), ISO-2022-CN (RFC 1922).
    Shifted(&'static Encoding),
    /// RFC 1843.
    Hz,
    /// RFC 2152.
    Utf7,
    /// Nothing: seven bits, or a name that means "I do not know".
    Unsaid,
}

use Charset::{Hz, Known, Shifted, Unsaid, Upper, Utf7};

/// Names that the WHATWG does not have, or gives away, without their hyphens and the like.
const NAMES: &[(&str, Charset)] = &[
    // Seven bits say nothing about the eighth; nor do the words of programs that do not know (RFC 1428, Lotus, Mutt).
    ("usascii", Unsaid),
    ("ascii", Unsaid),
    ("ansix341968", Unsaid),
    ("iso646us", Unsaid),
    ("csascii", Unsaid),
    ("unknown8bit", Unsaid),
    ("unknown", Unsaid),
    ("default", Unsaid),
    ("defaultcharset", Unsaid),
    ("none", Unsaid),
    ("8bit", Unsaid),
    ("7bit", Unsaid),
    ("binary", Unsaid),
    ("undefined", Unsaid),
    ("null", Unsaid),
    ("charset", Unsaid),
    // The WHATWG's, for binary data in pages: it has no letters.
    ("xuserdefined", Unsaid),
    // Unicode, by names of its own.
    ("utf8mb4", Known(UTF_8)),
    ("unicode11utf7", Utf7),
    ("csunicode11utf7", Utf7),
    ("utf7", Utf7),
    ("csutf7", Utf7),
    ("utf7imap", Utf7),
    ("unicode20utf7", Utf7),
    // Japanese: PHP's `mbstring`, Java, Windows, IBM, and the kin of ISO-2022-JP that `encoding_rs` reads as far as people
    // write it.
    ("sjiswin", Known(SHIFT_JIS)),
    ("sjismac", Known(SHIFT_JIS)),
    ("sjis2004", Known(SHIFT_JIS)),
    ("shiftjis2004", Known(SHIFT_JIS)),
    ("mskanji", Known(SHIFT_JIS)),
    ("windows31j", Known(SHIFT_JIS)),
    ("cswindows31j", Known(SHIFT_JIS)),
    ("sjisopen", Known(SHIFT_JIS)),
    ("eucjpwin", Known(EUC_JP)),
    ("eucjpms", Known(EUC_JP)),
    ("eucjp2004", Known(EUC_JP)),
    ("ujis", Known(EUC_JP)),
    ("iso2022jpms", Known(ISO_2022_JP)),
    ("iso2022jp1", Known(ISO_2022_JP)),
    ("iso2022jp2", Known(ISO_2022_JP)),
    ("iso2022jp3", Known(ISO_2022_JP)),
    ("iso2022jp2004", Known(ISO_2022_JP)),
    ("iso2022jpext", Known(ISO_2022_JP)),
    ("jis", Known(ISO_2022_JP)),
    ("jis7", Known(ISO_2022_JP)),
    // Korean.
    ("iso2022kr", Shifted(EUC_KR)),
    ("csiso2022kr", Shifted(EUC_KR)),
    ("uhc", Known(EUC_KR)),
    ("ksc56011987", Known(EUC_KR)),
    ("ksc56011992", Known(EUC_KR)),
    ("ksx1001", Known(EUC_KR)),
    ("euckrwin", Known(EUC_KR)),
    // Chinese.
    ("iso2022cn", Shifted(GBK)),
    ("iso2022cnext", Shifted(GBK)),
    ("hzgb2312", Hz),
    ("hz", Hz),
    ("hzgb", Hz),
    ("euccn", Known(GBK)),
    ("gb23121980", Known(GBK)),
    ("gb180302000", Known(GB18030)),
    ("gb180302005", Known(GB18030)),
    ("gb180302022", Known(GB18030)),
    ("big5eten", Known(BIG5)),
    ("big5hkscs2004", Known(BIG5)),
    ("big5hkscs2008", Known(BIG5)),
    ("big5uao", Known(BIG5)),
    // Apple.
    ("macroman", Known(MACINTOSH)),
    ("xmacroman", Known(MACINTOSH)),
    ("macosroman", Known(MACINTOSH)),
    ("maccentraleurope", Upper(tables::MAC_CENTRAL_EUROPE)),
    ("maccentraleurroman", Upper(tables::MAC_CENTRAL_EUROPE)),
    ("macce", Upper(tables::MAC_CENTRAL_EUROPE)),
    ("maclatin2", Upper(tables::MAC_CENTRAL_EUROPE)),
    ("macgreek", Upper(tables::MAC_GREEK)),
    ("macturkish", Upper(tables::MAC_TURKISH)),
    ("macicelandic", Upper(tables::MAC_ICELANDIC)),
    ("maccroatian", Upper(tables::MAC_CROATIAN)),
    ("macromanian", Upper(tables::MAC_ROMANIAN)),
    ("macjapanese", Known(SHIFT_JIS)),
    ("mackorean", Known(EUC_KR)),
    ("macchinesesimp", Known(GBK)),
    ("macchinesetrad", Known(BIG5)),
    // The rest.
    ("hproman8", Upper(tables::HP_ROMAN8)),
    ("roman8", Upper(tables::HP_ROMAN8)),
    ("csibm857", Upper(tables::CP857)),
    ("cspc8codepage437", Upper(tables::CP437)),
    ("cspcp852", Upper(tables::CP852)),
    ("koi8", Known(KOI8_R)),
    ("koi8ru", Known(KOI8_U)),
    ("ansi", Known(WINDOWS_1252)),
    ("western", Known(WINDOWS_1252)),
];

/// Code pages of IBM and Microsoft, which stand behind `cp`, `ibm`, `windows` and the like.
const CODE_PAGES: &[(u32, Charset)] = &[
    (367, Unsaid),
    (437, Upper(tables::CP437)),
    (737, Upper(tables::CP737)),
    (775, Upper(tables::CP775)),
    (819, Known(WINDOWS_1252)),
    (850, Upper(tables::CP850)),
    (852, Upper(tables::CP852)),
    (855, Upper(tables::CP855)),
    (857, Upper(tables::CP857)),
    (858, Upper(tables::CP858)),
    (860, Upper(tables::CP860)),
    (861, Upper(tables::CP861)),
    (862, Upper(tables::CP862)),
    (863, Upper(tables::CP863)),
    (865, Upper(tables::CP865)),
    (874, Known(WINDOWS_874)),
    (932, Known(SHIFT_JIS)),
    (936, Known(GBK)),
    (942, Known(SHIFT_JIS)),
    (943, Known(SHIFT_JIS)),
    (949, Known(EUC_KR)),
    (950, Known(BIG5)),
    (951, Known(BIG5)),
    (970, Known(EUC_KR)),
    (1200, Known(UTF_16LE)),
    (1201, Known(UTF_16BE)),
    (1381, Known(GBK)),
    (1386, Known(GBK)),
    (10000, Known(MACINTOSH)),
    (10006, Upper(tables::MAC_GREEK)),
    (10029, Upper(tables::MAC_CENTRAL_EUROPE)),
    (10079, Upper(tables::MAC_ICELANDIC)),
    (10081, Upper(tables::MAC_TURKISH)),
    (20127, Unsaid),
    (20866, Known(KOI8_R)),
    (20932, Known(EUC_JP)),
    (20936, Known(GBK)),
    (20949, Known(EUC_KR)),
    (21866, Known(KOI8_U)),
    (50220, Known(ISO_2022_JP)),
    (50221, Known(ISO_2022_JP)),
    (50222, Known(ISO_2022_JP)),
    (50225, Shifted(EUC_KR)),
    (50227, Shifted(GBK)),
    (51932, Known(EUC_JP)),
    (51936, Known(GBK)),
    (51949, Known(EUC_KR)),
    (52936, Hz),
    (54936, Known(GB18030)),
    (65000, Utf7),
    (65001, Known(UTF_8)),
];

/// Text of bytes, of which the sender said this character set, or none.
pub fn decoded(bytes: &[u8], declared: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[length..]).0.into_owned();
    }
    let charset = declared.and_then(named).unwrap_or(Unsaid);
    let is_wide = matches!(charset, Known(encoding) if encoding == UTF_16BE || encoding == UTF_16LE);
    if is_wide {
        // `utf-16` without a mark is big-endian (RFC 2781) for some and little-endian (WHATWG) for others: where the
        // zeros stand says it.
        let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
        let encoding = match zeros(0).cmp(&zeros(1)) {
            std::cmp::Ordering::Greater => Known(UTF_16BE),
            std::cmp::Ordering::Less => Known(UTF_16LE),
            std::cmp::Ordering::Equal => charset,
        };
        return encoding.text(bytes);
    }
    if bytes.is_ascii() {
        let says_escapes = charset == Known(ISO_2022_JP) || matches!(charset, Shifted(_) | Hz | Utf7);
        let charset = if says_escapes { charset } else { escaped(bytes).unwrap_or(charset) };
        return charset.text(bytes);
    }
    match charset {
        _ if charset.is_of_seven_bits() => undeclared(bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if !is_accident(text, charset, bytes) => text.to_owned(),
            _ => charset.text(bytes),
        },
    }
}

/// Whether this is the name of a character set.
pub fn is_known(name: &str) -> bool {
    named(name).is_some()
}

/// Bytes as windows-1252, of which no byte is without a meaning.
pub fn western(bytes: &[u8]) -> String {
    WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
}

/// Bytes of header fields and of names of files, which are short: a guess has to be sure, and windows-1252 stands for
/// all of the Latin alphabet.
pub fn of_header(bytes: &[u8], declared: Option<&str>) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let declared = declared.and_then(named).filter(|charset| !charset.is_of_seven_bits());
    match declared {
        Some(charset) => charset.text(bytes),
        None => {
            const OTHER_ALPHABETS: &[&str] = &[
                "Shift_JIS",
                "EUC-JP",
                "EUC-KR",
                "GBK",
                "Big5",
                "windows-1251",
                "KOI8-U",
                "windows-1253",
                "windows-1255",
            ];
            let letters = bytes.iter().filter(|byte| !byte.is_ascii()).count();
            let guessed = if letters < LETTERS_MIN { WINDOWS_1252 } else { guess(bytes) };
            let is_sure = OTHER_ALPHABETS.contains(&guessed.name());
            if is_sure { guessed.decode_without_bom_handling(bytes).0.into_owned() } else { western(bytes) }
        }
    }
}

/// The character set of this name.
fn named(name: &str) -> Option<Charset> {
    let name = name.split(['*', ';', ',']).next().unwrap_or_default();
    let name = name.trim_matches(|character: char| character.is_whitespace() || "\"'<>=".contains(character));
    let key: String = name.chars().filter(char::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect();
    let key = key.strip_prefix("charset").filter(|rest| !rest.is_empty()).unwrap_or(&key);
    let of_vendor = |key: &str| NAMES.iter().find(|(name, _)| *name == key).map(|(_, charset)| *charset);
    let of_whatwg = |name: &str| Encoding::for_label(name.as_bytes()).filter(|found| *found != REPLACEMENT).map(Known);
    of_vendor(key)
        .or_else(|| of_whatwg(name))
        .or_else(|| of_whatwg(key))
        .or_else(|| of_vendor(key.strip_prefix('x')?))
        .or_else(|| of_whatwg(&format!("iso-8859-{}", part_of_8859(key)?)))
        .or_else(|| code_page(key))
}

/// `15` of `iso885915`, `8859_15`, `latin9`.
fn part_of_8859(key: &str) -> Option<&str> {
    const LATIN: &[(&str, &str)] = &[
        ("1", "1"),
        ("2", "2"),
        ("3", "3"),
        ("4", "4"),
        ("5", "9"),
        ("6", "10"),
        ("7", "13"),
        ("8", "14"),
        ("9", "15"),
        ("10", "16"),
    ];
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(at) = key.find("8859") {
        let rest = &key[at + 4..];
        return Some(&rest[..digits(rest).min(2)]).filter(|part| !part.is_empty());
    }
    let number = key.strip_prefix("iso").unwrap_or(key).strip_prefix("latin")?;
    LATIN.iter().find(|(latin, _)| *latin == number).map(|(_, part)| *part)
}

/// `932` of `cp932`, `x-windows-949`, `ms936`, `ibm-850`, `cp00858`, `windows1252`.
fn code_page(key: &str) -> Option<Charset> {
    const NAMES: &[&str] =
        &["codepage", "windows", "win", "cp", "ms", "ibm", "oem", "dos", "cs", "x", "cswindows", "csibm"];
    let rest = key.strip_prefix('x').unwrap_or(key);
    let start = rest.find(|character: char| character.is_ascii_digit())?;
    if start > 0 && !NAMES.contains(&&rest[..start]) {
        return None;
    }
    let length = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
    let number: u32 = rest[start..start + length].parse().ok()?;
    let of_windows = || match number {
        866 | 1250..=1258 => {
            let label = if number == 866 { "ibm866".to_owned() } else { format!("windows-{number}") };
            Encoding::for_label(label.as_bytes())
        }
        28591..=28606 => Encoding::for_label(format!("iso-8859-{}", number - 28590).as_bytes()),
        _ => None,
    };
    let page = CODE_PAGES.iter().find(|(page, _)| *page == number).map(|(_, charset)| *charset);
    page.or_else(|| of_windows().map(Known))
}

/// What seven bits say of themselves by an escape sequence (ISO 2022).
fn escaped(bytes: &[u8]) -> Option<Charset> {
    let mut rest = bytes;
    while crate::scan::skip_until(&mut rest, 0x1b) {
        match rest {
            [b'$', b'B' | b'@' | b'(', ..] | [b'(', b'J' | b'I', ..] => return Some(Known(ISO_2022_JP)),
            [b'$', b')', b'C', ..] => return Some(Shifted(EUC_KR)),
            [b'$', b')', b'A' | b'G', ..] => return Some(Shifted(GBK)),
            _ => {}
        }
    }
    None
}

/// Eight bits of which nothing is known: UTF-8, also one with a few broken characters; else what it looks like most.
fn undeclared(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|character| !character.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    // One that is cut off at the end of the text, or one in many.
    let is_cut = bad == 1 && bytes.utf8_chunks().last().is_some_and(|last| !last.invalid().is_empty());
    if good > 4 * bad || (is_cut && good > 1) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    guess(bytes).decode_without_bom_handling(bytes).0.into_owned()
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let start = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len());
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    // Some of what stands before says whether a word is one in capitals.
    let start = start.saturating_sub(64);
    detector.feed(&bytes[start..bytes.len().min(start + GUESS_BYTES_MAX)], true);
    detector.guess(None, Utf8Detection::Deny)
}

/// Whether a text of this character set may only look like UTF-8.
fn is_accident(text: &str, charset: Charset, bytes: &[u8]) -> bool {
    let Known(encoding) = charset else { return false };
    if encoding.is_single_byte() && encoding != WINDOWS_874 {
        return false;
    }
    let others = text.chars().filter(|character| !character.is_ascii());
    let is_certain = others.clone().any(|character| character.len_utf8() > 2) || others.count() > ACCIDENTS_MAX;
    !is_certain && !encoding.decode_without_bom_handling(bytes).1
}

impl Charset {
    /// Whether eight bits that are no UTF-8 cannot be of this set.
    fn is_of_seven_bits(self) -> bool {
        matches!(self, Unsaid | Utf7) || self == Known(UTF_8) || self == Known(ISO_2022_JP)
    }

    fn text(self, bytes: &[u8]) -> String {
        match self {
            Known(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Upper(upper) => {
                let upper: Vec<char> = upper.chars().collect();
                let character = |byte: &u8| match byte.checked_sub(0x80) {
                    Some(at) => upper.get(usize::from(at)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
                    None => char::from(*byte),
                };
                bytes.iter().map(character).collect()
            }
            Shifted(encoding) => encoding.decode_without_bom_handling(&lifted(bytes)).0.into_owned(),
            Hz => GBK.decode_without_bom_handling(&of_hz(bytes)).0.into_owned(),
            Utf7 => of_utf7(bytes),
            Unsaid => undeclared(bytes),
        }
    }
}

/// The eighth bit back on what stands between SO and SI, and no designations (RFC 1557).
fn lifted(bytes: &[u8]) -> Vec<u8> {
    let mut lifted = Vec::with_capacity(bytes.len());
    let mut is_out = false;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            0x0e => is_out = true,
            0x0f => is_out = false,
            0x1b if after.starts_with(b"$)") || after.starts_with(b"$*") => rest = after.get(3..).unwrap_or_default(),
            0x21..=0x7e if is_out => lifted.push(byte | 0x80),
            _ => {
                is_out &= *byte != b'\n';
                lifted.push(*byte);
            }
        }
    }
    lifted
}

/// The eighth bit back on what stands between `~{` and `~}` (RFC 1843).
fn of_hz(bytes: &[u8]) -> Vec<u8> {
    let mut lifted = Vec::with_capacity(bytes.len());
    let mut is_out = false;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after.first()) {
            (b'~', Some(next @ (b'{' | b'}'))) => {
                is_out = *next == b'{';
                rest = &after[1..];
            }
            (b'~', Some(b'~')) if !is_out => {
                lifted.push(b'~');
                rest = &after[1..];
            }
            (b'~', Some(b'\n')) => rest = &after[1..],
            (0x21..=0x7e, _) if is_out => lifted.push(byte | 0x80),
            _ => {
                is_out &= *byte != b'\n';
                lifted.push(*byte);
            }
        }
    }
    lifted
}

/// UTF-16 in base64 between `+` and whatever is no digit of it (RFC 2152).
fn of_utf7(bytes: &[u8]) -> String {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' | b',' => Some(63),
        _ => None,
    };
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'+' {
            text.push(char::from(*byte));
            continue;
        }
        let length = after.iter().take_while(|byte| value(**byte).is_some()).count();
        let (mut bits, mut held) = (0_u32, 0_u32);
        let mut units = Vec::with_capacity(length * 3 / 8 + 1);
        for digit in after[..length].iter().filter_map(|byte| value(*byte)) {
            bits = (bits << 6 | u32::from(digit)) & 0x003f_ffff;
            held += 6;
            if held >= 16 {
                held -= 16;
                units.push((bits >> held & 0xffff) as u16);
            }
        }
        text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
        if length == 0 {
            text.push('+');
        }
        rest = &after[length..];
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
    }
    text
}

#[cfg(test)]
mod tests;
