//! E-mail: what Amazon SES, SendGrid, Mailgun and Postmark deliver, as events.
//!
//! `inbound` chooses the provider; `ses` (behind `sns` or `feed`), `sendgrid`, `mailgun` and `postmark` verify and read what
//! each sends. All four end in the same two shapes: a [`mail::Mail`], which `report` and `message` turn into events, and a
//! [`notice::Notice`], what became of one message for one recipient. What maps to what stands in `README.md`.
//!
//! Source: the four providers' documentation, RFC 3464, 3834, 5322, 5965 and 8098, read in November 2026.

mod address;
mod attachment;
mod authentication;
mod author;
mod automatic;
mod charset;
mod encoded_word;
mod failure;
mod feed;
mod head;
mod inbound;
mod instant;
mod languages;
mod mail;
mod mailbox;
mod mailgun;
mod mailgun_event;
mod markup;
mod message;
mod mime;
mod multipart;
mod notice;
mod parts;
mod payload;
mod postmark;
mod postmark_event;
mod quoted;
mod report;
mod scan;
mod scene;
mod sendgrid;
mod sendgrid_event;
mod ses;
mod ses_event;
mod settings;
mod sns;
mod subject;
mod transfer;

use rapport_sdk::prelude::*;

/// The connector.
pub struct Email;

impl Inbound for Email {
    fn receive(cx: &Context, webhook: &Webhook) -> Result<Receipt, Rejection> {
        inbound::receive(cx, webhook)
    }

    fn confirm(cx: &Context, webhook: &Confirmation) -> Option<String> {
        inbound::confirm(cx, webhook)
    }
}

rapport_sdk::export!(Email: inbound, handshake);

#[cfg(test)]
mod tests;
