//! Mail that no person wrote just now: replies of an absent person's program, notices of mail servers, mailing lists.

use serde::Serialize;

use crate::mail::Mail;
use crate::{address, report};

/// What says that a mail is not a person's.
#[derive(Serialize)]
pub struct Signs {
    /// No person wrote it.
    pub is_automatic: bool,
    /// A mail server says that something did not arrive, in a form that is no report.
    pub is_bounce: bool,
    /// The header fields that say so. Each is a reason not to answer by a program (RFC 3834, section 2).
    pub signs: Vec<&'static str>,
}

/// Fields that only a program adds, and the one value of each that means the opposite.
const PROGRAMS: &[(&str, &str)] = &[
    // RFC 3834: auto-replied, auto-generated, auto-notified.
    ("auto-submitted", "no"),
    // Autoresponders of web hosts, before and beside RFC 3834.
    ("x-autoreply", "no"),
    ("x-autorespond", "no"),
    ("x-autoresponder", "no"),
    ("x-auto-reply", "no"),
    // Exim, Gmail and qmail say so of what they could not deliver.
    ("x-failed-recipients", ""),
];

/// Fields that ask programs not to answer; people's mail has them too.
const RESERVED: &[&str] = &[
    // Microsoft: DR, AutoReply, OOF, All.
    "x-auto-response-suppress",
    // RFC 2919, RFC 2369: by way of a mailing list, or a newsletter.
    "list-id",
    "list-unsubscribe",
    "feedback-id",
    "x-loop",
];

/// Local parts behind which there is nobody.
const SERVERS: &[&str] = &["mailer-daemon", "postmaster", "mail-daemon"];
const NO_REPLY: &[&str] = &["noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "bounce", "bounces"];

pub fn signs(mail: &Mail) -> Signs {
    let mut signs = Vec::new();
    for (name, no) in PROGRAMS {
        if mail.headers.first(name).is_some_and(|value| !is_word(value, no)) {
            signs.push(*name);
        }
    }
    let sender = mail.from.first().map(|from| address::local(&from.address)).unwrap_or_default();
    let is_server = SERVERS.iter().any(|server| sender.eq_ignore_ascii_case(server));
    if is_server {
        signs.push("from");
    }
    let returns_nowhere = returns_nowhere(mail);
    if returns_nowhere {
        signs.push("return-path");
    }
    if report::is_report(mail) {
        signs.push("content-type");
    }
    let precedence = mail.headers.first("precedence").unwrap_or_default();
    if ["auto_reply", "auto-reply"].iter().any(|word| is_word(precedence, word)) {
        signs.push("precedence");
    }
    let is_automatic = !signs.is_empty();
    signs.extend(RESERVED.iter().filter(|name| mail.headers.first(name).is_some_and(|value| !is_word(value, "none"))));
    // `Precedence` alone is weak: old list software and ticket systems put it on what people wrote.
    if ["bulk", "junk", "list"].iter().any(|word| is_word(precedence, word)) {
        signs.push("precedence");
    }
    if NO_REPLY.iter().any(|word| sender.eq_ignore_ascii_case(word)) {
        signs.push("from");
    }
    let has_failed = mail.headers.first("x-failed-recipients").is_some();
    Signs { is_automatic, is_bounce: has_failed || (is_server && (returns_nowhere || is_automatic)), signs }
}

/// Whether the mail says that bounces of it go nowhere, as only a program does.
fn returns_nowhere(mail: &Mail) -> bool {
    let is_nothing = |path: &str| path.trim().trim_matches(['<', '>']).trim().is_empty();
    let field = mail.headers.first("return-path").map(is_nothing);
    field.or_else(|| mail.envelope.sender.as_deref().map(is_nothing)).unwrap_or(false)
}

/// Whether a value begins with this word; parameters and comments may follow.
fn is_word(value: &str, word: &str) -> bool {
    let first = value.trim().split([';', ' ', '\t', ',', '(']).next().unwrap_or_default();
    first.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_only_programs_write() {
        for (block, is_automatic, is_bounce) in [
            ("From: ada@a.test", false, false),
            ("From: ada@a.test\nAuto-Submitted: No", false, false),
            ("From: ada@a.test\nAuto-Submitted: no; x=y", false, false),
            ("From: ada@a.test\nAuto-Submitted: Auto-Replied (vacation)", true, false),
            ("From: ada@a.test\nX-Autoreply: yes", true, false),
            ("From: ada@a.test\nPrecedence: auto_reply", true, false),
            ("From: ada@a.test\nPrecedence: bulk\nList-Id: <l.a.test>", false, false),
            ("From: ada@a.test\nX-Auto-Response-Suppress: All", false, false),
            ("From: no-reply@a.test", false, false),
            ("From: MAILER-DAEMON@a.test\nReturn-Path: <>", true, true),
            ("From: a@a.test\nReturn-Path: <>", true, false),
            ("From: a@a.test\nContent-Type: multipart/report; report-type=feedback-report", true, false),
            ("From: a@a.test\nX-Failed-Recipients: b@b.test", true, true),
        ] {
            let found = signs(&Mail::of_block(block.as_bytes()));
            assert_eq!((found.is_automatic, found.is_bounce), (is_automatic, is_bounce), "{block}");
        }
    }
}
