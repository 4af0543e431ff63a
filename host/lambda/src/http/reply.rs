//! An answer in the form that an HTTP API (payload 2.0) and a function URL take.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

/// The response as JSON. Fields of the same name are joined: the form has one value for each.
pub(super) async fn to_json(response: Response) -> Box<RawValue> {
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await.map(|body| body.to_bytes().to_vec()) else {
        // Our bodies are in memory and do not fail; half an answer would be worse than none.
        return raw(&json!({"statusCode": 500}));
    };
    let mut headers = Map::new();
    for name in parts.headers.keys() {
        let values = parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        headers.insert(name.as_str().to_owned(), Value::String(values.collect::<Vec<_>>().join(", ")));
    }
    let (body, is_encoded) = match String::from_utf8(body) {
        Ok(text) => (text, false),
        Err(bytes) => (STANDARD.encode(bytes.as_bytes()), true),
    };
    let status = parts.status.as_u16();
    raw(&json!({"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": is_encoded}))
}

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a JSON value is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn text_stays_text_and_bytes_become_base64() {
        let answer = http::Response::builder().status(401).header("a", "1").header("a", "2");
        let answer = to_json(answer.body("é".into()).unwrap()).await;
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        let expected = json!({"statusCode": 401, "headers": {"a": "1, 2"}, "body": "é", "isBase64Encoded": false});
        assert_eq!(answer, expected);
        let bytes = to_json(Response::new(vec![0xff, 0].into())).await;
        assert!(bytes.get().contains(r#""body":"/wA=""#) && bytes.get().contains(r#""isBase64Encoded":true"#));
    }
}
