//! What an attacker writes: documents with other people in them, many of them, and values that no provider would send.

use std::collections::BTreeSet;

use rapport_sdk::encoding::percent;
use serde_json::{Map, Value, json};

use super::{Random, STRANGERS, STRANGERS_MAIL};
use crate::support::NOW;

/// Bytes of a long text. Of random letters, so that it is long in the table as well.
const LONG_BYTES: usize = 100_000;
/// Depths of nesting around the limits of parsers: 128 is `serde_json`'s.
const DEPTHS: [usize; 5] = [40, 100, 126, 300, 3_000];
/// Copies of an array's first element, where somebody has many names.
const MANY: usize = 120;

/// The five digits that stand at the end of each number of the `p`th hostile person.
pub fn code(person: u64) -> String {
    format!("{:05}", 70_000 + person)
}

/// A body as JSON, if it is an object or an array.
pub fn document(body: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(body).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

/// Every text and number of a document.
pub fn texts(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        Value::Array(elements) => elements.iter().for_each(|value| texts(value, found)),
        Value::String(text) => drop(found.insert(text.clone())),
        Value::Number(number) => drop(found.insert(number.to_string())),
        _ => {}
    }
}

/// JSON pointers of the arrays of objects.
pub fn arrays(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| arrays(value, below(&at, name), found)),
        Value::Array(elements) => {
            if elements.first().is_some_and(Value::is_object) {
                found.push(at.clone());
            }
            let inside = elements.iter().enumerate();
            inside.for_each(|(index, value)| arrays(value, below(&at, &index.to_string()), found));
        }
        _ => {}
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Makes an array `count` elements long: each is another person's (first) and another event (second number).
pub fn multiply(
    document: &mut Value,
    pointer: &str,
    count: usize,
    kept: &BTreeSet<String>,
    next: &mut dyn FnMut(usize) -> (u64, u64),
) {
    let Some(Value::Array(elements)) = document.pointer_mut(pointer) else { return };
    let old = elements.clone();
    *elements = (0..count).map(|n| old[n % old.len()].clone()).collect();
    for (n, element) in elements.iter_mut().enumerate() {
        let (person, serial) = next(n);
        become_another(element, "", person, serial, kept);
    }
}

/// Names whose values are the accounts of the business, and nobody's.
const OURS: &[&str] = &[
    "account", "organi", "portal", "appid", "app_id", "instance", "brand", "group", "form_id", "schema", "arn",
    "owner", "token", "secret", "type", "version", "waba",
];
/// Names whose values say which event it is.
const EVENTS: &[&str] =
    &["mid", "message", "event", "update", "uuid", "replay", "notif", "sg_", "contactid", "sid", "ticket", "comment"];

/// Puts another person into a document: numbers and addresses with a code of their own, events with a number of their own.
pub fn become_another(value: &mut Value, key: &str, person: u64, serial: u64, kept: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                // `{"sender": {"id": …}}`: the outer name says whose id it is.
                let name = if matches!(name.as_str(), "id" | "value") && !key.is_empty() { key } else { name };
                become_another(value, name, person, serial, kept);
            }
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(|value| become_another(value, key, person, serial, kept));
        }
        Value::Number(number) if !kept.contains(&number.to_string()) => {
            if let Some(other) = number.as_u64().and_then(|number| another_number(number, key, person, serial)) {
                *value = json!(other);
            }
        }
        Value::String(text) if !kept.contains(text.as_str()) => *text = another_text(text, key, person, serial),
        _ => {}
    }
}

fn is_any(key: &str, of: &[&str]) -> bool {
    let key = key.to_ascii_lowercase();
    of.iter().any(|word| key.contains(word))
}

fn is_instant(number: u64) -> bool {
    (1_500_000_000..2_000_000_000).contains(&number) || (1_500_000_000_000..2_000_000_000_000).contains(&number)
}

fn another_number(number: u64, key: &str, person: u64, serial: u64) -> Option<u64> {
    if is_any(key, OURS) || is_any(key, &["time", "date", "occurred", "timestamp"]) {
        return None;
    }
    if is_instant(number) {
        return (!is_any(key, &["id"])).then_some(number.saturating_sub(serial % 1_000));
    }
    if is_any(key, EVENTS) {
        return (number >= 100).then_some(number / 1_000_000 * 1_000_000 + 100_000 + serial % 800_000);
    }
    (number >= 100_000).then(|| number / 100_000 * 100_000 + 70_000 + person)
}

/// The same for a text: of a body, or of a field of a form.
pub fn another_text(text: &str, key: &str, person: u64, serial: u64) -> String {
    if is_any(key, OURS) {
        return text.to_owned();
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.contains('@') {
        return other_mailboxes(text, person, if is_any(key, EVENTS) { serial } else { 0 });
    }
    if is_number && is_instant(digits.parse().unwrap_or_default()) && !is_any(key, &["id"]) {
        return text.to_owned();
    }
    if (is_any(key, EVENTS) || is_any(key, &["id"]))
        && is_word
        && (!is_number || is_any(key, EVENTS))
        && text.is_ascii()
    {
        return format!("{}{:06}", &text[..text.len() - 6], 100_000 + serial % 800_000);
    }
    if is_number { format!("{}{}", &text[..text.len() - 5], code(person)) } else { text.to_owned() }
}

/// Every mailbox of a text with the person's code in front of its local part.
pub fn other_mailboxes(text: &str, person: u64, serial: u64) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let is_local = |one: char| one.is_ascii_alphanumeric() || ".+-_=".contains(one);
        let start = rest[..at]
            .rfind(|one: char| !is_local(one))
            .map_or(0, |before| before + rest[before..].chars().next().map_or(1, char::len_utf8));
        out.push_str(&rest[..start]);
        if start < at {
            out.push_str(&format!("h{}x{serial}.", code(person)));
        }
        out.push_str(&rest[start..=at]);
        rest = &rest[at + 1..];
    }
    out + rest
}

/// A place in a document: the last name on the way, and the pointer.
fn places(value: &Value, key: &str, at: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| places(value, name, below(&at, name), found)),
        Value::Array(elements) => {
            let inside = elements.iter().enumerate();
            inside.for_each(|(index, value)| places(value, key, below(&at, &index.to_string()), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push((key.to_owned(), at));
    }
}

/// Changes one value of a document into one that no provider would send. What JSON's `Value` cannot have is written as a
/// mark, see [`written`].
pub fn strike(document: &mut Value, kept: &BTreeSet<String>, random: &mut Random) {
    let mut all = Vec::new();
    places(document, "", String::new(), &mut all);
    for _ in 0..8 {
        // A document may have no value that can be changed: `{}`.
        let Some((key, pointer)) = all.get(random.below(all.len() as u64) as usize) else { return };
        let place = document.pointer_mut(pointer).unwrap();
        let is_kept = match &*place {
            Value::String(text) => kept.contains(text),
            Value::Number(number) => kept.contains(&number.to_string()),
            _ => false,
        };
        if is_kept {
            continue;
        }
        let poison = poison(place, key, random);
        *place = poison;
        return;
    }
}

/// Names of fields in which anybody may write anything.
const FREE: &[&str] = &["name", "text", "body", "subject", "title", "caption", "descr", "comment", "reason", "note"];

fn poison(old: &Value, key: &str, random: &mut Random) -> Value {
    let number = old.as_u64();
    if number.is_some_and(is_instant) || is_any(key, &["time", "date", "_at", "occurred"]) {
        let times = [
            json!(0),
            json!(1),
            json!(-1),
            json!(631_151_999_000_u64),
            json!(NOW + 3_600_000),
            json!(NOW * 2),
            json!(u64::MAX),
            json!(9_999_999_999_999_u64),
            json!(253_402_300_800_u64),
            json!("9999-12-31T23:59:59Z"),
            json!("0001-01-01T00:00:00Z"),
            json!("2026-09-29T07:20:05+99:99"),
            json!("@@NUMBER@@"),
            json!(1.5e300),
        ];
        return times[random.below(times.len() as u64) as usize].clone();
    }
    if let Value::Array(elements) = old
        && !elements.is_empty()
        && random.below(3) == 0
    {
        let many = (0..MANY).map(|n| {
            let mut element = elements[n % elements.len()].clone();
            become_another(&mut element, key, 900 + n as u64, 800_000 + n as u64, &BTreeSet::new());
            element
        });
        return Value::Array(many.collect());
    }
    if is_any(key, FREE) && random.below(2) == 0 {
        let stranger = STRANGERS[random.below(STRANGERS.len() as u64) as usize];
        let names = [stranger.to_owned(), format!("+{stranger}"), STRANGERS_MAIL.to_owned()];
        return json!(names[random.below(3) as usize]);
    }
    let look_alike = || json!(look_alikes()[0]);
    match random.below(16) {
        0 => json!(format!("@@DEEP{}@@", random.below(DEPTHS.len() as u64))),
        1 if random.below(4) == 0 => json!(random.letters(LONG_BYTES)),
        2 => json!("\u{1}\u{7}\u{1b}[31m\u{8}\r\n"),
        3 => json!("a\u{0}b"),
        4 => json!("\u{202e}evil\u{2066}\u{200b}\u{feff}\u{ffff}"),
        5 => json!("@@NUMBER@@"),
        6 => json!("@@SURROGATE@@"),
        7 => Value::Null,
        8 => json!([]),
        9 => json!({"": {"": [{"": null}]}}),
        10 => json!(-1),
        11 => json!(18_446_744_073_709_551_615_u64),
        12 => json!(true),
        13 => Value::Object((0..MANY).map(|n| (random.letters(5) + &n.to_string(), json!(n))).collect::<Map<_, _>>()),
        _ if old.is_string() => {
            let all = look_alikes();
            json!(all[random.below(all.len() as u64) as usize])
        }
        _ => look_alike(),
    }
}

/// What looks like a stranger's address, and is another one, or none.
pub fn look_alikes() -> Vec<String> {
    let number = STRANGERS[0];
    let (local, domain) = STRANGERS_MAIL.split_once('@').unwrap();
    vec![
        STRANGERS_MAIL.replace('a', "\u{430}"),
        format!("{STRANGERS_MAIL}.evil.example"),
        format!("\"{STRANGERS_MAIL}\" <mallory@evil.example>"),
        format!("{STRANGERS_MAIL}@evil.example"),
        format!("{local}%{domain}@evil.example"),
        format!("{local}!x@{domain}"),
        format!("+{number};ext=7"),
        format!("+{number} ext 12"),
        format!("+1{number}"),
        format!("+{number}0"),
        format!("tel:+{number}0;phone-context=evil.example"),
        format!("{number}@evil.example"),
    ]
}

/// A document as bytes, with what JSON's `Value` cannot have in the place of its marks.
pub fn written(document: &Value) -> Vec<u8> {
    let mut text = document.to_string();
    for (number, depth) in DEPTHS.iter().enumerate() {
        let (open, close) = match number % 2 {
            0 => ("[".repeat(*depth), "]".repeat(*depth)),
            _ => ("{\"a\":".repeat(*depth) + "1", "}".repeat(*depth)),
        };
        text = text.replace(&format!("\"@@DEEP{number}@@\""), &(open + &close));
    }
    text.replace("\"@@NUMBER@@\"", "1e400").replace("@@SURROGATE@@", "a\\ud800b").into_bytes()
}

/// A body that is no JSON with another person in it, and with a word changed into something that no provider would send.
pub fn struck_text(
    body: &[u8],
    content_type: &str,
    ids: (u64, u64),
    kept: &BTreeSet<String>,
    random: &mut Random,
) -> Vec<u8> {
    let Ok(text) = str::from_utf8(body) else { return body.to_vec() };
    let long = random.letters(LONG_BYTES / 4);
    let stranger = STRANGERS[0];
    let words = [
        "\u{1}\u{7}\u{1b}",
        "a\u{0}b",
        "\u{202e}evil\u{2066}",
        "1e400",
        "9999-12-31T23:59:59Z",
        "-1",
        "",
        &long,
        STRANGERS_MAIL,
        stranger,
        &look_alikes()[random.below(12) as usize],
    ];
    let word = words[random.below(words.len() as u64) as usize];
    if content_type.contains("urlencoded") {
        let mut fields: Vec<(String, String)> = text
            .split('&')
            .filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((name.to_owned(), percent::decode(&value.replace('+', " "))))
            })
            .collect();
        for (name, value) in &mut fields {
            if !kept.contains(value) && !matches!(name.as_str(), "signature" | "timestamp" | "To") {
                *value = another_text(value, name, ids.0, ids.1);
            }
        }
        // Whom a network names is the network's word: somebody's own number there would be no attack of an outsider.
        let free: Vec<usize> = (0..fields.len())
            .filter(|n| {
                let (name, value) = &fields[*n];
                !kept.contains(value)
                    && (is_any(name, FREE)
                        || !is_any(
                            name,
                            &[
                                "from",
                                "sender",
                                "author",
                                "recipient",
                                "reply",
                                "to",
                                "cc",
                                "signature",
                                "timestamp",
                                "token",
                            ],
                        ))
            })
            .collect();
        if random.below(3) > 0 && !free.is_empty() {
            fields[free[random.below(free.len() as u64) as usize]].1 = word.to_owned();
        }
        let pair = |(name, value): &(String, String)| format!("{name}={}", percent::encode(value));
        return fields.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes();
    }
    let mut text = other_mailboxes(text, ids.0, 0);
    // In a mail and in SOAP: a line, or a word, of which most are content.
    if random.below(3) > 0 {
        let words: Vec<(usize, usize)> = words_of(&text);
        // A network's word for a stranger is no attack of an outsider, and where it would stand is not known here.
        if !words.is_empty() && !word.contains('@') && !word.contains(stranger) {
            let (start, end) = words[random.below(words.len() as u64) as usize];
            text.replace_range(start..end, word);
        }
    }
    text.into_bytes()
}

fn words_of(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, one) in text.char_indices() {
        match (one.is_ascii_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                if at - from >= 4 {
                    found.push((from, at));
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}
