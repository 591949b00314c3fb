//! A project's own exact versions, which move with what they pin.
//!
//! In comes a project's `package.json` (or what a lockfile says of it) and a package that changes;
//! out comes the document with the versions that were written out (`"lodash": "4.17.20"`) moved on.
//! Such a line says what was installed, and `npm install NAME@VERSION` rewrites it, too; a range
//! (`~4.17.0`) says what is wanted, and stays: what it does not allow is refused.

use serde_json::Value;

use crate::overrides::{PLACES, is_plain};

/// The keys whose versions are the project's.
const KEYS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// Moves every exact version of a name. Whether there was one.
pub fn move_on(document: &mut Value, name: &str, from: &str, to: &str) -> bool {
    let mut moved = false;
    for key in KEYS {
        let spec = document.get_mut(key).and_then(|needs| needs.get_mut(name));
        moved |= spec.is_some_and(|spec| move_one(spec, from, to));
    }
    for place in PLACES {
        let found = place.iter().try_fold(&mut *document, |value, key| value.get_mut(key));
        let Some(object) = found.and_then(Value::as_object_mut) else { continue };
        for (key, value) in object.iter_mut() {
            let key = key.strip_prefix("**/").unwrap_or(key);
            if !is_plain(key) || key != name {
                continue;
            }
            let spec = match value {
                Value::Object(nested) => nested.get_mut("."),
                other => Some(other),
            };
            moved |= spec.is_some_and(|spec| move_one(spec, from, to));
        }
    }
    moved
}

fn move_one(spec: &mut Value, from: &str, to: &str) -> bool {
    match spec {
        Value::String(text) => move_text(text, from, to),
        _ => false,
    }
}

/// Moves `1.0.0`, `=1.0.0`, `v1.0.0`, `npm:NAME@1.0.0`. Whether it is one of them.
pub(crate) fn move_text(text: &mut String, from: &str, to: &str) -> bool {
    let Some(before) = text.strip_suffix(from) else { return false };
    let is_exact = matches!(before, "" | "=" | "v")
        || (before.starts_with("npm:") && before.len() > 5 && before.ends_with('@'));
    if is_exact {
        *text = format!("{before}{to}");
    }
    is_exact
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn exact_versions_move_and_ranges_stay() {
        let mut document = json!({
            "dependencies": {"a": "1.0.0", "b": "1.0.0"}, "devDependencies": {"a": "^1.0.0"},
            "optionalDependencies": {"a": "=1.0.0"}, "peerDependencies": {"a": "1.0.0"},
            "overrides": {"a": {".": "1.0.0", "x": "1.0.0"}, "a@1": "1.0.0", "b": "1.0.0"},
            "resolutions": {"**/a": "npm:c@1.0.0"}, "pnpm": {"overrides": {"a": "11.0.0"}},
        });
        assert!(move_on(&mut document, "a", "1.0.0", "1.0.1"));
        assert_eq!(
            document,
            json!({
                "dependencies": {"a": "1.0.1", "b": "1.0.0"}, "devDependencies": {"a": "^1.0.0"},
                "optionalDependencies": {"a": "=1.0.1"}, "peerDependencies": {"a": "1.0.0"},
                "overrides": {"a": {".": "1.0.1", "x": "1.0.0"}, "a@1": "1.0.0", "b": "1.0.0"},
                "resolutions": {"**/a": "npm:c@1.0.1"}, "pnpm": {"overrides": {"a": "11.0.0"}},
            })
        );
        assert!(!move_on(&mut document, "d", "1.0.0", "1.0.1"));
    }
}
