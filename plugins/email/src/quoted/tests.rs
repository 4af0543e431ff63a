use super::*;

const ANSWER: Context = Context { has_parent: true, prefix: Prefix::Reply };
const FRESH: Context = Context { has_parent: false, prefix: Prefix::None };

fn halves(text: &str, context: Context) -> (String, Option<String>) {
    let split = split(text, context);
    (split.new, split.quoted)
}

fn check(new: &str, quoted: &str) {
    let text = format!("{new}\n\n{quoted}");
    let expected = (new.to_owned(), Some(quoted.to_owned()));
    assert_eq!(halves(&text, ANSWER), expected);
    assert_eq!(halves(&text.replace('\n', "\r\n"), ANSWER), expected);
}

#[test]
fn an_attribution_begins_the_quote_in_every_language() {
    for attribution in [
        "On Thu, Jan 1, 2026 at 10:00 AM Ada Lovelace <ada@example.com> wrote:",
        "On Thu, Jan 1, 2026 at 10:00 AM Ada Lovelace\n<ada@example.com> wrote:",
        "Am 01.01.2026 um 10:00 schrieb Ada Lovelace <ada@example.com>:",
        "Ada Lovelace <ada@example.com> schrieb am Do., 1. Jan. 2026, 10:00:",
        "Le jeu. 1 janv. 2026 à 10:00, Ada Lovelace <ada@example.com> a écrit :",
        "El jue, 1 ene 2026 a las 10:00, Ada (<ada@example.com>) escribió:",
        "Il giorno gio 1 gen 2026 alle ore 10:00 Ada <ada@example.com> ha scritto:",
        "Em qui., 1 de jan. de 2026 às 10:00, Ada <ada@example.com> escreveu:",
        "Op do 1 jan 2026 om 10:00 schreef Ada <ada@example.com>:",
        "czw., 1 sty 2026 o 10:00 Ada <ada@example.com> napisał(a):",
        "Den tors 1 jan. 2026 kl 10:00 skrev Ada <ada@example.com>:",
        "Den tor. 1. jan. 2026 kl. 10.00 skrev Ada <ada@example.com>:",
    ] {
        check("Yes, please.\n\nAda", &format!("{attribution}\n> Shall we?\n>\n> Grace"));
    }
    check("Yes", "On 1 Jan 2026, at 10:00, Ada <ada@example.com> wrote:\n\nShall we?");
    check("Yes", "Ada Lovelace wrote:\n\n> Shall we?");
    check("Yes", "2026/1/1 Ada Lovelace <ada@example.com>\n\n> Shall we?");
    check("Yes", "---- Ada Lovelace wrote ----\n\n> Shall we?");
}

#[test]
fn an_answer_may_stand_right_above_the_attribution() {
    for quoted in [
        "03.01.2026 14:20 grace@example.com <\ngrace@example.com> wrote:\n\n> Shall we?",
        "> On 1 Jan 2026, at 10:00, Ada <ada@example.com> wrote:\n>\n> Shall we?",
        "On Thu, Jan 1, 2026 Ada <ada@example.com> wrote:\n> Shall we?",
    ] {
        let expected = ("On it.".to_owned(), Some(quoted.to_owned()));
        assert_eq!(halves(&format!("On it.\n{quoted}"), ANSWER), expected);
    }
}

#[test]
fn a_signature_may_stand_below_the_quote() {
    let quoted = "On Wed, Dec 9, Ada\n<ada@example.com>\nwrote:\n> Shall we?";
    let expected = ("Yes\n\n--\nAda".to_owned(), Some(quoted.to_owned()));
    assert_eq!(halves(&format!("Yes\n\n{quoted}\n\n--\nAda"), ANSWER), expected);
}

#[test]
fn outlook_writes_a_head_or_a_rule() {
    let head =
        "From: Ada <ada@example.com>\nSent: Thursday, January 1, 2026 10:00\nTo: Support\nSubject: Hello\n\nShall we?";
    check("Yes", head);
    check("Yes", &format!("________________________________\n{head}"));
    check("Yes", "-----Original Message-----\nFrom: Ada");
    check("Ja", "-----Ursprüngliche Nachricht-----\nVon: Ada");
    check("From: foo\nBar baz", head);
    check("Yes", "Date: Thu, 1 Jan 2026 10:00:00 +0000\nFrom: ada@example.com\nTo: grace@example.com\nSubject: Hello");
    check("Yes", "  *From:* Ada [mailto:\n  ada@example.com]\n  *Sent:* Thursday\n  *To:* Support\n  *Subject:* Hello");
    check("Ja", "*Von:* Ada\n*Gesendet:* Donnerstag\n*An:* Support\n*Betreff:* Hallo\n\nText");
}

#[test]
fn what_is_not_certainly_quoted_stays() {
    for text in [
        "On Monday I wrote:\nplease help",
        "From: the heart\nthank you",
        "A ticket, please.\nFrom: Berlin\nTo: Paris\nDate: 1 May",
        "> you asked this\nand I answer that\n> and this\nthat too",
        "> nothing but a quote\n> of two lines",
        "See below:\n\n---------- Forwarded message ----------\nFrom: Ada <a@example.com>\nDate: 1 Jan 2026\nTo: b\nSubject: x\n\n> old",
        "Hello\n-- \nAda\nexample.com",
        "",
    ] {
        assert_eq!(halves(text, ANSWER), (text.to_owned(), None));
    }
    assert!(split("See below:\n\n---------- Forwarded message ----------\nFrom: Ada", ANSWER).is_forward);
}

#[test]
fn what_the_customer_says_of_earlier_is_no_quote() {
    for told in [
        "On 12 May 2026 I wrote:",
        "On 12 May 2026 at 10:00 I wrote:",
        "On 12 May 2026 I already wrote to support@shop.example:",
        "On Monday, 12 May 2026 we wrote:",
        "On 12 May 2026 your colleague said:",
        "Am 12. Mai 2026 schrieb ich:",
        "Am 12.05.2026 schrieb ich Ihnen:",
        "Am 12.05.2026 um 10:00 schrieb ich an support@shop.example:",
        "Am 12.05.2026 habe ich Ihnen geschrieben:",
        "Am 12.05. 100 Mal geschrieben:",
        "Am 12.05.2026 schrieb Ihr Techniker:",
        "Le 12 mai 2026 j'ai écrit :",
        "Le 12 mai 2026 nous avons écrit :",
        "El 12 de mayo de 2026 he escrito:",
        "Il 12 maggio 2026 ho scritto:",
        "Op 12 mei 2026 schreef ik:",
        "Den 12 maj 2026 skrev jag:",
        "Den 12. maj 2026 kl. 10.00 skrev jeg:",
        "Dne 12. 5. 2026 jsem napsal:",
        "在2026年5月12日 10:00 我写道:",
        "-- What I wrote on 12 May 2026 --",
    ] {
        let text = format!("Hello,\n\n{told}\nmy machine is broken");
        assert_eq!(halves(&text, ANSWER), (text.clone(), None));
        assert_eq!(halves(&text, FRESH), (text.clone(), None));
        // What is marked is quoted, whoever wrote it.
        let marked = format!("Hello,\n\n{told}\n> my machine is broken");
        assert!(told.starts_with('-') || halves(&marked, ANSWER).1.is_some(), "{told}");
    }
}

#[test]
fn an_attribution_above_lines_without_a_mark_has_an_address_or_a_time_of_day() {
    for attribution in [
        "On 12/05/2026 10:00, Ada Lovelace wrote:",
        "On Tue, May 12, 2026 at 10:00 AM Ada Lovelace wrote:",
        "On 12 May 2026, Ada <ada@example.com> wrote:",
        "Am 12.05.2026 um 10:00 schrieb Ada Lovelace:",
        "Le 12 mai 2026 à 10h00, Ada Lovelace a écrit :",
        "Den tis 12 maj 2026 kl 10:00 skrev Ada Lovelace:",
        "Den tirs. 12. maj 2026 kl. 10.00 skrev Ada Lovelace:",
        "在 2026年5月12日 10:00，Ada 写道：",
    ] {
        check("Yes, please.", &format!("{attribution}\n\nShall we?"));
    }
}

#[test]
fn answers_between_quoted_lines_stay_and_the_last_block_goes() {
    let text = "On 1 Jan 2026 Ada <a@example.com> wrote:\n> first?\nYes.\n> second?\nNo.\n\n> Ada\n> Lovelace";
    let expected = "On 1 Jan 2026 Ada <a@example.com> wrote:\n> first?\nYes.\n> second?\nNo.";
    assert_eq!(halves(text, ANSWER), (expected.to_owned(), Some("> Ada\n> Lovelace".to_owned())));
}

#[test]
fn a_quote_in_a_mail_that_answers_nothing_is_content() {
    for text in
        ["Here is my config:\n\n> server = a\n> port = 1", "It says\n> no\nwhy?", "Log:\n> 1 Ada <a@b.test> x\n> y"]
    {
        assert_eq!(halves(text, FRESH), (text.to_owned(), None));
    }
    let answered = "Yes\n\nOn 1 Jan 2026, Ada <a@b.test> wrote:\n> Shall we?";
    assert_eq!(halves(answered, FRESH).0, "Yes");
    assert_eq!(halves("Yes\n\n> Shall we?", ANSWER), ("Yes".to_owned(), Some("> Shall we?".to_owned())));
}

#[test]
fn what_is_handed_on_is_kept_whole_in_every_language() {
    for language in languages::all() {
        for phrase in language.forwarded {
            let text = format!("FYI\n\n---------- {phrase} ---------\nx: Bob <b@c.test>\n\nPay 42 EUR");
            let split = split(&text, Context { has_parent: true, prefix: Prefix::None });
            assert_eq!((split.new, split.quoted, split.is_forward), (text, None, true), "{phrase}");
        }
        let names = language.heads.map(|names| names[0]);
        let [from, sent, to, subject] = names;
        let text =
            format!("FYI\n\n{from}: Bob <b@c.test>\n{sent}: 2026-09-29\n{to}: Ada\n{subject}: Invoice\n\nPay 42 EUR");
        for context in [FRESH, Context { has_parent: true, prefix: Prefix::Forward }] {
            let split = split(&text, context);
            assert_eq!((split.new, split.quoted, split.is_forward), (text.clone(), None, true), "{}", language.code);
        }
        let split = split(&text, ANSWER);
        assert_eq!((split.new.as_str(), split.is_forward), ("FYI", false), "{}", language.code);
        for verb in language.verbs {
            let text = format!("Yes\n\n2026-01-01 10:00 Ada <ada@b.test> {verb}:\n> Shall we?\n\n> Ada");
            assert_eq!(halves(&text, FRESH).0, "Yes", "{verb}");
        }
    }
    for (text, is_forward) in [
        ("Begin forwarded message:\n\n> From: Bob\n> Subject: x\n>\n> Pay", true),
        ("----- Forwarded by Ada Lovelace/ACME on 01/01/2026 10:00 AM -----\nBob", true),
        ("----- Weitergeleitet von Ada/ACME am 01.01.2026 10:00 -----\nBob", true),
        ("Début du message réexpédié :\n\nDe: Bob", true),
        ("The forwarded message: it is below", false),
        ("-- \nForwarded messages are nice", false),
    ] {
        assert_eq!(split(text, FRESH).is_forward, is_forward, "{text}");
    }
}

#[test]
fn one_prefix_of_two_meanings_is_told_by_the_head_below_it() {
    let either = |has_parent| Context { has_parent, prefix: Prefix::Either };
    let danish =
        "Se nedenfor\n\nFra: Bob <b@c.test>\nSendt: 29. september 2026\nTil: Ada\nEmne: Faktura\n\nBetal 42 EUR";
    let finnish = "Kiitos\n\nLähettäjä: Bob <b@c.test>\nLähetetty: 29. syyskuuta 2026\nVastaanottaja: Ada\nAihe: Lasku\n\nMaksa 42 EUR";
    assert!(split(danish, either(true)).is_forward);
    assert_eq!(halves(finnish, either(true)).0, "Kiitos");
    assert!(!split("Kiitos\n\nto 1. lokak. 2026 klo 10.00 Ada (a@b.test) kirjoitti:\n> x", either(true)).is_forward);
}

#[test]
fn old_marks_of_quotes_are_known_below_an_attribution() {
    for quoted in
        ["On 1 Jan 2026 Ada <a@b.test> wrote:\n| one\n| two", "On 1 Jan 2026 Ada <a@b.test> wrote:\nAL> one\nAL> two"]
    {
        assert_eq!(halves(&format!("Yes\n\n{quoted}"), ANSWER), ("Yes".to_owned(), Some(quoted.to_owned())));
    }
    let table = "| a | b |\n| 1 | 2 |";
    assert_eq!(halves(table, ANSWER), (table.to_owned(), None));
}

#[test]
fn a_text_without_end_is_looked_through_once() {
    for line in [
        "From:",
        "On 1 wrote:",
        "> x",
        "a:",
        "-- a --",
        "____________________",
        "",
        "On 1 Jan 2026 Ada <a@b.test> wrote:\n> x\ny",
    ] {
        let text = format!("{line}\n").repeat(60_000);
        let split = split(&text, ANSWER);
        let lines = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
        assert_eq!(lines(&split.new) + split.quoted.as_deref().map_or(0, lines), lines(&text), "{line}");
    }
}
