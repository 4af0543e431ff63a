//! Names that stand twice in one object. Parsers disagree which of two counts, and where somebody wrote JSON around other
//! people's words, the second one is how those words pass for a field.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Whether an object in `json` has a name twice.
///
/// The search ends where values stand in each other more than 127 deep, and at a number that no float holds. What could not
/// be searched to its end counts as repeated, for whoever reads on behind that place. Of text that is no JSON the answer is
/// what was found before it ends to be some: nobody reads that.
pub fn has_repeated_name(json: &str) -> bool {
    let mut is_repeated = false;
    let searched = Search(&mut is_repeated).deserialize(&mut serde_json::Deserializer::from_str(json));
    is_repeated || (searched.is_err() && serde_json::from_str::<IgnoredAny>(json).is_ok())
}

struct Search<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names: HashSet<String> = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            *self.0 |= !names.insert(name);
            map.next_value_seed(Search(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Search(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_is_found_wherever_it_is() {
        for twice in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"c":[],"b":2}}"#,
            r#"[{"x":[{"b":1,"\u0062":null}]}]"#,
            r#"{"a":1,"a":"cut off"#,
        ] {
            assert!(has_repeated_name(twice), "{twice}");
        }
        for once in [r#"{"a":{"a":{"a":[1.5,-1,true,"a"]}}}"#, r#"[{"a":1},{"a":2}]"#, "", "{", r#"{"a":1,"A":2}"#] {
            assert!(!has_repeated_name(once), "{once}");
        }
    }

    #[test]
    fn what_cannot_be_searched_to_its_end_counts_as_repeated() {
        let tower = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for depth in [130, 100_000] {
            let twice = format!(r#"{{"a":{},"email":"x","email":"y"}}"#, tower(depth));
            assert!(has_repeated_name(&twice), "{depth}");
            assert!(has_repeated_name(&format!(r#"{{"a":{}}}"#, tower(depth))), "{depth}");
            assert!(!has_repeated_name(&format!(r#"{{"a":{}"#, "[".repeat(depth))), "{depth}");
        }
        assert!(!has_repeated_name(&format!(r#"{{"a":{}}}"#, tower(120))));
        assert!(has_repeated_name(r#"{"a":1e999,"b":1,"b":2}"#));
    }
}
