//! A reader of as much XML as an outbound message is made of: elements, attributes, text, CDATA, comments, the five
//! named references and numbers. A document type, and with it every entity of somebody's own, is refused.
//!
//! Source: Extensible Markup Language 1.0, fifth edition. Names are checked by their ASCII part only.

use std::borrow::Cow;

/// Elements in elements: an outbound message has seven.
const DEPTH_MAX: usize = 32;
/// Elements of one message: 100 notifications of 500 fields each, Salesforce's maximum.
const ELEMENTS_MAX: usize = 60_000;
/// Attributes of one element.
const ATTRIBUTES_MAX: usize = 32;

/// What comes next in a document.
#[derive(Debug, PartialEq)]
pub enum Token<'a> {
    /// Names are without their prefix. An empty element is a start and an end.
    Start {
        name: &'a str,
        attributes: Vec<(&'a str, Cow<'a, str>)>,
    },
    End,
    Text(Cow<'a, str>),
}

/// Reads a document from its beginning.
pub struct Reader<'a> {
    rest: &'a str,
    open: Vec<&'a str>,
    elements: usize,
    /// The element just read ends at once.
    is_empty: bool,
    is_begun: bool,
}

/// Why a document is refused: a sentence that holds nothing of it.
pub type Refusal = &'static str;

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, open: Vec::new(), elements: 0, is_empty: false, is_begun: false }
    }

    /// The next token; none at the end of a complete document.
    pub fn next(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        loop {
            if self.is_empty {
                self.is_empty = false;
                self.open.pop();
                return Ok(Some(Token::End));
            }
            if let Some(rest) = self.rest.strip_prefix("<!--") {
                self.skip(rest, "-->")?;
            } else if let Some(rest) = self.rest.strip_prefix("<?") {
                self.skip(rest, "?>")?;
            } else if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                let text = self.skip(rest, "]]>")?;
                self.require_open()?;
                return Ok(Some(Token::Text(Cow::Borrowed(text))));
            } else if self.rest.starts_with("<!") {
                return Err("it has a document type");
            } else if let Some(rest) = self.rest.strip_prefix("</") {
                return self.end(rest).map(Some);
            } else if let Some(rest) = self.rest.strip_prefix('<') {
                return self.start(rest).map(Some);
            } else if let Some(text) = self.text()? {
                return Ok(Some(Token::Text(text)));
            } else if self.rest.is_empty() {
                return if self.open.is_empty() && self.is_begun { Ok(None) } else { Err("it ends too early") };
            }
        }
    }

    fn skip(&mut self, rest: &'a str, end: &str) -> Result<&'a str, Refusal> {
        let (inside, rest) = rest.split_once(end).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(inside)
    }

    /// Text up to the next mark; none where there is only white space outside of the document's element.
    fn text(&mut self) -> Result<Option<Cow<'a, str>>, Refusal> {
        let (text, rest) = self.rest.split_at(self.rest.find('<').unwrap_or(self.rest.len()));
        self.rest = rest;
        if text.is_empty()
            || (self.open.is_empty() && text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty())
        {
            return Ok(None);
        }
        self.require_open()?;
        resolved(text).map(Some)
    }

    fn require_open(&self) -> Result<(), Refusal> {
        if self.open.is_empty() { Err("it has text outside of its element") } else { Ok(()) }
    }

    fn start(&mut self, rest: &'a str) -> Result<Token<'a>, Refusal> {
        if self.open.is_empty() && self.is_begun {
            return Err("it has a second element at its top");
        }
        if self.open.len() == DEPTH_MAX || self.elements == ELEMENTS_MAX {
            return Err("it has more elements than a message has");
        }
        let (name, mut rest) = name(rest)?;
        let mut attributes = Vec::new();
        loop {
            let behind = rest.trim_start();
            if let Some(after) = behind.strip_prefix("/>") {
                (self.rest, self.is_empty) = (after, true);
                break;
            }
            if let Some(after) = behind.strip_prefix('>') {
                self.rest = after;
                break;
            }
            if behind.len() == rest.len() || attributes.len() == ATTRIBUTES_MAX {
                return Err("it has a start tag that does not end");
            }
            let attribute;
            (attribute, rest) = self::attribute(behind)?;
            attributes.push(attribute);
        }
        self.open.push(name);
        (self.elements, self.is_begun) = (self.elements + 1, true);
        Ok(Token::Start { name: local(name), attributes })
    }

    fn end(&mut self, rest: &'a str) -> Result<Token<'a>, Refusal> {
        let (name, rest) = name(rest)?;
        self.rest = rest.trim_start().strip_prefix('>').ok_or("it has an end tag that does not end")?;
        match self.open.pop() {
            Some(open) if open == name => Ok(Token::End),
            _ => Err("it has an end tag of another element"),
        }
    }
}

/// A name at the beginning of `text`, and what is behind it.
fn name(text: &str) -> Result<(&str, &str), Refusal> {
    let is_part = |character: char| {
        !character.is_ascii() || character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | ':')
    };
    let (name, rest) = text.split_at(text.find(|character| !is_part(character)).unwrap_or(text.len()));
    let begins = name.starts_with(|first: char| !first.is_ascii() || first.is_ascii_alphabetic() || first == '_');
    if begins { Ok((name, rest)) } else { Err("it has a tag without a name") }
}

fn attribute(text: &str) -> Result<((&str, Cow<'_, str>), &str), Refusal> {
    const REFUSAL: Refusal = "it has an attribute without a value";
    let (name, rest) = name(text)?;
    let rest = rest.trim_start().strip_prefix('=').ok_or(REFUSAL)?.trim_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or(REFUSAL)?;
    let (value, rest) = rest[1..].split_once(quote).ok_or(REFUSAL)?;
    if value.contains('<') {
        return Err(REFUSAL);
    }
    Ok(((local(name), resolved(value)?), rest))
}

/// A name without its prefix.
pub fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Text with its references as the characters that they stand for.
fn resolved(text: &str) -> Result<Cow<'_, str>, Refusal> {
    const REFUSAL: Refusal = "it has a reference to an entity that is none of the five";
    if !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once('&') {
        resolved.push_str(before);
        let (name, behind) = reference.split_once(';').ok_or(REFUSAL)?;
        resolved.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => numeric(name).ok_or(REFUSAL)?,
        });
        rest = behind;
    }
    resolved.push_str(rest);
    Ok(Cow::Owned(resolved))
}

/// `#10` and `#xA`; a character that XML does not allow is none.
fn numeric(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    let is_number = (1..=8).contains(&digits.len()) && digits.chars().all(|digit| digit.is_digit(radix));
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?)?;
    (character >= ' ' || matches!(character, '\t' | '\n' | '\r')).then_some(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Refusal> {
        let mut reader = Reader::new(text);
        let mut read = String::new();
        while let Some(token) = reader.next()? {
            match token {
                Token::Start { name, attributes } => {
                    read.push_str(&format!("({name}"));
                    attributes.iter().for_each(|(name, value)| read.push_str(&format!(" {name}={value}")));
                    read.push(':');
                }
                Token::End => read.push(')'),
                Token::Text(text) => read.push_str(&text),
            }
        }
        Ok(read)
    }

    #[test]
    fn what_a_message_is_made_of_is_read() {
        for (text, expected) in [
            ("<a/>", "(a:)"),
            ("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>b</a>\n", "(a:b)"),
            ("<s:a xmlns:s='u'><s:b c = \"d\" e='f\"'/>g</s:a >", "(a s=u:(b c=d e=f\":)g)"),
            ("<a>&lt;b&gt; &amp;amp; &quot;&apos; &#10;&#x1F44B;</a>", "(a:<b> &amp; \"' \n\u{1F44B})"),
            ("<a><!-- <b> --><![CDATA[<c>&amp;]]></a><!-- end -->", "(a:<c>&amp;)"),
            ("<é>ü</é>", "(é:ü)"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "<a b></a>",
            "<a b=c/>",
            "<a b='<'/>",
            "<a b='c'd='e'/>",
            "<1/>",
            "< a/>",
            "<a",
            "<a>&nbsp;</a>",
            "<a>&b</a>",
            "<a>&#0;</a>",
            "<a>&#xD800;</a>",
            "<a>&#99999999999;</a>",
            "<a>&#;</a>",
            "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
            "<!doctype a><a/>",
            "<a><!ELEMENT b></a>",
            "<a><![CDATA[b</a>",
            "<a><!-- b</a>",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"<a>".repeat(DEPTH_MAX + 1)).is_err());
        let many = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        assert_eq!(read(&many), Err("it has more elements than a message has"));
    }
}
