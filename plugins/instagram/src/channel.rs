//! How Instagram differs from Meta's other channels.

use rapport_meta::messaging::{Channel, Shape};
use rapport_meta::{Accounts, Object};

pub const OBJECT: Object = Object { name: "instagram", title: "Instagram" };

pub const ACCOUNTS: Accounts = Accounts {
    element: ("an element", "elements"),
    field: "recipient.id",
    noun: "an Instagram account",
    setting: "account-ids",
};

pub const CHANNEL: Channel = Channel {
    scheme: "instagram",
    extensions: "com.instagram",
    // Instagram's own inbox, and that of the Page and of Business Suite.
    inboxes: &["1217981644879628", "263902037430900"],
    attachments: &[
        // The customer's story that names the business: for a day.
        ("story_mention", Shape::Media),
        // Posts, reels and stories that somebody shared: a copy of the picture or film, and its caption.
        ("share", Shape::Captioned),
        ("post", Shape::Captioned),
        ("ig_post", Shape::Captioned),
        ("ig_story", Shape::Captioned),
        // A heart, sent by tapping the one beside the text field.
        ("like_heart", Shape::Text("❤️")),
        // Seen once; its content does not come.
        ("ephemeral", Shape::Opaque),
        // What Meta has no form for in webhooks: a collection, a poll, a song.
        ("unsupported_type", Shape::Opaque),
    ],
};

/// The fields whose changes are elements of `messaging` in another wrapping, in the order of Meta's reference, November
/// 2026. One of them that cannot be read is a mistake, not a field that is not known.
pub const CONVERSATIONS: &[&str] = &[
    "messages",
    "message_echoes",
    "message_edit",
    "message_reactions",
    "messaging_handover",
    "messaging_handovers",
    "messaging_optins",
    "messaging_policy_enforcement",
    "messaging_postbacks",
    "messaging_referral",
    "messaging_seen",
    "standby",
];

/// The fields whose changes are about no customer who could be answered, in the order of the same reference.
pub const ABOUT_NO_CUSTOMER: &[&str] = &[
    // How often a story was seen, told when it is over.
    "story_insights",
    // Advertising with creators.
    "creator_marketplace_invited_creator_onboarding",
    "creator_marketplace_projects",
];
