//! What a message holds, as parts.

use rapport_sdk::event::json;
use rapport_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::attachment::{self, Medium};
use crate::payload::{Card, Fields, Location, Venue, full_name, verbatim};

/// Extension: of what kind each medium is, in the order of the media parts.
const ATTACHMENTS: &str = "org.telegram.attachments";

/// What a message was found to be.
pub enum Read<'a> {
    Parts(Content),
    /// A line that nobody wrote: the name of its field, and what is in it.
    Service(&'static str, &'a RawValue),
}

/// The parts of a message, and what the contract has no part for.
pub struct Content {
    pub parts: Vec<Part>,
    pub extensions: Extensions,
}

/// The fields of `Message` that have no part of their own, in the order of the Bot API, November 2026.
const OPAQUE: &[&str] = &[
    "paid_media",
    "story",
    "checklist",
    "dice",
    "game",
    "poll",
    "invoice",
    "successful_payment",
    "refunded_payment",
    "users_shared",
    // What it was called until 2024.
    "user_shared",
    "chat_shared",
    "gift",
    "unique_gift",
    "gift_upgrade_sent",
    "passport_data",
    "giveaway",
    "giveaway_winners",
    "rich_message",
];

/// The fields of `Message` that say that something happened in the conversation, in the same order.
const SERVICE: &[&str] = &[
    "new_chat_members",
    "left_chat_member",
    "chat_owner_left",
    "chat_owner_changed",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "pinned_message",
    "connected_website",
    "write_access_allowed",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "checklist_tasks_done",
    "checklist_tasks_added",
    "direct_message_price_changed",
    "forum_topic_created",
    "forum_topic_edited",
    "forum_topic_closed",
    "forum_topic_reopened",
    "general_forum_topic_hidden",
    "general_forum_topic_unhidden",
    "giveaway_created",
    "giveaway_completed",
    "managed_bot_created",
    "paid_message_price_changed",
    "poll_option_added",
    "poll_option_deleted",
    "suggested_post_approved",
    "suggested_post_approval_failed",
    "suggested_post_declined",
    "suggested_post_paid",
    "suggested_post_refunded",
    "community_chat_added",
    "community_chat_removed",
    "community_chat_joined",
    "video_chat_scheduled",
    "video_chat_started",
    "video_chat_ended",
    "video_chat_participants_invited",
    // What video chats were called until 2022.
    "voice_chat_scheduled",
    "voice_chat_started",
    "voice_chat_ended",
    "voice_chat_participants_invited",
];

/// Nothing that was sent is lost: what has no part of its own is kept raw.
pub fn read<'a>(fields: &Fields<'a>) -> Read<'a> {
    let (mut parts, media) = attachment::read(fields);
    parts.extend(fields.text("text").or_else(|| fields.text("caption")).map(Part::Text));
    parts.extend(place(fields).map(Part::Place));
    parts.extend(card(fields).map(Part::ContactCard));
    parts.extend(form(fields));
    let opaque = OPAQUE.iter().filter_map(|name| Some(((*name).to_owned(), verbatim(fields.get(name)?))));
    parts.extend(opaque.map(Part::Other));
    if parts.is_empty() {
        if let Some((name, raw)) = SERVICE.iter().find_map(|name| Some((*name, fields.get(name)?))) {
            return Read::Service(name, raw);
        }
        parts.push(Part::Other(("message".into(), fields.json())));
    }
    Read::Parts(Content { parts, extensions: extensions(&media) })
}

/// A number as Telegram has it: with its country, often without the `+`.
pub fn international(number: &str) -> String {
    if number.bytes().all(|byte| byte.is_ascii_digit()) { format!("+{number}") } else { number.to_owned() }
}

/// A venue comes with a location, too.
fn place(fields: &Fields) -> Option<Place> {
    let venue: Option<Venue> = fields.read("venue");
    let (title, address) = venue.as_ref().map(|venue| (venue.title.clone(), venue.address.clone())).unwrap_or_default();
    let location = venue.and_then(|venue| venue.location).or_else(|| fields.read::<Location>("location"))?;
    Some(Place { latitude: location.latitude?, longitude: location.longitude?, name: title, address })
}

/// A card is the customer's word about somebody, of whom Telegram may know the account.
fn card(fields: &Fields) -> Option<Contact> {
    let card: Card = fields.read("contact")?;
    let said = |scheme: &str, value: String| Identifier::attested(Attestation::Customer, scheme, value);
    let phone = card.phone_number.map(|number| said("phone", number));
    let user = card.user_id.map(|id| said(crate::party::USER, id));
    let name = full_name(card.first_name.as_deref(), card.last_name.as_deref());
    Some(Contact::new(phone.into_iter().chain(user).collect()).named(name))
}

/// What a web app of the bot's sends back: a text that is JSON as a rule.
fn form(fields: &Fields) -> Option<Part> {
    let data = fields.read::<Fields>("web_app_data")?.text("data")?;
    let is_json = serde_json::from_str::<&RawValue>(&data).is_ok();
    Some(Part::Form(if is_json { data } else { json(&data) }))
}

fn extensions(media: &[Medium]) -> Extensions {
    if media.is_empty() { Vec::new() } else { vec![(ATTACHMENTS.to_owned(), json(media))] }
}

/// Whether a field of `Message` is something that a message can be.
#[cfg(test)]
pub fn is_known(name: &str) -> bool {
    OPAQUE.contains(&name) || SERVICE.contains(&name)
}
