use axum::body::to_bytes;
use rapport_http::PublicUrl;
use serde_json::{Value, json};

use super::*;

fn event(change: impl FnOnce(&mut Value)) -> Event {
    let mut event = json!({
        "version": "2.0",
        "rawPath": "/hooks/a",
        "rawQueryString": "",
        "headers": {"x-b": "1", "x-a": "2,3", "host": "abc.execute-api.eu-west-1.amazonaws.com"},
        "requestContext": {
            "apiId": "abc", "domainName": "abc.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "abc",
            "stage": "$default", "http": {"method": "POST", "path": "/hooks/a"},
        },
        "body": "text",
        "isBase64Encoded": false,
    });
    change(&mut event);
    Event::parse(&serde_json::value::to_raw_value(&event).unwrap()).unwrap()
}

/// The URL that a signature is checked over, as `inbound::hooks` puts it together.
fn url(event: Event, public_url: Option<&str>) -> String {
    let request = event.into_request(public_url).unwrap();
    let PublicUrl(before) = request.extensions().get().unwrap();
    format!("{before}{}", request.uri())
}

async fn body(event: Event) -> Vec<u8> {
    to_bytes(event.into_request(None).unwrap().into_body(), usize::MAX).await.unwrap().into()
}

#[tokio::test]
async fn a_body_is_the_bytes_that_were_sent() {
    assert_eq!(body(event(|_| ())).await, b"text");
    let encoded = |event: &mut Value| (event["body"], event["isBase64Encoded"]) = (json!("/wAK"), json!(true));
    assert_eq!(body(event(encoded)).await, [0xff, 0, 10]);
    assert_eq!(body(event(|event| drop(event.as_object_mut().unwrap().remove("body")))).await, b"");
    let broken = event(|event| (event["body"], event["isBase64Encoded"]) = (json!("%"), json!(true)));
    assert!(broken.into_request(None).is_err());
}

#[test]
fn header_fields_keep_their_order_and_cookies_come_back() {
    let text = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}},"cookies":["a=1","b=2"],
                   "headers":{"x-z":"1","x-a":"2,3","x-m":"é"}}"#;
    let event = Event::parse(&RawValue::from_string(text.to_owned()).unwrap()).unwrap();
    let request = event.into_request(None).unwrap();
    let fields: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(fields, [("x-z", &b"1"[..]), ("x-a", b"2,3"), ("x-m", "é".as_bytes()), ("cookie", b"a=1; b=2")]);
}

#[test]
fn a_query_stays_as_it_was() {
    let query = "b=2&a=%2F&a=+x&c=d%20e&f=%e4&g=a=b";
    let request = event(|event| event["rawQueryString"] = json!(query)).into_request(None).unwrap();
    assert_eq!(request.uri().query(), Some(query));
    assert_eq!(event(|_| ()).into_request(None).unwrap().uri().query(), None);
}

#[test]
fn the_url_is_the_one_that_the_provider_called() {
    let api = "https://abc.execute-api.eu-west-1.amazonaws.com";
    assert_eq!(url(event(|_| ()), None), format!("{api}/hooks/a"));
    let staged = |event: &mut Value| {
        (event["rawPath"], event["requestContext"]["stage"]) = (json!("/prod/hooks/a"), json!("prod"));
    };
    assert_eq!(url(event(staged), None), format!("{api}/prod/hooks/a"), "the stage is part of the URL");
    let request = event(staged).into_request(None).unwrap();
    assert_eq!(request.uri().path(), "/hooks/a", "and no part of the route");

    let domain = |event: &mut Value| {
        staged(event);
        event["requestContext"]["domainName"] = json!("hooks.example.com");
        event["requestContext"]["domainPrefix"] = json!("hooks");
    };
    assert_eq!(url(event(domain), None), "https://hooks.example.com/hooks/a", "a mapping hides the stage");
    assert_eq!(url(event(domain), Some("https://hooks.example.com/cx")), "https://hooks.example.com/cx/hooks/a");
    assert_eq!(url(event(|_| ()), Some("https://cdn.example.com")), "https://cdn.example.com/hooks/a");
    let named_alike = |event: &mut Value| event["requestContext"]["stage"] = json!("hook");
    assert_eq!(url(event(named_alike), None), format!("{api}/hooks/a"), "only a whole part of the path is a stage");
}

#[test]
fn a_path_that_is_no_uri_is_no_crash() {
    for (path, expected) in
        [("/hooks/a b", "/hooks/a%20b"), ("/hooks/\u{e9}?#", "/hooks/%C3%A9%3F%23"), ("/a\n", "/a%0A"), ("", "/")]
    {
        let request = event(|event| event["rawPath"] = json!(path)).into_request(None);
        assert_eq!(request.unwrap().uri().path(), expected);
    }
    assert!(event(|event| event["requestContext"]["http"]["method"] = json!("A B")).into_request(None).is_err());
}

#[test]
fn another_event_is_an_error_that_repeats_nothing() {
    for text in [r#"{"Records":["a name"]}"#, "7", r#"{"rawPath":7,"a":"a name"}"#, r#"["a name"]"#] {
        let error = Event::parse(&RawValue::from_string(text.to_owned()).unwrap()).err().unwrap();
        assert!(error.contains("fix: ") && !error.contains("a name"), "{error}");
    }
}

#[test]
fn a_trace_is_taken_over_only_if_it_is_one() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let with = |value: &str| event(|event| event["headers"]["traceparent"] = json!(value));
    assert_eq!(with(trace).traceparent(), Some(trace));
    for odd in ["", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz", &format!("{trace}-00")] {
        assert_eq!(with(odd).traceparent(), None, "{odd}");
    }
}
