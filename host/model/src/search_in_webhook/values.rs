//! The values in a body, whatever it is made of. What is made of nothing known is text.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::search_in_webhook::Content;

/// How deep a document may stand in a value of another one: an envelope of SNS in a form, and a payload in that.
const NESTED_MAX: u32 = 4;
/// Parts of a multipart. No mail or form has more.
const PARTS_MAX: usize = 1_000;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePath<'a> {
    /// It is a field's, of this name.
    Field(&'a str),
    /// It is a text with words of many.
    Text,
}

/// Hands over every value of a webhook.
pub fn each_value(content: Content<'_>, take: &mut impl FnMut(ValuePath<'_>, &str)) {
    if let Some((_, query)) = content.url.split_once('?') {
        of_form(query, take, 0);
    }
    of_body(content.content_type, content.body, take, 0);
}

fn of_body(content_type: &str, body: &[u8], take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    let text = String::from_utf8_lossy(body);
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.starts_with("multipart/")
        && let Some(boundary) = parameter(content_type, "boundary")
    {
        return of_multipart(&boundary, &text, take, depth);
    }
    if kind == "application/x-www-form-urlencoded" {
        return of_form(&text, take, depth);
    }
    of_text("", &text, take, depth);
}

/// A document, if it looks like one; else a text.
fn of_text(field: &str, text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    let begin = text.trim_start();
    if depth < NESTED_MAX {
        if begin.starts_with(['{', '['])
            && let Ok(value) = serde_json::from_str::<Value>(begin)
        {
            return of_json(field, &value, take, depth + 1);
        }
        if begin.starts_with('<') && begin.contains('>') {
            return of_xml(begin, take, depth + 1);
        }
    }
    take(ValuePath::Text, text);
}

fn of_json(field: &str, value: &Value, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    match value {
        Value::String(text) => of_field(field, text, take, depth),
        Value::Number(number) => take(ValuePath::Field(field), &number.to_string()),
        Value::Array(list) => list.iter().for_each(|value| of_json(field, value, take, depth)),
        Value::Object(fields) => {
            for (name, value) in fields {
                // An identifier may be the name of a field.
                take(ValuePath::Text, name);
                of_json(name, value, take, depth);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// A value, and what is in it if it is a document itself, or a text with more than one word.
fn of_field(field: &str, text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    take(ValuePath::Field(field), text);
    let is_plain = text.len() < 4 || !text.contains(|c: char| c.is_whitespace() || "{[<:,;/(\"'".contains(c));
    if !is_plain {
        of_text(field, text, take, depth);
    }
}

fn of_form(text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        of_field(&decoded(name), &decoded(value), take, depth);
        // A plus that was not encoded, as in a telephone number.
        if value.contains('+') {
            take(ValuePath::Field(&decoded(name)), &percent_decode_str(value).decode_utf8_lossy());
        }
    }
}

fn of_multipart(boundary: &str, text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    let line = format!("--{boundary}");
    for part in text.split(line.as_str()).skip(1).take(PARTS_MAX) {
        let part = part.trim_start_matches("\r\n").trim_start_matches('\n');
        let (head, body) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n")).unwrap_or(("", part));
        let body = body.trim_end_matches(['\r', '\n']);
        let header = |wanted: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
        };
        let kind = header("content-type").unwrap_or_default();
        let name = header("content-disposition").and_then(|value| parameter(value, "name"));
        match name {
            _ if depth >= NESTED_MAX => take(ValuePath::Text, body),
            Some(name) if kind.is_empty() || kind.starts_with("text/") => of_field(&name, body, take, depth + 1),
            _ => {
                take(ValuePath::Text, head);
                of_body(kind, body.as_bytes(), take, depth + 1);
            }
        }
    }
}

/// A parameter of a header's value.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut parameters = value.split(';').skip(1).filter_map(|one| one.split_once('='));
    let (_, found) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
    Some(found.trim().trim_matches('"').to_owned()).filter(|found| !found.is_empty())
}

/// Texts and attributes of XML, without regard to what belongs to what: nothing is resolved, and nothing can go deep.
fn of_xml(text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    let mut rest = text;
    let mut element = "";
    while let Some(open) = rest.find('<') {
        let value = unescaped(rest[..open].trim());
        if !value.is_empty() {
            of_field(element, &value, take, depth);
        }
        rest = &rest[open..];
        let (tag, after) = match rest {
            _ if rest.starts_with("<!--") => ("", rest.find("-->").map_or("", |end| &rest[end + 3..])),
            _ if rest.starts_with("<![CDATA[") => {
                let end = rest.find("]]>").unwrap_or(rest.len());
                of_field(element, rest[9..end.max(9)].trim(), take, depth);
                ("", rest.get(end + 3..).unwrap_or_default())
            }
            _ => match rest.find('>') {
                Some(end) => (&rest[1..end], &rest[end + 1..]),
                None => ("", ""),
            },
        };
        if !tag.is_empty() && !tag.starts_with(['/', '!', '?']) {
            let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
            element = name.rsplit(':').next().unwrap_or(name);
            of_attributes(&tag[name.len()..], take, depth);
        }
        rest = after;
    }
}

fn of_attributes(text: &str, take: &mut impl FnMut(ValuePath<'_>, &str), depth: u32) {
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { return };
        let Some(end) = after[1..].find(quote) else { return };
        of_field(name.trim(), &unescaped(&after[1..=end]), take, depth);
        rest = &after[end + 2..];
    }
}

/// The five entities of XML, and characters by their numbers.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        // No entity that is read here is longer.
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let known = end.and_then(|end| {
            let number = |text: &str| match text.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            };
            match &rest[1..end] {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                entity => entity.strip_prefix('#').and_then(number).and_then(char::from_u32),
            }
        });
        match (known, end) {
            (Some(c), Some(end)) => {
                plain.push(c);
                rest = &rest[end + 1..];
            }
            _ => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
