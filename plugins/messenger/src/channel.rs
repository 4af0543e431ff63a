//! How Messenger differs from Meta's other channels.

use rapport_meta::messaging::{Channel, Shape};
use rapport_meta::{Accounts, Object};

pub const OBJECT: Object = Object { name: "page", title: "Page" };

pub const ACCOUNTS: Accounts = Accounts {
    element: ("an element", "elements"),
    field: "recipient.id",
    noun: "a Facebook Page",
    setting: "page-ids",
};

pub const CHANNEL: Channel = Channel {
    scheme: "messenger",
    extensions: "com.messenger",
    // The inbox of the Page, and of Business Suite.
    inboxes: &["263902037430900"],
    attachments: &[
        // Disappears for the customer; its content does not come.
        ("ephemeral", Shape::Opaque),
        // A booking that the business asked for.
        ("appointment_booking", Shape::Opaque),
    ],
};

/// The fields of a Page whose changes are about no customer who could be answered here, in the order of Meta's
/// reference, November 2026. A field that is not here is named at a higher level, in case it should be read.
pub const ABOUT_NO_CUSTOMER: &[&str] = &[
    // Posts, comments and reactions on the Page: public, and by another id than Messenger's.
    "feed",
    "mention",
    "ratings",
    "conversations",
    "videos",
    "live_videos",
    // A submitted lead form, of which only an id comes.
    "leadgen",
    "leadgen_fat",
    // The Page's own profile.
    "about",
    "category",
    "description",
    "email",
    "hours",
    "location",
    "name",
    "phone",
    "picture",
    "website",
    // Shops and bookings.
    "commerce_order",
    "product_review",
    "business_integrity",
];
