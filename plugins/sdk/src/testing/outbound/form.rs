//! Exchanges and requests as a person writes and reads them, and as the contract's JSON, in which a body is a list of bytes.

use serde_json::{Map, Value, json};

use super::lost;
use crate::encoding::base64;

/// An exchange of a file: `{"status", "headers"?, "json"?|"text"?|"base64"?|"kept"?}` or `{"error"}`.
pub(super) fn exchange(written: &Value) -> Result<Value, String> {
    let Some(fields) = written.as_object() else { return Err(format!("expected an exchange, found {written}")) };
    let known = ["status", "headers", "json", "text", "base64", "kept", "error"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown key `{unknown}`; fix: one of {}", known.join(", ")));
    }
    if let Some(error) = fields.get("error") {
        return Ok(lost(error.clone()));
    }
    let Some(status) = fields.get("status").and_then(Value::as_u64) else {
        return Err("expected a `status` or an `error`, found neither".into());
    };
    let empty = Map::new();
    let headers = fields.get("headers").and_then(Value::as_object).unwrap_or(&empty);
    let headers: Vec<Value> = headers.iter().map(|(name, value)| json!([name.to_lowercase(), value])).collect();
    let body = match fields {
        _ if fields.contains_key("kept") => json!({"kept": fields["kept"]}),
        _ if fields.contains_key("json") => bytes(fields["json"].to_string().as_bytes()),
        _ if fields.contains_key("base64") => {
            let text = fields["base64"].as_str().unwrap_or_default();
            bytes(&base64::decode(text).ok_or("`base64` is not base64")?)
        }
        _ => bytes(fields.get("text").and_then(Value::as_str).unwrap_or_default().as_bytes()),
    };
    Ok(json!({"Ok": {"status": status, "headers": headers, "body": body}}))
}

/// The contract's `answer` of bytes.
pub(super) fn bytes(bytes: &[u8]) -> Value {
    json!({ "bytes": bytes })
}

/// A request of the contract with a URL of text as text, and bytes as JSON, text or base64. What is empty is left out.
pub(super) fn request(request: &Value) -> Value {
    let mut readable = Map::new();
    let method = request["method"].as_str().unwrap_or_default().to_uppercase();
    readable.insert("method".into(), method.into());
    readable.insert("url".into(), pieces(&request["url"]));
    for field in request["headers"].as_array().into_iter().flatten() {
        let headers = readable.entry("headers").or_insert_with(|| json!([]));
        if let Some(headers) = headers.as_array_mut() {
            headers.push(json!([field["name"], pieces(&field["value"])]));
        }
    }
    if request["authorization"] != "none" {
        readable.insert("authorization".into(), request["authorization"].clone());
    }
    for signed in request["signed"].as_array().into_iter().flatten() {
        let mut signed = signed.clone();
        signed["data"] = data(&signed["data"]);
        if let Some(list) = readable.entry("signed").or_insert_with(|| json!([])).as_array_mut() {
            list.push(signed);
        }
    }
    match &request["body"] {
        Value::Object(body) if body.contains_key("content") => {
            readable.insert("body".into(), content(&body["content"]));
        }
        Value::Object(body) => {
            let fields = body.get("multipart").and_then(Value::as_array).cloned().unwrap_or_default();
            let field = |field: Value| {
                let mut readable = field.clone();
                readable["content"] = content(&field["content"]);
                readable
            };
            readable.insert("multipart".into(), fields.into_iter().map(field).collect());
        }
        _ => {}
    }
    for flag in ["repeatable", "keep"] {
        if request[flag] == true {
            readable.insert(flag.into(), true.into());
        }
    }
    if request["extensions"].as_object().is_some_and(|extensions| !extensions.is_empty()) {
        readable.insert("extensions".into(), request["extensions"].clone());
    }
    Value::Object(readable)
}

/// The last turn: what was achieved, without what is empty, and how it ended.
pub(super) fn outcome(turn: &Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    let so_far = turn["so_far"].as_object().into_iter().flatten();
    let so_far: Map<String, Value> =
        so_far.filter(|(_, value)| !is_empty(value)).map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut outcome = json!({ "end": turn["next"] });
    if !so_far.is_empty() {
        outcome["achieved"] = so_far.into();
    }
    outcome
}

/// One text of text alone; else the list.
fn pieces(pieces: &Value) -> Value {
    match pieces.as_array().map(Vec::as_slice) {
        Some([one]) if one.get("text").is_some() => one["text"].clone(),
        _ => pieces.clone(),
    }
}

fn content(content: &Value) -> Value {
    match content.get("bytes") {
        Some(list) => data(list),
        None => content.clone(),
    }
}

/// Bytes as JSON, text or base64.
fn data(list: &Value) -> Value {
    let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok()).unwrap_or_default();
    let bytes: Vec<u8> = list.as_array().into_iter().flatten().map(byte).collect();
    match (serde_json::from_slice::<Value>(&bytes), String::from_utf8(bytes.clone())) {
        (Ok(value), _) => json!({ "json": value }),
        (_, Ok(text)) => json!({ "text": text }),
        _ => json!({ "base64": base64::encode(&bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Exchange, FormField, Request};

    #[test]
    fn an_exchange_of_a_file_is_one_of_the_contract() {
        let written = json!([
            {"status": 200, "headers": {"Content-Type": "application/json"}, "json": {"id": "m"}},
            {"status": 204},
            {"status": 502, "text": "<html>"},
            {"status": 200, "base64": "AP8="},
            {"status": 200, "kept": {"blob": "b", "bytes": 1, "mime_type": null, "sha256": "00"}},
            {"error": "timeout"},
            {"error": {"request_too_large": 7}},
        ]);
        for one in written.as_array().unwrap() {
            let read: Result<Exchange, _> = serde_json::from_value(exchange(one).unwrap());
            assert!(read.is_ok(), "{one}: {read:?}");
        }
        assert!(exchange(&json!({"staus": 200})).unwrap_err().contains("`staus`"));
        assert!(exchange(&json!({})).is_err() && exchange(&json!(7)).is_err());
    }

    #[test]
    fn a_request_reads_as_it_was_described() {
        let described = Request::post("https://a.test/v1").bearer("access-token").json(&json!({"a": 1}));
        let expected = json!({
            "method": "POST", "url": "https://a.test/v1", "headers": [["content-type", "application/json"]],
            "authorization": {"bearer": "access-token"}, "body": {"json": {"a": 1}},
        });
        assert_eq!(request(&serde_json::to_value(described).unwrap()), expected);
        let described = Request::post("https://a.test/bot").secret("t").multipart(vec![FormField::text("a", "b c")]);
        let readable = request(&serde_json::to_value(described).unwrap());
        assert_eq!(readable["url"], json!([{"text": "https://a.test/bot"}, {"secret": "t"}]));
        assert_eq!(readable["multipart"][0]["content"], json!({"text": "b c"}));
    }
}
