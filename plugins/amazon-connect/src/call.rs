//! What became of a call: who began it, how it ended, how long they spoke, and where the recording is.

use rapport_sdk::prelude::*;

use crate::payload::{Record, Recording};
use crate::settings::Settings;

/// Who began a contact, by `InitiationMethod`. What is not here says only how a contact came out of another one.
const INITIATORS: &[(&str, Author)] = &[
    ("INBOUND", Author::Customer),
    // The customer pressed the button of a widget.
    ("WEBRTC_API", Author::Customer),
    ("OUTBOUND", Author::Agent),
    // An agent called somebody in addition.
    ("EXTERNAL_OUTBOUND", Author::Agent),
    // The customer asked for it, the business calls.
    ("CALLBACK", Author::Agent),
    ("CAMPAIGN_PREVIEW", Author::Agent),
    ("AGENT_REPLY", Author::Agent),
    ("FLOW", Author::Automation),
];

/// `DisconnectReason`s of a call that did not reach anybody.
const UNREACHED: &[&str] = &[
    "TELECOM_BUSY",
    "TELECOM_NUMBER_INVALID",
    "TELECOM_ORIGINATOR_CANCEL",
    "TELECOM_POTENTIAL_BLOCKING",
    "TELECOM_PROBLEM",
    "TELECOM_TIMEOUT",
    "TELECOM_UNANSWERED",
    // Of a call in the browser that was begun and not joined.
    "CUSTOMER_NEVER_ARRIVED",
    "OUTBOUND_DESTINATION_ENDPOINT_ERROR",
    "OUTBOUND_RESOURCE_ERROR",
    "OUTBOUND_ATTEMPT_FAILED",
    // Written so by Amazon.
    "OUTBUND_PREVIEW_DISCARDED",
    "OUTBOUND_PREVIEW_DISCARDED",
    "EXPIRED",
];

/// `AnsweringMachineDetectionStatus`es of a call that nobody took.
const UNANSWERED: &[&str] = &[
    "AMD_UNANSWERED",
    "AMD_NOT_APPLICABLE",
    "SIT_TONE_BUSY",
    "SIT_TONE_INVALID_NUMBER",
    "SIT_TONE_DETECTED",
    "FAX_MACHINE_DETECTED",
];

/// Values of an attribute that say no.
const NO: &[&str] = &["0", "false", "no", "n"];

/// The call that a record, or the last event of a contact, tells of.
pub fn ended(record: &Record, id: &str, settings: &Settings) -> Call {
    let initiator = initiator(record);
    let state = state(record, initiator, settings);
    let talk = record.agent.as_ref().and_then(|agent| agent.agent_interaction_duration);
    let duration = talk.filter(|_| state == CallState::Ended).and_then(|seconds| u32::try_from(seconds).ok());
    Call { id: id.to_owned(), state, initiator, duration, recording: recording(record) }
}

/// Who began the contact.
pub fn initiator(record: &Record) -> Author {
    let method = record.initiation_method.as_deref().unwrap_or_default();
    let known = INITIATORS.iter().find(|(word, _)| word.eq_ignore_ascii_case(method));
    if let Some((_, author)) = known {
        return *author;
    }
    let direction = record.segment_attribute("connect:Direction");
    // An API starts a call to the customer, but a chat for one.
    let is_api_call = method.eq_ignore_ascii_case("API") && is_voice(record);
    match direction.as_deref() {
        Some("OUTBOUND") if is_api_call => Author::Automation,
        Some("OUTBOUND") => Author::Agent,
        Some("INBOUND") => Author::Customer,
        _ if is_api_call => Author::Automation,
        _ => Author::Customer,
    }
}

/// Whether it is a call.
pub fn is_voice(record: &Record) -> bool {
    record.channel.as_deref().is_some_and(|channel| channel.eq_ignore_ascii_case("VOICE"))
}

/// The recording that is there to be fetched: of the conversation rather than of the menu before it.
pub fn recording(record: &Record) -> Option<Media> {
    let sole = record.recording.iter();
    let usable: Vec<&Recording> = record.recordings.iter().chain(sole).filter(|found| is_usable(found)).collect();
    let of_kind = |kinds: &[&str]| {
        let fits = |found: &&&Recording| kinds.contains(&found.stream());
        let is_talk = |found: &&&Recording| !found.participant_type.as_deref().is_some_and(|of| is(of, "IVR"));
        usable.iter().filter(fits).find(is_talk).or_else(|| usable.iter().find(fits)).copied()
    };
    media(of_kind(&["AUDIO", ""]).or_else(|| of_kind(&["VIDEO"]))?.location.as_deref()?)
}

/// How a call ended that is over.
fn state(record: &Record, initiator: Author, settings: &Settings) -> CallState {
    let message = settings.voicemail_attribute.as_deref().and_then(|name| record.attribute(name));
    let machine = record.answering_machine_detection_status.as_deref().unwrap_or_default();
    let reason = record.disconnect_reason.as_deref().unwrap_or_default();
    if message.is_some_and(|flag| !NO.contains(&flag.to_ascii_lowercase().as_str())) {
        return CallState::Voicemail;
    }
    let is_reached = match initiator {
        Author::Customer => has_agent(record) || !(is_waiting(record) || UNREACHED.contains(&reason)),
        _ if matches!(machine, "VOICEMAIL_BEEP" | "VOICEMAIL_NO_BEEP") => return CallState::Voicemail,
        _ if UNREACHED.contains(&reason) || UNANSWERED.contains(&machine) => false,
        _ => is_answered(record) || machine == "HUMAN_ANSWERED",
    };
    if is_reached { CallState::Ended } else { CallState::Missed }
}

/// Whether an agent had the contact.
fn has_agent(record: &Record) -> bool {
    let is_named = |agent: &crate::payload::Agent| {
        agent.arn.is_some()
            || agent.username.is_some()
            || agent.connected_to_agent_timestamp.is_some()
            || agent.agent_interaction_duration.is_some_and(|seconds| seconds > 0)
    };
    record.connected_to_agent_timestamp.is_some() || record.agent.as_ref().is_some_and(is_named)
}

/// Whether a caller was put into a queue and went on nowhere: not to another queue, a callback or a number outside.
fn is_waiting(record: &Record) -> bool {
    let is_named = |queue: &crate::payload::Queue| {
        queue.arn.is_some() || queue.name.is_some() || queue.enqueue_timestamp.is_some() || queue.duration.is_some()
    };
    let is_queued = record.queue.as_ref().is_some_and(is_named);
    let is_offered = record.agent_connection_attempts.is_some_and(|attempts| attempts > 0);
    let goes_on = record.next_contact_id.is_some() || record.transferred_to_endpoint.is_some();
    (is_queued || is_offered) && !goes_on
}

/// Whether somebody took a call of the business. The agent of one is named even if nobody did, and is "interacting"
/// while it rings; but only who is there can hang up.
fn is_answered(record: &Record) -> bool {
    let talk = record.agent.as_ref().and_then(|agent| agent.agent_interaction_duration);
    let is_hung_up = record.disconnect_reason.as_deref() == Some("CUSTOMER_DISCONNECT");
    record.connected_to_system_timestamp.is_some() || is_hung_up || talk.is_some_and(|seconds| seconds > 0)
}

fn is_usable(found: &Recording) -> bool {
    let is_gone = found.status.as_deref().is_some_and(|status| is(status, "DELETED"));
    let is_stream = found.storage_type.as_deref().is_some_and(|kind| is(kind, "KINESIS_VIDEO_STREAM"));
    found.location.is_some() && !is_gone && !is_stream
}

impl Recording {
    /// `AUDIO`, `VIDEO`, or nothing where it does not say.
    fn stream(&self) -> &'static str {
        match self.media_stream_type.as_deref().or(self.kind.as_deref()) {
            None => "",
            Some(kind) if is(kind, "AUDIO") => "AUDIO",
            Some(kind) if is(kind, "VIDEO") => "VIDEO",
            Some(_) => "other",
        }
    }
}

/// What the ends of a file's name say of it. Amazon Connect writes calls as WAV, video and screens as MP4.
const MIME_TYPES: &[(&str, &str)] = &[(".wav", "audio/wav"), (".mp3", "audio/mpeg"), (".mp4", "video/mp4")];

/// A medium at `<bucket>/<key>`.
fn media(location: &str) -> Option<Media> {
    let file_name = location.rsplit('/').next().filter(|name| !name.is_empty())?;
    let lower = file_name.to_ascii_lowercase();
    let mime_type = MIME_TYPES.iter().find(|(end, _)| lower.ends_with(end)).map(|(_, kind)| (*kind).to_owned());
    let is_web = location.starts_with("https://");
    Some(Media {
        source: if is_web { MediaSource::Url(location.into()) } else { MediaSource::ProviderId(location.into()) },
        mime_type,
        file_name: Some(file_name.to_owned()),
        size: None,
        content_id: None,
    })
}

fn is(word: &str, expected: &str) -> bool {
    word.eq_ignore_ascii_case(expected)
}
