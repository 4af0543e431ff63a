use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::lenient;

#[derive(Deserialize, Default, Debug, PartialEq)]
#[serde(default)]
struct Scalars<'a> {
    #[serde(deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    text: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::time")]
    time: Option<u64>,
    #[serde(deserialize_with = "lenient::number")]
    number: Option<f64>,
    #[serde(deserialize_with = "lenient::integer")]
    integer: Option<u64>,
    #[serde(deserialize_with = "lenient::flag")]
    flag: bool,
}

fn scalars(json: &str) -> Scalars<'_> {
    serde_json::from_str(json).unwrap()
}

#[test]
fn numbers_and_strings_mean_the_same() {
    let strings =
        r#"{"id":"7","text":"8","time":"1700000000","number":"-1.5","integer":"9","flag":"true","unknown":[{}]}"#;
    let numbers = r#"{"id":7,"text":8,"time":1700000000,"number":-1.5,"integer":9.0,"flag":1}"#;
    let expected = Scalars {
        id: Some("7".into()),
        text: Some("8".into()),
        time: Some(1_700_000_000_000),
        number: Some(-1.5),
        integer: Some(9),
        flag: true,
    };
    assert_eq!(scalars(strings), expected);
    assert_eq!(scalars(numbers), expected);
}

#[test]
fn a_field_of_the_wrong_type_is_absent_and_its_siblings_are_not() {
    for wrong in ["null", "{\"a\":[1]}", "[{\"a\":1}]", "true"] {
        let json = format!("{{\"time\":{wrong},\"number\":{wrong},\"integer\":{wrong},\"text\":{wrong},\"id\":\"x\"}}");
        assert_eq!(scalars(&json), Scalars { id: Some("x".into()), ..Scalars::default() }, "{wrong}");
    }
    assert_eq!(scalars(r#"{"id":"","flag":{},"number":"x","time":"soon","integer":-1}"#), Scalars::default());
    assert_eq!(scalars(r#"{"number":"NaN","time":-5,"integer":1.5}"#), Scalars::default());
    assert_eq!(scalars("{}"), Scalars::default());
}

#[test]
fn seconds_and_milliseconds_are_told_apart_by_size() {
    let cases = [
        ("0", 0),
        ("99999999999", 99_999_999_999_000),
        ("100000000000", 100_000_000_000),
        ("\"1700000000123\"", 1_700_000_000_123),
        ("1700000000.123", 1_700_000_000_123),
    ];
    for (found, expected) in cases {
        assert_eq!(scalars(&format!("{{\"time\":{found}}}")).time, Some(expected), "{found}");
    }
}

#[test]
fn an_instant_may_be_written_as_text() {
    for text in ["2023-11-14T22:13:20Z", "2023-11-14T23:13:20+0100"] {
        assert_eq!(scalars(&format!("{{\"time\":\"{text}\"}}")).time, Some(1_700_000_000_000), "{text}");
    }
    assert_eq!(scalars(r#"{"time":"2023-11-14"}"#).time, None);
}

#[test]
fn large_identifiers_keep_every_digit() {
    assert_eq!(scalars(r#"{"id":9007199254740993}"#).id.as_deref(), Some("9007199254740993"));
    assert_eq!(scalars(r#"{"id":-9007199254740993}"#).id.as_deref(), Some("-9007199254740993"));
}

#[test]
fn text_is_borrowed_unless_it_was_escaped_and_never_holds_nul() {
    assert!(matches!(scalars(r#"{"text":"plain"}"#).text, Some(Cow::Borrowed("plain"))));
    assert_eq!(scalars(r#"{"text":"a\u0000b\u00e4"}"#).text.as_deref(), Some("a\u{fffd}bä"));
    assert_eq!(scalars(r#"{"text":""}"#).text.as_deref(), Some(""));
}

#[test]
fn an_id_with_a_nul_is_never_the_one_without() {
    for id in [r"ann\u0000", r"\u0000ann", r"a\u0000nn", r"ann\u0000\u0000"] {
        let json = format!("{{\"id\":\"{id}\"}}");
        let read = scalars(&json).id.unwrap();
        assert!(read.contains('\u{fffd}') && !read.contains('\0') && read != "ann", "{id}: {read:?}");
        let document = lenient::document(json.as_bytes());
        assert_eq!(scalars(&document).id.as_deref(), Some(read.as_str()), "whichever part of the SDK meets it first");
    }
    assert_eq!(lenient::without_nul("a\0").as_ref(), "a\u{fffd}");
    assert!(matches!(lenient::without_nul("ann"), Cow::Borrowed("ann")));
}

#[test]
fn white_space_around_a_text_goes_and_control_characters_stay() {
    assert_eq!(lenient::trim(" \t\r\n\u{a0}\u{3000}ann \n"), "ann");
    for text in ["ann\u{b}", "\u{c}ann", "ann\u{85}", "ann\0", "ann\u{fffd}", "ann\u{200b}"] {
        assert_eq!(lenient::trim(text), text);
    }
}

#[derive(Deserialize, Debug, PartialEq)]
struct Strict {
    n: u8,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Nested<'a> {
    #[serde(deserialize_with = "lenient::maybe")]
    maybe: Option<Strict>,
    #[serde(deserialize_with = "lenient::each")]
    each: Vec<Strict>,
    #[serde(borrow, deserialize_with = "lenient::list")]
    list: Vec<&'a RawValue>,
    #[serde(borrow, deserialize_with = "lenient::object")]
    object: Option<Scalars<'a>>,
    #[serde(borrow, deserialize_with = "lenient::objects")]
    objects: Vec<Scalars<'a>>,
}

#[test]
fn elements_that_do_not_parse_leave_the_others() {
    let nested: Nested =
        serde_json::from_str(r#"{"maybe":{"n":300},"each":[{"n":1},{"n":"x"},null,[2],{"n":3}],"list":[1,{"a":[]}]}"#)
            .unwrap();
    assert_eq!(nested.maybe, None);
    assert_eq!(nested.each, [Strict { n: 1 }, Strict { n: 3 }]);
    assert_eq!(nested.list.iter().map(|raw| raw.get()).collect::<Vec<_>>(), ["1", "{\"a\":[]}"]);
}

#[test]
fn anything_but_the_expected_container_is_survived() {
    for wrong in ["null", "{\"a\":[1]}", "[[1],2,\"x\",null,true,-1,1.5]", "true", "-1", "1.5", "7", "\"x\""] {
        let json = format!(
            "{{\"maybe\":{wrong},\"each\":{wrong},\"list\":{wrong},\"objects\":{wrong},\"object\":{{\"id\":1}}}}"
        );
        let nested: Nested = serde_json::from_str(&json).unwrap();
        assert_eq!((nested.maybe, nested.each.len(), nested.objects.len()), (None, 0, 0), "{wrong}");
        assert_eq!(nested.object.unwrap().id.as_deref(), Some("1"), "{wrong}");
        let expected = if wrong == "null" {
            0
        } else if wrong.starts_with('[') {
            7
        } else {
            1
        };
        assert_eq!(nested.list.len(), expected, "{wrong}");
        let json = format!("{{\"object\":{wrong},\"each\":[{{\"n\":1}}]}}");
        let nested: Nested = serde_json::from_str(&json).unwrap();
        assert_eq!((nested.object.is_some(), nested.each.len()), (wrong.starts_with('{'), 1), "{wrong}");
    }
}

#[test]
fn objects_between_other_elements_are_kept_in_order() {
    let nested: Nested = serde_json::from_str(r#"{"objects":[1,{"id":"a"},[{}],{"id":"b","zz":{}},"x"]}"#).unwrap();
    assert_eq!(nested.objects.iter().filter_map(|object| object.id.as_deref()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_field_is_found_wherever_it_stands_in_an_object() {
    let raw: &RawValue = serde_json::from_str(r#"{"a":{"type":1},"\u0074ype":[2, 3],"n":null}"#).unwrap();
    assert_eq!(lenient::field(raw, "type").map(RawValue::get), Some("[2, 3]"));
    assert!(lenient::field(raw, "n").is_none());
    assert!(lenient::field(raw, "missing").is_none());
    assert!(lenient::field(RawValue::NULL, "type").is_none());
}

#[test]
fn an_id_in_a_list_is_a_string_or_a_number() {
    let ids: Vec<lenient::Id> = serde_json::from_str(r#"["a",1]"#).unwrap();
    assert_eq!(ids, [lenient::Id("a".into()), lenient::Id("1".into())]);
    assert!(serde_json::from_str::<lenient::Id>("{}").is_err());
}

#[test]
fn a_tower_of_brackets_is_read_over_without_a_stack() {
    let tower = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let json = format!("{{\"text\":{tower},\"unknown\":{tower},\"id\":\"x\"}}");
    assert_eq!(scalars(&json), Scalars { id: Some("x".into()), ..Scalars::default() });
    let json = format!("{{\"list\":[{tower}],\"each\":[{tower},{{\"n\":1}}]}}");
    let nested: Nested = serde_json::from_str(&json).unwrap();
    assert_eq!((nested.list.len(), nested.each.len()), (1, 1));
}

#[test]
fn a_root_is_an_object_and_its_refusal_holds_nothing_of_the_body() {
    let root = |json: &str| crate::lenient::root::<std::collections::BTreeMap<String, u8>>(json);
    assert_eq!(root(" {\"a\": 1}").unwrap()["a"], 1);
    for body in ["", "[\"secret\"]", "\"secret\"", "secret", "7", "null", "{\"secret\":", "{} secret"] {
        let refusal = root(body).unwrap_err();
        assert!(refusal.starts_with("expected a JSON object, found ") && !refusal.contains("secret"), "{refusal}");
    }
}

#[test]
fn a_batch_is_an_array_of_no_more_than_is_documented() {
    let raw = |json: &str| {
        crate::lenient::batch(json, 2).map(|elements| elements.iter().map(|e| e.get().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(raw(" [1, {\"a\":2}] "), Ok(vec!["1".into(), "{\"a\":2}".into()]));
    assert_eq!(raw(" {\"a\":1}"), Ok(vec!["{\"a\":1}".into()]));
    assert_eq!(raw("[]"), Ok(vec![]));
    assert!(raw("[1,2,3]").unwrap_err().contains("expected an array of at most 2 elements, found something else"));
    for broken in ["", "1", "null", "[1", "[1] 2", "{", "\"[]\""] {
        assert!(raw(broken).is_err(), "{broken}");
    }
}
