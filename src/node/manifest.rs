//! What a `package.json` says of a package beside its name: what it needs, brings and runs.
//!
//! In comes a document, of a folder or of a registry, whose fields may be anything; out comes a
//! [`Manifest`]. What has another form than npm knows counts as if it were not there, as with npm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Names and what is asked of them.
pub type Needs = BTreeMap<String, String>;

/// A package as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its own name, which its folder need not have.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it needs; what is optional, too, is in the other one.
    pub dependencies: Needs,
    /// What may be missing.
    pub optional: Needs,
    /// What is needed where it is developed: of a project, not of an installed package.
    pub development: Needs,
    /// What its dependant is to bring.
    pub peers: Needs,
    /// Of those, what may be missing.
    pub optional_peers: BTreeSet<String>,
    /// Names of packages that its archive holds.
    pub bundled: BTreeSet<String>,
    /// Commands and the files they are, below its folder.
    pub commands: BTreeMap<String, String>,
    /// Scripts that run when it is installed.
    pub scripts: Vec<String>,
    /// Which versions of Node.js it runs with.
    pub node: Option<String>,
}

/// The scripts that npm runs of an installed package.
const SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];

impl Manifest {
    /// What a document says.
    #[must_use]
    pub fn of(document: &Value) -> Self {
        let text = |key: &str| {
            document.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
        };
        let name = text("name");
        let optional = needs(document, "optionalDependencies");
        let mut dependencies = needs(document, "dependencies");
        dependencies.retain(|name, _| !optional.contains_key(name));
        Self {
            optional_peers: optional_peers(document),
            bundled: bundled(document, &dependencies, &optional),
            commands: commands(document, &name),
            scripts: scripts(document),
            node: object(document, "engines")
                .and_then(|engines| engines.get("node"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            development: needs(document, "devDependencies"),
            peers: needs(document, "peerDependencies"),
            version: text("version"),
            dependencies,
            optional,
            name,
        }
    }

    /// What it needs to be there, what may be missing, and what its dependant brings: each name
    /// once, as npm takes it.
    pub fn needs(&self) -> impl Iterator<Item = Need<'_>> {
        let all = self.dependencies.iter().map(|(name, spec)| Need {
            name,
            spec,
            kind: NeedKind::Normal,
            may_miss: false,
        });
        let optional = self.optional.iter().map(|(name, spec)| Need {
            name,
            spec,
            kind: NeedKind::Optional,
            may_miss: true,
        });
        let is_peer_alone = |name: &String| {
            !self.dependencies.contains_key(name) && !self.optional.contains_key(name)
        };
        let peers = self.peers.iter().filter(move |(name, _)| is_peer_alone(name));
        let peers = peers.map(|(name, spec)| Need {
            name,
            spec,
            kind: NeedKind::Peer,
            may_miss: self.optional_peers.contains(name),
        });
        all.chain(optional).chain(peers)
    }
}

/// One thing that a package needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need<'a> {
    /// The name under which it looks for it.
    pub name: &'a str,
    /// What it asks of it.
    pub spec: &'a str,
    /// How it is needed.
    pub kind: NeedKind,
    /// Whether it may be missing.
    pub may_miss: bool,
}

/// How something is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedKind {
    /// `dependencies`.
    Normal,
    /// `optionalDependencies`.
    Optional,
    /// `peerDependencies`.
    Peer,
    /// `devDependencies`.
    Development,
}

impl NeedKind {
    /// The key of `package.json`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Normal => "dependencies",
            Self::Optional => "optionalDependencies",
            Self::Peer => "peerDependencies",
            Self::Development => "devDependencies",
        }
    }
}

fn object<'a>(document: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    document.get(key).and_then(Value::as_object)
}

fn needs(document: &Value, key: &str) -> Needs {
    let Some(object) = object(document, key) else { return Needs::new() };
    object
        .iter()
        .filter_map(|(name, spec)| Some((name.clone(), spec.as_str()?.to_owned())))
        .collect()
}

fn optional_peers(document: &Value) -> BTreeSet<String> {
    let Some(meta) = object(document, "peerDependenciesMeta") else { return BTreeSet::new() };
    let is_optional = |meta: &Value| meta.get("optional").and_then(Value::as_bool) == Some(true);
    meta.iter().filter(|(_, meta)| is_optional(meta)).map(|(name, _)| name.clone()).collect()
}

fn bundled(document: &Value, dependencies: &Needs, optional: &Needs) -> BTreeSet<String> {
    let said = document.get("bundleDependencies").or_else(|| document.get("bundledDependencies"));
    match said {
        Some(Value::Bool(true)) => dependencies.keys().chain(optional.keys()).cloned().collect(),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::Object(names)) => names.keys().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// As npm's `npm-normalize-package-bin` makes them: no command and no file lies outside.
fn commands(document: &Value, name: &str) -> BTreeMap<String, String> {
    let pairs: Vec<(&str, &str)> = match document.get("bin") {
        Some(Value::String(file)) if !name.is_empty() => vec![(name, file)],
        Some(Value::Array(files)) => {
            let files = files.iter().filter_map(Value::as_str);
            files.map(|file| (file.rsplit('/').next().unwrap_or(file), file)).collect()
        }
        Some(Value::Object(files)) => {
            let files = files.iter();
            files.filter_map(|(command, file)| Some((command.as_str(), file.as_str()?))).collect()
        }
        _ => Vec::new(),
    };
    let mut commands = BTreeMap::new();
    for (command, file) in pairs {
        let command = command.replace(['\\', ':'], "/");
        let command = plain(command.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
        let file = plain(&file.replace('\\', "/"));
        if !command.is_empty() && !file.is_empty() {
            commands.insert(command, file);
        }
    }
    commands
}

/// A path below a folder: what leads out of it is taken away.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn scripts(document: &Value) -> Vec<String> {
    let has = |script: &&str| {
        object(document, "scripts")
            .and_then(|scripts| scripts.get(*script))
            .and_then(Value::as_str)
            .is_some_and(|text| !text.trim().is_empty())
    };
    let mut scripts: Vec<String> =
        SCRIPTS.iter().filter(|script| has(script)).map(|script| (*script).to_owned()).collect();
    // Short documents of registries say only that there is one.
    if scripts.is_empty() && document.get("hasInstallScript").and_then(Value::as_bool) == Some(true)
    {
        scripts.push("install".to_owned());
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_says_what_is_needed() {
        let manifest = Manifest::of(&json!({
            "name": "@a/tool", "version": "1.0.0",
            "dependencies": {"x": "^1", "y": 1, "z": "2"},
            "optionalDependencies": {"z": "3"},
            "peerDependencies": {"p": "*", "q": "1", "x": "2"},
            "peerDependenciesMeta": {"q": {"optional": true}, "p": {"optional": "yes"}},
            "devDependencies": {"d": "1"},
            "bundledDependencies": ["x"],
            "bin": "./cli.js",
            "scripts": {"postinstall": "node x", "test": "x", "install": " "},
        }));
        let needs: Vec<String> = manifest
            .needs()
            .map(|need| {
                format!("{}@{} {} {}", need.name, need.spec, need.kind.key(), need.may_miss)
            })
            .collect();
        assert_eq!(
            needs,
            [
                "x@^1 dependencies false",
                "z@3 optionalDependencies true",
                "p@* peerDependencies false",
                "q@1 peerDependencies true",
            ]
        );
        assert_eq!(manifest.commands, [("tool".to_owned(), "cli.js".to_owned())].into());
        assert_eq!(manifest.scripts, ["postinstall"]);
        assert_eq!(manifest.bundled, ["x".to_owned()].into());
        assert_eq!(manifest.development.len(), 1);
    }

    #[test]
    fn fields_of_another_form_are_not_there() {
        let odd = Manifest::of(&json!({
            "name": 1, "version": [], "dependencies": ["a"], "peerDependencies": "x",
            "peerDependenciesMeta": 1, "bin": 7, "scripts": [], "bundleDependencies": "x",
        }));
        assert_eq!(odd, Manifest::default());
        assert_eq!(Manifest::of(&json!([])), Manifest::default());
        let all = json!({"bundleDependencies": true, "dependencies": {"a": "1"},
            "hasInstallScript": true});
        let all = Manifest::of(&all);
        assert_eq!(all.bundled, ["a".to_owned()].into());
        assert_eq!(all.scripts, ["install"]);
    }

    #[test]
    fn commands_stay_in_their_folder() {
        for (bin, want) in [
            (json!({"../../x": "../../../etc/passwd"}), "x=etc/passwd"),
            (json!({"a/b": "./b.js", "c:d": "d", "": "e", "..": "f", "g": ""}), "b=b.js d=d"),
            (json!(["bin/one.js", "two"]), "one.js=bin/one.js two=two"),
            (json!({"a": 1, "b": "..\\x\\y.js"}), "b=x/y.js"),
        ] {
            let manifest = Manifest::of(&json!({"name": "n", "bin": bin.clone()}));
            let found = manifest.commands.iter().map(|(name, file)| format!("{name}={file}"));
            assert_eq!(found.collect::<Vec<_>>().join(" "), want, "{bin}");
        }
    }
}
