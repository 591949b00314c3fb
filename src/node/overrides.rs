//! What a project says of its dependencies' dependencies: npm's `overrides`, yarn's
//! `resolutions`, pnpm's `pnpm.overrides`.
//!
//! In comes the project's `package.json`; out comes what it says of a name wherever that is
//! needed. What it says of a name for one dependant only is left out: a dependant then is held to
//! its own words, unless it was not before.

use std::collections::BTreeMap;

use serde_json::Value;

/// The places of `package.json` that have overrides.
pub(crate) const PLACES: [&[&str]; 3] = [&["overrides"], &["resolutions"], &["pnpm", "overrides"]];

/// What holds for every dependant, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, String>);

impl Overrides {
    /// What a document says.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let mut all = BTreeMap::new();
        for place in PLACES {
            let found = place.iter().try_fold(document, |value, key| value.get(key));
            let Some(object) = found.and_then(Value::as_object) else { continue };
            for (key, value) in object {
                let name = key.strip_prefix("**/").unwrap_or(key);
                let spec = match value {
                    Value::String(spec) => Some(spec.as_str()),
                    Value::Object(nested) => nested.get(".").and_then(Value::as_str),
                    _ => None,
                };
                if let (true, Some(spec)) = (is_plain(name), spec) {
                    let spec = referred(document, spec).unwrap_or(spec);
                    all.insert(name.to_owned(), spec.to_owned());
                }
            }
        }
        Self(all)
    }

    /// As the project's file will have it ([`crate::pins`]).
    pub(crate) fn move_pins(&mut self, name: &str, from: &str, to: &str) {
        if let Some(spec) = self.0.get_mut(name) {
            crate::pins::move_text(spec, from, to);
        }
    }

    /// What all dependants ask of a name.
    #[must_use]
    pub fn of_all(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Whether a key is a name and nothing else: no `NAME@RANGE`, `PARENT>NAME`, `PARENT/NAME`.
pub(crate) fn is_plain(key: &str) -> bool {
    let behind = key
        .strip_prefix('@')
        .map_or(key, |scoped| scoped.split_once('/').map_or("", |(_, name)| name));
    !behind.is_empty() && !behind.contains(['@', '>', '/'])
}

/// `$NAME` stands for what the project itself asks of that name.
fn referred<'a>(document: &'a Value, spec: &str) -> Option<&'a str> {
    let name = spec.strip_prefix('$')?;
    ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]
        .iter()
        .find_map(|key| document.get(key)?.get(name)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_everywhere_is_told_from_what_does_not() {
        let overrides = Overrides::of(&json!({
            "dependencies": {"d": "^4"},
            "overrides": {"a": "1.0.0", "b": {".": "2", "x": "3"}, "c@1": "5", "e": {"f": "1"},
                "d": "$d", "@s/n": "7", "odd": 1},
            "resolutions": {"**/g": "8", "h/i": "9", "@s/m/i": "9"},
            "pnpm": {"overrides": {"j": "10", "k>l": "11"}},
        }));
        let known: Vec<String> =
            overrides.0.iter().map(|(name, spec)| format!("{name} {spec}")).collect();
        assert_eq!(known, ["@s/n 7", "a 1.0.0", "b 2", "d ^4", "g 8", "j 10"]);
        assert_eq!(Overrides::of(&json!({"overrides": []})), Overrides::default());
    }
}
