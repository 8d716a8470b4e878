//! Checks what the tool writes for programs against its schema.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Checks that each value is valid against the schema and can be read again. The last value must be invalid with an
/// additional field in this part.
pub fn keep_to<T>(schema: &str, all: &[T], write: impl Fn(&T) -> String, part: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let schema: Value = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for one in all {
        let text = write(one);
        let value: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *one, "it can be read again");
    }
    let mut more = serde_json::to_value(all.last().expect("there is one")).unwrap();
    more[part]["else"] = json!(1);
    assert!(!validator.is_valid(&more), "the schema allows a field that is never written");
}
