//! As much of YAML as the schemas of Meta's document use: blocks of keys and lists, and scalars, all of which are read as text.

use serde_json::{Map, Value};

/// What stands below a line, which is given with its indent.
pub fn at(document: &str, key: &str) -> Option<Value> {
    let indent = indent_of(key);
    let mut lines = document.lines().skip_while(|line| *line != key).skip(1).peekable();
    lines.peek()?;
    // A list stands as deep as its key.
    let is_inside =
        |line: &&str| indent_of(line) > indent || (indent_of(line) == indent && line.trim_start().starts_with("- "));
    let block: Vec<&str> = lines.take_while(is_inside).collect();
    Some(Reader { lines: &block, at: 0 }.block(indent_of(block.first()?)))
}

struct Reader<'l> {
    lines: &'l [&'l str],
    at: usize,
}

impl<'l> Reader<'l> {
    fn peek(&self) -> Option<(usize, &'l str)> {
        self.lines.get(self.at).map(|line| (indent_of(line), line.trim_start()))
    }

    fn block(&mut self, indent: usize) -> Value {
        match self.peek() {
            Some((_, line)) if line.starts_with("- ") => self.list(indent),
            _ => Value::Object(self.keys(indent, None)),
        }
    }

    fn list(&mut self, indent: usize) -> Value {
        let mut elements = Vec::new();
        while let Some((found, line)) = self.peek() {
            let Some(rest) = line.strip_prefix("- ").filter(|_| found == indent) else { break };
            self.at += 1;
            elements.push(match split(rest) {
                Some(_) => Value::Object(self.keys(indent + 2, Some(rest))),
                None => self.scalar(rest, indent),
            });
        }
        Value::Array(elements)
    }

    /// Keys at an indent; the first one may stand behind the dash of a list.
    fn keys(&mut self, indent: usize, mut first: Option<&'l str>) -> Map<String, Value> {
        let mut keys = Map::new();
        loop {
            let line = match (first.take(), self.peek()) {
                (Some(line), _) => line,
                (None, Some((found, line))) if found == indent && split(line).is_some() && !line.starts_with("- ") => {
                    self.at += 1;
                    line
                }
                _ => return keys,
            };
            let Some((key, rest)) = split(line) else { return keys };
            let value = match (rest, self.peek()) {
                ("", Some((found, next))) if found > indent || (found == indent && next.starts_with("- ")) => {
                    self.block(found)
                }
                (rest, _) => self.scalar(rest, indent),
            };
            keys.insert(key.trim_matches(['\'', '"']).to_owned(), value);
        }
    }

    /// A scalar without its quotes, and without the lines that it goes on in.
    fn scalar(&mut self, text: &str, indent: usize) -> Value {
        while self.peek().is_some_and(|(found, _)| found > indent) {
            self.at += 1;
        }
        text.trim_matches(['\'', '"']).into()
    }
}

fn split(line: &str) -> Option<(&str, &str)> {
    if line.starts_with(['\'', '"']) && !line.contains("':") && !line.contains("\":") {
        return None;
    }
    line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
