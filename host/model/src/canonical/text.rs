//! What a text says to whoever reads it: without characters that show nothing, with digits of any script as `0` to `9`.

/// Characters that show nothing: directional marks, zero widths, soft hyphens, joiners, variation selectors, tags.
///
/// Copying an address out of a chat, a page or a document brings them along. Source: Unicode 16, the property
/// `Default_Ignorable_Code_Point`, and the interlinear annotations beside it.
const INVISIBLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The zero of each script that writes decimal numbers; its other nine digits follow. Source: Unicode 16, the general
/// category `Nd`.
const ZEROS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0, 0xf20,
    0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0,
    0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Whether a character shows nothing.
pub fn is_invisible(character: char) -> bool {
    INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// Whether a character is white space. Control characters are none, but for those that end lines and align words: what
/// has one is not what it is without it.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() && (!character.is_control() || matches!(character, '\t' | '\n' | '\r'))
}

/// A text without white space and invisible characters at its ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|character: char| is_space(character) || is_invisible(character))
}

/// A text without the white space of ASCII at its ends: what a form or a file adds to an id.
pub fn trim_ascii(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Whether a part of a text is lost: U+FFFD stands in its place.
pub fn is_damaged(text: &str) -> bool {
    text.contains('\u{fffd}')
}

/// A text of a telephone number in ASCII as far as it goes: digits of any script, full-width forms, every kind of space
/// and hyphen; letters of ASCII in lower case.
pub fn plain(text: &str) -> String {
    let plain: String =
        text.chars().filter(|character| !is_invisible(*character)).map(ascii).map(|c| c.to_ascii_lowercase()).collect();
    trim(&plain).to_owned()
}

fn ascii(character: char) -> char {
    match character {
        _ if character.is_ascii() => character,
        // Hyphens, dashes and the minus sign.
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        // Full-width forms of U+0021 to U+007E.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        _ if is_space(character) => ' ',
        _ => digit(character).unwrap_or(character),
    }
}

/// A decimal digit of another script as one of ASCII.
fn digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_taken_out() {
        assert_eq!(plain("\u{202a}+1\u{a0}650\u{ad}555\u{200b}7006\u{202c}"), "+1 6505557006");
        assert_eq!(trim("\u{feff} a\u{200b}b \u{200e}"), "a\u{200b}b", "within, it stays");
    }

    #[test]
    fn control_characters_are_neither_space_nor_nothing() {
        for character in ('\0'..='\u{9f}').filter(|character| character.is_control()) {
            let is_space = matches!(character, '\t' | '\n' | '\r');
            assert_eq!(plain(&format!("+1{character}")) == "+1", is_space, "{character:?}");
            assert_eq!(trim(&format!("{character}a")) == "a", is_space, "{character:?}");
        }
    }

    #[test]
    fn digits_of_any_script_are_digits() {
        for text in ["+16505557006", "+16505557006", "+١٦٥٠٥٥٥٧٠٠٦", "+१६५०५५५७००६", "+𝟏𝟔𝟓𝟎𝟓𝟓𝟓𝟕𝟎𝟎𝟔", "+໑໖໕໐໕໕໕໗໐໐໖"]
        {
            assert_eq!(plain(text), "+16505557006", "{text}");
        }
        assert_eq!(plain("+49\u{2011}171\u{2013}1\u{2212}2"), "+49-171-1-2");
        // Not digits: circled, superscript, CJK.
        for text in ["①", "²", "五"] {
            assert_eq!(plain(text), text);
        }
    }
}
