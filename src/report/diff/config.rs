//! Differences of the image's config, place by place.

use serde_json::Value;

/// One place of the config that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ConfigChange {
    /// `config.Env[2]`; keys that are not plain words are quoted (`config.Labels["a.b"]`).
    pub path: String,
    /// Absent when the place is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Absent when the place is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Compares two configs: objects key by key, arrays element by element, in the order of the
/// keys; what is new or gone is listed whole.
#[must_use]
pub fn diff_config(before: &Value, after: &Value) -> Vec<ConfigChange> {
    let mut out = Vec::new();
    descend("", Some(before), Some(after), &mut out);
    out
}

fn descend(path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<ConfigChange>) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                descend(&child(path, key), old.get(key), new.get(key), out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                descend(&format!("{path}[{index}]"), old.get(index), new.get(index), out);
            }
        }
        (before, after) if before == after => {}
        (before, after) => out.push(ConfigChange {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn child(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if key.is_empty() || !key.chars().all(plain) {
        return format!("{path}[{}]", Value::from(key));
    }
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
