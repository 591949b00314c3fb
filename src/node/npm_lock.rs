//! npm's lockfiles: `node_modules/.package-lock.json`, `package-lock.json` and
//! `npm-shrinkwrap.json`, of the versions 1 to 3.
//!
//! In comes a file and what became of packages; out comes the file as npm 11 writes it then. What
//! an entry says of a package is made from its `package.json` anew (`metaFromNode` of npm's
//! arborist); what it says of its place in the tree (`dev`, `optional`, `peer`, `inBundle`) stays.
//! An entry that names no address (`resolved`) is given none: npm was told to leave it out.

use serde_json::{Map, Value};

use crate::json_file::{insert, ordered};
use crate::manifest::Manifest;

/// A package that came to a place.
pub struct Arrived<'a> {
    /// The place, as lockfiles name it: `node_modules/a/node_modules/@s/b`.
    pub location: &'a str,
    /// Its `package.json`.
    pub document: &'a Value,
    /// The address of its archive.
    pub url: &'a str,
    /// The registry's hash of it.
    pub integrity: &'a str,
    /// What the registry says against it.
    pub deprecated: Option<&'a str>,
}

/// What an entry says of a package, in the order in which arborist collects it.
const OF_PACKAGE: [&str; 14] = [
    "version",
    "dependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "optionalDependencies",
    "bundleDependencies",
    "acceptDependencies",
    "funding",
    "engines",
    "os",
    "cpu",
    "libc",
    "license",
    "bin",
];

/// What an entry says of its place.
const OF_PLACE: [&str; 7] =
    ["name", "inBundle", "extraneous", "peer", "dev", "optional", "devOptional"];

/// Changes the entries of a package in a lockfile. Whether it has any.
pub fn replace(lock: &mut Value, new: &Arrived<'_>) -> bool {
    let mut found = false;
    let packages = lock.get_mut("packages").and_then(Value::as_object_mut);
    let old = packages.and_then(|packages| packages.get_mut(new.location));
    if let Some(old) = old.filter(|old| !is_link(old)) {
        *old = entry(old, new);
        found = true;
    }
    if let Some(old) = legacy(lock, new.location) {
        replace_legacy(old, new);
        found = true;
    }
    found
}

/// Adds a package that was not there, of the same kind as the one that needs it.
pub fn add(lock: &mut Value, new: &Arrived<'_>, needed_by: &str) {
    let of = |lock: &Value| lock.get("packages")?.get(needed_by).cloned();
    if let Some(dependant) = of(lock)
        && let Some(packages) = lock.get_mut("packages").and_then(Value::as_object_mut)
    {
        let mut like = Map::new();
        for key in ["extraneous", "peer", "dev", "optional", "devOptional", "resolved"] {
            if let Some(value) = dependant.get(key) {
                like.insert(key.to_owned(), value.clone());
            }
        }
        let like = Value::Object(like);
        insert(packages, new.location, entry(&like, new));
    }
    if let Some(dependant) = legacy(lock, needed_by) {
        let mut like = Map::new();
        for key in ["dev", "optional", "resolved"] {
            if let Some(value) = dependant.get(key) {
                like.insert(key.to_owned(), value.clone());
            }
        }
        let mut like = Value::Object(like);
        replace_legacy(&mut like, new);
        let name = new.location.rsplit("node_modules/").next().unwrap_or_default();
        let nested = dependant.as_object_mut().map(|object| {
            object.entry("dependencies").or_insert_with(|| Value::Object(Map::new()))
        });
        if let Some(nested) = nested.and_then(Value::as_object_mut) {
            insert(nested, name, ordered(like));
        }
    }
}

/// Takes the entries of a package away.
pub fn remove(lock: &mut Value, location: &str) {
    if let Some(packages) = lock.get_mut("packages").and_then(Value::as_object_mut) {
        packages.shift_remove(location);
    }
    let Some((above, name)) = location.rsplit_once("node_modules/") else { return };
    let holder = match above.trim_end_matches('/') {
        "" => Some(lock),
        above => legacy(lock, above),
    };
    let Some(holder) = holder.and_then(Value::as_object_mut) else { return };
    if let Some(nested) = holder.get_mut("dependencies").and_then(Value::as_object_mut) {
        nested.shift_remove(name);
        if nested.is_empty() {
            holder.shift_remove("dependencies");
        }
    }
}

fn is_link(entry: &Value) -> bool {
    entry.get("link").and_then(Value::as_bool) == Some(true)
}

/// As arborist's `metaFromNode`.
fn entry(old: &Value, new: &Arrived<'_>) -> Value {
    let mut meta = Map::new();
    let manifest = Manifest::of(new.document);
    for key in OF_PACKAGE {
        if let Some(value) = field(new.document, &manifest, key) {
            meta.insert(key.to_owned(), value);
        }
    }
    if !manifest.scripts.is_empty() {
        meta.insert("hasInstallScript".to_owned(), Value::Bool(true));
    }
    if let Some(why) = new.deprecated {
        meta.insert("deprecated".to_owned(), why.into());
    }
    for key in OF_PLACE {
        if let Some(value) = old.get(key) {
            meta.insert(key.to_owned(), value.clone());
        }
    }
    // what came in another's archive has no archive of its own
    if old.get("inBundle").is_none() {
        meta.insert("integrity".to_owned(), new.integrity.into());
        if old.get("resolved").is_some() {
            meta.insert("resolved".to_owned(), new.url.into());
        }
    }
    ordered(Value::Object(meta))
}

/// A field of `package.json` as npm normalises it; `None`: it says nothing.
fn field(document: &Value, manifest: &Manifest, key: &str) -> Option<Value> {
    let texts = |texts: &std::collections::BTreeMap<String, String>| {
        let all = texts.iter().map(|(name, text)| (name.clone(), text.clone().into()));
        Value::Object(all.collect())
    };
    let value = match key {
        "dependencies" => texts(&manifest.dependencies),
        "optionalDependencies" => texts(&manifest.optional),
        "bin" => texts(&manifest.commands),
        "version" => manifest.version.clone().into(),
        "bundleDependencies" => {
            let said = document
                .get("bundleDependencies")
                .or_else(|| document.get("bundledDependencies"))?;
            match said {
                Value::Array(_) => said.clone(),
                _ => Value::Array(manifest.bundled.iter().cloned().map(Value::String).collect()),
            }
        }
        "funding" => match document.get("funding")? {
            Value::String(url) => serde_json::json!({ "url": url }),
            other => other.clone(),
        },
        "license" => match document.get("license").or_else(|| document.get("licence"))? {
            Value::Object(license) => license.get("type")?.clone(),
            other => other.clone(),
        },
        // one word stands for a list of it
        "os" | "cpu" | "libc" => match document.get(key)? {
            Value::String(one) => Value::Array(vec![one.clone().into()]),
            other => other.clone(),
        },
        _ => document.get(key)?.clone(),
    };
    let says_something = match &value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    };
    says_something.then_some(value)
}

/// The entry of a place in a lockfile of version 1 or 2: below `dependencies`, name by name.
fn legacy<'a>(lock: &'a mut Value, location: &str) -> Option<&'a mut Value> {
    let mut at = lock;
    let mut names = location.split("node_modules/");
    // before the first one stands nothing, or the folder of a workspace
    if !names.next()?.is_empty() {
        return None;
    }
    let mut depth = 0;
    for name in names {
        at = at.get_mut("dependencies")?.get_mut(name.trim_end_matches('/'))?;
        depth += 1;
    }
    (depth > 0).then_some(at)
}

fn replace_legacy(old: &mut Value, new: &Arrived<'_>) {
    let Some(entry) = old.as_object_mut() else { return };
    let manifest = Manifest::of(new.document);
    let is_alias =
        entry.get("version").and_then(Value::as_str).is_some_and(|old| old.starts_with("npm:"));
    let version = match is_alias {
        true => format!("npm:{}@{}", manifest.name, manifest.version),
        false => manifest.version.clone(),
    };
    insert(entry, "version", version.into());
    if entry.contains_key("resolved") {
        insert(entry, "resolved", new.url.into());
    }
    if entry.get("bundled").is_none() {
        insert(entry, "integrity", new.integrity.into());
    }
    let requires: Map<String, Value> = manifest
        .dependencies
        .iter()
        .chain(&manifest.optional)
        .map(|(name, spec)| (name.clone(), spec.clone().into()))
        .collect();
    if requires.is_empty() && manifest.peers.is_empty() {
        entry.shift_remove("requires");
    } else {
        insert(entry, "requires", ordered(Value::Object(requires)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INTEGRITY: &str = "sha512-x";

    const URL: &str = "https://registry.example/a/-/a-1.0.1.tgz";

    fn document() -> Value {
        json!({"name": "a", "version": "1.0.1", "license": {"type": "MIT", "url": "x"},
            "bin": "./cli.js", "engines": {"node": ">=8"}, "funding": "https://fund.example",
            "dependencies": {"z": "1", "b": "2", "o": "9"}, "optionalDependencies": {"o": "9"},
            "scripts": {"test": "x"}, "os": "linux", "devDependencies": {"d": "1"}, "main": "x"})
    }

    fn changed(
        mut lock: Value,
        location: &str,
        change: impl Fn(&mut Value, &Arrived<'_>),
    ) -> Value {
        let document = document();
        let new = Arrived {
            location,
            document: &document,
            url: URL,
            integrity: INTEGRITY,
            deprecated: None,
        };
        change(&mut lock, &new);
        lock
    }

    #[test]
    fn an_entry_is_made_anew_and_keeps_its_place() {
        let lock = json!({"name": "x", "lockfileVersion": 3, "packages": {
            "node_modules/a": {"version": "1.0.0", "resolved": "old", "integrity": "sha1-x",
                "dev": true, "license": "ISC", "hasInstallScript": true, "peerDependencies": {}},
            "node_modules/b": {"version": "1.0.0"},
        }});
        let lock = changed(lock, "node_modules/a", |lock, new| assert!(replace(lock, new)));
        let want = json!({
            "version": "1.0.1", "resolved": URL, "integrity": INTEGRITY, "dev": true,
            "license": "MIT", "os": ["linux"], "dependencies": {"b": "2", "z": "1"},
            "bin": {"a": "cli.js"}, "engines": {"node": ">=8"},
            "funding": {"url": "https://fund.example"}, "optionalDependencies": {"o": "9"},
        });
        assert_eq!(lock["packages"]["node_modules/a"].to_string(), want.to_string());
        assert_eq!(lock["packages"]["node_modules/b"], json!({"version": "1.0.0"}));
        let other = changed(lock.clone(), "node_modules/c", |lock, new| {
            assert!(!replace(lock, new));
        });
        assert_eq!(other, lock);
    }

    #[test]
    fn without_an_address_none_is_written_and_bundles_have_no_hash() {
        let lock = json!({"packages": {
            "node_modules/a": {"version": "1.0.0", "integrity": "sha1-x"},
            "node_modules/c/node_modules/a": {"version": "1.0.0", "inBundle": true},
            "node_modules/l": {"link": true, "resolved": "l"},
        }});
        let lock = changed(lock, "node_modules/a", |lock, new| assert!(replace(lock, new)));
        let lock = changed(lock, "node_modules/c/node_modules/a", |lock, new| {
            assert!(replace(lock, new));
        });
        let lock = changed(lock, "node_modules/l", |lock, new| assert!(!replace(lock, new)));
        let plain = &lock["packages"]["node_modules/a"];
        assert_eq!((plain.get("resolved"), plain["version"].as_str()), (None, Some("1.0.1")));
        let bundled = &lock["packages"]["node_modules/c/node_modules/a"];
        assert_eq!((bundled.get("integrity"), &bundled["inBundle"]), (None, &json!(true)));
    }

    #[test]
    fn old_lockfiles_nest() {
        let lock = json!({"lockfileVersion": 1, "requires": true, "dependencies": {
            "c": {"version": "1.0.0", "dependencies": {
                "a": {"version": "1.0.0", "resolved": "old", "integrity": "sha1-x",
                    "requires": {"gone": "1"}, "dependencies": {"n": {"version": "2.0.0"}}},
            }},
            "a": {"version": "npm:other@1.0.0", "bundled": true},
        }});
        let lock = changed(lock, "node_modules/c/node_modules/a", |lock, new| {
            assert!(replace(lock, new));
        });
        let want = json!({"version": "1.0.1", "resolved": URL,
            "integrity": INTEGRITY, "requires": {"b": "2", "o": "9", "z": "1"},
            "dependencies": {"n": {"version": "2.0.0"}}});
        assert_eq!(lock["dependencies"]["c"]["dependencies"]["a"].to_string(), want.to_string());
        let lock = changed(lock, "node_modules/a", |lock, new| assert!(replace(lock, new)));
        assert_eq!(lock["dependencies"]["a"]["version"], "npm:a@1.0.1");
        assert_eq!(lock["dependencies"]["a"].get("integrity"), None);
    }

    #[test]
    fn packages_come_and_go() {
        let lock = json!({"lockfileVersion": 2,
            "packages": {"node_modules/p": {"version": "1.0.0", "resolved": "x", "dev": true}},
            "dependencies": {"p": {"version": "1.0.0", "resolved": "x", "dev": true}}});
        let place = "node_modules/p/node_modules/a";
        let with = changed(lock.clone(), place, |lock, new| add(lock, new, "node_modules/p"));
        assert_eq!(with["packages"][place]["dev"], true);
        assert_eq!(with["packages"][place]["resolved"], URL);
        let nested = &with["dependencies"]["p"]["dependencies"]["a"];
        assert_eq!((&nested["version"], &nested["dev"]), (&json!("1.0.1"), &json!(true)));
        let without = changed(with, place, |lock, new| remove(lock, new.location));
        assert_eq!(without.to_string(), lock.to_string());
    }
}
