//! The JSON schema is generated from the tables, and the reader knows the same keys.

use serde_json::Value;

use super::super::field::hygiene_codes;
use super::super::read;
use super::*;
use crate::fs;

#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum UndefinedName {
    Skip,
    Warn,
    Fail,
}

#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum AggregateName {
    Each,
    Mean,
    Median,
    Max,
    Min,
}

#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) enum AtLeastValue {
    Layers(#[schemars(range(min = 1))] u32),
    Share(#[schemars(regex(pattern = r"^[0-9.]+ ?%$"))] String),
}

const SCHEMA_PATH: &str = "policies/policy.schema.json";

fn schema() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(PolicyFile)).unwrap();
    drop_null(&mut schema);
    let codes: Vec<_> = hygiene_codes().map(FindingCode::as_str).collect();
    schema["properties"]["hygiene"]["propertyNames"] = serde_json::json!({ "enum": codes });
    schema
}

/// An optional key is left out; TOML has no null.
fn drop_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|one| *one != serde_json::json!({"type": "null"}));
                if choices.len() == 1 && choices[0].as_object().is_some_and(|one| one.len() == 1) {
                    let reference = choices[0]["$ref"].clone();
                    object.remove("anyOf");
                    object.insert("$ref".to_owned(), reference);
                }
            }
            object.values_mut().for_each(drop_null);
        }
        Value::Array(values) => values.iter_mut().for_each(drop_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keys(table: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = table["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

fn sorted<'a>(keys: &[&'a str]) -> Vec<&'a str> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}

/// Rewrite the file with `TUNEGATE_BLESS=1 cargo test the_shipped_schema`.
#[test]
fn the_shipped_schema_is_the_one_of_the_grammar() {
    let expected = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA_PATH);
    if std::env::var_os("TUNEGATE_BLESS").is_some_and(|value| value == "1") {
        fs::write_atomic(&path, expected.as_bytes()).unwrap();
    }
    let shipped = fs::read_to_string(&path).unwrap();
    assert!(
        shipped == expected,
        "`{SCHEMA_PATH}` is stale; run the tests with TUNEGATE_BLESS=1"
    );
}

#[test]
fn the_reader_and_the_schema_know_the_same_keys() {
    let schema = schema();
    let tables = [
        ("CoverageTable", read::COVERAGE_KEYS),
        ("RuleTable", read::RULE_KEYS),
        ("LimitTable", read::LIMIT_KEYS),
        ("WaiverTable", read::WAIVER_KEYS),
        ("BaseTable", read::BASE_KEYS),
        ("BaselineTable", read::BASELINE_KEYS),
    ];
    assert_eq!(keys(&schema), sorted(read::FILE_KEYS));
    for (name, known) in tables {
        assert_eq!(keys(&schema["$defs"][name]), sorted(known), "{name}");
    }
}

#[test]
fn the_schema_asks_for_what_the_reader_asks_for() {
    let schema = schema();
    let required = |table: &Value| table["required"].clone();
    assert_eq!(required(&schema), serde_json::json!(["version"]));
    let defs = &schema["$defs"];
    assert_eq!(required(&defs["RuleTable"]), serde_json::json!(["id"]));
    assert_eq!(
        required(&defs["WaiverTable"]),
        serde_json::json!(["rule", "owner", "reason", "until"])
    );
    assert!(!schema.to_string().contains("\"null\""));
}

#[test]
fn the_names_of_the_schema_are_the_names_of_the_reader() {
    let schema = schema();
    let names = |name: &str| -> Vec<String> {
        let table = &schema["$defs"][name];
        let values = table["enum"].as_array();
        values
            .unwrap_or_else(|| panic!("{name} is no enum: {table}"))
            .iter()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("UndefinedName"), Undefined::NAMES);
    assert_eq!(names("AggregateName"), Aggregate::NAMES);
    assert_eq!(names("HygieneLevel"), HygieneLevel::NAMES);
}
