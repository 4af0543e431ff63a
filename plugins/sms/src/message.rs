//! An incoming message: who sent it, what it answers, how they came, and what it holds.

use rapport_sdk::prelude::*;

use crate::identity::{Direction, Parties};
use crate::payload::Fields;
use crate::{content, instant, opt_out};

/// The fields that hold a message's id, the current name first.
pub const IDS: &[&str] = &["MessageSid", "SmsMessageSid", "SmsSid"];

/// Extension: what Twilio derives from the customer's number. It is of the number's range, not of its holder.
const NUMBER: &str = "com.twilio.number";
const NUMBER_FIELDS: &[(&str, &str)] =
    &[("FromCity", "city"), ("FromState", "state"), ("FromZip", "zip"), ("Mcc", "mcc"), ("Mnc", "mnc")];
/// Extensions of every event.
const ACCOUNT: &str = "com.twilio.account";
const SERVICE: &str = "com.twilio.messaging-service";
const SEGMENTS: &str = "com.twilio.segments";
/// Extensions of a message: what the channel said, what Marketplace add-ons found out, who else received it.
const CHANNEL_METADATA: &str = "com.twilio.channel-metadata";
const ADD_ONS: &str = "com.twilio.add-ons";
const RECIPIENTS: &str = "com.twilio.recipients";
/// Extension of a message that came in base64: its text as it came.
const BODY: &str = "com.twilio.body";
/// Extension of a status: what the business tagged its message with.
const TAGS: &str = "com.twilio.tags";

/// How the customer came: a click on an advertisement or a post that opens WhatsApp.
const REFERRAL: &[(&str, &str)] = &[
    ("ReferralSourceType", "source_type"),
    ("ReferralSourceId", "source_id"),
    ("ReferralSourceUrl", "source_url"),
    ("ReferralHeadline", "headline"),
    ("ReferralBody", "body"),
    ("ReferralCtwaClid", "ctwa_clid"),
    ("ReferralMediaId", "media_id"),
    ("ReferralMediaUrl", "media_url"),
    ("ReferralMediaContentType", "media_content_type"),
];

/// The message, and what it says of the customer's consent.
pub fn read(id: &str, fields: &Fields, connection: &str) -> Result<Vec<Event>, &'static str> {
    let parties = Parties::of(fields, Direction::Inbound, connection).ok_or("it has no sender")?;
    let at = instant::at(fields, instant::OF_MESSAGE);
    let message = Message {
        in_reply_to: fields.id("OriginalRepliedMessageSid").map(str::to_owned),
        referral: referral(fields),
        forwarded: fields.flag("Forwarded") || fields.flag("FrequentlyForwarded"),
        ..Message::new(id, Author::Customer, content::parts(fields, &parties.channel))
    };
    let mut event = Event::new(id, at, &parties.account, parties.contact.clone(), EventBody::Message(message));
    event.extensions = extensions(fields);
    event.extensions.extend(fields.object(NUMBER_FIELDS).map(|number| (NUMBER.into(), number)));
    if fields.text("Body").is_some_and(|body| content::decoded(body, &parties.channel).is_some()) {
        fields.extend(&mut event.extensions, BODY, &["Body"]);
    }
    fields.extend_json(&mut event.extensions, CHANNEL_METADATA, "ChannelMetadata");
    fields.extend_json(&mut event.extensions, ADD_ONS, "AddOns");
    if fields.nested("Recipients").is_some_and(|recipients| recipients != "[]") {
        fields.extend_json(&mut event.extensions, RECIPIENTS, "Recipients");
    }
    let mut events = vec![event];
    events.extend(opt_out::by_customer(id, at, fields, &parties));
    Ok(events)
}

/// What every event says beyond the contract.
pub fn extensions(fields: &Fields) -> Extensions {
    let mut extensions = Vec::new();
    fields.extend(&mut extensions, ACCOUNT, &["AccountSid"]);
    fields.extend(&mut extensions, SERVICE, &["MessagingServiceSid"]);
    let segments = fields.any(&["NumSegments", "NumberOfSegments"]).and_then(|number| number.parse::<u32>().ok());
    extensions.extend(segments.map(|number| (SEGMENTS.into(), rapport_sdk::event::json(&number))));
    fields.extend_json(&mut extensions, TAGS, "Tags");
    extensions
}

/// `ReferralNumMedia` alone says nothing: every WhatsApp message has it.
fn referral(fields: &Fields) -> Option<Referral> {
    let details = fields.object(REFERRAL)?;
    Some(Referral {
        source: fields.id("ReferralSourceType").unwrap_or("unknown").to_owned(),
        id: fields.id("ReferralSourceId").map(str::to_owned),
        url: fields.id("ReferralSourceUrl").map(str::to_owned),
        details: Some(details),
    })
}
