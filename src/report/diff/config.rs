//! Differences of the image's config, place by place. What looks like a secret counts as what it
//! is and is shown masked: a variable, a label, an entry of the history, a word of a command.

use imgfix_secrets::Secrets;
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
/// keys; what is new or gone is listed whole. Secrets in them are masked.
#[must_use]
pub fn diff_config(before: &Value, after: &Value) -> Vec<ConfigChange> {
    let masked = |config: &Value| {
        let mut config = config.clone();
        Secrets::shipped().mask_json(&mut config);
        config
    };
    let (shown_before, shown_after) = (masked(before), masked(after));
    let mut out = Vec::new();
    let (before, after) = (Shown::new(before, &shown_before), Shown::new(after, &shown_after));
    descend("", Some(before), Some(after), &mut out);
    out
}

/// A value, and the same without secrets: of the same form, with the same keys.
#[derive(Clone, Copy)]
struct Shown<'a> {
    value: &'a Value,
    masked: &'a Value,
}

impl<'a> Shown<'a> {
    fn new(value: &'a Value, masked: &'a Value) -> Self {
        Self { value, masked }
    }

    fn key(self, key: &str) -> Option<Self> {
        let value = self.value.get(key)?;
        Some(Self { value, masked: self.masked.get(key).unwrap_or(&Value::Null) })
    }

    fn element(self, index: usize) -> Option<Self> {
        let value = self.value.get(index)?;
        Some(Self { value, masked: self.masked.get(index).unwrap_or(&Value::Null) })
    }
}

fn descend<'a>(
    path: &str,
    before: Option<Shown<'a>>,
    after: Option<Shown<'a>>,
    out: &mut Vec<ConfigChange>,
) {
    let masked = |side: Option<Shown<'_>>| side.map(|side| side.masked.clone());
    match (before.map(|side| side.value), after.map(|side| side.value)) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let of = |side: Option<Shown<'a>>| side.and_then(|side| side.key(key));
                descend(&child(path, key), of(before), of(after), out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                let of = |side: Option<Shown<'a>>| side.and_then(|side| side.element(index));
                descend(&format!("{path}[{index}]"), of(before), of(after), out);
            }
        }
        (old, new) if old == new => {}
        _ => out.push(ConfigChange {
            path: Secrets::shipped().mask(path).into_owned(),
            before: masked(before),
            after: masked(after),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_that_changed_is_a_change_and_is_not_shown() {
        let config = |secret: &str| {
            json!({
                "config": {
                    "Env": ["A=b", format!("DB_PASSWORD={secret} {secret}")],
                    "Cmd": ["app", "--token", secret],
                    "Labels": {"api-key": secret}
                },
                "history": [{"created_by": format!("RUN |1 TOKEN={secret} /bin/sh -c true")}]
            })
        };
        let changes = diff_config(&config("first"), &config("second"));
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
        let labels = "config.Labels.api-key";
        assert_eq!(paths, ["config.Cmd[2]", "config.Env[1]", labels, "history[0].created_by"]);
        for change in &changes {
            assert_eq!(change.before, change.after, "{}", change.path);
            let shown = change.before.as_ref().unwrap().to_string();
            assert!(shown.contains("[masked]") && !shown.contains("first"), "{shown}");
        }
        let new = diff_config(&json!({}), &config("first"));
        let shown = serde_json::to_string(&new).unwrap();
        assert!(shown.contains("[masked]") && !shown.contains("first"), "{shown}");
    }
}
