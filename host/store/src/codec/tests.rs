use std::collections::BTreeMap;

use super::*;
use rapport_model::event::{Attestation, Author, Body, Contact, Feedback, Identifier, Message, Metric, Part, Place};
use serde_json::{Map, Number, Value, json};

fn event() -> Event {
    Event {
        id: "1".into(),
        at: 1,
        account: "a".into(),
        contact: Contact::default(),
        body: Body::Other("line\nend".into(), json!({"text": "two\nlines"})),
        extensions: Default::default(),
    }
}

fn webhook(body: Vec<u8>) -> RawWebhook {
    RawWebhook {
        method: "POST".into(),
        url: "https://x.example/hooks/a?b=\n".into(),
        headers: vec![("a".into(), "1".into()), ("a".into(), "2".into())],
        body,
    }
}

/// Packs what can be stored.
fn packed(event: &Event, raw: Option<&RawWebhook>) -> Vec<u8> {
    pack(&checked(event).unwrap(), raw)
}

#[test]
fn what_is_packed_is_unpacked_bytes_and_all() {
    for body in [vec![0, 10, 255, 10], vec![b'x'; 3 * AT_ONCE_BYTES_MAX]] {
        let raw = webhook(body);
        let frame = packed(&event(), Some(&raw));
        assert_eq!(unpack_event(&frame).unwrap(), event());
        assert_eq!(unpack_raw(&frame).unwrap(), Some(raw.clone()));
        assert_eq!(unpack_webhook(&pack_webhook(&raw)).unwrap(), raw);
    }
    let alone = packed(&event(), None);
    assert_eq!((unpack_event(&alone).unwrap(), unpack_raw(&alone).unwrap()), (event(), None));
}

#[test]
fn the_largest_event_is_read_again_and_a_larger_one_is_refused_by_its_size() {
    let of_text = |text: String| Event { body: Body::Other(text, Value::Null), ..event() };
    let around = serde_json::to_vec(&of_text(String::new())).unwrap().len();
    let largest = of_text("x".repeat(EVENT_BYTES_MAX - around));
    assert_eq!(unpack_event(&packed(&largest, None)).unwrap(), largest);
    // Characters that JSON writes as six.
    let refused = checked(&of_text("\u{1}".repeat(EVENT_BYTES_MAX / 6))).unwrap_err();
    assert!(refused.contains("bytes"), "{refused}");
}

#[test]
fn an_event_that_no_parser_reads_again_is_refused_and_does_not_show() {
    let mut deep = json!("somebody's name");
    for _ in 0..126 {
        deep = json!([deep]);
    }
    let refused = checked(&Event { body: Body::Activity("a".into(), deep), ..event() }).unwrap_err();
    assert!(refused.contains("nested too deep") && !refused.contains("somebody"), "{refused}");
    let score = Feedback {
        metric: Metric::Nps,
        score: f64::INFINITY,
        scale: (0.0, 10.0),
        comment: None,
        about: None,
        response_id: "r".into(),
    };
    assert!(checked(&Event { body: Body::Feedback(score), ..event() }).is_err(), "JSON has no infinity");
}

#[test]
fn a_damaged_frame_is_an_error_and_no_bomb() {
    let raw = webhook(vec![b'x'; 2 * AT_ONCE_BYTES_MAX]);
    for frame in [packed(&event(), None), packed(&event(), Some(&raw))] {
        for cut in 0..frame.len() {
            assert!(unpack_raw(&frame[..cut]).is_err());
            // Of a large frame the event alone may be whole: then it is that.
            assert!(
                unpack_event(&frame[..cut]).is_ok_and(|read| read == event()) || unpack_event(&frame[..cut]).is_err()
            );
        }
    }
    let bomb = zstd::bulk::compress(&vec![0; UNPACKED_BYTES_MAX + 1], 1).unwrap();
    assert!(unpack_raw(&bomb).unwrap_err().contains("exceed") && unpack_event(&bomb).is_err());
    let no_line = zstd::bulk::compress(&vec![b'x'; 4 * AT_ONCE_BYTES_MAX], 1).unwrap();
    assert_eq!(unpack_event(&no_line).unwrap_err(), "no line end");
}

/// A small generator (SplitMix64), so that a seed in a failure repeats it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn text(&mut self) -> String {
        let odd = ['\0', '\u{1}', '\n', '\r', '"', '\\', '\u{7f}', 'a', '~', 'ü', '\u{202e}', '\u{fffd}', '\u{10ffff}'];
        (0..self.below(12)).map(|_| self.one_of(&odd)).collect()
    }

    fn float(&mut self) -> f64 {
        let odd = [
            -0.0,
            0.1,
            1e308,
            f64::MIN_POSITIVE,
            f64::EPSILON,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            9_007_199_254_740_993.0,
        ];
        if self.below(2) == 0 { self.one_of(&odd) } else { f64::from_bits(self.next()) }
    }

    /// As `json` of the contract may bring it: whatever a parser makes of a text.
    fn value(&mut self, depth: u64) -> Value {
        let texts = [
            "1e400",
            "-1e400",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-0.0",
            "-0",
            r#"{"a":1,"a":2}"#,
            r#""\ud800""#,
            r#""\u0000""#,
            "1.7976931348623157e308",
            "0.1e-7",
            "null",
            "[]",
            "{}",
        ];
        match self.below(9) {
            0 => serde_json::from_str(self.one_of(&texts)).unwrap_or_else(|_| Value::String(self.text())),
            1 => Number::from_f64(self.float()).map_or(Value::Null, Value::Number),
            2 => json!(self.next()),
            3 => json!(i64::from_ne_bytes(self.next().to_ne_bytes())),
            4 | 5 if depth > 0 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            6 if depth > 0 => {
                let entries = (0..self.below(4)).map(|_| (self.text(), self.value(depth - 1)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
            7 => {
                // As deep as it gets, and deeper than is read again.
                (0..self.below(140))
                    .fold(json!(1), |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({"": inner}) })
            }
            _ => Value::String(self.text()),
        }
    }

    fn optional<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn map(&mut self) -> BTreeMap<String, Value> {
        (0..self.below(3)).map(|_| (self.text(), self.value(4))).collect()
    }

    fn event(&mut self) -> Event {
        let attestation = self.one_of(&[Attestation::Provider, Attestation::Customer]);
        let identifier =
            Identifier { scheme: self.text(), scope: self.optional(Self::text), value: self.text(), attestation };
        let contact = Contact {
            identifiers: vec![identifier; self.below(3) as usize],
            display_name: self.optional(Self::text),
            locale: self.optional(Self::text),
            time_zone: None,
            traits: self.map(),
        };
        let place =
            Place { latitude: self.float(), longitude: self.float(), name: self.optional(Self::text), address: None };
        let parts = vec![
            Part::Text(self.text()),
            Part::Form(self.value(5)),
            Part::Place(place),
            Part::Other(self.text(), self.value(3)),
        ];
        let parts = parts.into_iter().take(self.below(5) as usize).collect();
        let message = Message {
            subject: self.optional(Self::text),
            reference: self.optional(Self::text),
            ..Message::new(self.text(), Author::Customer, parts)
        };
        let bodies = [
            Body::Message(message),
            Body::Activity(self.text(), self.value(6)),
            Body::ContactUpdated,
            Body::Other(self.text(), self.value(6)),
        ];
        Event {
            id: self.text(),
            at: self.next(),
            account: self.text(),
            contact,
            body: self.one_of(&bodies),
            extensions: self.map(),
        }
    }
}

/// Whatever an event holds: it is read back as it was, or it is refused before it is stored.
#[test]
fn any_event_is_read_back_as_it_was_or_refused() {
    let mut random = Random(12);
    let (mut stored, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let event = random.event();
        match checked(&event) {
            Ok(json) => {
                stored += 1;
                let raw = webhook(vec![b'x'; random.below(3 * AT_ONCE_BYTES_MAX as u64) as usize]);
                let frame = pack(&json, (seed % 50 == 0).then_some(&raw));
                assert_eq!(unpack_event(&frame).unwrap(), event, "the {seed}th");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(stored > 10_000 && refused > 100, "{stored} stored, {refused} refused");
}
