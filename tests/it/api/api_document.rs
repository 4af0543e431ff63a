//! `/openapi.json` says what the API does: every route is in it, its examples are valid, and a client that knows nothing
//! but the document gets no answer that is not in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::document;
use axum::body::Body;
use axum::http::Request;
use jsonschema::Validator;
use rapport_model::event::Attestation;
use serde_json::{Map, Value, json};

use crate::support::api::{Api, Reply, escaped, identifier};
use crate::support::{API_KEY, POWERLESS_KEY};

/// Requests of the client: some thousands, so that each operation gets a hundred, good ones and bad ones.
const REQUESTS: u64 = 5_000;
/// Services that it may use up until each operation has succeeded and refused: it erases and merges people. `RAPPORT_CLIENT_SEED`
/// draws other requests.
const SERVICES_MAX: u64 = 4;
/// The connection that sends.
const SENDER: &str = "wa-eu";
/// Longer than any limit of a text in the document.
const TOO_LONG: usize = 3_000;

#[test]
fn the_document_names_every_address_and_holds_together() {
    let document = document();
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "/healthz",
        "/hooks/{connection}",
        "/hooks/{connection}/{token}",
        "/openapi.json",
        "/v1/audit",
        "/v1/conflicts",
        "/v1/connections/{name}",
        "/v1/connections/{name}/resume",
        "/v1/conversations/{id}",
        "/v1/conversations/{id}/hand-back",
        "/v1/conversations/{id}/take",
        "/v1/erasure-demands",
        "/v1/erasure-demands/{id}/accept",
        "/v1/erasure-demands/{id}/dismiss",
        "/v1/erasures",
        "/v1/erasures/{id}",
        "/v1/erasures/{id}/parked",
        "/v1/events/{id}",
        "/v1/keys",
        "/v1/links",
        "/v1/links/{id}",
        "/v1/messages",
        "/v1/messages/{id}",
        "/v1/messages/{id}/cancel",
        "/v1/messages/{id}/resend",
        "/v1/profiles/lookup",
        "/v1/profiles/{id}",
        "/v1/profiles/{id}/explain",
        "/v1/profiles/{id}/export",
        "/v1/profiles/{id}/timeline",
        "/v1/repairs",
        "/v1/rules/preview",
        "/v1/suggestions",
        "/v1/suggestions/{id}/accept",
        "/v1/suggestions/{id}/dismiss",
    ];
    let paths: BTreeSet<&str> = paths.into_iter().collect();
    assert_eq!(paths, expected.into_iter().collect());
    let mut references = Vec::new();
    collect(&document, "$ref", &mut references);
    for reference in &references {
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(ids.len(), operations.len(), "operations have names of their own");
    for operation in &operations {
        let named = |name: &str| operation.path.contains(&format!("{{{name}}}"));
        let in_path = operation.parameters("path");
        assert!(in_path.iter().all(|parameter| named(parameter["name"].as_str().unwrap())), "{}", operation.id);
        assert_eq!(in_path.len(), operation.path.matches('{').count(), "{}", operation.id);
        assert_eq!(operation.statuses().contains(&401), !operation.is_open(), "{}", operation.id);
    }
}

#[tokio::test]
async fn the_document_is_served_and_every_method_that_it_does_not_name_is_refused() {
    let api = Api::new().await;
    let served = api.send(Request::get("/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!((served.status, &served.headers["content-type"][..]), (200, "application/json"));
    assert_eq!(served.body, document());
    for (path, item) in served.body["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let reply = api.call(&method.to_uppercase(), &path.replace(['{', '}'], "x"), None).await;
            let is_there = item.get(method).is_some();
            assert_eq!(reply.status != 405, is_there, "{method} {path}: {reply:?}");
            let is_known = !reply.body["detail"].as_str().unwrap_or_default().starts_with("no route at this path");
            assert!(is_known, "{method} {path}");
        }
    }
}

#[test]
fn every_example_of_the_document_is_valid() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut seen = 0;
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let validator = validator(&document, &json!({"$ref": format!("#/components/schemas/{name}")}));
            let mistakes: Vec<String> = validator.iter_errors(example).map(|error| error.to_string()).collect();
            assert_eq!(mistakes, Vec::<String>::new(), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "bodies have examples");
}

/// Generators of clients make modules of tags and functions of operation ids, and stumble over the schema `true`.
#[test]
fn the_document_has_what_generators_of_clients_need() {
    let document = document();
    assert_eq!(document["servers"][0]["url"], "/");
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for Operation { id, path, page, .. } in operations(&document) {
        assert!(id.starts_with(|first: char| first.is_ascii_lowercase()), "{id}");
        assert!(id.bytes().all(|byte| byte.is_ascii_alphabetic()), "{id}");
        let of = page["tags"].as_array().unwrap();
        assert!(of.len() == 1 && tags.contains(&&of[0]), "{id}");
        assert_eq!(of[0] == "hooks", path.starts_with("/hooks"), "{id}");
        assert_eq!(page["x-audit-name"].is_string(), path.starts_with("/v1/"), "{id}");
        if let Some(internal) = page["responses"].get("500") {
            assert_eq!(internal["description"], "Internal error", "{id}");
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema.is_object(), "{name}.{field} is {schema}");
            let says_so = schema["description"].as_str().is_some_and(|text| text.contains("RFC 3339"));
            assert!(!says_so || schema["format"] == "date-time", "{name}.{field} has no format");
        }
    }
    let scheme = &document["components"]["schemas"]["Identifier"]["properties"]["scheme"];
    assert_eq!(
        (&scheme["minLength"], &scheme["pattern"]),
        (&json!(1), &Value::Null),
        "`Phone` is taken, so no pattern forbids it"
    );
}

#[test]
fn every_event_of_every_fixture_is_as_documented() {
    let document = closed(document());
    let check = validator(&document, &json!({"$ref": "#/components/schemas/Event"}));
    let key = rapport_model::EventKey::parse("01KAYJQ5R00000000000000000").unwrap();
    let eid = rapport_model::Eid::parse("abcdefghijklmnopqrstuv").unwrap();
    let place = rapport_model::cloudevent::EventAddress {
        connection: "chat",
        eid: &eid,
        key: &key,
        verified: true,
        received_at: 1_790_668_800_000,
    };
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for event in events_in(&crate::connectors::repository().join("plugins")) {
        let event: rapport_model::event::Event = serde_json::from_value(event).unwrap();
        let cloud = rapport_model::cloudevent::cloud_event(place, &event);
        let mistakes: Vec<String> = check.iter_errors(&cloud).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new(), "{cloud}");
        *seen.entry(event.body.name()).or_default() += 1;
    }
    assert!(seen.len() >= 14, "fixtures have events of nearly every kind: {seen:?}");
    let mut spoilt = json!({"specversion": "1.0"});
    assert!(!check.is_valid(&spoilt));
    let unreadable = rapport_model::cloudevent::unreadable_event(place, 7, "corrupt");
    let check = validator(&document, &json!({"$ref": "#/components/schemas/UnreadableEvent"}));
    assert!(check.is_valid(&unreadable), "{unreadable}");
    spoilt = unreadable;
    spoilt["data"]["text"] = json!("hello");
    assert!(!check.is_valid(&spoilt), "a field that is not documented is noticed");
}

/// The events of all fixtures in a folder.
fn events_in(folder: &std::path::Path) -> Vec<Value> {
    let mut events = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            events.extend(events_in(&path));
        } else if path.to_str().is_some_and(|path| path.ends_with(".events.json")) {
            let outcome: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            events.extend(outcome["events"].as_array().into_iter().flatten().cloned());
        }
    }
    events
}

#[tokio::test]
async fn a_client_that_knows_only_the_document_gets_no_answer_that_is_not_in_it() {
    let document = closed(document());
    let operations: Vec<Operation> = operations(&document).into_iter().filter(|one| !one.is_hook()).collect();
    let seed = std::env::var("RAPPORT_CLIENT_SEED").map_or(20_261_122, |text| text.parse().unwrap());
    let mut seen = BTreeMap::new();
    for service in 0..SERVICES_MAX {
        use_up(&document, &operations, seed + service, &mut seen).await;
        if unseen(&operations, &seen).is_empty() {
            break;
        }
    }
    for ((id, status), times) in &seen {
        println!("{id}: {status}, {times} times");
    }
    assert_eq!(unseen(&operations, &seen), [""; 0]);
}

/// Sends all requests of a seed to a service of their own, and checks each answer.
async fn use_up(document: &Value, operations: &[Operation<'_>], seed: u64, seen: &mut BTreeMap<(String, u16), u64>) {
    let api = Api::new().await;
    let mut client = Client { words: furnished(&api).await, learnt: Vec::new(), random: Random(seed), document };
    let mut checks: BTreeMap<(String, u16), Validator> = BTreeMap::new();
    for number in 0..REQUESTS {
        let operation = &operations[client.random.below(operations.len())];
        let request = client.request(operation);
        let shown = format!("request {number}: {request:?}");
        let reply = api.send(request.build()).await;
        let status = reply.status;
        let context = || format!("{shown}\n{reply:?}");
        let answer = &operation.page["responses"][status.to_string()];
        assert!(status < 500 && answer.is_object(), "not documented: {}", context());
        let content = answer["content"].as_object().unwrap();
        let kind = reply.headers.get("content-type").map(String::as_str).unwrap_or_default();
        assert!(content.contains_key(kind) || content.contains_key("*/*"), "{}", context());
        if let Some(schema) = content.get(kind).and_then(|content| content.get("schema")) {
            let key = (operation.id.clone(), status);
            let check = checks.entry(key).or_insert_with(|| validator(document, schema));
            let mistake = check.iter_errors(&reply.body).next().map(|error| error.to_string());
            assert_eq!(mistake, None, "{}", context());
        }
        *seen.entry((operation.id.clone(), status)).or_default() += 1;
        client.learn(&reply);
    }
}

/// What the client has not met: an operation that never succeeded, or most of its refusals.
fn unseen(operations: &[Operation<'_>], seen: &BTreeMap<(String, u16), u64>) -> Vec<String> {
    let mut unseen = Vec::new();
    for operation in operations {
        let is_seen = |status: u16| seen.contains_key(&(operation.id.clone(), status));
        if ![200, 201, 202].into_iter().any(is_seen) {
            unseen.push(format!("`{}` never succeeded", operation.id));
        }
        let mut refusals = operation.statuses();
        refusals.retain(|status| (400..412).contains(status));
        let never: Vec<&u16> = refusals.iter().filter(|status| !is_seen(**status)).collect();
        if never.len() * 2 > refusals.len() {
            unseen.push(format!("`{}` never answered {never:?}", operation.id));
        }
    }
    unseen
}

/// One operation of the document.
struct Operation<'a> {
    id: String,
    method: &'a str,
    path: &'a str,
    page: &'a Value,
}

impl Operation<'_> {
    /// Whether anybody may call it without a key.
    fn is_open(&self) -> bool {
        matches!(self.path, "/healthz" | "/openapi.json")
    }

    /// What a connector answers is the connector's.
    fn is_hook(&self) -> bool {
        self.path.starts_with("/hooks")
    }

    fn parameters(&self, place: &str) -> Vec<&Value> {
        let all = self.page["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    fn statuses(&self) -> Vec<u16> {
        self.page["responses"].as_object().unwrap().keys().filter_map(|status| status.parse().ok()).collect()
    }
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, page)| {
            let id = page["operationId"].as_str().unwrap().to_owned();
            Operation { id, method, path, page }
        })
    });
    all.collect()
}

/// A request, made of parts that can be shown.
#[derive(Debug)]
struct Wish {
    method: String,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Wish {
    fn build(self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.target);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body)).unwrap()
    }
}

/// Makes requests of the document, and learns ids from the answers.
struct Client<'a> {
    document: &'a Value,
    /// Texts that mean something: identifiers, instants.
    words: Vec<String>,
    /// Texts that answers gave: ids, cursors.
    learnt: Vec<String>,
    random: Random,
}

/// Texts that are kept of answers: the oldest go.
const LEARNT_MAX: usize = 300;

impl Client<'_> {
    fn request(&mut self, operation: &Operation) -> Wish {
        let mut target = operation.path.to_owned();
        for parameter in operation.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            let value = escaped(&self.id(operation.path));
            // An empty part of a path is another path.
            target = target.replace(&format!("{{{name}}}"), if value.is_empty() { "-" } else { &value });
        }
        let query = self.query(operation);
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let mut headers = Vec::new();
        if !self.random.one_in(20) {
            let key = if self.random.one_in(10) { POWERLESS_KEY } else { API_KEY };
            headers.push(("authorization", format!("Bearer {key}")));
        }
        if !operation.parameters("header").is_empty() && !self.random.one_in(20) {
            headers.push(("idempotency-key", format!("key {}", self.random.below(200))));
        }
        let mut body = String::new();
        if let Some(schema) = operation.page.pointer("/requestBody/content/application~1json/schema") {
            let required = operation.page["requestBody"]["required"] == true;
            if required || self.random.one_in(2) {
                let is_message = operation.path == "/v1/messages" && !self.random.one_in(4);
                let value = if is_message { self.message() } else { self.value(schema, 0) };
                body = if self.random.one_in(3) { self.spoilt(value) } else { value.to_string() };
                let kind = if self.random.one_in(20) { "text/plain" } else { "application/json" };
                headers.push(("content-type", kind.to_owned()));
            }
        }
        Wish { method: operation.method.to_uppercase(), target, headers, body }
    }

    /// An id of the shape that the address is about, mostly.
    fn id(&mut self, path: &str) -> String {
        let is_one = |text: &&String| match path.split('/').nth(2) {
            Some("profiles") => text.len() == 23 && text.starts_with('p'),
            Some("erasures") => text.len() == 33 && text.starts_with('x'),
            Some("links") => text.matches('.').count() == 2 && text.len() > 45,
            Some("suggestions") => text.matches('.').count() == 1 && text.len() == 45,
            Some("conversations") => text.len() == 22,
            Some("connections") => *text == SENDER,
            Some("messages" | "events") => text.matches('.').count() == 1 && text.len() == 49,
            _ => true,
        };
        let own = [SENDER.to_owned()];
        let ids: Vec<String> = self.words.iter().chain(&self.learnt).chain(&own).filter(is_one).cloned().collect();
        if ids.is_empty() || self.random.one_in(6) { self.text() } else { ids[self.random.below(ids.len())].clone() }
    }

    fn query(&mut self, operation: &Operation) -> Vec<String> {
        let (scheme, value) = IDENTIFIERS[self.random.below(IDENTIFIERS.len())];
        let mut query = Vec::new();
        for parameter in operation.parameters("query") {
            let name = parameter["name"].as_str().unwrap();
            let is_given = if parameter["required"] == true { !self.random.one_in(15) } else { self.random.one_in(3) };
            if is_given {
                let value = match (self.random.below(4), name) {
                    (0, _) => json!(self.text()),
                    (_, "scheme") => json!(scheme),
                    (_, "value") => json!(value),
                    (1 | 2, "from" | "to") => json!(self.identifier()),
                    _ => self.value(&parameter["schema"], 0),
                };
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                query.push(format!("{name}={}", escaped(&text)));
            }
        }
        match self.random.below(40) {
            0 => query.push("unknown=1".to_owned()),
            1 => query.push("%FF=%FF&&=".to_owned()),
            2 => query.extend(query.first().cloned()),
            _ => {}
        }
        query
    }

    /// A value of a schema.
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let schema = self.document.pointer(reference.trim_start_matches('#')).unwrap();
            let examples = schema["examples"].as_array().filter(|_| self.random.one_in(8));
            return examples.map_or_else(|| self.value(schema, depth), |examples| examples[0].clone());
        }
        for options in ["oneOf", "anyOf"] {
            if let Some(options) = schema[options].as_array() {
                let option = &options[self.random.below(options.len())];
                return self.value(option, depth);
            }
        }
        if let Some(options) = schema["enum"].as_array() {
            return options[self.random.below(options.len())].clone();
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        let kind = kinds[self.random.below(kinds.len())].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "integer" => {
                let least = schema["minimum"].as_u64().unwrap_or_default();
                let most = schema["maximum"].as_u64().unwrap_or(least + 1_000);
                json!(least + self.random.next() % (most - least + 1))
            }
            "array" => (0..self.random.below(4)).map(|_| self.value(&schema["items"], depth + 1)).collect(),
            "object" => self.object(schema, depth),
            "string" => json!(self.text()),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let mut object = Map::new();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            if required.contains(&json!(name)) || self.random.one_in(2) {
                object.insert(name.clone(), self.value(field, depth + 1));
            }
        }
        if schema["additionalProperties"].is_object() {
            for _ in 0..self.random.below(3) {
                let name = self.text();
                object.insert(name, self.value(&schema["additionalProperties"], depth + 1));
            }
        }
        // What both mean something together.
        if object.contains_key("scheme") && !self.random.one_in(6) {
            return self.identifier();
        }
        Value::Object(object)
    }

    /// A message that means something: what is random is refused for one of its many fields.
    fn message(&mut self) -> Value {
        let endpoint = self.id("/v1/conversations/");
        let kind = ["reply", "notice"][self.random.below(2)];
        let to = json!({"conversation": {"endpoint": endpoint}});
        json!({"to": to, "parts": [{"text": "hello"}], "kind": kind, "author": "agent"})
    }

    fn identifier(&mut self) -> Value {
        let (scheme, value) = IDENTIFIERS[self.random.below(IDENTIFIERS.len())];
        identifier(scheme, value)
    }

    /// A text that means something, or none that does.
    fn text(&mut self) -> String {
        const ODD: [&str; 10] =
            ["", " ", "\u{0}", "../..", "{\"scheme\":1}", "null", "ü\u{202e}", "p", "2026-13-01T00:00:00Z", "%"];
        match self.random.below(12) {
            0 => ODD[self.random.below(ODD.len())].to_owned(),
            1 => "x".repeat(self.random.below(TOO_LONG)),
            2..6 if !self.learnt.is_empty() => self.learnt[self.random.below(self.learnt.len())].clone(),
            _ => self.words[self.random.below(self.words.len())].clone(),
        }
    }

    /// JSON that is wrong in one place, or none.
    fn spoilt(&mut self, mut value: Value) -> String {
        let mut places = Vec::new();
        places_of(&value, String::new(), &mut places);
        let place = places[self.random.below(places.len())].clone();
        let at = value.pointer_mut(&place).unwrap();
        match (self.random.below(6), at) {
            (0, Value::Object(fields)) => {
                let first = fields.keys().next().cloned().unwrap_or_default();
                fields.remove(&first);
            }
            (1, Value::Object(fields)) => {
                fields.insert("reasn".to_owned(), json!(1));
            }
            (2, at) => *at = json!(7.5),
            (3, at) => *at = json!("y".repeat(TOO_LONG)),
            (4, at) => *at = json!([[], {}]),
            _ => {
                let text = value.to_string();
                let end = (0..text.len()).rev().filter(|end| text.is_char_boundary(*end));
                let cut = end.take(20).nth(self.random.below(20)).unwrap_or_default();
                return text[..cut].to_owned();
            }
        }
        value.to_string()
    }

    /// Takes ids, cursors and instants of an answer into the pool.
    fn learn(&mut self, reply: &Reply) {
        for name in ["id", "next", "endpoint", "profile", "recorded_at", "as_of"] {
            let mut found = Vec::new();
            collect(&reply.body, name, &mut found);
            self.learnt.extend(found.iter().take(2).filter_map(|text| text.as_str().map(str::to_owned)));
        }
        let excess = self.learnt.len().saturating_sub(LEARNT_MAX);
        self.learnt.drain(..excess);
    }
}

/// Identifiers that requests speak of: few, so that links meet.
const IDENTIFIERS: [(&str, &str); 8] = [
    ("chat", "ada"),
    ("chat", "bob"),
    ("phone", "+16505551234"),
    ("phone", "+1 650 555 1234"),
    ("user", "u1"),
    ("user", "u2"),
    ("email", "Ada@Example.com"),
    ("email", "info@example.com"),
];

/// Something to ask about: suggestions, evidence; their ids are in the pool.
async fn furnished(api: &Api) -> Vec<String> {
    let mut pool = Vec::new();
    let mut parties = Vec::new();
    for (scheme, value) in IDENTIFIERS {
        pool.extend([scheme.to_owned(), value.to_owned(), identifier(scheme, value).to_string()]);
        parties.push(api.seen(scheme, value).await);
    }
    for n in 0..12 {
        let mail = api.seen("email", &format!("customer{n}@example.com")).await;
        let pair = rapport_model::identity::Pair::new(&parties[n % 2].eid, &mail.eid).unwrap();
        api.said(&parties[n % 2], &mail, Attestation::Customer).await;
        pool.push(pair.to_string());
    }
    api.said(&parties[0], &parties[2], Attestation::Provider).await;
    pool.push("2030-01-01T00:00:00Z".to_owned());
    let event = crate::people::erasure::said(&api.table, "1", 1_790_668_800_000, &[("chat", "carol")], "hello");
    pool.push(format!("{}.{}", event.eid, event.key));
    let webhook =
        rapport_store::RawWebhook { method: "POST".into(), url: String::new(), headers: vec![], body: vec![] };
    api.table.put_events(vec![event], webhook.clone()).await.unwrap();
    // People whom one provider demands to erase, and of whom another one has spoken.
    for n in 0..12u64 {
        let who = [("desk.user", format!("user-{n}"))];
        let who: Vec<(&str, &str)> = who.iter().map(|(scheme, value)| (*scheme, value.as_str())).collect();
        let said = crate::people::erasure::said(&api.table, "said", 1_790_668_800_000, &who, "hello");
        let mut erased = crate::people::erasure::said(&api.table, "erased", 1_790_668_800_001, &who, "");
        erased.event.body = rapport_model::event::Body::ContactErased;
        erased.connection = "desk".to_owned();
        pool.push(said.eid.to_string());
        let events = vec![said, erased];
        let records: Vec<_> = (1..).zip(&events).map(|(n, event)| crate::people::erasure::record(event, n)).collect();
        api.table.put_events(events, webhook.clone()).await.unwrap();
        rapport_projections::fold::fold_batch(&api.table, &records, 1_790_668_900_000).await.unwrap();
    }
    for endpoint in pool.clone().iter().filter(|text| text.len() == 22) {
        pool.extend(unknown_message(api, endpoint).await);
    }
    pool
}

/// A message of which nobody knows what became of it, and one that waits.
async fn unknown_message(api: &Api, endpoint: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for key in ["unknown", "waits"] {
        let body = json!({
            "to": {"conversation": {"endpoint": endpoint}}, "parts": [{"text": "hello"}], "kind": "notice", "author": "agent",
        });
        let request = Request::post("/v1/messages")
            .header("authorization", format!("Bearer {API_KEY}"))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{key} {endpoint}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let reply = api.send(request).await;
        let id = reply.body["id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
        if key == "unknown" {
            let named = rapport_model::sending::MessageId::parse(&id).unwrap();
            let stored = api.table.intent(&named.eid, &named.intent).await.unwrap().unwrap();
            let started = rapport_model::sending::intent::Started { at: 1_790_668_900_000, answers: None };
            let lost = api.table.change_intent(&stored, |now| now.undetermined(0, started.clone(), ("timeout", None)));
            lost.await.unwrap();
        }
        ids.push(id);
    }
    ids
}

/// Every value under a name, wherever it stands.
fn collect(value: &Value, name: &str, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == name {
                    found.push(value.clone());
                }
                collect(value, name, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

fn places_of(value: &Value, at: String, places: &mut Vec<String>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields.iter().filter(|(name, _)| !name.contains(['/', '~'])) {
            places_of(value, format!("{at}/{name}"), places);
        }
    }
    places.push(at);
}

/// Objects with the fields that are documented, and no others: so a field that is not documented is noticed.
fn closed(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.iter_mut().for_each(|(_, value)| *value = closed(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = closed(item.take())),
        _ => {}
    }
    value
}

/// A check of a schema of the document.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::validator_for(&whole).unwrap()
}

/// A small generator (SplitMix64, Steele 2014), so that a seed in a failure repeats it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}
