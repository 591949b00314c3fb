//! Test help: holds JSON against the part of JSON Schema that our schemas use, and those of
//! the formats of others. A keyword or a format that it does not know is a failure, so that a schema
//! cannot promise what is not checked.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Panics with the place of the first disagreement.
pub fn assert_valid(schema: &str, document: &str) {
    assert_valid_beside(schema, &[], document);
}

/// As [`assert_valid`], for a schema that refers to others: file names, as it writes them, with
/// their texts.
pub fn assert_valid_beside(schema: &str, others: &[(&str, &str)], document: &str) {
    let read = |text: &str| -> Value { serde_json::from_str(text).expect("it is JSON") };
    let schema = read(schema);
    let mut others: Vec<(String, Value)> =
        others.iter().map(|(name, text)| ((*name).to_owned(), read(text))).collect();
    // Schemas that are bundled in this one are found by their ids.
    let bundled = schema["$defs"].as_object().into_iter().flatten();
    others.extend(bundled.filter_map(|(_, below)| {
        let id = below["$id"].as_str()?;
        Some((id.to_owned(), below.clone()))
    }));
    let root = Root { schema: &schema, others: &others };
    if let Err(why) = check(root, &schema, &read(document), "$") {
        panic!("{why}");
    }
}

/// As [`assert_valid`], for a schema of `fixtures/schemas`.
pub fn assert_keeps_to(schema: &str, document: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schemas");
    assert_valid(&std::fs::read_to_string(folder.join(schema)).expect(schema), document);
}

/// What references lead into: the document that a schema is a part of, and the others.
#[derive(Clone, Copy)]
struct Root<'a> {
    schema: &'a Value,
    others: &'a [(String, Value)],
}

impl<'a> Root<'a> {
    /// What `reference` names, and the document that it is a part of.
    fn referred(self, reference: &str) -> Option<(Root<'a>, &'a Value)> {
        let (name, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let schema = match name {
            "" => self.schema,
            name => self.others.iter().find(|(other, _)| other == name).map(|(_, one)| one)?,
        };
        Some((Root { schema, ..self }, schema.pointer(pointer)?))
    }
}

fn check(root: Root<'_>, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let length = || value.as_str().map(|text| text.chars().count() as u64);
    let number = |list: &Value| list.as_array().map(|list| list.len() as u64);
    // A keyword about texts or lists says nothing of other values.
    let fits = |is: Option<u64>, rule: &Value, holds: fn(u64, u64) -> bool| {
        is.is_none_or(|is| rule.as_u64().is_some_and(|rule| holds(is, rule)))
    };
    for (keyword, rule) in schema.as_object().ok_or(format!("{at}: schema is no object"))? {
        let text = rule.as_str().unwrap_or_default();
        let ok = match keyword.as_str() {
            "$schema" | "$id" | "$comment" | "title" | "description" | "$defs" | "definitions"
            | "examples" | "default" | "deprecated" | "meta:enum" => true,
            "$ref" => {
                let (root, target) = root.referred(text).ok_or(format!("{at}: no {text}"))?;
                check(root, target, value, at)?;
                true
            }
            "format" => is_format(text, value)?,
            "minLength" => fits(length(), rule, |is, least| is >= least),
            "maxLength" => fits(length(), rule, |is, most| is <= most),
            "minItems" => fits(number(value), rule, |is, least| is >= least),
            "uniqueItems" => {
                let mut seen = HashSet::new();
                let mut all = value.as_array().into_iter().flatten();
                rule != true || all.all(|item| seen.insert(item.to_string()))
            }
            "allOf" | "anyOf" => {
                let options = rule.as_array().ok_or(format!("{at}: {keyword} is no list"))?;
                let results: Vec<_> =
                    options.iter().map(|option| check(root, option, value, at)).collect();
                match keyword.as_str() {
                    "allOf" => results.into_iter().collect::<Result<(), _>>()?,
                    _ if results.iter().any(Result::is_ok) => {}
                    _ => return Err(format!("{at}: none of anyOf: {results:?}")),
                }
                true
            }
            "if" => {
                let then = schema.get("then").ok_or(format!("{at}: an if without then"))?;
                if check(root, rule, value, at).is_ok() {
                    check(root, then, value, at)?;
                }
                true
            }
            "then" => schema.get("if").is_some(),
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    check(root, rule, &Value::from(key.as_str()), &format!("{at}.{key}"))?;
                }
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is_type(t.as_str(), value)),
                _ => is_type(rule.as_str(), value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "minimum" => !value.is_number() || value.as_f64() >= rule.as_f64(),
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
                    Value::Bool(true) => true,
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
                            "{at}: additionalProperties must be a truth or a schema"
                        ));
                    }
                }
            }
            "items" if rule.is_array() => {
                let rules = rule.as_array().into_iter().flatten();
                for (index, (item, rule)) in
                    value.as_array().into_iter().flatten().zip(rules).enumerate()
                {
                    check(root, rule, item, &format!("{at}[{index}]"))?;
                }
                true
            }
            "additionalItems" => {
                let most = schema.get("items").and_then(number);
                rule != false || number(value) <= most
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

/// Whether a text has a format. Of addresses only what no address has is refused.
fn is_format(name: &str, value: &Value) -> Result<bool, String> {
    let Some(text) = value.as_str() else { return Ok(true) };
    match name {
        "date-time" => Ok(OffsetDateTime::parse(text, &Rfc3339).is_ok()),
        "iri-reference" | "uri" | "uri-reference" => Ok(!text.contains([' ', '<', '>', '"', '\\'])),
        "idn-email" => Ok(text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)
        })),
        other => Err(format!("the format {other} is not known to the check")),
    }
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
        "properties": {
            "a": {"$ref": "#/$defs/word"},
            "time": {"format": "date-time"},
            "mail": {"format": "idn-email"},
            "place": {"format": "iri-reference"},
            "list": {"uniqueItems": true, "minItems": 1, "maxItems": 2},
            "text": {"minLength": 1, "maxLength": 2},
            "any": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "all": {"allOf": [{"type": "integer"}, {"minimum": 2}]},
            "when": {"if": {"const": 1}, "then": {"const": 2}},
            "names": {"propertyNames": {"enum": ["n"]}},
            "other": {"$ref": "other.json"},
            "lost": {"$ref": "lost.json"},
            "odd": {"format": "odd"},
            "new": {"new": 1},
        },
        "$defs": {"word": {"enum": ["x", "y"]}}
    });
    let others = vec![("other.json".to_owned(), serde_json::json!({"const": 1}))];
    let root = Root { schema: &schema, others: &others };
    for (document, want) in [
        (serde_json::json!({"a": "x"}), None),
        (serde_json::json!({"a": "z"}), Some("$.a: enum")),
        (serde_json::json!({}), Some("$: required")),
        (serde_json::json!({"a": "x", "b": 1}), Some("$: b is not in the schema")),
        (serde_json::json!([]), Some("$: type")),
        (serde_json::json!({"a": "x", "time": "2026-01-31T12:00:00Z", "mail": "a@b"}), None),
        (serde_json::json!({"a": "x", "time": "2026-01-31"}), Some("$.time: format")),
        (serde_json::json!({"a": "x", "mail": "a@b c"}), Some("$.mail: format")),
        (serde_json::json!({"a": "x", "place": "a b"}), Some("$.place: format")),
        (serde_json::json!({"a": "x", "list": [1, 2], "text": "ab", "any": null, "all": 2}), None),
        (serde_json::json!({"a": "x", "list": [1, 1]}), Some("$.list: uniqueItems")),
        (serde_json::json!({"a": "x", "list": []}), Some("$.list: minItems")),
        (serde_json::json!({"a": "x", "list": [1, 2, 3]}), Some("$.list: maxItems")),
        (serde_json::json!({"a": "x", "text": ""}), Some("$.text: minLength")),
        (serde_json::json!({"a": "x", "text": "abc"}), Some("$.text: maxLength")),
        (serde_json::json!({"a": "x", "any": 1}), Some("$.any: none of anyOf")),
        (serde_json::json!({"a": "x", "all": 1}), Some("$.all: minimum")),
        (serde_json::json!({"a": "x", "when": 3, "names": {"n": 1}}), None),
        (serde_json::json!({"a": "x", "when": 1}), Some("$.when: const")),
        (serde_json::json!({"a": "x", "names": {"m": 1}}), Some("$.names.m: enum")),
        (serde_json::json!({"a": "x", "other": 1}), None),
        (serde_json::json!({"a": "x", "other": 2}), Some("$.other: const")),
        (serde_json::json!({"a": "x", "lost": 1}), Some("$.lost: no lost.json")),
        (serde_json::json!({"a": "x", "odd": "x"}), Some("the format odd")),
        (serde_json::json!({"a": "x", "new": 1}), Some("$.new: keyword new")),
    ] {
        match (check(root, &schema, &document, "$"), want) {
            (Ok(()), None) => {}
            (Err(why), Some(want)) => assert!(why.starts_with(want), "{why}"),
            (result, want) => panic!("{document}: {result:?}, wanted {want:?}"),
        }
    }
}
