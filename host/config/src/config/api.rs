//! `[api]`: the keys that open the API, and what each may do.

use rapport_model::Timestamp;
use rapport_model::event::Author;
use rapport_model::profile::parse_rfc3339;
use rapport_model::spelling::fix_for_unknown_word;
use toml::Value;

use super::{ConfigError, Keys, SecretRef, is_connection_name};
use crate::scope::{Scope, Scopes};

/// API keys. Each is compared with what a request brings, so that the time tells nothing of which one is near.
pub const API_KEYS_MAX: usize = 200;
/// The name of the key that `[api] keys = […]` means, the form before keys had names.
pub const UNNAMED: &str = "default";

const KEY_KEYS: &[&str] = &["secret", "may", "authors", "not-after"];
/// The authors of messages that a key can be.
const AUTHORS: [(&str, Author); 2] = [("agent", Author::Agent), ("automation", Author::Automation)];

/// One key of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyConfig {
    /// What the log, the audit and every decision call it.
    pub name: String,
    /// Several are a rotation: newest first, and all of them open.
    pub secrets: Vec<SecretRef>,
    pub may: Scopes,
    /// As whom it may send: `agent` is a human of the business, `automation` is a program.
    pub authors: Vec<Author>,
    /// When it stops to open anything.
    pub not_after: Option<Timestamp>,
}

impl ApiKeyConfig {
    /// Its place in the configuration, for messages.
    pub fn used_as(&self) -> String {
        format!("API key `{}`", self.name)
    }
}

/// Keys, and whether they are written as before keys had names.
pub(super) struct Api {
    pub keys: Vec<ApiKeyConfig>,
    pub is_unnamed: bool,
}

pub(super) fn api(table: Option<Keys>) -> Result<Api, ConfigError> {
    let Some(mut table) = table else { return Ok(Api { keys: Vec::new(), is_unnamed: false }) };
    table.only(&["keys"])?;
    let is_unnamed = matches!(table.rest.get("keys"), Some(Value::Array(_) | Value::String(_)));
    let keys = if is_unnamed { unnamed(table.secrets("keys")?) } else { named(table.table("keys")?)? };
    Ok(Api { is_unnamed: is_unnamed && !keys.is_empty(), keys })
}

/// One key that may do everything. The list is its rotation, so its name does not move when a version comes before it.
fn unnamed(secrets: Vec<SecretRef>) -> Vec<ApiKeyConfig> {
    let key = ApiKeyConfig {
        name: UNNAMED.to_owned(),
        secrets,
        may: Scopes::all(),
        authors: AUTHORS.map(|(_, author)| author).into(),
        not_after: None,
    };
    if key.secrets.is_empty() { Vec::new() } else { vec![key] }
}

fn named(table: Option<Keys>) -> Result<Vec<ApiKeyConfig>, ConfigError> {
    let Some(mut table) = table else { return Ok(Vec::new()) };
    if table.rest.len() > API_KEYS_MAX {
        return Err(ConfigError::TooManyKeys { found: table.rest.len() });
    }
    let names: Vec<String> = table.rest.keys().cloned().collect();
    names.into_iter().map(|name| key(&mut table, name)).collect()
}

fn key(table: &mut Keys, name: String) -> Result<ApiKeyConfig, ConfigError> {
    let path = table.path(&name);
    if !is_connection_name(&name) {
        let expected = "a name of letters, digits, `-` and `_`, at most 64 of them";
        return Err(ConfigError::Value { key: path, expected, found: "another".into() });
    }
    let mut keys = table.table(&name)?.expect("the name was taken from this table");
    keys.only(KEY_KEYS)?;
    let secrets = keys.secrets("secret")?;
    if secrets.is_empty() {
        let fix = "say where it is: `secret = \"env:NAME\"`, or a list, newest first, while it is rotated";
        return Err(ConfigError::Missing { key: keys.path("secret"), fix });
    }
    let may = scopes(&mut keys)?;
    let authors = authors(&mut keys, may)?;
    let not_after = instant(&mut keys, "not-after")?;
    Ok(ApiKeyConfig { name, secrets, may, authors, not_after })
}

fn scopes(keys: &mut Keys) -> Result<Scopes, ConfigError> {
    let path = keys.path("may");
    let fix = "say what it may do, such as `may = [\"read\"]`; there are `read`, `send`, `link`, `review`, `export`, \
               `erase` and `operate`";
    let words = keys.words("may")?.filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| ConfigError::Missing { key: path.clone(), fix })?;
    let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    let mut scopes = Scopes::none();
    for word in words {
        let scope = Scope::parse(&word).ok_or_else(|| ConfigError::UnknownWord {
            key: path.clone(),
            fix: fix_for_unknown_word(&word, &all),
            word,
        })?;
        scopes = scopes.and(scope);
    }
    Ok(scopes)
}

/// A key that may send says as whom: a program that could call itself an agent could talk over a person.
fn authors(keys: &mut Keys, may: Scopes) -> Result<Vec<Author>, ConfigError> {
    let path = keys.path("authors");
    let fix =
        "say as whom it sends: `authors = [\"automation\"]` for a program, `[\"agent\"]` for people's tools, or both";
    let words = keys.words("authors")?.unwrap_or_default();
    if words.is_empty() && may.has(Scope::Send) {
        return Err(ConfigError::Missing { key: path, fix });
    }
    let all = AUTHORS.map(|(word, _)| word);
    let author = |word: String| {
        let known = AUTHORS.iter().find(|(name, _)| *name == word).map(|(_, author)| *author);
        let unknown = || ConfigError::UnknownWord { key: path.clone(), fix: fix_for_unknown_word(&word, &all), word };
        known.ok_or_else(unknown)
    };
    words.into_iter().map(author).collect()
}

/// An instant as text of RFC 3339, or as TOML's own date and time with an offset.
fn instant(keys: &mut Keys, key: &str) -> Result<Option<Timestamp>, ConfigError> {
    let path = keys.path(key);
    let expected = "an instant of RFC 3339 with its offset, such as `2027-01-31T00:00:00Z`";
    let text = match keys.rest.remove(key) {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Datetime(instant)) => instant.to_string(),
        Some(other) => return Err(keys.wrong(key, expected, &other)),
    };
    let wrong = || ConfigError::Value { key: path, expected, found: format!("`{text}`") };
    parse_rfc3339(&text).map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn refusal(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    const SUPPORT: &str = r#"
[api.keys.support]
secret = ["env:NEW", "env:OLD"]
may = ["read", "link"]
not-after = "2027-01-31T00:00:00Z"
[api.keys.erase-bot]
secret = "env:ERASE"
may = ["erase"]
not-after = 2027-01-31T00:00:00Z
"#;

    #[test]
    fn named_keys_are_read_with_their_scopes_and_ends() {
        let keys = Config::parse(SUPPORT).unwrap().api_keys;
        let [erase, support] = &keys[..] else { panic!("{keys:?}") };
        assert_eq!((erase.name.as_str(), support.name.as_str()), ("erase-bot", "support"));
        assert_eq!(support.secrets, [SecretRef::Env("NEW".into()), SecretRef::Env("OLD".into())]);
        assert!(support.may.has(Scope::Read) && support.may.has(Scope::Link) && !support.may.has(Scope::Erase));
        assert_eq!((support.not_after, erase.not_after), (Some(1_801_353_600_000), Some(1_801_353_600_000)));
    }

    #[test]
    fn a_key_that_may_send_says_as_whom() {
        let text = "[api.keys.bot]\nsecret = 'env:A'\nmay = ['send']\nauthors = ['automation']";
        assert_eq!(Config::parse(text).unwrap().api_keys[0].authors, [Author::Automation]);
    }

    #[test]
    fn a_list_without_names_is_one_key_that_may_do_everything_and_keeps_its_name_in_a_rotation() {
        for text in ["[api]\nkeys = ['env:A']", "[api]\nkeys = ['env:NEW', 'env:A']", "[api]\nkeys = 'env:A'"] {
            let config = Config::parse(text).unwrap();
            assert_eq!((config.api_keys.len(), config.api_keys[0].name.as_str()), (1, "default"), "{text}");
            assert!(Scope::ALL.iter().all(|scope| config.api_keys[0].may.has(*scope)));
            assert!(config.warnings()[0].contains("fix: name it"), "{:?}", config.warnings());
        }
        assert_eq!(Config::parse(SUPPORT).unwrap().warnings(), Vec::<String>::new());
        assert_eq!(Config::parse("[api]\nkeys = []").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_with_a_key_is_named_with_the_fix() {
        let key = |lines: &str| refusal(&format!("[api.keys.a]\nsecret = 'env:A'\n{lines}"));
        assert_eq!(key("may = ['reed']"), "`api.keys.a.may`: unknown word `reed`; fix: write `read`");
        assert!(key("may = ['everything']").contains("write one of `read`, `send`, `link`"));
        assert!(key("").starts_with("`api.keys.a.may` is missing; fix: say what it may do"));
        assert!(key("may = []").starts_with("`api.keys.a.may` is missing"));
        assert_eq!(key("may = 'read'"), "`api.keys.a.may`: expected a list of texts, found string");
        assert!(key("may = ['read']\nnot-after = '2027'").contains("expected an instant of RFC 3339"));
        assert!(key("may = ['read']\nnot-after = 2027-01-31").contains("expected an instant of RFC 3339"));
        assert_eq!(key("may = ['read']\nnot_after = ''"), "unknown key `api.keys.a.not_after`; fix: write `not-after`");
        assert!(refusal("[api.keys.a]\nmay = ['read']").starts_with("`api.keys.a.secret` is missing; fix: say where"));
        assert!(refusal("[api.keys.'a b']\nmay = ['read']").contains("expected a name of letters"));
        let unsaid = key("may = ['send']");
        assert!(unsaid.starts_with("`api.keys.a.authors` is missing; fix: say as whom it sends"), "{unsaid}");
        assert_eq!(
            key("may = ['send']\nauthors = ['agents']"),
            "`api.keys.a.authors`: unknown word `agents`; fix: write `agent`"
        );
        let plain = refusal("[api.keys.a]\nsecret = 'hunter2'\nmay = ['read']");
        assert!(plain.contains("`env:NAME`") && !plain.contains("hunter2"), "{plain}");
    }
}
