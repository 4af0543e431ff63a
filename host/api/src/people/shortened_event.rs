//! An event as a page shows it: whole, or shortened if it is too large for a page.
//!
//! A shortened event shows so in two places: a cut text ends in `[… bytes left out]`, and the event has `elided`, the
//! address of the whole event, and `elidedbytes`. Types stay the same: a text stays a text, a list stays a list. Small parts
//! stay whole, so every field of a record is there. A very long list loses its last entries.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

/// Bytes of JSON. Larger events are shown with their large parts cut: four of them fit a page.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of JSON of an event that was cut, about: what a person reads of a mail, and more.
const CUT_BYTES: usize = 128 << 10;
/// Bytes of JSON that a part of an event gets at least. If there are more parts than that allows, the last are left out.
const PART_BYTES_MIN: usize = 256;

/// How long a value is as JSON, in bytes.
pub fn json_bytes(value: &Value) -> usize {
    struct Counter(usize);
    impl Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting cannot fail, and a value has no key that is no text.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// A CloudEvent as a page shows it, and its length there.
pub fn shown(mut cloud: Value) -> (Value, usize) {
    let bytes = json_bytes(&cloud);
    if bytes <= EVENT_BYTES_MAX {
        return (cloud, bytes);
    }
    let address = address(&cloud);
    // Whose it is and where it stands is short, but for `id` and `source`, which are bounded by what a webhook may have.
    let data = cloud["data"].take();
    cloud["data"] = cut(data, CUT_BYTES);
    cloud["elided"] = json!(address);
    cloud["elidedbytes"] = json!(bytes);
    let bytes = json_bytes(&cloud);
    (cloud, bytes)
}

/// Where an event is whole.
fn address(cloud: &Value) -> String {
    let part = |name: &str| cloud[name].as_str().unwrap_or_default().to_owned();
    format!("/v1/events/{}.{}", part("partitionkey"), part("sequence"))
}

/// A value with at most about so many bytes.
fn cut(value: Value, budget: usize) -> Value {
    let bytes = json_bytes(&value);
    match value {
        value if bytes <= budget => value,
        Value::String(text) => Value::String(cut_text(&text, budget)),
        Value::Array(items) => {
            let sizes: Vec<usize> = items.iter().map(json_bytes).collect();
            let kept = sizes.len().min(budget / PART_BYTES_MIN);
            let left_out = marker(sizes[kept..].iter().sum());
            let shares = shares(&sizes[..kept], budget);
            let mut items: Vec<Value> = items.into_iter().zip(shares).map(|(item, share)| cut(item, share)).collect();
            items.extend((kept < sizes.len()).then_some(Value::String(left_out)));
            Value::Array(items)
        }
        Value::Object(fields) => {
            let sizes: Vec<usize> = fields.iter().map(|(name, field)| name.len() + json_bytes(field)).collect();
            let kept = sizes.len().min(budget / PART_BYTES_MIN);
            let left_out = marker(sizes[kept..].iter().sum());
            let shares = shares(&sizes[..kept], budget);
            let fields = fields.into_iter().zip(shares).map(|((name, field), share)| {
                // A name that is longer than a value may be: no record of the contract has one.
                if name.len() > PART_BYTES_MIN {
                    (cut_text(&name, PART_BYTES_MIN), cut(field, share.saturating_sub(PART_BYTES_MIN)))
                } else {
                    (name, cut(field, share))
                }
            });
            let mut fields: Map<String, Value> = fields.collect();
            if kept < sizes.len() {
                fields.insert("rapport.elided".to_owned(), Value::String(left_out));
            }
            Value::Object(fields)
        }
        value => value,
    }
}

/// How a budget is shared: what is small is kept whole, and what is large gets the same of what is left.
fn shares(sizes: &[usize], budget: usize) -> Vec<usize> {
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|at| sizes[*at]);
    let (mut left, mut shares) = (budget, vec![0; sizes.len()]);
    for (n, at) in by_size.iter().enumerate() {
        let share = sizes[*at].min(left / (sizes.len() - n));
        shares[*at] = share;
        left -= share;
    }
    shares
}

/// The beginning of a text, such that JSON writes it in about so many bytes, and how much is missing.
fn cut_text(text: &str, budget: usize) -> String {
    let mut written = 0;
    let end = text.char_indices().find(|(_, c)| {
        written += match c {
            '"' | '\\' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        written > budget
    });
    match end {
        Some((end, _)) => format!("{}{}", &text[..end], marker(text.len() - end)),
        None => text.to_owned(),
    }
}

fn marker(bytes: usize) -> String {
    format!("[{bytes} bytes left out]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: Value) -> Value {
        json!({"id": "1", "partitionkey": "eid", "sequence": "key", "data": data})
    }

    #[test]
    fn what_fits_a_page_is_whole() {
        let whole = event(json!({"a": "x".repeat(EVENT_BYTES_MAX - 200), "b": [1, 2]}));
        let (shown, bytes) = shown(whole.clone());
        assert_eq!((shown, bytes), (whole.clone(), whole.to_string().len()));
    }

    #[test]
    fn of_what_is_large_the_large_parts_are_cut_and_the_small_ones_stay() {
        let long = "\u{1}".repeat(3 << 20);
        let data = json!({
            "message": {"id": "m", "subject": null, "parts": [{"text": long}, {"text": "short"}], "forwarded": false},
            "many": vec![json!({"n": 1.5}); 200_000],
            "deep": {("x".repeat(2 << 20)): {"y": "ü".repeat(1 << 20)}},
        });
        let whole = event(data.clone());
        let (shown, bytes) = shown(whole.clone());
        assert_eq!(bytes, shown.to_string().len());
        assert!(bytes < 2 * CUT_BYTES, "{bytes}");
        assert_eq!(shown["elided"], "/v1/events/eid.key");
        assert_eq!(shown["elidedbytes"], whole.to_string().len());
        let message = &shown["data"]["message"];
        assert_eq!((&message["id"], &message["subject"]), (&json!("m"), &Value::Null));
        assert_eq!((&message["forwarded"], &message["parts"][1]["text"]), (&json!(false), &json!("short")));
        let text = message["parts"][0]["text"].as_str().unwrap();
        assert!(text.starts_with('\u{1}') && text.ends_with(" bytes left out]"), "{}", text.len());
        let many = shown["data"]["many"].as_array().unwrap();
        assert_eq!(many[0], json!({"n": 1.5}));
        assert!(many.last().unwrap().as_str().unwrap().ends_with(" bytes left out]"));
    }

    #[test]
    fn whatever_is_cut_fits_about_its_budget() {
        for width in [1, 3, 1_000, 40_000] {
            let deep = (0..40).fold(json!("z".repeat(3 << 20)), |inner, _| json!([inner, "z".repeat(100)]));
            let wide: Vec<Value> = (0..width).map(|n| json!({"k": n.to_string().repeat(40)})).collect();
            let named: Map<String, Value> = (0..width).map(|n| (format!("{n:0300}"), json!(n))).collect();
            let (_, bytes) = shown(event(json!([deep, wide, named])));
            assert!(bytes < 4 * CUT_BYTES, "{width}: {bytes}");
        }
    }
}
