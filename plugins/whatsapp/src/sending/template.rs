//! Templates: their name, their language, and what is filled in.
//!
//! A parameter is a text or a number, which fills the next place of the body; or Meta's own parameter object, with
//! `parameter_name` for a place that has a name. In such an object, `component` (`header`, `body`, `button`) says where it goes,
//! and `sub_type` and `index` which button.

use rapport_sdk::prelude::*;
use serde_json::{Map, Value, json};

/// # Errors
/// `UnsupportedContent` for a parameter that has none of these forms.
pub fn content(template: &Template, header: Option<Value>, at: usize) -> Result<Value, Failure> {
    let mut components: Vec<Component> = Vec::new();
    if let Some(header) = header {
        add(&mut components, Place { kind: "header".into(), sub_type: None, index: None }, header);
    }
    for (index, text) in template.parameters.iter().enumerate() {
        let (place, parameter) = parameter(text).map_err(|why| {
            Failure::UnsupportedContent(format!(
                "parts[{at}]: parameter {index} {why}; fix: a text, a number or Meta's object"
            ))
        })?;
        add(&mut components, place, parameter);
    }
    let mut content = json!({
        "name": template.name,
        // Meta writes `en_US` where BCP 47 writes `en-US`.
        "language": { "policy": "deterministic", "code": template.locale.replace('-', "_") },
    });
    if !components.is_empty() {
        content["components"] = components.into_iter().map(Component::into_json).collect();
    }
    Ok(content)
}

/// Where a parameter goes.
#[derive(PartialEq)]
struct Place {
    kind: String,
    sub_type: Option<String>,
    index: Option<String>,
}

struct Component {
    place: Place,
    parameters: Vec<Value>,
}

impl Component {
    fn into_json(self) -> Value {
        let mut component = Map::new();
        component.insert("type".into(), self.place.kind.into());
        let of_button = [("sub_type", self.place.sub_type), ("index", self.place.index)];
        component
            .extend(of_button.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))));
        component.insert("parameters".into(), self.parameters.into());
        Value::Object(component)
    }
}

fn add(components: &mut Vec<Component>, place: Place, parameter: Value) {
    match components.iter_mut().find(|component| component.place == place) {
        Some(component) => component.parameters.push(parameter),
        None => components.push(Component { place, parameters: vec![parameter] }),
    }
}

fn parameter(text: &str) -> Result<(Place, Value), String> {
    let body = Place { kind: "body".into(), sub_type: None, index: None };
    match serde_json::from_str(text) {
        Ok(Value::String(text)) => Ok((body, json!({ "type": "text", "text": text }))),
        Ok(Value::Number(number)) => Ok((body, json!({ "type": "text", "text": number.to_string() }))),
        Ok(Value::Object(object)) => of_object(object),
        _ => Err("is neither text nor object".into()),
    }
}

fn of_object(mut object: Map<String, Value>) -> Result<(Place, Value), String> {
    let mut word = |name: &str| match object.remove(name) {
        None => Ok(None),
        Some(Value::String(word)) => Ok(Some(word)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(format!("has a `{name}` that is not text")),
    };
    let (kind, sub_type, index) = (word("component")?, word("sub_type")?, word("index")?);
    let kind = kind.unwrap_or_else(|| "body".into());
    match kind.as_str() {
        "header" | "body" if sub_type.is_none() && index.is_none() => {}
        "button" if sub_type.is_some() && index.is_some() => {}
        "button" => return Err("is of a button and needs `sub_type` and `index`".into()),
        "header" | "body" => return Err("has `sub_type` or `index`, which only a button has".into()),
        other => return Err(format!("has the component `{other}`, expected `header`, `body` or `button`")),
    }
    if !object.contains_key("type") && object.contains_key("text") {
        object.insert("type".into(), "text".into());
    }
    match object.get("type") {
        Some(Value::String(_)) => Ok((Place { kind, sub_type, index }, Value::Object(object))),
        _ => Err("has no `type`".into()),
    }
}
