//! URLs and forms as they are signed.

use std::borrow::Cow;

/// The URLs that a sender may have signed for this one, the likeliest first: at most six, without a fragment.
///
/// Senders disagree on the port (left out, or the scheme's own added) and on how a query is escaped.
pub(super) fn spellings(url: &str) -> Vec<String> {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |start| start + 3));
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = rest.split_at(rest.find('?').map_or(rest.len(), |start| start + 1));
    let is_port = |colon: &usize| authority[*colon + 1..].bytes().all(|byte| byte.is_ascii_digit());
    let colon = authority.rfind(':').filter(is_port);
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let other_port = match (port, scheme) {
        ("", "http://") => ":80",
        ("", _) => ":443",
        _ => "",
    };
    let mut queries = vec![Cow::Borrowed(query)];
    if !query.is_empty() {
        for other in [query.replace('\'', "%27"), reescaped(query)] {
            if !queries.iter().any(|known| *known == other) {
                queries.push(Cow::Owned(other));
            }
        }
    }
    let each = |query: &Cow<'_, str>| [port, other_port].map(|port| [scheme, host, port, path, query].concat());
    queries.iter().flat_map(each).collect()
}

/// A URL as it came, and with the percent escapes of these characters decoded, each once.
pub(super) fn unescaped<'u>(url: &'u str, characters: &str) -> Vec<Cow<'u, str>> {
    let mut unescaped = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(index) = rest.find('%') {
        let (before, escape) = rest.split_at(index);
        unescaped.push_str(before);
        match percent(escape.as_bytes()).map(char::from).filter(|character| characters.contains(*character)) {
            Some(character) => {
                unescaped.push(character);
                rest = &escape[3..];
            }
            None => {
                unescaped.push('%');
                rest = &escape[1..];
            }
        }
    }
    unescaped.push_str(rest);
    if unescaped == url { vec![url.into()] } else { vec![url.into(), unescaped.into()] }
}

/// Names and values of a form, decoded, sorted by bytes, each pair once, with nothing between; none with too many fields.
///
/// Everything is decoded into one buffer: a forgery of many small fields costs no allocation for each.
pub(super) fn signed_fields(form: &[u8], fields_max: usize) -> Option<Vec<u8>> {
    if form.iter().filter(|byte| **byte == b'&').count() >= fields_max {
        return None;
    }
    // Bytes that are no text are what a reader of text makes of them: who signs such a form signed that.
    let text = String::from_utf8_lossy(form);
    let form = text.as_bytes();
    let mut decoded = Vec::with_capacity(form.len());
    let mut ends: Vec<[usize; 3]> = Vec::with_capacity(fields_max.min(form.len() / 4));
    for field in form.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
        let start = decoded.len();
        let equals = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
        decode(&field[..equals], &mut decoded);
        let middle = decoded.len();
        decode(field.get(equals + 1..).unwrap_or_default(), &mut decoded);
        ends.push([start, middle, decoded.len()]);
    }
    let text = |from: usize, to: usize| String::from_utf8_lossy(&decoded[from..to]);
    let mut fields: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        ends.iter().map(|[start, middle, end]| (text(*start, *middle), text(*middle, *end))).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut signed = Vec::with_capacity(decoded.len());
    for (name, value) in fields {
        signed.extend_from_slice(name.as_bytes());
        signed.extend_from_slice(value.as_bytes());
    }
    Some(signed)
}

fn pair(field: &str) -> (String, String) {
    let (name, value) = field.split_once('=').unwrap_or((field, ""));
    (component(name), component(value))
}

fn component(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    decode(text.as_bytes(), &mut decoded);
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Decodes a component of a form: `+` is a space, a `%` that two hex digits do not follow stays as it is.
fn decode(component: &[u8], decoded: &mut Vec<u8>) {
    let mut rest = component;
    loop {
        let plain = rest.iter().position(|byte| matches!(byte, b'%' | b'+')).unwrap_or(rest.len());
        decoded.extend_from_slice(&rest[..plain]);
        rest = &rest[plain..];
        let (byte, step) = match (rest.first(), percent(rest)) {
            (None, _) => return,
            (Some(b'+'), _) => (b' ', 1),
            (_, Some(byte)) => (byte, 3),
            (Some(byte), None) => (*byte, 1),
        };
        decoded.push(byte);
        rest = &rest[step..];
    }
}

/// The byte of a `%XX` at the start.
fn percent(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// A query as the JavaScript function `encodeURIComponent` escapes it.
fn reescaped(query: &str) -> String {
    let fields = query.split('&').filter(|field| !field.is_empty()).map(pair);
    let fields = fields.map(|(name, value)| format!("{}={}", escaped(&name), escaped(&value)));
    fields.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => escaped.push(byte.into()),
            b'-' | b'_' | b'.' | b'~' | b'!' | b'\'' | b'(' | b')' | b'*' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
