//! What a key of the API may do.

use std::fmt;

/// One kind of thing that a key may do. Every route of the API says which one it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look people up: profiles, timelines, links and why they are there.
    Read,
    /// Send messages, and say who answers a conversation.
    Send,
    /// Link identifiers, and undo links.
    Link,
    /// Look through what waits for a person, and decide it.
    Review,
    /// Be given everything that is known of a person.
    Export,
    /// Make a person forgotten.
    Erase,
    /// Look after the service: other rules, the audit, the keys themselves.
    Operate,
}

impl Scope {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Send, Self::Link, Self::Review, Self::Export, Self::Erase, Self::Operate];

    /// Its word in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Link => "link",
            Self::Review => "review",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::Operate => "operate",
        }
    }

    /// What it lets a key do, for the API's document.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Read => "look people up: profiles, timelines, links and the reasons for them",
            Self::Send => "send messages, and say who answers a conversation",
            Self::Link => "link identifiers, and undo links",
            Self::Review => "see and decide what waits for a person",
            Self::Export => "get everything that is known about a person",
            Self::Erase => "erase a person",
            Self::Operate => "try other rules, repair a table, read the audit, see the keys",
        }
    }

    /// The scope of a word; none: there is none of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == word)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// A set without any.
    pub fn none() -> Self {
        Self(0)
    }

    /// The set of all.
    pub fn all() -> Self {
        Scope::ALL.into_iter().fold(Self::none(), Self::and)
    }

    /// The same set, and this one.
    pub fn and(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether this one is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// Their words, in the order of the documentation.
    pub fn names(self) -> Vec<&'static str> {
        Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::name).collect()
    }
}
