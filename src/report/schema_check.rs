//! Test help: holds JSON against the part of JSON Schema that our schemas use (`$ref` within
//! the file, `type`, `const`, `enum`, `required`, `properties`, `additionalProperties` that is `false` or a schema,
//! `items`, `maxItems`, `minimum`, `maximum`, `oneOf`, `pattern`). A keyword it does not know is a failure, so that a
//! schema cannot promise what is not checked.

use serde_json::Value;

/// Panics with the place of the first disagreement.
pub fn assert_valid(schema: &str, document: &str) {
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let document: Value = serde_json::from_str(document).expect("the document is JSON");
    if let Err(why) = check(&schema, &schema, &document, "$") {
        panic!("{why}");
    }
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or(format!("{at}: schema is no object"))? {
        let text = rule.as_str().unwrap_or_default();
        let ok = match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "$defs" => true,
            "$ref" => {
                let target = text.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
                check(root, target.ok_or(format!("{at}: no {text}"))?, value, at)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is_type(t.as_str(), value)),
                _ => is_type(rule.as_str(), value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "maxItems" => value.as_array().map(|list| list.len() as u64) <= rule.as_u64(),
            "pattern" => match regex::Regex::new(text) {
                Ok(pattern) => value.as_str().is_some_and(|t| pattern.is_match(t)),
                Err(why) => return Err(format!("{at}: the pattern {text}: {why}")),
            },
            "required" => rule
                .as_array()
                .into_iter()
                .flatten()
                .all(|key| value.get(key.as_str().unwrap_or_default()).is_some()),
            "properties" => {
                for (key, below) in rule.as_object().into_iter().flatten() {
                    if let Some(child) = value.get(key) {
                        check(root, below, child, &format!("{at}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
                match rule {
                    Value::Bool(false) => {
                        for key in keys {
                            if !known.is_some_and(|known| known.contains_key(key)) {
                                return Err(format!("{at}: {key} is not in the schema"));
                            }
                        }
                        true
                    }
                    Value::Object(_) => {
                        for (key, child) in value.as_object().into_iter().flatten() {
                            if !known.is_some_and(|known| known.contains_key(key)) {
                                check(root, rule, child, &format!("{at}.{key}"))?;
                            }
                        }
                        true
                    }
                    _ => {
                        return Err(format!(
                            "{at}: additionalProperties must be false or a schema"
                        ));
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "oneOf" => {
                let results: Vec<Result<(), String>> = rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|option| check(root, option, value, at))
                    .collect();
                if results.iter().filter(|result| result.is_ok()).count() != 1 {
                    return Err(format!("{at}: not exactly one of oneOf: {results:?}"));
                }
                true
            }
            other => return Err(format!("{at}: keyword {other} is not known to the check")),
        };
        if !ok {
            return Err(format!("{at}: {keyword} {rule} does not hold for {value}"));
        }
    }
    Ok(())
}

fn is_type(name: Option<&str>, value: &Value) -> bool {
    match name {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

#[test]
fn the_check_can_fail() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"$ref": "#/$defs/word"}}, "$defs": {"word": {"enum": ["x", "y"]}}
    });
    for (document, want) in [
        (serde_json::json!({"a": "x"}), None),
        (serde_json::json!({"a": "z"}), Some("$.a: enum")),
        (serde_json::json!({}), Some("$: required")),
        (serde_json::json!({"a": "x", "b": 1}), Some("$: b is not in the schema")),
        (serde_json::json!([]), Some("$: type")),
    ] {
        match (check(&schema, &schema, &document, "$"), want) {
            (Ok(()), None) => {}
            (Err(why), Some(want)) => assert!(why.starts_with(want), "{why}"),
            (result, want) => panic!("{document}: {result:?}, wanted {want:?}"),
        }
    }
}
