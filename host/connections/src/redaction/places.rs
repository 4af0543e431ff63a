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

/// What stands at a place: where in the bytes, and what it means.
struct Found {
    at: Range<usize>,
    value: Vec<u8>,
}

/// The values in a webhook's header fields and body. Those of its URL are found by their names alone.
pub(super) fn values(redact: &Redact, webhook: &RawWebhook) -> Vec<Vec<u8>> {
    let headers = webhook.headers.iter().filter(|(name, _)| redact.headers.contains(name));
    let headers = headers.map(|(_, value)| value.as_bytes().to_vec());
    headers.chain(found(redact, &webhook.body).into_iter().map(|found| found.value)).collect()
}

/// A body without them.
pub(super) fn without(redact: &Redact, body: Vec<u8>) -> Vec<u8> {
    let mut found = found(redact, &body);
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

fn found(redact: &Redact, body: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    if !redact.json.is_empty() {
        let text = std::str::from_utf8(body).ok().map(|text| text.trim_start_matches('\u{feff}'));
        let root = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        for pointer in &redact.json {
            match root {
                Some(root) => in_json(root, pointer, body, &mut found),
                None => in_broken_json(body, &unescaped(pointer.rsplit('/').next().unwrap_or_default()), &mut found),
            }
        }
    }
    redact.xml.iter().for_each(|name| in_xml(body, name.as_bytes(), &mut found));
    if !redact.form.is_empty() {
        in_form(body, &redact.form, &mut found);
        redact.form.iter().for_each(|name| in_multipart(body, name, &mut found));
    }
    found
}

/// All values that a JSON Pointer (RFC 6901) means: a name may come twice.
fn in_json(value: &RawValue, pointer: &str, body: &[u8], found: &mut Vec<Found>) {
    let Some(rest) = pointer.strip_prefix('/') else {
        // It is a slice of the body.
        let start = value.get().as_ptr() as usize - body.as_ptr() as usize;
        let at = start..start + value.get().len();
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) => found.push(Found { at: at.start + 1..at.end - 1, value: text.into_bytes() }),
            // A number becomes a number; an object or an array, all that is in it.
            Err(_) if value.get().starts_with(['{', '[']) => {
                let Ok(Members(members)) = serde_json::from_str(value.get()) else { return };
                members.into_iter().for_each(|(_, member)| in_json(member, "", body, found));
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
        in_json(member, rest, body, found);
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
    for at in all(body, name) {
        let is_whole =
            body.get(at + name.len()).is_some_and(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace());
        let before = &body[..at];
        let prefix =
            before.iter().rev().take_while(|byte| !matches!(byte, b'<' | b'/' | b'>') && !byte.is_ascii_whitespace());
        let opens = before.len().checked_sub(prefix.clone().count() + 1).is_some_and(|tag| body[tag] == b'<');
        let is_prefixed = matches!(before.last(), Some(b'<' | b':'));
        let Some(close) = body[at..].iter().position(|byte| *byte == b'>').filter(|_| is_whole && opens && is_prefixed)
        else {
            continue;
        };
        let start = at + close + 1;
        if body[at..start].ends_with(b"/>") {
            continue;
        }
        // CDATA is what it says, not another tag.
        let cdata: &[u8] = b"<![CDATA[";
        let (start, end_mark): (usize, &[u8]) =
            if body[start..].starts_with(cdata) { (start + cdata.len(), b"]]>") } else { (start, b"<") };
        let end = all(&body[start..], end_mark).next().map_or(body.len(), |end| start + end);
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

/// The fields of a form in parts (RFC 7578).
fn in_multipart(body: &[u8], name: &str, found: &mut Vec<Found>) {
    for quoted in [format!("name=\"{name}\""), format!("name={name}\r\n"), format!("name={name};")] {
        for at in all(body, quoted.as_bytes()) {
            // `filename="…"` is another parameter.
            if at > 0 && (body[at - 1].is_ascii_alphanumeric() || body[at - 1] == b'*') {
                continue;
            }
            let ends: [&[u8]; 2] = [b"\r\n\r\n", b"\n\n"];
            let head =
                ends.iter().filter_map(|end| all(&body[at..], end).next().map(|start| at + start + end.len())).min();
            let Some(start) = head else { continue };
            let ends: [&[u8]; 2] = [b"\r\n--", b"\n--"];
            let end = ends.iter().filter_map(|end| all(&body[start..], end).next()).min();
            let end = end.map_or(body.len(), |end| start + end);
            found.push(Found { at: start..end, value: body[start..end].to_vec() });
        }
    }
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
