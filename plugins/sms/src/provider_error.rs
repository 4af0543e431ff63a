//! Why Twilio did not deliver, and whether sending again can help.

use rapport_sdk::prelude::*;

use crate::payload::Fields;

/// The codes after which the same message may be sent again, later. All others need another message, another recipient
/// or a change of the account.
///
/// Source: Twilio's "Error and Warning Dictionary", read in November 2026.
const RETRYABLE: &[(&str, &str)] = &[
    ("14107", "more messages than the number may send"),
    ("20429", "too many requests"),
    ("20500", "something went wrong at Twilio"),
    ("20503", "a service of Twilio is temporarily unavailable"),
    ("21611", "too many messages of this number are queued"),
    ("30001", "too many messages are queued"),
    ("30003", "the handset is switched off or out of reach"),
    ("30008", "the carrier gave no reason"),
    ("30017", "the carrier's network is congested"),
    ("30022", "more messages than the carrier allows the campaign (US A2P 10DLC)"),
    ("30023", "more messages in a day than the carrier allows the brand (US A2P 10DLC)"),
    ("30027", "more messages in a day than T-Mobile allows the brand (US A2P 10DLC)"),
    ("30036", "the message's validity period was over before it could be sent"),
    ("30410", "the carrier did not answer in time"),
    ("30500", "something went wrong at Twilio while sending"),
    ("63010", "something went wrong at Twilio, on a channel"),
    ("63012", "something went wrong at the channel"),
    ("63017", "more messages a second than the account and its sub-accounts may send"),
    ("63018", "more messages than the channel allows this sender"),
    ("63019", "the media could not be fetched"),
    ("63038", "more messages in a day than the account may send"),
];

/// Codes that need another message, another recipient or a change of the account, for a title where Twilio gives none.
const FINAL: &[(&str, &str)] = &[
    ("21211", "the recipient is not a valid phone number"),
    ("21408", "the account may not send to the recipient's country"),
    ("21610", "the recipient unsubscribed"),
    ("21612", "no route from this sender to this recipient"),
    ("21614", "the recipient is not a mobile number"),
    ("30002", "the account is suspended"),
    ("30004", "the recipient's carrier or handset blocks the message"),
    ("30005", "the recipient's number is unknown"),
    ("30006", "a landline, or a carrier that cannot be reached"),
    ("30007", "filtered as unwanted"),
    ("30009", "a segment is missing"),
    ("30010", "it costs more than the highest price allowed"),
    ("30011", "the recipient's number takes no MMS"),
    ("30018", "the sender must be registered with the recipient's carrier"),
    ("30019", "larger than the carrier allows"),
    ("30032", "the toll-free number is not verified"),
    ("30034", "the number is not registered (US A2P 10DLC)"),
    ("63003", "the recipient's address is not valid on this channel"),
    ("63005", "the channel does not take this content"),
    ("63007", "the sender is unknown on this channel"),
    ("63013", "against the channel's policy"),
    ("63014", "the recipient blocked the sender, or opted out on the channel"),
    ("63015", "the recipient has not joined the sandbox"),
    ("63016", "outside the window in which a message may go without a template"),
    ("63024", "the recipient cannot be reached on this channel"),
    ("63032", "WhatsApp does not deliver to this user"),
    ("63033", "the recipient blocks or cannot take the message"),
    ("63049", "Meta chose not to deliver this marketing message"),
    ("63050", "the recipient stopped marketing messages"),
];

/// What a status says of its failure.
const DETAIL: &[(&str, &str)] = &[
    ("ErrorCode", "ErrorCode"),
    ("ErrorMessage", "ErrorMessage"),
    // The words of the underlying channel.
    ("ChannelStatusMessage", "ChannelStatusMessage"),
];

pub fn of(fields: &Fields) -> ProviderError {
    let code = fields.id("ErrorCode").filter(|code| !matches!(*code, "0" | "null"));
    let find = |table: &'static [(&str, &'static str)]| table.iter().find(|(known, _)| Some(*known) == code);
    let retryable = find(RETRYABLE);
    let known = retryable.or_else(|| find(FINAL)).map(|(_, meaning)| *meaning);
    let said = fields.any(&["ErrorMessage", "ChannelStatusMessage"]);
    ProviderError {
        code: code.unwrap_or("unknown").into(),
        title: said.or(known).unwrap_or("failed without a reason").into(),
        detail: fields.object(DETAIL),
        retryable: retryable.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(form: &str) -> ProviderError {
        of(&Fields::of_form(form::pairs(form)))
    }

    #[test]
    fn only_what_time_mends_is_retryable() {
        for (code, _) in RETRYABLE {
            assert!(error(&format!("ErrorCode={code}")).retryable, "{code}");
            assert!(!FINAL.iter().any(|(other, _)| other == code), "{code}");
        }
        for code in ["21610", "30004", "30005", "30006", "30007", "30034", "63016", "63024", "99999", ""] {
            assert!(!error(&format!("ErrorCode={code}")).retryable, "{code}");
        }
    }

    #[test]
    fn a_failure_is_told_in_the_providers_words_first() {
        let said = error("ErrorCode=30003&ErrorMessage=Unreachable&ChannelStatusMessage=x");
        assert_eq!((said.code.as_str(), said.title.as_str()), ("30003", "Unreachable"));
        assert_eq!(error("ErrorCode=30003").title, "the handset is switched off or out of reach");
        let unknown = error("");
        assert_eq!((unknown.code.as_str(), unknown.title.as_str()), ("unknown", "failed without a reason"));
        assert_eq!(unknown.detail, None);
    }
}
