//! JSON trees within a budget of memory: `{"a":{}}` is 8 bytes long, and takes 1,300 as a tree.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a value takes by itself; an element of an array counts twice, as arrays grow by doubling.
const VALUE: usize = 2 * size_of::<Value>();

/// What an array's first element takes: it comes with room for four.
const ARRAY: usize = 5 * size_of::<Value>();

/// What an object's first field takes: its map comes with room for eleven.
const MAP: usize = 640;

/// What each further field takes of the map, where there are more than eleven.
const FIELD: usize = 112;

/// What a text takes beside its bytes.
const TEXT: usize = 32;

/// Parses a document as long as its tree fits into `left` bytes, which it takes from there. Fields that are called like one
/// of `without` are left out wherever they are.
pub fn tree<'de, R: serde_json::de::Read<'de>>(
    mut parser: serde_json::Deserializer<R>,
    left: &Cell<usize>,
    without: &[&str],
) -> Result<Value, serde_json::Error> {
    let value = Tree { left, without }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Tree<'a> {
    left: &'a Cell<usize>,
    without: &'a [&'a str],
}

impl Tree<'_> {
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| E::custom("it takes too much memory for its length"))
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.take(TEXT + value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            self.take(if array.is_empty() { ARRAY } else { VALUE })?;
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if self.without.contains(&name.as_str()) {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let of_map = match object.len() {
                0 => MAP,
                1..11 => 0,
                _ => FIELD,
            };
            self.take(of_map + TEXT + name.len())?;
            object.insert(name, fields.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Deserializer, json};

    use super::*;

    fn cost(json: &str) -> usize {
        let left = Cell::new(usize::MAX);
        tree(Deserializer::from_str(json), &left, &[]).unwrap();
        usize::MAX - left.get()
    }

    #[test]
    fn a_tree_is_what_serde_json_makes() {
        let text = r#"{"a":[1,-2,2.5,null,true,"x\n\"",{}],"b":{"c":{"d":[]}},"c":"gone","e":1e400}"#;
        let text = text.replace(",\"e\":1e400", "");
        let left = Cell::new(10_000);
        let value = tree(Deserializer::from_str(&text), &left, &["c"]).unwrap();
        assert_eq!(value, json!({"a": [1, -2, 2.5, null, true, "x\n\"", {}], "b": {}}));
        assert!(left.get() < 10_000 && tree(Deserializer::from_str("{} x"), &left, &[]).is_err());
    }

    #[test]
    fn what_is_hostile_is_dearer_than_what_is_not() {
        let pod = json!({"metadata": {"name": "shop-7c9f", "namespace": "shop", "labels": {"app": "shop", "tier": "front"},
                         "uid": "2b5f0ab0-6f0c-4ad1-8f0e-3f4a70c3c9b5", "creationTimestamp": "2026-01-01T00:00:00Z"},
                         "spec": {"containers": [{"name": "shop", "image": "registry.example/shop:1.2.3",
                                  "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
                         "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True",
                                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        let honest = pod.to_string();
        assert!(cost(&honest) < 20 * honest.len(), "{} of {}", cost(&honest), honest.len());
        let hostile = format!("[{}1]", "{\"a\":{}},".repeat(100));
        assert!(cost(&hostile) > 75 * hostile.len(), "{} of {}", cost(&hostile), hostile.len());
        let left = Cell::new(10 * hostile.len());
        let error = tree(Deserializer::from_str(&hostile), &left, &[]).unwrap_err();
        assert!(error.to_string().starts_with("it takes too much memory for its length"), "{error}");
    }
}
