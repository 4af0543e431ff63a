//! Values by their place: where a manifest says that something stands which nobody may keep.
//!
//! Of a body of the expected form exactly the named place is meant. Of one that is cut off or broken it is whatever stands
//! behind the name: too much may go then, and never too little.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use rapport_sandbox::Redact;
use rapport_store::RawWebhook;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::zeros;

/// Levels below a place that is named, at which values are taken out one by one. What is deeper goes as a whole.
const LEVELS_MAX: u32 = 8;
/// Bytes between the name of a field and its text: its other parameters, its other header fields. More are no provider's.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Bytes of a namespace's prefix in XML.
const PREFIX_BYTES_MAX: usize = 256;

/// What stands at a place: where in the bytes, and what it means.
struct Found {
    at: Range<usize>,
    value: Vec<u8>,
}

/// The values in a webhook's header fields and body. Those of its URL are found by their names alone.
pub(super) fn values(redact: &Redact, webhook: &RawWebhook) -> Vec<Vec<u8>> {
    let headers = webhook.headers.iter().filter(|(name, _)| redact.headers.contains(name));
    let headers = headers.map(|(_, value)| value.as_bytes().to_vec());
    let form = Form::of(&webhook.headers);
    headers.chain(found(redact, &form, &webhook.body).into_iter().map(|found| found.value)).collect()
}

/// What kind of form a body is, as its `Content-Type` says: its connector reads it by that, too. What a customer wrote may
/// look like a field of a form, so nothing else is searched for fields.
enum Form {
    None,
    UrlEncoded,
    /// RFC 7578, with the line that parts begin with.
    Multipart(Vec<u8>),
}

impl Form {
    fn of(headers: &[(String, String)]) -> Self {
        let Some((_, value)) = headers.iter().find(|(name, _)| name == "content-type") else { return Self::None };
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        match kind.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Self::UrlEncoded,
            "multipart/form-data" => {
                let boundary = parameters.split(';').find_map(|parameter| {
                    let (name, value) = parameter.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
                });
                // Without one every line that begins with dashes may begin a part.
                Self::Multipart(format!("--{}", boundary.unwrap_or_default()).into_bytes())
            }
            _ => Self::None,
        }
    }
}

/// A body without them. The header fields are those that it came with.
pub(super) fn without(redact: &Redact, headers: &[(String, String)], body: Vec<u8>) -> Vec<u8> {
    let mut found = found(redact, &Form::of(headers), &body);
    if found.is_empty() {
        return body;
    }
    found.sort_by_key(|found| found.at.start);
    let (mut out, mut copied) = (Vec::with_capacity(body.len()), 0);
    for Found { at, value } in found.into_iter() {
        // Two ways may find the same place.
        if at.start < copied {
            continue;
        }
        out.extend_from_slice(&body[copied..at.start]);
        out.extend_from_slice(zeros(&value).as_bytes());
        copied = at.end;
    }
    out.extend_from_slice(&body[copied..]);
    out
}

fn found(redact: &Redact, form: &Form, body: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    if !redact.json.is_empty() && matches!(form, Form::None) {
        let text = std::str::from_utf8(body).ok().map(|text| text.trim_start_matches('\u{feff}'));
        let root = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        for pointer in &redact.json {
            match root {
                Some(root) => in_json(root, pointer, (body, LEVELS_MAX), &mut found),
                None => in_broken_json(body, &unescaped(pointer.rsplit('/').next().unwrap_or_default()), &mut found),
            }
        }
    }
    redact.xml.iter().for_each(|name| in_xml(body, name.as_bytes(), &mut found));
    match form {
        Form::UrlEncoded => in_form(body, &redact.form, &mut found),
        Form::Multipart(begin) => in_multipart(body, begin, &redact.form, &mut found),
        Form::None => {}
    }
    found
}

/// All values that a JSON Pointer (RFC 6901) means: a name may come twice.
fn in_json(value: &RawValue, pointer: &str, (body, levels): (&[u8], u32), found: &mut Vec<Found>) {
    let Some(rest) = pointer.strip_prefix('/') else {
        // It is a slice of the body.
        let start = value.get().as_ptr() as usize - body.as_ptr() as usize;
        let at = start..start + value.get().len();
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) => found.push(Found { at: at.start + 1..at.end - 1, value: text.into_bytes() }),
            // A number becomes a number; an object or an array, all that is in it, if somebody else made it so deep: a number.
            Err(_) if value.get().starts_with(['{', '[']) && levels == 0 => {
                found.push(Found { at, value: b"0".to_vec() });
            }
            Err(_) if value.get().starts_with(['{', '[']) => {
                let Ok(Members(members)) = serde_json::from_str(value.get()) else { return };
                members.into_iter().for_each(|(_, member)| in_json(member, "", (body, levels - 1), found));
            }
            Err(_) if value.get().bytes().all(|byte| byte.is_ascii_digit()) => {
                found.push(Found { at, value: b"0".to_vec() });
            }
            Err(_) => {}
        }
        return;
    };
    let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Ok(Members(members)) = serde_json::from_str(value.get()) else { return };
    for (_, member) in members.into_iter().filter(|(found, _)| *found == unescaped(name)) {
        in_json(member, rest, (body, levels), found);
    }
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// The members of an object, repeats kept, or the elements of an array by their numbers.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object or an array")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name.into(), value));
                }
                Ok(members)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(value) = elements.next_element::<&RawValue>()? {
                    members.push((members.len().to_string().into(), value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_any(All).map(Self)
    }
}

/// Of a body that is no JSON: the text behind each `"name":`, up to its quote, the line's end or the body's.
fn in_broken_json(body: &[u8], name: &str, found: &mut Vec<Found>) {
    let quoted = format!("\"{name}\"");
    for at in all(body, quoted.as_bytes()) {
        let mut rest = at + quoted.len();
        let skip = |rest: usize, wanted: &dyn Fn(u8) -> bool| {
            body[rest..].iter().position(|byte| !wanted(*byte)).map_or(body.len(), |count| rest + count)
        };
        rest = skip(rest, &|byte| byte.is_ascii_whitespace());
        if body.get(rest) != Some(&b':') {
            continue;
        }
        rest = skip(rest + 1, &|byte| byte.is_ascii_whitespace());
        if body.get(rest) != Some(&b'"') {
            continue;
        }
        let start = rest + 1;
        let mut end = start;
        while end < body.len() && !matches!(body[end], b'"' | b'\n' | b'\r') {
            end += if body[end] == b'\\' { 2 } else { 1 };
        }
        let at = start..end.min(body.len());
        let text = String::from_utf8_lossy(&body[at.clone()]);
        let value = serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_else(|_| text.into_owned());
        found.push(Found { at, value: value.into_bytes() });
    }
}

/// The text of every element of this name, up to the next tag or the body's end.
fn in_xml(body: &[u8], name: &[u8], found: &mut Vec<Found>) {
    // Whatever is inside of a value is no element: each byte is looked at once.
    let mut looked_at = 0;
    for at in all(body, name) {
        if at < looked_at {
            continue;
        }
        let is_whole =
            body.get(at + name.len()).is_some_and(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace());
        let before = &body[at.saturating_sub(PREFIX_BYTES_MAX)..at];
        let prefix =
            before.iter().rev().take_while(|byte| !matches!(byte, b'<' | b'/' | b'>') && !byte.is_ascii_whitespace());
        let is_prefixed = matches!(before.last(), Some(b'<' | b':'));
        if !is_whole || !is_prefixed {
            continue;
        }
        let opens = before.len().checked_sub(prefix.count() + 1).is_some_and(|tag| before[tag] == b'<');
        let tag = &body[at..body.len().min(at + HEAD_BYTES_MAX)];
        let Some(close) = tag.iter().position(|byte| *byte == b'>').filter(|_| opens) else { continue };
        let start = at + close + 1;
        if body[at..start].ends_with(b"/>") {
            continue;
        }
        // CDATA is what it says, not another tag.
        let cdata: &[u8] = b"<![CDATA[";
        let (start, end_mark): (usize, &[u8]) =
            if body[start..].starts_with(cdata) { (start + cdata.len(), b"]]>") } else { (start, b"<") };
        let end = all(&body[start..], end_mark).next().map_or(body.len(), |end| start + end);
        looked_at = end;
        let text = &body[start..end];
        let inner = text.trim_ascii();
        let offset = inner.as_ptr() as usize - body.as_ptr() as usize;
        found.push(Found { at: offset..offset + inner.len(), value: inner.to_vec() });
    }
}

/// The fields of a form of these names.
fn in_form(body: &[u8], names: &[String], found: &mut Vec<Found>) {
    let mut start = 0;
    for field in body.split(|byte| *byte == b'&') {
        let begins = start;
        start += field.len() + 1;
        let Some(equals) = field.iter().position(|byte| *byte == b'=') else { continue };
        let name = component(&field[..equals]);
        if names.iter().any(|named| named.as_bytes() == name) {
            // The last field may have a line's end behind it.
            let value = field[equals + 1..].trim_ascii_end();
            let at = begins + equals + 1..begins + equals + 1 + value.len();
            found.push(Found { at, value: component(value) });
        }
    }
}

/// The fields of a form in parts (RFC 7578). Only the head of a part says what it is: its text may be a mail.
fn in_multipart(body: &[u8], begin: &[u8], names: &[String], found: &mut Vec<Found>) {
    let at_line = |at: &usize| *at == 0 || body[*at - 1] == b'\n';
    let begins: Vec<usize> = all(body, begin).filter(at_line).collect();
    for (number, at) in begins.iter().enumerate() {
        let end = begins.get(number + 1).copied().unwrap_or(body.len());
        let part = &body[*at..end];
        let head = &part[..part.len().min(HEAD_BYTES_MAX)];
        let ends: [&[u8]; 2] = [b"\r\n\r\n", b"\n\n"];
        let text = ends.iter().filter_map(|end| all(head, end).next().map(|at| at + end.len())).min();
        let Some(start) = text.filter(|start| is_field(&head[..*start], names)) else { continue };
        let text = &part[start..];
        // The line's end before the next part is not the field's.
        let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
        let text = if number + 1 < begins.len() { text } else { &part[start..] };
        found.push(Found { at: at + start..at + start + text.len(), value: text.to_vec() });
    }
}

/// Whether the head of a part names one of these fields.
fn is_field(head: &[u8], names: &[String]) -> bool {
    let text = String::from_utf8_lossy(head);
    let parameters = text.split([';', '\n', '\r']).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("name"));
    named.any(|(_, value)| names.iter().any(|name| value.trim().trim_matches('"') == name))
}

/// Where `wanted` begins.
fn all<'b>(bytes: &'b [u8], wanted: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let first = wanted.first().copied();
    bytes
        .iter()
        .enumerate()
        .filter(move |(at, byte)| Some(**byte) == first && bytes[*at..].starts_with(wanted))
        .map(|(at, _)| at)
}

/// A component of a form or a query as it is meant.
pub(super) fn component(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let escape = digit(at + 1).zip(digit(at + 2)).filter(|_| text[at] == b'%');
        let (byte, step) = match (text[at], escape.and_then(|(high, low)| u8::try_from(high << 4 | low).ok())) {
            (_, Some(byte)) => (byte, 3),
            (b'+', None) => (b' ', 1),
            (byte, None) => (byte, 1),
        };
        out.push(byte);
        at += step;
    }
    out
}
