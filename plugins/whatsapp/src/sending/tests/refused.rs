//! What is refused before anything leaves: each with its place, the limit and a fix.

use super::*;

#[test]
fn every_limit_is_named_before_anything_leaves() {
    let choice = |id: &str, title: &str| Choice { id: id.into(), title: title.into() };
    let choices = |choices: Vec<Choice>| vec![Part::Text("Which?".into()), Part::Choices(choices)];
    let many = |count: usize| (0..count).map(|index| choice(&format!("c{index}"), &format!("t{index}"))).collect();
    let card = Part::ContactCard(Contact::new(Vec::new()));
    let nameless = Part::Media(Media {
        source: MediaSource::Url("https://example.com/f".into()),
        mime_type: None,
        file_name: None,
        size: None,
        content_id: None,
    });
    for (parts, found) in [
        (vec![], "without parts"),
        (vec![Part::Text(" ".into())], "parts[0]: an empty text"),
        (vec![Part::Text("ä".repeat(4097))], "parts[0]: a text of 4097 characters, at most 4096"),
        (vec![Part::Text("x".into()); 16], "16 messages, at most 15"),
        (vec![Part::Text("x".into()), Part::Html("<b>x</b>".into())], "parts[1]: WhatsApp does not show HTML"),
        (vec![Part::Choices(many(2))], "parts[0]: choices stand below a text"),
        (choices(vec![]), "parts[1]: 0 choices, expected 1 to 10"),
        (choices(many(11)), "parts[1]: 11 choices, expected 1 to 10"),
        (choices(vec![choice("a", "")]), "choice 0 has no id or no title"),
        (choices(vec![choice("a", "A"), choice("a", "B")]), "choice 1 has the id or the title of an earlier one"),
        (choices(vec![choice("a", &"x".repeat(25))]), "a title of at most 24 characters"),
        (vec![Part::Text("x".repeat(1025)), Part::Choices(many(2))], "1025 characters, at most 1024"),
        (vec![Part::Chosen(choice("a", "A"))], "parts[0]: only a customer chooses"),
        (vec![Part::Form("{}".into())], "parts[0]: only a customer fills in a form"),
        (vec![Part::Other(("order".into(), "{}".into()))], "WhatsApp does not send `order`"),
        (vec![Part::Other(("interactive".into(), "{".into()))], "`interactive` is not JSON"),
        (vec![card], "parts[0]: a contact card needs a name"),
        (vec![nameless], "parts[0]: a file needs a MIME type"),
        (vec![link("image/gif")], "WhatsApp does not take `image/gif`"),
        (vec![link("audio/wav")], "WhatsApp does not take `audio/wav`"),
    ] {
        let Failure::UnsupportedContent(why) = failure(run(&Operation::Send(outgoing(parts)), &[])) else {
            panic!("{found}")
        };
        assert!(why.contains(found) && why.contains("; fix: "), "expected {found}, found {why}");
    }
}

#[test]
fn a_file_that_is_too_large_says_the_limit_in_bytes() {
    for (mime, bytes_max) in [
        ("image/jpeg", 5 << 20),
        ("audio/mpeg", 16 << 20),
        ("video/mp4", 16 << 20),
        ("application/pdf", 100 << 20),
        ("image/webp", 500 << 10),
    ] {
        let file = |size: u64| {
            let Part::Media(media) = link(mime) else { unreachable!() };
            Operation::Send(outgoing(vec![Part::Media(Media { size: Some(size), ..media })]))
        };
        assert_eq!(requests(&run(&file(bytes_max), &[])).len(), 1, "{mime}");
        assert_eq!(failure(run(&file(bytes_max + 1), &[])), Failure::TooLarge(bytes_max), "{mime}");
    }
}
