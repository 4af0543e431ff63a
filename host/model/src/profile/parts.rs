//! Traits that are said part by part: `com.acme.address/city` is the part `city` of the object `com.acme.address`.
//!
//! A provider that tells what changed of a record says a part without the rest. Each part is a cell of its own, so the
//! newest word on each counts, in whatever order they come; here they become one object again.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ProfileTrait;

/// What stands between the name of a trait and that of a part.
const SEPARATOR: char = '/';
/// The contract's own word that has parts: the given name and the family's, in the order in which they are shown.
const DISPLAY_NAME: &str = "display_name";
const NAME_PARTS: [&str; 2] = ["given", "family"];

/// Puts parts into the objects that they are of. A part counts if it beats the word on the whole.
pub fn assemble(traits: &mut BTreeMap<String, ProfileTrait>) {
    let is_part =
        |name: &String| name.split_once(SEPARATOR).is_some_and(|(whole, part)| !whole.is_empty() && !part.is_empty());
    let names: Vec<String> = traits.keys().filter(|name| is_part(name)).cloned().collect();
    let mut objects: BTreeMap<String, Vec<(String, ProfileTrait)>> = BTreeMap::new();
    for name in names {
        let (Some(part), Some((whole, key))) = (traits.remove(&name), name.split_once(SEPARATOR)) else { continue };
        objects.entry(whole.to_owned()).or_default().push((key.to_owned(), part));
    }
    for (name, parts) in objects {
        let whole = traits.get(&name);
        let later: Vec<&ProfileTrait> =
            parts.iter().map(|(_, part)| part).filter(|part| whole.is_none_or(|whole| beats(part, whole))).collect();
        let newest = later.into_iter().reduce(|newest, part| if beats(part, newest) { part } else { newest });
        let Some(newest) = newest.cloned() else { continue };
        let value = match name.as_str() {
            DISPLAY_NAME => joined(&parts),
            _ => Some(merged(whole, &parts)),
        };
        if let Some(value) = value {
            // What a weaker word said of one part is no word on the whole.
            traits.insert(name, ProfileTrait { value, newer: None, ..newest });
        }
    }
}

fn beats(part: &ProfileTrait, other: &ProfileTrait) -> bool {
    part.order > other.order
}

fn merged(whole: Option<&ProfileTrait>, parts: &[(String, ProfileTrait)]) -> Value {
    let mut object = match whole.map(|whole| &whole.value) {
        Some(Value::Object(known)) => known.clone(),
        _ => Map::new(),
    };
    for (key, part) in parts.iter().filter(|(_, part)| whole.is_none_or(|whole| beats(part, whole))) {
        object.insert(key.clone(), part.value.clone());
    }
    object.into()
}

/// A name of its parts; a whole one that is older says nothing that they do not. None if no part is a text.
fn joined(parts: &[(String, ProfileTrait)]) -> Option<Value> {
    let word = |name: &&str| parts.iter().find(|(key, _)| key == name)?.1.value.as_str().map(str::trim);
    let words: Vec<&str> = NAME_PARTS.iter().filter_map(word).filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" ").into())
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use serde_json::json;

    use super::*;
    use crate::TenantKey;
    use crate::event::Attestation;
    use crate::trust::Strength;

    fn at(time: u64, value: Value) -> ProfileTrait {
        let source = TenantKey::new(&[1; 32]).unwrap().event_key(time, "a", "e").unwrap();
        let attestation = Attestation::Imported;
        let order = (Strength::Proven, source.as_str()[..10].to_owned(), Reverse(attestation), source.clone());
        ProfileTrait { value, channel: "crm".into(), source, at: time.to_string(), attestation, newer: None, order }
    }

    fn assembled(said: &[(&str, u64, Value)]) -> BTreeMap<String, Value> {
        let mut traits =
            said.iter().map(|(name, time, value)| ((*name).to_owned(), at(*time, value.clone()))).collect();
        assemble(&mut traits);
        traits.into_iter().map(|(name, found)| (name, found.value)).collect()
    }

    fn one(said: &[(&str, u64, Value)]) -> Value {
        let found = assembled(said);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_values().next().unwrap()
    }

    #[test]
    fn a_part_changes_itself_and_leaves_the_rest() {
        let whole = ("a.address", 1, json!({"Street": "1 Main", "City": "Paris"}));
        let city = |time| ("a.address/City", time, json!("Lyon"));
        assert_eq!(one(&[whole.clone(), city(2)]), json!({"Street": "1 Main", "City": "Lyon"}));
        assert_eq!(one(&[whole.clone(), city(0)]), whole.2, "an older part is nothing new");
        assert_eq!(one(&[whole.clone(), city(1)]), whole.2, "nor is one of the same event");
        assert_eq!(one(&[city(2)]), json!({"City": "Lyon"}));
        assert_eq!(one(&[("a.address", 1, Value::Null), city(2)]), json!({"City": "Lyon"}));
        assert_eq!(one(&[("a.address", 3, Value::Null), city(2)]), Value::Null);
        let gone = ("a.address/Street", 3, Value::Null);
        assert_eq!(one(&[whole, city(2), gone]), json!({"Street": null, "City": "Lyon"}));
        let zip = |time| ("a.address/Zip", time, json!("1"));
        assert_eq!(one(&[("a.address", 5, json!("a text")), city(6), zip(4)]), json!({"City": "Lyon"}));
    }

    #[test]
    fn a_name_is_shown_whole_though_a_part_of_it_changed() {
        let given = |time, value: &str| ("display_name/given", time, json!(value));
        let family = ("display_name/family", 1, json!("Lovelace"));
        let whole = |time| ("display_name", time, json!("Ada Lovelace"));
        assert_eq!(one(&[whole(1), given(1, "Ada"), family.clone()]), "Ada Lovelace");
        assert_eq!(one(&[whole(1), given(2, "Augusta"), family.clone()]), "Augusta Lovelace");
        assert_eq!(one(&[whole(3), given(2, "Augusta"), family.clone()]), "Ada Lovelace");
        assert_eq!(one(&[given(2, "Augusta")]), "Augusta");
        assert_eq!(one(&[whole(1), ("display_name/given", 2, Value::Null), family]), "Lovelace");
        assert_eq!(one(&[whole(1), ("display_name/given", 2, Value::Null)]), "Ada Lovelace");
    }

    #[test]
    fn a_name_that_only_looks_like_a_part_stays() {
        for name in ["/x", "x/", "/", "a.b"] {
            assert_eq!(assembled(&[(name, 1, json!(1))]).into_keys().collect::<Vec<_>>(), [name]);
        }
    }
}
