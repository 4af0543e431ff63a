//! What each attestation may do: one table, which the code asks, and which SECURITY.md and the contract repeat.
//!
//! The kind of harm that it prevents: an address in a payload is a claim. Who fills in a public form, forges the sender of
//! an SMS or puts a victim's address into a ticket must not become the victim by it.

use serde::{Deserialize, Serialize};

use crate::endpoint::Basis;
use crate::event::Attestation;

/// What a word of one attestation may do by itself. A person may always decide otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers {
    pub attestation: Attestation,
    /// Who vouches, in a few words.
    pub who: &'static str,
    /// On which basis an event is filed whose *first* identifier has it. Proven: it is the person's at that address. Else
    /// it is filed apart, and joins others only when a person accepts the suggestion.
    pub opens: Basis,
    /// Whether two identifiers of one payload that have it are one person. Else they make a suggestion.
    pub links: bool,
    /// Whose words about a trait it replaces: those of the same strength, if they are older, and those of a lesser one.
    pub strength: Strength,
    /// Whose consent it can grant.
    pub grants: Reach,
    /// Whose consent it can withdraw.
    pub withdraws: Reach,
    /// Whose data a `contact-erased` with it erases.
    pub erases: Reach,
}

/// How much a word weighs against another one about the same thing. A stronger word stands, however old it is: names age,
/// but a stranger's word is no younger name. Of equally strong ones the newest stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Anybody can say so.
    #[default]
    Unproven,
    /// Somebody of the business said so.
    Staff,
    /// The provider or the business's own key proves it.
    Proven,
}

/// How far a word reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What is filed at the same unproven address, until a person joins it with somebody.
    Apart,
    /// The address that it is said of, and through it the person.
    Person,
    /// What this connection said of the address. The rest of the person waits for a decision.
    Connection,
}

/// The table.
pub const TABLE: [Powers; 6] = [
    Powers {
        attestation: Attestation::Provider,
        who: "the channel delivered it and checks who sends",
        opens: Basis::Proven,
        links: true,
        strength: Strength::Proven,
        grants: Reach::Person,
        withdraws: Reach::Person,
        erases: Reach::Connection,
    },
    Powers {
        attestation: Attestation::Signature,
        who: "the business signed it",
        opens: Basis::Proven,
        links: true,
        strength: Strength::Proven,
        grants: Reach::Person,
        withdraws: Reach::Person,
        erases: Reach::Connection,
    },
    Powers {
        attestation: Attestation::Agent,
        who: "an agent entered it",
        opens: Basis::Said,
        links: false,
        strength: Strength::Staff,
        grants: Reach::Apart,
        withdraws: Reach::Apart,
        erases: Reach::Apart,
    },
    Powers {
        attestation: Attestation::Claimed,
        who: "a network delivered it that does not check who sends",
        opens: Basis::Claimed,
        links: false,
        strength: Strength::Unproven,
        grants: Reach::Apart,
        withdraws: Reach::Apart,
        erases: Reach::Apart,
    },
    Powers {
        attestation: Attestation::Customer,
        who: "the customer typed it",
        opens: Basis::Said,
        links: false,
        strength: Strength::Unproven,
        grants: Reach::Apart,
        withdraws: Reach::Apart,
        erases: Reach::Apart,
    },
    Powers {
        attestation: Attestation::Imported,
        who: "an import or a record carried it",
        opens: Basis::Said,
        links: false,
        strength: Strength::Unproven,
        grants: Reach::Apart,
        withdraws: Reach::Apart,
        erases: Reach::Apart,
    },
];

impl Attestation {
    /// All of them, strongest first.
    pub const ALL: [Self; 6] =
        [Self::Provider, Self::Signature, Self::Agent, Self::Claimed, Self::Customer, Self::Imported];

    /// The one of this name, as the contract and `rapport.toml` write it.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attestation| attestation.name() == name)
    }

    /// Its row of [`TABLE`].
    pub const fn powers(self) -> &'static Powers {
        &TABLE[self as usize]
    }
}

/// The table in Markdown, as it stands in SECURITY.md and in the contract.
pub fn markdown() -> String {
    let mut text = String::from(
        "| attestation | who vouches | opens a conversation | links by itself | sets a trait over words of | grants consent | withdraws consent | erases |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for powers in &TABLE {
        let Powers { attestation, who, opens, links, strength, grants, withdraws, erases } = powers;
        let opens = match opens {
            Basis::Proven => "yes",
            Basis::Claimed => "apart, as claimed",
            Basis::Said => "apart, as said",
        };
        let links = if *links { "yes" } else { "suggests" };
        let over: Vec<String> = Attestation::ALL
            .iter()
            .filter(|other| other.powers().strength <= *strength)
            .map(|other| format!("`{}`", other.name()))
            .collect();
        let over = if over.len() == TABLE.len() { "all".to_owned() } else { over.join(", ") };
        let [grants, withdraws, erases] = [grants, withdraws, erases].map(|reach| reach.words());
        text.push_str(&format!(
            "| `{}` | {who} | {opens} | {links} | {over} | {grants} | {withdraws} | {erases} |\n",
            attestation.name()
        ));
    }
    text
}

impl Reach {
    fn words(self) -> &'static str {
        match self {
            Self::Apart => "only there",
            Self::Person => "the person's",
            Self::Connection => "what that connection said",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attestation_has_its_row_and_a_weak_one_reaches_nobody() {
        for (place, attestation) in Attestation::ALL.into_iter().enumerate() {
            assert_eq!(TABLE[place].attestation, attestation);
            let powers = attestation.powers();
            let opens = powers.opens == Basis::Proven;
            assert_eq!(opens, powers.links, "who is filed with a person is linked with them");
            assert_eq!(opens, powers.strength == Strength::Proven);
            for reach in [powers.grants, powers.withdraws, powers.erases] {
                assert_eq!(reach == Reach::Apart, !opens, "{attestation:?}");
            }
        }
    }
}
