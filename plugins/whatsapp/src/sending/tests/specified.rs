//! What the fixtures send, against Meta's own OpenAPI document, if `RAPPORT_SPECS` names the folder where it is. A property that
//! the document does not have is a mistake here, although the document itself lets it pass.
//!
//! The document is v23.0 of November 2025. What it does not know yet, or has wrong, is in `fixtures/errata.json`, each
//! with its source. An entry that nothing needs fails the test.

mod yaml;

use std::collections::BTreeSet;
use std::path::PathBuf;

use rapport_sdk::testing::specification;

use super::*;

const DOCUMENT: &str = "meta-business-messaging-v23.yaml";
/// Where schemas stand in the document.
const SCHEMAS: &str = "    ";

/// A known mistake or gap of the document.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Erratum {
    schema: String,
    /// What the schema has besides, or does not require.
    property: String,
    #[serde(default)]
    is_optional: bool,
    why: String,
    source: String,
    date: String,
}

struct Specification<'d> {
    text: &'d str,
    errata: &'d [Erratum],
    used: BTreeSet<usize>,
}

#[test]
fn what_is_sent_is_in_meta_s_own_description() {
    let Some(text) = specification(DOCUMENT) else { return };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/errata.json");
    let errata: Vec<Erratum> = read(&path);
    assert!(errata.iter().all(|one| !one.why.is_empty() && !one.source.is_empty() && one.date.len() == 10));
    let mut specification = Specification { text: &text, errata: &errata, used: BTreeSet::new() };
    let mut checked = 0;
    for case in cases() {
        let steps: Vec<Vec<Value>> = read(&case);
        for request in steps.iter().flatten() {
            let Some((schema, value)) = described(request) else { continue };
            let found = specification.check(schema, &value);
            assert_eq!(found, Vec::<String>::new(), "{}", case.display());
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
    let idle: Vec<&str> = errata
        .iter()
        .enumerate()
        .filter(|(at, _)| !specification.used.contains(at))
        .map(|(_, one)| one.why.as_str())
        .collect();
    assert_eq!(idle, Vec::<&str>::new());
}

/// The schema of a request, and what it holds: all that the document describes of what a connector sends.
fn described(request: &Value) -> Option<(&'static str, Value)> {
    let url = request["url"].as_str()?;
    if url.ends_with("/media") {
        let fields = request["multipart"].as_array()?.iter();
        return Some(("media", fields.map(|field| (field["name"].as_str().unwrap().to_owned(), json!("x"))).collect()));
    }
    let body = request["body"]["json"].clone();
    match url.ends_with("/messages") {
        true if body.get("status").is_some() => Some(("MarkMessageRequestPayload", body)),
        true => Some(("Message", body)),
        false => None,
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/outbound");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_str().unwrap().ends_with(".requests.json")).collect()
}

fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The check sees what it is for.
#[test]
fn a_property_that_is_not_described_is_a_mistake() {
    let Some(text) = specification(DOCUMENT) else { return };
    let check =
        |value: Value| Specification { text: &text, errata: &[], used: BTreeSet::new() }.check("Message", &value);
    let message = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+1", "type": "text", "text": { "body": "x" },
    });
    assert_eq!(check(message.clone()), Vec::<String>::new());
    let with = |path: &str, value: Value| {
        let mut message = message.clone();
        *message.pointer_mut(path).unwrap() = value;
        check(message)
    };
    assert_eq!(with("/text", json!({ "bodi": "x" })), ["text.bodi: TextMessage does not have it"]);
    assert_eq!(with("/to", json!(7)), ["to: expected string, found 7"]);
    assert_eq!(
        with("/recipient_type", json!("crowd")),
        ["recipient_type: not one of BaseMessageProperties's words: \"crowd\""]
    );
    assert_eq!(with("/type", json!("song")), ["Message has no `song`"]);
    let mut open = message.clone();
    open["colour"] = json!("red");
    open.as_object_mut().unwrap().remove("to");
    assert_eq!(check(open), ["to: BaseMessageProperties requires it", "colour: TextMessage does not have it"]);
    let buttons: Vec<Value> = (0..4)
        .map(|id| json!({ "type": "reply", "reply": { "id": id.to_string(), "title": "x".repeat(21) } }))
        .collect();
    let many = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+1", "type": "interactive",
        "interactive": { "type": "button", "body": { "text": "x" }, "action": { "buttons": buttons } },
    });
    let found = check(many);
    assert!(found[0].contains("4 elements, at most 3") && found[1].contains("21 characters, at most 20"), "{found:?}");
}

impl Specification<'_> {
    /// The mistakes in a value of a schema.
    fn check(&mut self, schema: &str, value: &Value) -> Vec<String> {
        let mut mistakes = Vec::new();
        let found = match schema {
            // The only schema that stands under a path and not by a name.
            "media" => self.form_of_media(),
            name => self.schema(name),
        };
        self.value(&found, schema, value, "", &mut mistakes);
        mistakes
    }

    fn schema(&self, name: &str) -> Value {
        yaml::at(self.text, &format!("{SCHEMAS}{name}:")).unwrap_or_else(|| panic!("no schema `{name}`"))
    }

    fn form_of_media(&self) -> Value {
        let path = yaml::at(self.text, "  /{Version}/{Phone-Number-ID}/media:").unwrap();
        path["post"]["requestBody"]["content"]["multipart/form-data"]["schema"].clone()
    }

    /// All schemas that hold for a value at once: references followed, `allOf` opened, of a choice the one that is meant.
    fn open(&mut self, schema: &Value, name: &str, value: &Value, mistakes: &mut Vec<String>) -> Vec<(String, Value)> {
        if let Some(to) = schema["$ref"].as_str() {
            let name = to.rsplit('/').next().unwrap().to_owned();
            let target = self.schema(&name);
            return self.open(&target, &name, value, mistakes);
        }
        if let Some(mapping) = schema["discriminator"]["mapping"].as_object() {
            let word = value[schema["discriminator"]["propertyName"].as_str().unwrap()].as_str().unwrap_or_default();
            let Some(target) = mapping.get(word).and_then(Value::as_str) else {
                mistakes.push(format!("{name} has no `{word}`"));
                return Vec::new();
            };
            let target = target.rsplit('/').next().unwrap().to_owned();
            let found = self.schema(&target);
            return self.open(&found, &target, value, mistakes);
        }
        let mut all = Vec::new();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            // A part of `allOf` that is chosen by the same word would lead back to this schema.
            let plain = part["$ref"].as_str().map(|to| to.rsplit('/').next().unwrap().to_owned());
            match plain {
                Some(base) => {
                    let mut found = self.schema(&base);
                    found.as_object_mut().unwrap().remove("discriminator");
                    all.extend(self.open(&found, &base, value, mistakes));
                }
                None => all.extend(self.open(part, name, value, mistakes)),
            }
        }
        let fits = |one: &&Value| {
            let required = one["required"].as_array().into_iter().flatten();
            required.clone().count() > 0 && required.filter_map(Value::as_str).all(|field| value.get(field).is_some())
        };
        if let Some(choices) = schema["oneOf"].as_array() {
            match choices.iter().find(fits) {
                Some(one) => all.extend(self.open(one, name, value, mistakes)),
                None => mistakes.push(format!("{name}: none of its choices fits")),
            }
        }
        all.push((name.to_owned(), schema.clone()));
        all
    }

    fn value(&mut self, schema: &Value, name: &str, value: &Value, place: &str, mistakes: &mut Vec<String>) {
        let schemas = self.open(schema, name, value, mistakes);
        if schemas.is_empty() {
            return;
        }
        for (name, schema) in &schemas {
            self.scalar(schema, name, value, place, mistakes);
        }
        if let Some(elements) = value.as_array() {
            let items = schemas.iter().find_map(|(name, schema)| Some((name, schema.get("items")?)));
            for (at, element) in elements.iter().enumerate() {
                if let Some((name, items)) = items {
                    self.value(items, name, element, &format!("{place}[{at}]"), mistakes);
                }
            }
        }
        let Some(object) = value.as_object() else { return };
        for (name, schema) in &schemas {
            for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !object.contains_key(field) && !self.is_known(name, field, true) {
                    mistakes.push(format!("{}: {name} requires it", join(place, field)));
                }
            }
        }
        for (field, inner) in object {
            let place = join(place, field);
            let described: Vec<(String, Value)> = schemas
                .iter()
                .filter_map(|(name, schema)| Some((name.clone(), schema["properties"].get(field)?.clone())))
                .collect();
            let known = schemas.iter().any(|(name, _)| self.is_known(name, field, false));
            if described.is_empty() && !known {
                // The innermost schema is the one that a reader looks into.
                let name = schemas.last().map_or(name, |(name, _)| name);
                mistakes.push(format!("{place}: {name} does not have it"));
            }
            // The last one says most: `allOf` begins with what is common.
            for (name, schema) in described.iter().rev().take(1) {
                self.value(schema, name, inner, &place, mistakes);
            }
            for (name, schema) in described.iter().rev().skip(1) {
                self.scalar(schema, name, inner, &place, mistakes);
            }
        }
    }

    fn scalar(&mut self, schema: &Value, name: &str, value: &Value, place: &str, mistakes: &mut Vec<String>) {
        let is_of = |kind: &str| match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if let Some(kind) = schema["type"].as_str().filter(|kind| !is_of(kind)) {
            mistakes.push(format!("{place}: expected {kind}, found {value}"));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            mistakes.push(format!("{place}: not one of {name}'s words: {value}"));
        }
        let number = |key: &str| schema[key].as_str().and_then(|text| text.parse::<usize>().ok());
        let characters = value.as_str().map_or(0, |text| text.chars().count());
        if let Some(most) = number("maxLength").filter(|most| characters > *most) {
            mistakes.push(format!("{place}: {characters} characters, at most {most}"));
        }
        let elements = value.as_array().map_or(0, Vec::len);
        if let Some(most) = number("maxItems").filter(|most| elements > *most) {
            mistakes.push(format!("{place}: {elements} elements, at most {most}"));
        }
    }

    fn is_known(&mut self, schema: &str, property: &str, is_optional: bool) -> bool {
        let fits = |one: &Erratum| one.schema == schema && one.property == property && one.is_optional == is_optional;
        let found = self.errata.iter().position(fits);
        self.used.extend(found);
        found.is_some()
    }
}

fn join(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}
