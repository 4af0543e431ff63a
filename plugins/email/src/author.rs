//! Whose mail it is: the author's, also where a mailing list or a group wrote its own address over theirs; and never the
//! mailbox of the business itself, which would make one person of all who write to it.
//!
//! Google Groups and Mailman put their own address into `From` for domains with a strict DMARC policy, and the author's
//! into another field. Those fields are anybody's word: what is found there identifies, and proves nothing.

use rapport_sdk::prelude::*;

use crate::mail::{Mail, Mailbox};
use crate::settings::Settings;
use crate::{address, mailbox};

/// Where the author stands when `From` was written over, the surest first: Google Groups, Mailman and Sympa, list
/// servers that keep the old field, Google's SMTP relay. November 2026.
const ORIGINALS: &[&str] =
    &["x-original-from", "reply-to", "x-original-sender", "old-from", "x-old-from", "x-google-original-from"];

/// What Google and Mailman write between the name of an author and the name of the list.
const VIA: &[&str] = &[" via ", " über ", " par l'intermédiaire de "];

/// The author, and how far that is vouched for.
///
/// # Errors
/// `Malformed`, so that the mail is parked, if nobody but the business itself is known to have written it.
pub fn of(mail: &Mail, settings: &Settings) -> Result<Contact, Rejection> {
    let written = mail.from.first().or(mail.sender.first()).or(mail.reply_to.first()).cloned();
    let written = written.or_else(|| of_envelope(mail));
    let Some(written) = written else {
        return Err(Rejection::Malformed("expected a mailbox in `From`, `Sender` or the envelope, found none".into()));
    };
    let is_ours = is_of_business(mail, settings, &written.address);
    if is_ours || is_written_over(mail, &written) {
        match original(mail, settings, &written) {
            Some(original) => return Ok(contact(Attestation::Customer, original)),
            None if is_ours => {
                return Err(Rejection::Malformed(
                    "expected an author other than the mailbox of the business, found only that one in `From`".into(),
                ));
            }
            None => {}
        }
    }
    let attestation = if mail.is_authenticated { Attestation::Provider } else { Attestation::Claimed };
    Ok(contact(attestation, written))
}

fn contact(attestation: Attestation, author: Mailbox) -> Contact {
    Contact::new(vec![Identifier::attested(attestation, "email", author.address)]).named(author.name)
}

fn of_envelope(mail: &Mail) -> Option<Mailbox> {
    let address = mail.envelope.sender.as_deref().and_then(address::bare)?;
    Some(Mailbox { address: address::unwritten(address), name: None })
}

/// Whether this is a mailbox of the business: one that is configured, or the one that the mail was for.
fn is_of_business(mail: &Mail, settings: &Settings, author: &str) -> bool {
    let mut ours = settings.addresses.iter().chain(&mail.envelope.recipients);
    ours.any(|ours| address::is_mailbox(ours, author))
}

/// Whether a list put itself in the place of the author.
fn is_written_over(mail: &Mail, written: &Mailbox) -> bool {
    let fields = ["x-original-from", "x-original-sender", "list-id", "list-post", "x-mailman-version"];
    let is_of_list = fields.iter().any(|name| mail.headers.first(name).is_some());
    let has_via = written.name.as_deref().is_some_and(|name| {
        let lower = name.to_lowercase();
        VIA.iter().any(|via| lower.contains(via))
    });
    is_of_list && (has_via || is_list(mail, &written.address))
}

/// Whether an address is the list's own: `support@shop.example` of `List-Id: <support.shop.example>`, or in `List-Post`.
fn is_list(mail: &Mail, author: &str) -> bool {
    let between = |value: &str| {
        let inner = value.rsplit_once('<').map_or(value, |(_, inner)| inner);
        inner.trim_end_matches('>').trim().to_ascii_lowercase()
    };
    let dotted = author.replace('@', ".").to_ascii_lowercase();
    let is_id = mail.headers.first("list-id").map(between).is_some_and(|id| id == dotted);
    let post = mail.headers.first("list-post").map(between);
    let is_post = post.as_deref().and_then(address::bare).is_some_and(|post| address::is_same(post, author));
    is_id || is_post
}

/// The author that a list kept in another field.
fn original(mail: &Mail, settings: &Settings, written: &Mailbox) -> Option<Mailbox> {
    let is_other = |found: &Mailbox| {
        !address::is_same(&found.address, &written.address)
            && !is_of_business(mail, settings, &found.address)
            && !is_list(mail, &found.address)
    };
    let fields = ORIGINALS.iter().filter_map(|name| mail.headers.first(name));
    let in_fields = fields.flat_map(|value| mailbox::read(value).found.into_iter().find(is_other)).next();
    // Providers that take a mail apart may not hand on the field.
    let answered = || mail.reply_to.iter().find(|found| is_other(found)).cloned();
    let found = in_fields.or_else(answered)?;
    let name = found.name.or_else(|| name_before_via(written.name.as_deref()?));
    Some(Mailbox { address: found.address, name })
}

/// `Ada` of `'Ada' via Support`.
fn name_before_via(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let end = VIA.iter().find_map(|via| lower.find(via)).filter(|end| name.is_char_boundary(*end))?;
    mailbox::name_of(&name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Provider;

    fn settings(addresses: &[&str]) -> Settings {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        Settings { provider: Provider::Mailgun, topic_arns: Vec::new(), addresses, spam_filter: false }
    }

    fn author(block: &str, addresses: &[&str]) -> Option<(String, Option<String>, Attestation)> {
        let mut mail = Mail::of_block(block.as_bytes());
        mail.envelope.recipients = vec!["support@shop.example".into()];
        let contact = of(&mail, &settings(addresses)).ok()?;
        let first = contact.identifiers.into_iter().next()?;
        Some((first.value, contact.display_name, first.attestation))
    }

    #[test]
    fn a_list_that_wrote_itself_into_from_is_not_the_author() {
        let ada =
            |name: Option<&str>| Some(("ada@cust.example".to_owned(), name.map(str::to_owned), Attestation::Customer));
        for (block, name) in [
            (
                "From: 'Ada' via Support <support@shop.example>\nX-Original-From: Ada L <ada@cust.example>",
                Some("Ada L"),
            ),
            ("From: 'Ada' via Support <support@shop.example>\nReply-To: ada@cust.example", Some("Ada")),
            ("From: 'Ada' via Support <support@shop.example>\nX-Original-Sender: ada@cust.example", Some("Ada")),
            ("From: Support <SUPPORT+x@Shop.example>\nReply-To: Ada <ada@cust.example>", Some("Ada")),
            (
                "From: Ada via Help <help@lists.example>\nReply-To: Ada <ada@cust.example>\nList-Id: <help.lists.example>",
                Some("Ada"),
            ),
            (
                "From: Ada via Help <help@lists.example>\nReply-To: help@lists.example, ada@cust.example\nList-Id: <help.lists.example>",
                Some("Ada"),
            ),
            ("From: help@lists.example\nReply-To: ada@cust.example\nList-Post: <mailto:help@lists.example>", None),
        ] {
            assert_eq!(author(block, &[]), ada(name), "{block}");
        }
        let block = "From: Sales <sales@shop.example>\nReply-To: ada@cust.example";
        assert_eq!(author(block, &["sales@shop.example"]), ada(None));
    }

    #[test]
    fn a_person_who_writes_by_a_list_is_still_the_author() {
        for block in [
            "From: Ada <ada@cust.example>\nReply-To: list@lists.example\nList-Id: <list.lists.example>",
            "From: Ada <ada@cust.example>\nReply-To: other@cust.example",
            "From: Ada <ada@cust.example>\nX-Original-Sender: ada@cust.example\nList-Id: <support.shop.example>",
        ] {
            let (address, name, attestation) = author(block, &[]).expect("it has an author");
            assert_eq!((address.as_str(), name.as_deref()), ("ada@cust.example", Some("Ada")), "{block}");
            assert_eq!(attestation, Attestation::Claimed);
        }
    }

    #[test]
    fn the_mailbox_of_the_business_is_nobody() {
        for block in [
            "From: Support <support@shop.example>",
            "From: support@shop.example\nReply-To: support@shop.example",
            "From: support@shop.example\nReply-To: Support <support+1@shop.example>\nX-Original-Sender: support@shop.example",
        ] {
            assert_eq!(author(block, &[]), None, "{block}");
        }
    }
}
