//! A request of the past in a file, and what it has to become.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use super::connection::Connection;
use super::render::pretty;
use crate::Webhook;

/// One case: `fixtures/inbound/<name>.http` and the `<name>.events.json` beside it.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// `<case>`, or `<folder>/<case>` in a folder below `fixtures/inbound`.
    pub name: String,
    pub webhook: Webhook,
    /// The one of its folder, or else of all fixtures.
    pub connection: Connection,
    pub(super) expected: PathBuf,
}

impl Fixture {
    /// What stands in `<name>.events.json`, if it exists.
    pub fn expected(&self) -> Option<String> {
        fs::read_to_string(&self.expected).ok()
    }

    /// The `.http` file.
    pub fn path(&self) -> PathBuf {
        let name = self.expected.file_name().unwrap_or_default().to_string_lossy().replace(".events.json", ".http");
        self.expected.with_file_name(name)
    }

    /// What `rapport connector test` is given for the connector that this is a fixture of: its name in `plugins/`, or its
    /// folder.
    pub(super) fn connector(&self) -> String {
        let folder = self.expected.ancestors().find(|path| path.ends_with("fixtures")).and_then(Path::parent);
        let Some(folder) = folder else { return "<connector>".to_owned() };
        let is_plugin = folder.parent().is_some_and(|parent| parent.ends_with("plugins"));
        let name = folder.file_name().filter(|_| is_plugin).map(Path::new);
        name.unwrap_or(folder).display().to_string()
    }

    /// Writes `<name>.events.json`.
    pub(super) fn bless(&self, found: &str) {
        fs::write(&self.expected, found).unwrap_or_else(|error| panic!("{}: {error}", self.expected.display()));
    }

    /// A readable account of how `found` differs from what is expected; white space outside strings does not count.
    pub fn difference(&self, found: &str) -> Option<String> {
        let Some(expected) = self.expected() else {
            return Some(format!("{}: `{}` is missing; found:\n{found}", self.name, self.expected.display()));
        };
        let (expected, found) = (pretty(&expected), pretty(found));
        if expected == found {
            return None;
        }
        let lines = expected.lines().count().max(found.lines().count());
        let line_of = |text: &str, index: usize| text.lines().nth(index).unwrap_or("(nothing more)").to_owned();
        let first = (0..lines).find(|index| line_of(&expected, *index) != line_of(&found, *index)).unwrap_or(0);
        Some(format!(
            "{}: line {}\n  expected {}\n  found    {}",
            self.name,
            first + 1,
            line_of(&expected, first),
            line_of(&found, first)
        ))
    }
}

/// The inbound fixtures of the connector in `manifest_dir`, by name.
///
/// A folder of `fixtures/inbound` holds fixtures too; a `connection.json` in it stands in the place of
/// `fixtures/connection.json` for them.
///
/// # Panics
/// When there are none, or one that is no request.
pub fn inbound_fixtures(manifest_dir: &str) -> Vec<Fixture> {
    read_fixtures(manifest_dir).unwrap_or_else(|error| panic!("{error}"))
}

/// [`inbound_fixtures`], for a tool that says what is wrong with them.
///
/// # Errors
/// There are none, or one is no request; with the file's path.
pub fn read_fixtures(manifest_dir: &str) -> Result<Vec<Fixture>, String> {
    let mut fixtures = Vec::new();
    for folder in folders(manifest_dir)? {
        let cases = files(&folder, ".http")?;
        if !cases.is_empty() {
            let connection = Connection::of_file(&folder.connection)?;
            for (name, path) in &cases {
                fixtures.push(load(name, path, &connection)?);
            }
        }
    }
    if fixtures.is_empty() {
        return Err(format!("`{}`: no `.http` file; fix: record a request of each kind", top(manifest_dir).display()));
    }
    Ok(fixtures)
}

/// Reads one raw HTTP/1.1 request.
///
/// The body is everything after the blank line without one final newline, which editors add; with a `content-length`
/// it is exactly as long as that says. The URL is `https://`, the `host` field and the request target; of what AWS
/// delivered, the target is the ARN that it came through, and there is no `host` field.
///
/// # Errors
/// A sentence that says what is no request.
pub fn parse_request(bytes: &[u8]) -> Result<Webhook, String> {
    let (head, rest) = split_head(bytes)?;
    let mut lines = head.lines();
    let request_line = lines.next().unwrap_or_default();
    let mut words = request_line.split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("expected `METHOD /target HTTP/1.1`, found `{request_line}`"));
    };
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("expected `name: value`, found `{line}`"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let find = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let url = if target.starts_with("arn:") {
        target.to_owned()
    } else {
        format!("https://{}{target}", find("host").ok_or("expected a `host` header")?)
    };
    let body = body(rest, find("content-length"))?.to_vec();
    Ok(Webhook { method: method.to_owned(), url, headers, body })
}

/// Expectations that no request stands beside.
pub(super) fn orphans(manifest_dir: &str) -> Result<Vec<String>, String> {
    let mut orphans = Vec::new();
    for folder in folders(manifest_dir)? {
        let cases: BTreeSet<String> = files(&folder, ".http")?.into_iter().map(|(name, _)| name).collect();
        let expected = files(&folder, ".events.json")?.into_iter().map(|(name, _)| name);
        let alone = expected.filter(|name| !cases.contains(name));
        orphans
            .extend(alone.map(|name| {
                format!("{name}: `.events.json` without a `.http`; fix: record the request, or remove it")
            }));
    }
    Ok(orphans)
}

/// A folder with fixtures.
struct Folder {
    path: PathBuf,
    /// What the names of its cases begin with: nothing, or its own name and `/`.
    prefix: String,
    /// The `connection.json` that its cases are for.
    connection: PathBuf,
}

fn top(manifest_dir: &str) -> PathBuf {
    Path::new(manifest_dir).join("fixtures/inbound")
}

/// `fixtures/inbound` and the folders in it, by name.
fn folders(manifest_dir: &str) -> Result<Vec<Folder>, String> {
    let top = top(manifest_dir);
    let connection = Path::new(manifest_dir).join("fixtures/connection.json");
    let below: Vec<PathBuf> = entries(&top)?.into_iter().filter(|path| path.is_dir()).collect();
    let mut folders = vec![Folder { path: top, prefix: String::new(), connection: connection.clone() }];
    for path in below {
        let own = path.join("connection.json");
        let prefix = format!("{}/", path.file_name().unwrap_or_default().to_string_lossy());
        folders.push(Folder { prefix, connection: if own.is_file() { own } else { connection.clone() }, path });
    }
    Ok(folders)
}

/// The files of a folder that end in `suffix`, each with the name of its case.
fn files(folder: &Folder, suffix: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let named = entries(&folder.path)?.into_iter().filter_map(|path| {
        let case = path.file_name()?.to_str()?.strip_suffix(suffix)?;
        Some((format!("{}{case}", folder.prefix), path))
    });
    Ok(named.collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = entries.map_err(|error: std::io::Error| at(folder, error))?;
    paths.sort();
    Ok(paths)
}

fn load(name: &str, path: &Path, connection: &Connection) -> Result<Fixture, String> {
    let bytes = fs::read(path).map_err(|error| at(path, error))?;
    let webhook = parse_request(&bytes).map_err(|error| at(path, error))?;
    let expected = path.with_extension("events.json");
    Ok(Fixture { name: name.to_owned(), webhook, connection: connection.clone(), expected })
}

/// What is wrong, with the file that it is wrong with.
pub(super) fn at(path: &Path, error: impl Display) -> String {
    format!("`{}`: {error}", path.display())
}

fn split_head(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
    let position = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let (end, start) = match (position(b"\r\n\r\n"), position(b"\n\n")) {
        (Some(crlf), lf) if lf.is_none_or(|lf| crlf < lf) => (crlf, crlf + 4),
        (_, Some(lf)) => (lf, lf + 2),
        _ => {
            return Err(
                "expected an empty line between the header fields and the body, found none; fix: add it, also if \
                        there is no body"
                    .into(),
            );
        }
    };
    let head = str::from_utf8(&bytes[..end]).map_err(|error| format!("expected header fields in UTF-8: {error}"))?;
    Ok((head, &bytes[start..]))
}

fn body<'a>(rest: &'a [u8], content_length: Option<&str>) -> Result<&'a [u8], String> {
    match content_length {
        None => Ok(rest.strip_suffix(b"\r\n").or_else(|| rest.strip_suffix(b"\n")).unwrap_or(rest)),
        Some(length) => {
            let length: usize = length.parse().map_err(|_| format!("expected a content-length, found `{length}`"))?;
            rest.get(..length).ok_or_else(|| format!("expected {length} bytes of body, found {}", rest.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_came() {
        let webhook =
            parse_request(b"POST /hooks/a?b=%20 HTTP/1.1\nHost: a.test\nX-Sig:  1 \nX-Sig: 2\n\n{\n}\n").unwrap();
        assert_eq!((webhook.method.as_str(), webhook.url.as_str()), ("POST", "https://a.test/hooks/a?b=%20"));
        let headers = [("host", "a.test"), ("x-sig", "1"), ("x-sig", "2")];
        assert_eq!(webhook.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(webhook.body, b"{\n}");
    }

    #[test]
    fn a_content_length_decides_where_the_body_ends() {
        let read = |request: &[u8]| parse_request(request).map(|webhook| webhook.body);
        let head = "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n\r\n";
        assert_eq!(read(format!("{head}ab\n").as_bytes()), Ok(b"ab\n".to_vec()));
        assert_eq!(read(format!("{head}ab\n\n").as_bytes()), Ok(b"ab\n".to_vec()));
        assert_eq!(read(format!("{head}a").as_bytes()), Err("expected 3 bytes of body, found 1".into()));
        assert_eq!(read(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"), Ok(vec![]));
        assert_eq!(read(b"POST / HTTP/1.1\nhost: a.test\n\na\r\n\r\nb"), Ok(b"a\r\n\r\nb".to_vec()));
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_reason() {
        for broken in ["", "GET /\n\n", "GET / HTTP/1.1\nx\n\n", "GET / HTTP/1.1\nx: y\n\n", "GET / HTTP/1.1\nhost: a"]
        {
            assert!(parse_request(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_folder_of_fixtures_may_have_a_connection_of_its_own() {
        let top = std::env::temp_dir().join(format!("rapport-fixtures-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = top.join("fixtures").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let request = "GET / HTTP/1.1\nhost: a.test\n\n";
        for case in ["inbound/one.http", "inbound/own/two.http", "inbound/shared/three.http"] {
            write(case, request);
        }
        write("connection.json", r#"{"connection":"a","config":{},"secrets":{}}"#);
        let own = r#"{"connection":"b","config":{},"secrets":{},"now":5,"partly-signed":"why"}"#;
        write("inbound/own/connection.json", own);
        write("inbound/own/four.events.json", "{}");
        let fixtures = read_fixtures(top.to_str().unwrap());
        let orphans = orphans(top.to_str().unwrap());
        fs::remove_dir_all(&top).unwrap();

        let fixtures = fixtures.unwrap();
        let found: Vec<_> = fixtures
            .iter()
            .map(|fixture| (fixture.name.as_str(), fixture.connection.name(), fixture.connection.now()))
            .collect();
        let now = crate::testing::NOW_MS;
        assert_eq!(found, [("one", "a", now), ("own/two", "b", 5), ("shared/three", "a", now)]);
        assert_eq!(fixtures[1].connection.partly_signed(), Some("why"));
        assert_eq!(
            orphans.unwrap(),
            ["own/four: `.events.json` without a `.http`; fix: record the request, or remove it"]
        );
        assert!(read_fixtures("/nowhere").unwrap_err().starts_with("`/nowhere/fixtures/inbound`: "));
    }
}
