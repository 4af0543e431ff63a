//! Who said or decided something through the API: the key that was used, and the person that its holder named.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who said or decided something. The key's name is the host's own knowledge; `by` is what the holder of the key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Author {
    /// The name of the API key; none: it was not the API, or it is older than named keys.
    pub key: Option<String>,
    /// Who it was, in the caller's words; none: nobody said.
    pub by: Option<String>,
}

impl Author {
    /// Whoever used a key, as the caller says.
    pub fn of_key(key: &str, by: Option<&str>) -> Self {
        Self { key: Some(key.to_owned()), by: by.map(str::to_owned) }
    }
}

impl From<&str> for Author {
    /// Somebody who used no key.
    fn from(by: &str) -> Self {
        Self { key: None, by: Some(by.to_owned()) }
    }
}

impl PartialEq<str> for Author {
    /// Whether it is somebody of this name who used no key.
    fn eq(&self, by: &str) -> bool {
        self.key.is_none() && self.by.as_deref() == Some(by)
    }
}

impl PartialEq<&str> for Author {
    fn eq(&self, by: &&str) -> bool {
        *self == **by
    }
}

impl fmt::Display for Author {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.by) {
            (Some(key), Some(by)) => write!(out, "{by} (API key `{key}`)"),
            (Some(key), None) => write!(out, "API key `{key}`"),
            (None, by) => out.write_str(by.as_deref().unwrap_or_default()),
        }
    }
}

/// As it is stored: a text where there is no key, which is what was stored before keys had names.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    By(String),
    Key {
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

impl From<Written> for Author {
    fn from(written: Written) -> Self {
        match written {
            Written::By(by) => Self { key: None, by: Some(by) },
            Written::Key { key, by } => Self { key: Some(key), by },
        }
    }
}

impl From<Author> for Written {
    fn from(Author { key, by }: Author) -> Self {
        match key {
            Some(key) => Self::Key { key, by },
            None => Self::By(by.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_keys_had_names_is_read() {
        let read = |text: &str| serde_json::from_str::<Author>(text).unwrap();
        assert_eq!(read("\"ada\""), "ada");
        for author in [Author::of_key("crm", None), Author::of_key("crm", Some("ada")), Author::from("ada")] {
            assert_eq!(read(&serde_json::to_string(&author).unwrap()), author);
        }
        assert!(Author::of_key("crm", Some("ada")) != "ada", "whoever uses a key is not who uses none");
    }
}
